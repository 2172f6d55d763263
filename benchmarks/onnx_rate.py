"""How fast exported flow estimators are, in onnxruntime and in torch, with one thread.

    python benchmarks/onnx_rate.py [--pairs 1 25] [--repeats 9]

Writes the graphs of `market`, `surface` and `torso-affine` at 128 x 64, and gives both the same
random pairs of the poses that come with the package, in turns. The time is the process's own on
the processor, so that other work on the machine counts little. Needs the extra [onnx].
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import onnxruntime
import torch
from provenance import read_result, write_result

from reidaug.augment.shipped_poses import SIZE, load_shipped
from reidaug.flow.builtin import load_flow
from reidaug.flow.onnx_graph import OPSETS, graph_of, write_graph
from reidaug.flow.onnx_parity import open_session, parity, random_pairs, run
from reidaug.machine import one_thread

FLOWS = ("market", "surface", "torso-affine")
NAME = "onnx_rate"


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, nargs="+", default=[1, 25], help="batch sizes")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    with one_thread():
        rows = {name: measured(name, options.pairs, options.repeats) for name in FLOWS}
    command = f"python benchmarks/{NAME}.py --pairs {' '.join(map(str, options.pairs))} "
    command += f"--repeats {options.repeats}"
    about = {"size": list(SIZE), "opset": OPSETS[0], "onnxruntime": onnxruntime.__version__}
    write_result(NAME, command, **about, flows=rows)


def measured(name: str, batches: list[int], repeats: int) -> dict[str, Any]:
    """Seconds to write a graph, its parity, and milliseconds a pair in both, by batch size."""
    estimator, people = load_flow(name), load_shipped()
    started = time.process_time()
    content = write_graph(estimator, name, size=SIZE, opset=OPSETS[0], about={})
    row: dict[str, Any] = {"written_s": round(time.process_time() - started, 1)}
    same = parity(content, estimator, people.pose, people.outline)
    row["largest_px"] = float(f"{max(part.largest for part in same):.2g}")
    session, graph = open_session(content), graph_of(estimator)
    for pairs in batches:
        generator = torch.Generator().manual_seed(pairs)
        inputs = random_pairs(graph, pairs, people.pose, people.outline, generator)
        with torch.inference_mode():
            both = in_turns(
                lambda inputs=inputs: graph(*inputs),  # type: ignore[misc]
                lambda inputs=inputs: run(session, graph, inputs),  # type: ignore[misc]
                repeats,
            )
        torch_ms, onnx_ms = (1000 * median(times) / pairs for times in both)
        row[str(pairs)] = {
            "torch_ms": round(torch_ms, 2),
            "onnx_ms": round(onnx_ms, 2),
            "ratio": round(median(a / b for a, b in zip(*both, strict=True)), 2),
        }
    print(name, row, flush=True)
    return row


def in_turns(
    one: Callable[[], object], other: Callable[[], object], repeats: int
) -> tuple[list[float], list[float]]:
    """Time two pieces of work by turns, in seconds of the processor, after a call to warm up."""
    times: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats + 1):
        for work, kept in zip((one, other), times, strict=True):
            started = time.process_time()
            work()
            if repeat:
                kept.append(time.process_time() - started)
    return times


def rates(results: Path) -> list[str]:
    """Tabulate the rates of docs/onnx.md."""
    result = read_result(results / f"{NAME}.json")
    lines = [
        "| flow | pairs at once | torch, ms a pair | onnxruntime, ms a pair | times as fast |",
        "|---|---|---|---|---|",
    ]
    for name, row in result["flows"].items():
        for pairs, cell in row.items():
            if pairs.isdecimal():
                ratio = f"{cell['ratio']:.2f}"
                cells = (f"`{name}`", pairs, cell["torch_ms"], cell["onnx_ms"], ratio)
                lines.append("| " + " | ".join(map(str, cells)) + " |")
    height, width = result["size"]
    lines += [
        "",
        f"Crops of {height} x {width}, one thread; {result['hardware']}; {result['date']}.",
    ]
    return lines


if __name__ == "__main__":
    main()
