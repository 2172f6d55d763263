"""Exact nearest neighbours by torch and by faiss, on a set of Market-1501's size.

    python benchmarks/neighbours.py [--repeats 5] [--threads 2] [--size 2048] [--k 20 50]

The features are those of evaluator_rate.py at the middle difficulty: 3,368 queries and 15,913
gallery crops as one set. Every run is a process of its own, engines in turn; the fastest run
counts. Memory is the peak of that process less what it held before, features included. The
neighbours of both engines are compared, and the k-reciprocal distances made of them.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import faiss
import numpy as np
import torch
from evaluator_rate import QUERIES, draw
from numpy import ndarray
from provenance import write_result
from rerank import ITEMS, NOISE, peak_mb

from reidaug.reid.evaluation import rerank
from reidaug.reid.evaluation.neighbours import Engine, neighbours
from reidaug.reid.evaluation.ranking import unit

ENGINES = [engine for engine in get_args(Engine) if engine != "auto"]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=2048, help="Numbers a feature.")
    parser.add_argument("--k", type=int, nargs="+", default=[20, 50])
    options = parser.parse_args()
    rows = {f"{engine}, k = {k}": _row() for k in options.k for engine in ENGINES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        queries, _, gallery, _ = draw(NOISE["middle"], options.size)
        np.save(folder / "features.npy", torch.cat((queries, gallery)).numpy())
        for _ in range(options.repeats):
            for k in options.k:
                for engine in ENGINES:
                    seconds, memory = _apart(measure, engine, k, folder, options.threads)
                    row = rows[f"{engine}, k = {k}"]
                    row["seconds"].append(seconds)
                    row["best_s"] = min(row["seconds"])
                    row["extra_mb"] = max(row["extra_mb"], memory)
                    print(engine, k, seconds, memory)
        for k in options.k:
            rows[f"torch, k = {k}"]["same_neighbours"] = _same(folder, k)
        difference = _apart(reranking_difference, folder, options.threads)
    result = {
        "rows": rows,
        "items": ITEMS,
        "size": options.size,
        "threads": options.threads,
        "largest_reranking_difference": difference,
        "faiss": faiss.__version__,
    }
    command = (
        f"python benchmarks/neighbours.py --repeats {options.repeats} --threads "
        f"{options.threads} --size {options.size} --k {' '.join(map(str, options.k))}"
    )
    write_result("neighbours", command, **result)


def measure(engine: Engine, k: int, folder: Path, threads: int) -> tuple[float, int]:
    """Time one search and measure its memory.

    Args:
        engine: The engine.
        k: Number of neighbours.
        folder: Folder of the features; the neighbours go there too.
        threads: Number of threads.

    Returns:
        Seconds, and MiB at the peak beside what was held before.
    """
    torch.set_num_threads(threads)
    features = unit(torch.from_numpy(np.load(folder / "features.npy")), "benchmark")
    neighbours(features[:64], k, engine=engine)
    before = _reset_peak()
    start = time.perf_counter()
    found = neighbours(features, k, engine=engine)
    seconds = round(time.perf_counter() - start, 2)
    memory = peak_mb() - before
    np.save(folder / f"{engine}{k}.npy", found.indices)
    return seconds, memory


def reranking_difference(folder: Path, threads: int) -> float:
    """Compare the k-reciprocal distances that both engines lead to.

    Args:
        folder: Folder of the features.
        threads: Number of threads.

    Returns:
        The largest difference.
    """
    torch.set_num_threads(threads)
    features = torch.from_numpy(np.load(folder / "features.npy"))
    both = [_reranked(features[:QUERIES], features[QUERIES:], engine) for engine in ENGINES]
    return max(float(np.abs(one - other).max()) for one, other in zip(*both, strict=True))


def _reranked(queries: torch.Tensor, gallery: torch.Tensor, engine: Engine) -> Iterator[ndarray]:
    # The neighbours are found before the first block is returned.
    with mock.patch.object(rerank, "neighbours", partial(neighbours, engine=engine)):
        return rerank.k_reciprocal(queries, gallery)


def _apart(work: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def _reset_peak() -> int:
    """Let Linux count this process's peak memory from now on; MiB it holds."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mb()


def _same(folder: Path, k: int) -> float:
    """Share of the neighbours that the other engine has at the same rank."""
    one, other = (np.load(folder / f"{engine}{k}.npy") for engine in ENGINES)
    return float((one == other).mean())


def _row() -> dict[str, Any]:
    return {"seconds": [], "best_s": None, "extra_mb": 0}


if __name__ == "__main__":
    main()
