"""Draw good and bad warps with their numbers, for docs/quality.md.

    python benchmarks/quality_pictures.py [--pairs runs/demo/pairs] [--flow CHECKPOINT]

Warps rendered test pairs and writes five small pictures to docs/pictures: the best warps, the
poorest of each kind, what a half turn becomes, motion boundaries before and after, and backgrounds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from reidaug.augment.background import BACKGROUNDS, GREY_LEVEL, BackgroundInputs, BackgroundPool
from reidaug.augment.painting import paint, spread_person
from reidaug.augment.quality import WarpQuality, measure_quality
from reidaug.augment.viewpoint import exchange_left_right, half_turns, view_agreement
from reidaug.data.compositing import composite, soft_matte
from reidaug.data.deepfashion import read_deepfashion
from reidaug.data.images import channels_last, read_mask, to_bytes
from reidaug.data.pairs import PairDataset
from reidaug.flow.builtin import load_flow
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.training.pair_sources import subsample
from reidaug.geometry.pose import Pose, stack
from reidaug.geometry.upsampling import upsample_flow
from reidaug.geometry.warp import warp
from reidaug.machine import one_thread

SIZE = (128, 64)
PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
ENLARGED = 1.375
GAP = 6
LINE = 13


class Example(NamedTuple):
    """A warp with its numbers, and the true view."""

    person: int
    source: Tensor
    source_mask: Tensor
    target: Tensor
    target_mask: Tensor
    flow: Tensor
    warped: Tensor
    half: bool
    quality: WarpQuality
    back: Tensor  # the warp into the same outline with left and right exchanged


def examples(pairs: Path, flow: str, count: int) -> list[Example]:
    """Warp some test pairs, evenly over all."""
    dataset = PairDataset(subsample(read_deepfashion(pairs, "test"), count), size=SIZE)
    estimator = load_flow(flow).eval()
    found = []
    for k in range(len(dataset)):
        pair = dataset[k]
        names = dataset.names(k)
        masks = [read_mask(pairs / "masks" / f"{Path(name).stem}.png") for name in names]
        mine, target = stack([pair.source_pose]), stack([pair.target_pose])
        half = bool(half_turns(mine, target))
        flow_now = estimate(estimator, pair.source, mine, target)
        joints = (mine.visible & target.visible).sum(1) / target.visible.sum(1).clamp_min(1)
        agreement = view_agreement(mine, target)[0]
        quality = measure_quality(flow_now, masks[1][None], masks[0], agreement, joints)
        warped = painted(pair.source, masks[0], flow_now, masks[1])
        back = warped
        if half:
            turned = exchange_left_right(target, torch.ones(1, dtype=torch.bool))
            back = painted(
                pair.source, masks[0], estimate(estimator, pair.source, mine, turned), masks[1]
            )
        person = int(names[0].partition("_")[0])
        found.append(
            Example(person, pair.source, masks[0], pair.target, masks[1], flow_now, warped, half,
                    quality, back)
        )  # fmt: skip
    return found


def estimate(estimator: FlowEstimator, image: Tensor, source: Pose, target: Pose) -> Tensor:
    """Flow (1, 2, h, w) of one pair."""
    return estimator(image[None], source, target)


def painted(image: Tensor, mask: Tensor, flow: Tensor, outline: Tensor) -> Tensor:
    """Warp one image (3, H, W) as `reidaug augment` does, not yet laid over anything."""
    return paint(spread_person(image, mask), upsample_flow(flow, SIZE), outline[None])[0]


def on_grey(image: Tensor, outline: Tensor) -> Tensor:
    """Lay one image over grey."""
    return composite(image[None], soft_matte(outline[None]), torch.full((3, 1, 1), GREY_LEVEL))[0]


def words(example: Example) -> list[str]:
    """Two lines of numbers."""
    quality = example.quality
    return [
        f"quality {float(quality.quality):.2f}, seen {float(quality.seen):.2f}",
        f"fold {float(quality.folded):.2f}, stretch {float(quality.stretch):.2f}",
    ]


def sheet(path: Path, cells: Sequence[Sequence[Tensor]], captions: Sequence[Sequence[str]]) -> None:
    """Draw groups of crops side by side, with text below; a palette keeps the file small."""
    height, width = (round(side * ENLARGED) for side in SIZE)
    lines = max(len(caption) for caption in captions)
    wide = sum(len(group) * width + GAP for group in cells) + GAP
    picture = Image.new("RGB", (wide, height + 2 * GAP + LINE * lines), "white")
    pen = ImageDraw.Draw(picture)
    left = GAP
    for group, caption in zip(cells, captions, strict=True):
        for image in group:
            pixels = channels_last(to_bytes(image))
            crop = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
            picture.paste(crop, (left, GAP))
            left += width
        for k, line in enumerate(caption):
            pen.text((left - len(group) * width, GAP + height + LINE * k), line, fill="black")
        left += GAP
    path.parent.mkdir(exist_ok=True)
    picture.quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)


def triple(example: Example) -> list[Tensor]:
    """Source, warp, and true view."""
    warped = on_grey(example.warped, example.target_mask)
    return [example.source, warped, on_grey(example.target, example.target_mask)]


def best(found: Sequence[Example], count: int) -> list[Example]:
    """The best warp of each of several people, between different views."""
    ordered = sorted(found, key=lambda e: -float(e.quality.quality))
    chosen: dict[int, Example] = {}
    for example in ordered:
        chosen.setdefault(example.person, example)
    return list(chosen.values())[:count]


def poorest(found: Sequence[Example]) -> dict[str, Example]:
    """The poorest of each kind."""
    straight = [e for e in found if not e.half]
    return {
        "half turn": min((e for e in found if e.half), key=lambda e: float(e.quality.quality)),
        "folded": max(straight, key=lambda e: float(e.quality.folded)),
        "stretched": max(straight, key=lambda e: float(e.quality.stretch)),
        "misses the person": min(straight, key=lambda e: float(e.quality.foreground)),
    }


def jumps(example: Example) -> float:
    """How much of the warp changes where cells far apart are no longer mixed."""
    before = warp(spread_person(example.source, example.source_mask)[None], example.flow)[0]
    return float(((before - example.warped).abs().mean(0) * example.target_mask).sum())


def main() -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, default=Path("runs/demo/pairs"))
    parser.add_argument("--flow", default="runs/demo/flow/checkpoint")
    parser.add_argument("--count", type=int, default=192)
    options = parser.parse_args()
    with one_thread(), torch.inference_mode():
        found = examples(options.pairs, options.flow, options.count)
        good = best(found, 4)
        sheet(PICTURES / "good.png", [triple(e) for e in good], [words(e) for e in good])
        bad = poorest(found)
        captions = [[kind, *words(example)] for kind, example in bad.items()]
        sheet(PICTURES / "bad.png", [triple(e) for e in bad.values()], captions)
        halves = [e for e in found if e.half]
        turned = sorted(halves, key=lambda e: -float(e.quality.foreground))[:3]
        sheet(
            PICTURES / "turns.png",
            [[*triple(e)[:2], on_grey(e.back, e.target_mask), triple(e)[2]] for e in turned],
            [["source, allow, mirror, true view"]] * len(turned),
        )
        torn = sorted(found, key=jumps)[-4:]
        plain = [warp(spread_person(e.source, e.source_mask)[None], e.flow)[0] for e in torn]
        sheet(
            PICTURES / "edges.png",
            [
                [on_grey(before, e.target_mask), *triple(e)[1:]]
                for before, e in zip(plain, torn, strict=True)
            ],
            [["mixed, kept apart, true view"]] * len(torn),
        )
        draw_backgrounds(good[0], found)
    total = sum(path.stat().st_size for path in PICTURES.glob("*.png"))
    print(f"{total / 1000:.0f} kB in {PICTURES}")


def draw_backgrounds(example: Example, found: Sequence[Example]) -> None:
    """Draw one warp over every background."""
    others = [e for e in found if e.person != example.person][::40]
    pool = BackgroundPool.of(
        [e.person for e in others], [e.source for e in others], [e.source_mask for e in others]
    )
    source = BackgroundInputs(
        example.source, example.source_mask, example.person, upsample_flow(example.flow, SIZE),
        ["a.jpg"], pool=pool,
    )  # fmt: skip
    matte = soft_matte(example.target_mask[None])
    cells = [
        [composite(example.warped[None], matte, background.paint(source))[0]]
        for background in BACKGROUNDS.values()
    ]
    captions = [["crop"], *([name] for name in BACKGROUNDS)]
    sheet(PICTURES / "backgrounds.png", [[example.source], *cells], captions)


if __name__ == "__main__":
    main()
