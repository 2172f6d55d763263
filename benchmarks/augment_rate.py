"""How fast `reidaug augment` is, and where the time goes.

    python benchmarks/augment_rate.py [--repeats 3] [--workers 2]

Renders 200 crops of 100 people, then warps them into 25 poses with flow networks of the presets
`market` and `small` of W (their weights are random: they do not change the rate), with surface
flow, with the closed-form torso-affine flow, and, as the yardstick, with a literal loop over pairs.
Needs the extra [synth].
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from provenance import write_result
from timing import seconds_of

from reidaug.augment.augmented_dataset import augment_dataset
from reidaug.augment.background import GREY_LEVEL
from reidaug.augment.engine import WarpJob, load_models
from reidaug.augment.inputs import Source
from reidaug.augment.options import PAPER, AugmentOptions
from reidaug.augment.painting import paint, spread_person
from reidaug.augment.quality import measure_quality
from reidaug.augment.target_poses import read_poses
from reidaug.augment.warping import read_crops
from reidaug.data.compositing import composite, soft_matte
from reidaug.data.images import encode_jpeg, read_image, to_bytes, to_float
from reidaug.data.keypoints import read_keypoints
from reidaug.data.market1501 import read_market1501
from reidaug.flow.builtin import SURFACE, load_flow, named_flow
from reidaug.flow.checkpoint import build_estimator, save_checkpoint
from reidaug.flow.estimator import PersonFlowEstimator
from reidaug.geometry.pose import Pose, select, stack
from reidaug.geometry.upsampling import upsample_flow
from reidaug.geometry.warp import warp
from reidaug.machine import one_thread
from reidaug.people3d.market_dataset import MarketOptions, render_market

Precision = Literal["float32", "bfloat16"]
KEYPOINTS = "market-annotation-train.csv"
POSES = 25
GREY = torch.full((3, 1, 1), GREY_LEVEL)


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        render_market(
            root / "market", MarketOptions(people=100, test_people=2), workers=options.workers
        )
        rates, stages = {}, {}
        for name, flow, precision in flows(root):
            rates[name] = [
                command_rate(root, flow, precision, f"{name}-{k}", options.workers)
                for k in range(options.repeats)
            ]
            print(f"{name}: {np.median(rates[name]):.0f} images/s with {options.workers} workers")
        for name, flow, precision in flows(root):
            stages[name] = time_stages(root, flow, precision, root / f"{name}-0")
            print(f"{name}, milliseconds a warp on one core: {stages[name]}")
        literal = literal_rate(root)
        print(f"literal loop over pairs, preset market: {literal:.0f} images/s on one core")
    write(options, rates, stages, literal)


def flows(root: Path) -> list[tuple[str, str, Precision]]:
    """Name, ``--flow`` and ``--precision`` of what is measured."""
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    flows: list[tuple[str, str, Precision]] = [("torso-affine", "torso-affine", "float32")]
    for preset in ("market", "small"):
        folder = root / f"net-{preset}"
        if not folder.exists():
            description = {"class": "reidaug.flow.unwarpme:UnWarpME", "preset": preset}
            save_checkpoint(folder, build_estimator(description), {"estimator": description})
        flows += [(f"{preset}-{p}", str(folder), p) for p in precisions]
    flows += [(f"{SURFACE}-{p}", SURFACE, p) for p in precisions]
    return flows


def command_rate(root: Path, flow: str, precision: Precision, name: str, workers: int) -> float:
    """Images per second of the whole command, start of the workers included."""
    out = root / name
    options = AugmentOptions(precision=precision, poses=POSES, **PAPER)
    report = augment_dataset(root / "market", out, named_flow(flow), options, workers=workers)
    assert report.images == 200 * POSES, report
    return report.images_per_s


def time_stages(root: Path, flow: str, precision: Precision, done: Path) -> dict[str, float]:
    """Milliseconds a warp of each stage, on one core, median of five."""
    options = AugmentOptions(masks=root / "market" / "masks", precision=precision, **PAPER)
    with one_thread(), torch.inference_mode():
        estimator, targets, _ = load_models(WarpJob(done, named_flow(flow), options))
        batch = sources(root)
        size = read_poses(done / "poses.json").size
        crops, _ = read_crops(batch, size, options.masks)
        images = torch.stack([crop.image for crop in crops])
        pose = stack([crop.pose for crop in crops])

        def flow_table() -> torch.Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bfloat16):
                if not isinstance(estimator, PersonFlowEstimator):
                    return estimator.flow_table(images, pose, targets.pose).float()
                masks = torch.stack([crop.mask for crop in crops])
                pairs = [(k, target) for k in range(len(crops)) for target in range(POSES)]
                found = estimator.person_flows(images, masks, pose, targets.pose, pairs)
                return found.flow.float().unflatten(0, (len(crops), POSES))

        table = flow_table()
        crop, one = crops[0], table[0]
        full, ones = upsample_flow(one, size), torch.ones(POSES)
        painted = paint(crop.image, full, targets.outline)
        laid = to_bytes(composite(painted, targets.matte, GREY))
        many, row = len(crops) * POSES, POSES
        return {
            "read": milliseconds(lambda: read_crops(batch, size, options.masks), many),
            "flow": milliseconds(flow_table, many),
            "spread": milliseconds(lambda: spread_person(crop.image, crop.mask), row),
            "enlarge": milliseconds(lambda: upsample_flow(one, size, where=targets.outline), row),
            "sample": milliseconds(lambda: paint(crop.image, full, targets.outline), row),
            "background": milliseconds(
                lambda: to_bytes(composite(painted, targets.matte, GREY)), row
            ),
            "quality": milliseconds(
                lambda: measure_quality(one, targets.outline, crop.mask, ones, ones), row
            ),
            "jpeg": milliseconds(lambda: [encode_jpeg(image) for image in laid], row),
        }


def literal_rate(root: Path) -> float:
    """Pairs per second when every pair goes through everything by itself, in float32."""
    estimator, batch = load_flow(str(root / "net-market")), sources(root)
    with one_thread(), torch.inference_mode():
        targets = stack([source.pose for source in batch[:POSES]])
        pairs = [(source, k) for source in batch for k in range(POSES)][:100]
        start = time.perf_counter()
        for source, k in pairs:
            image = to_float(read_image(source.person.path))[None]
            target = select(targets, [k])
            warped = warp(image, estimator(image, stack([source.pose]), target))
            outline = torch.ones(1, *image.shape[2:], dtype=torch.bool)
            laid = composite(warped, soft_matte(outline), GREY)
            encode_jpeg(to_bytes(laid)[0])
        return len(pairs) / (time.perf_counter() - start)


def sources(root: Path) -> list[Source]:
    """The first 32 training images: a chunk."""
    poses: dict[str, Pose] = read_keypoints(root / "market" / KEYPOINTS).poses
    people = read_market1501(root / "market").train
    known = (Source(p, p.path.name, poses[p.path.name]) for p in people if p.path.name in poses)
    return list(islice(known, 32))


def milliseconds(work: Callable[[], Any], warps: int) -> float:
    """Median time of five calls, divided by the number of warps each makes."""
    return round(float(np.median(seconds_of(work, 5))) * 1000 / warps, 3)


def write(
    options: argparse.Namespace,
    rates: dict[str, list[float]],
    stages: dict[str, dict[str, float]],
    literal: float,
) -> None:
    """Write the numbers with what they were taken on."""
    rows = {
        name: {
            "images_per_s": float(np.median(values)),
            "iqr": [float(q) for q in np.percentile(values, [25, 75])],
            "ms_per_warp_one_core": stages[name],
        }
        for name, values in rates.items()
    }
    result = {
        "sources": 200,
        "poses": POSES,
        "size": [128, 64],
        "rows": rows,
        "literal_loop_images_per_s_one_core": round(literal, 1),
    }
    command = (
        f"python benchmarks/augment_rate.py --repeats {options.repeats} --workers {options.workers}"
    )
    write_result("augment_rate", command, **result)


if __name__ == "__main__":
    main()
