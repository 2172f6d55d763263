"""How many crops per second `reidaug.augment.PoseWarp` warps, in one process with one thread.

    python benchmarks/transform_rate.py [--crops 100] [--repeats 3]

Renders crops of 128 x 64 with masks, and draws 25 poses of them. Every crop is read, joined with
its pose and warped (p = 1) with flow networks of the presets `small` and `market` (of random
weights: they do not change the rate) and with torso-affine; `kept` is the rate of a later epoch,
whose flows are in the store. Rates are over the process's own time on the processor, so that other
work on the machine counts little; `wall` is by the clock. Needs the extra [synth].
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from provenance import write_result

from reidaug.augment import PosedCrops, PoseWarp
from reidaug.flow.checkpoint import build_estimator
from reidaug.flow.closed_form import TorsoAffine
from reidaug.flow.estimator import FlowEstimator
from reidaug.machine import one_thread
from reidaug.people3d.market_dataset import MarketOptions, render_market

POSES = 25


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crops", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "market"
        render_market(root, MarketOptions(people=options.crops // 2, test_people=0), workers=1)
        crops = PosedCrops(root)
        for name, flow, half in flows():
            rows[name] = measured(crops, flow, half=half, repeats=options.repeats)
            print(name, rows[name], flush=True)
    command = f"python benchmarks/transform_rate.py --crops {options.crops} "
    command += f"--repeats {options.repeats}"
    result = {
        "size": [128, 64],
        "crops": options.crops,
        "poses": POSES,
        "crops_per_s": rows,
    }
    write_result("transform_rate", command, **result)


def flows() -> list[tuple[str, FlowEstimator, bool]]:
    """Name, estimator and whether in bfloat16."""
    flows: list[tuple[str, FlowEstimator, bool]] = [("torso-affine", TorsoAffine(), False)]
    for preset in ("small", "market"):
        description = {"class": "reidaug.flow.unwarpme:UnWarpME", "preset": preset}
        network = build_estimator(description)
        flows += [(f"{preset}-float32", network, False), (f"{preset}-bfloat16", network, True)]
    return flows


def measured(
    crops: PosedCrops, flow: FlowEstimator, *, half: bool, repeats: int
) -> dict[str, float]:
    """Crops per second: with flows estimated, with flows kept, and by the clock."""
    fresh, kept, clock = [], [], []
    for seed in range(repeats + 1):
        warp = PoseWarp(flow, crops.targets(POSES), p=1.0, masks=crops.masks, bfloat16=half)
        targets = np.random.default_rng(seed).integers(POSES, size=len(crops)).tolist()
        first = epoch(crops, warp, targets)
        second = epoch(crops, warp, targets)
        if seed:  # the first round warms up
            fresh.append(first[0])
            clock.append(first[1])
            kept.append(second[0])
    rates = {"estimated": fresh, "kept": kept, "wall": clock}
    return {name: round(float(np.median(values)), 1) for name, values in rates.items()}


def epoch(crops: PosedCrops, warp: PoseWarp, targets: list[int]) -> tuple[float, float]:
    """Crops per second of processor time and of the clock."""
    with one_thread():
        worked, began = time.process_time(), time.perf_counter()
        for k, target in enumerate(targets):
            image = warp.warp(crops.posed(k), target)
        worked, clock = time.process_time() - worked, time.perf_counter() - began
    assert image.dtype == torch.uint8
    return len(targets) / worked, len(targets) / clock


if __name__ == "__main__":
    main()
