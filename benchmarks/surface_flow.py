"""How well surface flow knows bodies it was never trained on: places, joints and outlines.

    python benchmarks/surface_flow.py [--flow surface] [--out runs/surface_flow] [--people 16]
        [--seeds 5]

Renders people of seeds that no training uses, and the same people in poses of others; joints and
masks of the crops are BlazePose's. `outline_iou` compares the outline with the true one of the same
person in the new pose, beside that before it is refined (`imagined_iou`) and the limbs of the true
joints (`limbs_iou`); `area` and `width` are medians of found over true; `flow_px` and `matched_px`
are the flow's errors where the crop shows the place, and those before it is refined. Per seed and
in all. Needs the extras [synth] and [pose].
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from provenance import write_result
from shipped import weights_of

from reidaug.errors import UsageError
from reidaug.flow.builtin import SURFACE, load_flow
from reidaug.flow.surface import SurfaceFlow
from reidaug.flow.surface.training.samples import read_samples
from reidaug.flow.surface.training.scores import score_samples
from reidaug.people3d.surface_dataset import SurfaceOptions, render_surfaces
from reidaug.perception.dataset_poses import crops_of, estimate_poses

FIRST_SEED = 21
CUT = 0.15


def main() -> None:
    """Render, score, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flow", default=SURFACE, help="surface, or a checkpoint of train-flow")
    parser.add_argument("--out", type=Path, default=Path("runs/surface_flow"))
    parser.add_argument("--people", type=int, default=16, help="of each seed")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    estimator = load_flow(options.flow)
    if not isinstance(estimator, SurfaceFlow):
        raise UsageError(f"--flow {options.flow}: no surface flow")
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    rows = {seed: score_seed(estimator, seed, options) for seed in seeds}
    names = [name for name in next(iter(rows.values())) if name != "samples"]
    for name in names:
        values = [row[name] for row in rows.values()]
        print(f"{name:12s} {np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})")
    write_result(
        "surface_flow",
        f"python benchmarks/surface_flow.py --people {options.people} --seeds {options.seeds}",
        weights=weights_of(options.flow),
        mean={name: round(float(np.mean([r[name] for r in rows.values()])), 4) for name in names},
        seeds=rows,
    )


def score_seed(estimator: SurfaceFlow, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Render people of a seed and score them all."""
    root = options.out / f"seed{seed}"
    chosen = SurfaceOptions(people=1, test_people=options.people, cut=CUT, seed=seed)
    render_surfaces(root, chosen, workers=options.workers)
    csv, masks = root / "blazepose.csv", root / "blazepose"
    estimate_poses(crops_of(root / "test").crops, csv, masks=masks, workers=options.workers)
    samples = read_samples(root, "test", keypoints=csv, masks=masks)
    return score_samples(estimator, samples, len(samples.targets.source))


if __name__ == "__main__":
    main()
