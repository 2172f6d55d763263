"""What sampling, spreading and turning do to warps, and what their quality is worth.

    python benchmarks/warp_quality.py [--pairs runs/demo/pairs] [--flow runs/demo/flow/checkpoint]

Warps rendered test pairs, whose true target is known, with a trained flow and with joint-blend, and
compares warp and target over the target's mask: colour error (mean absolute difference on 0-255),
SSIM and ST-LPIPS (AlexNet). Prints how each step of `reidaug augment` changes them, pair by pair;
the rank correlation of every quality number with the two errors, among all pairs and (mean) among
the pairs of one person; what becomes of half turns; and milliseconds of one core. All of it goes to
benchmarks/results/warp_quality.json.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from provenance import write_result
from scipy.stats import spearmanr
from timing import seconds_of
from torch import Tensor

from reidaug.augment.painting import paint, spread_person
from reidaug.augment.quality import measure_quality
from reidaug.augment.viewpoint import exchange_left_right, half_turns, view_agreement
from reidaug.data.compositing import inpaint_people
from reidaug.data.deepfashion import read_deepfashion
from reidaug.data.images import read_mask
from reidaug.data.pairs import PairDataset, PosePair, collate
from reidaug.flow.builtin import load_flow
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.perceptual_networks import ShiftTolerantLPIPS
from reidaug.flow.perceptual_weights import shift_tolerant_weights
from reidaug.flow.scores import image_scores
from reidaug.flow.training.pair_sources import subsample
from reidaug.geometry.flow import resize
from reidaug.geometry.pose import Pose, select
from reidaug.geometry.upsampling import upsample_flow
from reidaug.geometry.warp import warp
from reidaug.machine import one_thread

SIZE = (128, 64)
TOGETHER = 32
NUMBERS = ("foreground", "inside", "folded", "seen", "stretch", "stretch_95", "quality")


class Pairs(NamedTuple):
    """Pairs and where their people are."""

    pairs: PosePair
    source_mask: Tensor
    target_mask: Tensor
    people: NDArray[np.str_]


def read(root: Path, count: int) -> Pairs:
    """Read some test pairs, evenly over all."""
    dataset = PairDataset(subsample(read_deepfashion(root, "test"), count), size=SIZE)
    names = [dataset.names(k) for k in range(len(dataset))]
    source_mask, target_mask = (
        torch.stack([read_mask(root / "masks" / f"{Path(n).stem}.png") for n in side])
        for side in zip(*names, strict=True)
    )
    people = np.array([source.partition("_")[0] for source, _ in names])
    pairs = collate([dataset[k] for k in range(len(dataset))])
    return Pairs(pairs, source_mask, target_mask, people)


def flows(estimator: FlowEstimator, images: Tensor, source: Pose, target: Pose) -> Tensor:
    """Estimate flows in batches."""
    parts = [slice(k, k + TOGETHER) for k in range(0, len(images), TOGETHER)]
    return torch.cat([estimator(images[p], select(source, p), select(target, p)) for p in parts])


def painted(images: Tensor, flow: Tensor, masks: Tensor) -> Tensor:
    """Warp as `reidaug augment` does."""
    full = upsample_flow(flow, SIZE, where=masks)
    rows = zip(images, full[:, None], masks[:, None], strict=True)
    return torch.cat([paint(image, one, mask) for image, one, mask in rows])


class Errors:
    """Compares warps with the true targets over their masks."""

    def __init__(self, target: Tensor, mask: Tensor, network: ShiftTolerantLPIPS) -> None:
        self.mask, self.network = mask, network
        self.target = self.on_grey(target)

    def on_grey(self, image: Tensor) -> Tensor:
        """Round to bytes; what is not the person becomes grey."""
        rounded = (image.clamp(0, 1) * 255).round() / 255
        return torch.where(self.mask[:, None], rounded, torch.full_like(rounded, 0.5))

    def __call__(self, image: Tensor) -> dict[str, NDArray[np.float64]]:
        """Score every warp; SSIM and ST-LPIPS of the whole crop, person on grey."""
        image, area = self.on_grey(image), self.mask.sum((1, 2))
        apart = (image - self.target).abs().mean(1).sum((1, 2)) * 255 / area
        distance = [
            self.network.distance(image[k : k + TOGETHER], self.target[k : k + TOGETHER])
            for k in range(0, len(image), TOGETHER)
        ]
        scores = {"l1": apart, "ssim": image_scores(image, self.target)["ssim"]}
        scores["stlpips"] = torch.cat(distance)
        return {name: value.double().numpy() for name, value in scores.items()}


def differences(rows: dict[str, dict[str, NDArray[np.float64]]], first: str) -> dict[str, Any]:
    """Means, and the differences to one row with their standard errors."""
    table: dict[str, Any] = {}
    for row, scores in rows.items():
        table[row] = {}
        for name, values in scores.items():
            apart = values - rows[first][name]
            error = apart.std(ddof=1) / len(apart) ** 0.5
            table[row][name] = [round(float(x), 5) for x in (values.mean(), apart.mean(), error)]
        print(f"  {row:24s}", table[row])
    return table


def steps(data: Pairs, flow: Tensor, errors_of: Errors) -> dict[str, Any]:
    """Score what each step of painting adds."""
    source = data.pairs.source
    near = torch.stack([spread_person(i, m) for i, m in zip(source, data.source_mask, strict=True)])
    smooth, kept = resize(flow, SIZE), upsample_flow(flow, SIZE)
    rows = {
        "spread": errors_of(warp(near, smooth)),
        "not spread": errors_of(warp(source, smooth)),
        "spread, edges kept": errors_of(warp(near, kept)),
        "spread, kept, averaged": errors_of(painted(near, flow, data.target_mask)),
    }
    print("mean, difference to the first row, its standard error")
    return differences(rows, "spread")


def turned(data: Pairs, estimator: FlowEstimator, network: ShiftTolerantLPIPS) -> dict[str, Any]:
    """Score half turns: allowed, and with the names of left and right exchanged."""
    pairs = data.pairs
    half = half_turns(pairs.source_pose, pairs.target_pose).diagonal()
    which = half.nonzero()[:, 0]
    errors_of = Errors(pairs.target[which], data.target_mask[which], network)
    near = torch.stack(
        [spread_person(pairs.source[k], data.source_mask[k]) for k in which.tolist()]
    )
    mine, target_pose = select(pairs.source_pose, which), select(pairs.target_pose, which)
    rows = {}
    for name, back in (("allow", False), ("mirror", True)):
        mirrored = exchange_left_right(target_pose, torch.full((len(which),), back))
        flow = flows(estimator, pairs.source[which], mine, mirrored)
        rows[name] = errors_of(painted(near, flow, data.target_mask[which]))
    print(f"{len(which)} half turns of {len(half)} pairs")
    return {"pairs": len(which), "rows": differences(rows, "allow")}


def worth(data: Pairs, flow: Tensor, errors_of: Errors) -> dict[str, Any]:
    """Correlate the numbers of quality with the true errors."""
    pairs = data.pairs
    near = torch.stack(
        [spread_person(i, m) for i, m in zip(pairs.source, data.source_mask, strict=True)]
    )
    errors = errors_of(painted(near, flow, data.target_mask))
    agree = view_agreement(pairs.source_pose, pairs.target_pose).diagonal()
    shown = pairs.target_pose.visible
    joints = (pairs.source_pose.visible & shown).sum(1) / shown.sum(1).clamp_min(1)
    parts = [
        measure_quality(flow[k : k + 1], data.target_mask[k : k + 1], data.source_mask[k],
                agree[k : k + 1], joints[k : k + 1])
        for k in range(len(flow))
    ]  # fmt: skip
    numbers = {n: torch.cat([getattr(p, n) for p in parts]).numpy() for n in NUMBERS}
    numbers |= {"joints": joints.numpy(), "agree": agree.numpy()}
    plain = numbers["foreground"] * numbers["inside"] * (1 - numbers["folded"])
    numbers["foreground * inside * (1 - folded)"] = plain
    assert pairs.visible is not None
    shown = (pairs.visible & data.target_mask).sum((1, 2)) / data.target_mask.sum((1, 2))
    numbers["truly seen (needs the truth)"] = shown.numpy()
    table = {}
    for name, values in numbers.items():
        row = {"mean": round(float(values.mean()), 4)}
        for error in ("l1", "stlpips"):
            row[error] = round(float(spearmanr(values, errors[error]).statistic), 3)
            row[f"{error}_within"] = round(within(values, errors[error], data.people), 3)
        table[name] = row
        print(f"  {name:34s}", row)
    best = np.argsort(-numbers["quality"])
    for share in (0.75, 0.5, 0.25):
        kept = best[: round(share * len(best))]
        means = {name: round(float(values[kept].mean()), 4) for name, values in errors.items()}
        table[f"best {share:.0%}"] = means | {"from": round(float(numbers["quality"][kept[-1]]), 3)}
        print(f"  best {share:.0%}", table[f"best {share:.0%}"])
    return table


def within(
    values: NDArray[np.float64], errors: NDArray[np.float64], people: NDArray[np.str_]
) -> float:
    """Mean rank correlation among the pairs of one person."""
    found = []
    for person in sorted(set(people.tolist())):
        mine = people == person
        if mine.sum() >= 6 and np.ptp(values[mine]) > 0:
            found.append(spearmanr(values[mine], errors[mine]).statistic)
    return float(np.mean(found)) if found else float("nan")


def cost(data: Pairs, flow: Tensor) -> dict[str, float]:
    """Milliseconds of one core: of a warp, and of a source for what is done once."""
    count = 25
    image, mask = data.pairs.source[0], data.source_mask[0]
    some, masks = flow[:count], data.target_mask[:count]
    stretched = image.expand(count, -1, -1, -1)
    full = upsample_flow(some, SIZE)
    ones = torch.ones(count)
    return {
        "sample (bilinear flow)": milliseconds(lambda: warp(stretched, some)) / count,
        "enlarge": milliseconds(lambda: upsample_flow(some, SIZE, where=masks)) / count,
        "paint": milliseconds(lambda: paint(image, full, masks)) / count,
        "measure": milliseconds(lambda: measure_quality(some, masks, mask, ones, ones)) / count,
        "spread_person, a source": milliseconds(lambda: spread_person(image, mask)),
        "without_person, a source": milliseconds(lambda: inpaint_people(image[None], mask[None])),
    }


def milliseconds(work: Callable[[], Any]) -> float:
    """Median processor time of nine calls."""
    return round(float(np.median(seconds_of(work, 9, time.process_time))) * 1000, 3)


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, default=Path("runs/demo/pairs"))
    parser.add_argument("--flow", default="runs/demo/flow/checkpoint")
    parser.add_argument("--count", type=int, default=320)
    options = parser.parse_args()
    network = ShiftTolerantLPIPS.load("alex", shift_tolerant_weights("alex"))
    result: dict[str, Any] = {"pairs": options.count, "size": SIZE}
    with one_thread(), torch.inference_mode():
        data = read(options.pairs, options.count)
        errors_of = Errors(data.pairs.target, data.target_mask, network)
        for name, flow in (("trained", options.flow), ("joint-blend", "joint-blend")):
            print(name)
            estimator = load_flow(flow).eval()
            pairs = data.pairs
            found = flows(estimator, pairs.source, pairs.source_pose, pairs.target_pose)
            part = {"worth": worth(data, found, errors_of)}
            if name == "trained":
                part |= {
                    "steps": steps(data, found, errors_of),
                    "half_turns": turned(data, estimator, network),
                    "milliseconds": {k: round(v, 3) for k, v in cost(data, found).items()},
                }
                print(part["milliseconds"])
            result[name] = part
    write_result("warp_quality", "python benchmarks/warp_quality.py", **result)


if __name__ == "__main__":
    main()
