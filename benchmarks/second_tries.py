"""What second tries of the pose network find, how far they err, and how often they find nobody.

    python benchmarks/second_tries.py PAIRS [--market MARKET --keypoints CSV --masks MASKS]

PAIRS is what `reidaug synth pairs` writes: its test crops have true joints and masks. Every try
reads each of them, to learn how far its joints are off; then each with the person painted out, to
learn how often a second try finds somebody where the first estimate rightly finds nobody. With
MARKET, a Market-1501 root of photographs, and its keypoints and masks by `reidaug pose`: how many
crops each try recovers of those that the first estimate misses, and how often somebody is found in
some of the others with the person, a few pixels more, painted out. Only then the figures go to
benchmarks/results/second_tries.json, which holds both. Needs the extra [pose].
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from provenance import write_result
from torch import Tensor

from reidaug.data.compositing import inpaint_people
from reidaug.data.deepfashion import read_deepfashion
from reidaug.data.images import channels_last, read_image, read_mask, to_bytes, to_float
from reidaug.data.manifest import read_manifest
from reidaug.data.market1501 import TRAIN
from reidaug.geometry.pose import Pose
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_estimator import PoseEstimate, shows_person
from reidaug.perception.provenance import provenance_file
from reidaug.perception.second_tries import SECOND_TRIES, Try, find_person, try_again
from reidaug.perception.weights import find_model

FIRST = Try(0.0, False)
BODY = slice(1, 14)  # neck to ankles
WIDER = Try(0.6, False)  # no try: what more room would do
PAINTED = 300  # photographs whose person is painted out
GROWN = 7  # pixels that a mask is wide in growing, so that nothing of the person is left
Shown = UInt8[np.ndarray, "h w 3"]


class Accuracy(NamedTuple):
    """How far a try is off on crops whose true joints are known."""

    room: float  # in longer sides of the crop
    mirrored: bool
    joint_error: float  # median over crops of the median over joints, in shares of the height
    outline_iou: float  # median intersection over union with the true outline


class Counts(NamedTuple):
    """How many of some crops show somebody, to whom."""

    crops: int
    first: int  # to the first estimate
    second: list[int]  # to each second try, of those not found before


def main() -> None:
    """Measure and print; write the result where photographs were measured too."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--market", type=Path)
    parser.add_argument("--keypoints", type=Path)
    parser.add_argument("--masks", type=Path)
    options = parser.parse_args()
    if options.market and not (options.keypoints and options.masks):
        parser.error("--market needs --keypoints and --masks, which reidaug pose wrote of it")
    torch.set_num_threads(1)
    estimator = BlazePose(find_model())
    pairs = read_deepfashion(options.pairs, "test")
    masks = options.pairs / "masks"
    crops = [pairs.folder / name for name in sorted(pairs.poses)]
    result: dict[str, object] = {
        "rendered": [
            accuracy(estimator, how, crops, masks, pairs.poses)._asdict()
            for how in (FIRST, *SECOND_TRIES, WIDER)
        ],
        "rendered_crops": count(estimator, map(shown, crops))._asdict(),
        "rendered_painted_out": count(estimator, painted_out(crops, masks, 1))._asdict(),
        "noise": count(estimator, noise())._asdict(),
        "plain": count(estimator, plain())._asdict(),
    }
    if options.market:
        rows = read_manifest(provenance_file(options.keypoints))
        folder = options.market / TRAIN
        missed = [folder / str(row["name"]) for row in rows if row["attempt"] != 1]
        found = [folder / str(row["name"]) for row in rows if row["attempt"] == 1]
        some = np.random.default_rng(0).permutation(len(found))[:PAINTED]
        empty = painted_out([found[k] for k in sorted(some)], options.masks, GROWN)
        result["photographs"] = len(rows)
        result["photographs_missed_at_first"] = count(estimator, map(shown, missed))._asdict()
        result["photographs_painted_out"] = count(estimator, empty)._asdict()
    for name, value in result.items():
        print(f"{name}: {value}")
    if options.market:
        command = f"python benchmarks/second_tries.py {options.pairs}"
        known = "--market MARKET --keypoints KEYPOINTS --masks MASKS"
        write_result("second_tries", f"{command} {known}", **result)


def shown(path: Path) -> Shown:
    """Read a crop as the network takes it."""
    return channels_last(read_image(path))


def accuracy(
    estimator: BlazePose, how: Try, crops: Iterable[Path], masks: Path, truth: dict[str, Pose]
) -> Accuracy:
    """Compare a try with the truth on every crop in which it finds somebody."""
    errors, overlaps = [], []
    for path in crops:
        estimate: PoseEstimate = try_again(estimator, shown(path), how)
        true, outline = truth[path.name], read_mask(masks / f"{path.stem}.png").numpy()
        both = (estimate.pose.visible & true.visible)[BODY]
        if not shows_person(estimate) or not both.any():
            continue
        rows = np.flatnonzero(outline.any(1))
        off = (estimate.pose.xy - true.xy)[BODY][both].norm(dim=-1)
        errors.append(float(off.median()) / (rows[-1] - rows[0] + 1))
        overlaps.append((estimate.mask & outline).sum() / (estimate.mask | outline).sum())
    return Accuracy(*how, round(float(np.median(errors)), 4), round(float(np.median(overlaps)), 3))


def count(estimator: BlazePose, images: Iterable[Shown]) -> Counts:
    """Count who finds somebody in images."""
    attempts = np.array([find_person(estimator, image).attempt for image in images])
    tries = range(2, len(SECOND_TRIES) + 2)
    second = [int((attempts == k).sum()) for k in tries]
    return Counts(len(attempts), int((attempts == 1).sum()), second)


def painted_out(crops: Iterable[Path], masks: Path, grown: int) -> Iterator[Shown]:
    """Paint the person out of crops, and some pixels around."""
    for path in crops:
        mask = grow(read_mask(masks / f"{path.stem}.png"), grown)
        yield channels_last(
            to_bytes(inpaint_people(to_float(read_image(path))[None], mask[None])[0])
        )


def grow(mask: Bool[Tensor, "h w"], side: int) -> Bool[Tensor, "h w"]:
    """Grow a mask by half a side in pixels."""
    padded = torch.nn.functional.max_pool2d(
        mask[None, None].float(), side, stride=1, padding=side // 2
    )
    return padded[0, 0] > 0


def noise() -> Iterator[Shown]:
    """Draw white and coarse noise."""
    rng = np.random.default_rng(0)
    for side in (1, 2, 4, 8, 16):
        for _ in range(20):
            cells = rng.integers(0, 256, (128 // side, 64 // side, 3), dtype=np.uint8)
            yield np.ascontiguousarray(cells.repeat(side, 0).repeat(side, 1))


def plain() -> Iterator[Shown]:
    """Draw flat pictures, and shades from one colour to another."""
    rng = np.random.default_rng(0)
    down = np.linspace(0, 1, 128)[:, None, None]
    for k in range(100):
        top, bottom = rng.integers(0, 256, (2, 3))
        share = down * (k % 2)
        yield np.broadcast_to(bottom * share + top * (1 - share), (128, 64, 3)).astype(np.uint8)


if __name__ == "__main__":
    main()
