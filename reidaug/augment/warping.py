"""Some sources into every pose: read, estimate, sample, judge, encode."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from reidaug.augment.background import (
    lay_over,
    person_mask,
    soft_edge,
    spread_person,
)
from reidaug.augment.other_backgrounds import Places, behind
from reidaug.augment.painting import paint
from reidaug.augment.quality import PoseReader, WarpQuality, check_pose, measure
from reidaug.augment.target_poses import TargetPoses, read_poses
from reidaug.augment.viewpoint import alike, half_turns, views
from reidaug.data.crop_names import warp_name
from reidaug.data.images import encode_jpeg, read_image, resize, to_bytes, to_float
from reidaug.data.market1501 import Person
from reidaug.errors import ReidaugError
from reidaug.flow.estimator import FlowEstimator
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, on_canvas, select, stack
from reidaug.geometry.upsampling import upsample_flow
from reidaug.geometry.warp import warp

SHARES = ("joints", "foreground", "inside", "folded", "seen", "stretch", "stretch_95")
COLUMNS = (
    "file", "source", "pose", "pose_image", "pid", "camid",
    *SHARES, "mirrored", "turned", "pck", "quality", "left_out", "kept",
)  # fmt: skip
"""``left_out`` says why a warp was not kept: ``quality``, ``turn``, or nothing."""
POSES = "poses.json"
DECIMALS = 4
POSES_AT_ONCE = 64  # painted before any is written


class Source(NamedTuple):
    """An image to warp.

    Attributes:
        person: The crop.
        name: File name its warps are named after.
        pose: Its 18 joints in pixels.
    """

    person: Person
    name: str
    pose: Pose


class Plan(NamedTuple):
    """What every worker must know; small, and equal to its own copy in another process.

    Attributes:
        out: The dataset made; ``poses.json`` in it holds the target poses.
        build: Makes the flow estimator from ``flow``; importable by name in a worker.
        flow: What ``build`` is given.
        masks: Folder of person masks of the training images, or None.
        background: A name in `reidaug.augment.background.BACKGROUNDS`.
        seed: Of the backgrounds drawn.
        own_pose: Warp each image into its own pose only.
        spread: Let what misses the person sample the person's nearest pixel.
        half: Estimate flows in bfloat16.
        jpeg_quality: 1 to 95.
        least_quality: Warps below are recorded and not kept, 0 to 1.
        turns: What becomes of half turns, a name in `reidaug.augment.viewpoint.TURNS`.
        reader: Makes what reads poses off the warps, once a process; importable by name in a
            worker. None: poses are not checked.
    """

    out: Path
    build: Callable[[str], FlowEstimator]
    flow: str
    masks: Path | None = None
    background: str = "grey"
    seed: int = 0
    own_pose: bool = False
    spread: bool = True
    half: bool = False
    jpeg_quality: int = 95
    least_quality: float = 0.0
    turns: str = "allow"
    reader: Callable[[], PoseReader] | None = None


class Warp(NamedTuple):
    """One warp.

    Attributes:
        row: What the manifest says of it, in the order of `COLUMNS`.
        jpeg: The file's content; None when it is not kept.
    """

    row: list[Any]
    jpeg: bytes | None


class Crop(NamedTuple):
    """A source on the canvas of the warps.

    Attributes:
        source: Where it comes from.
        image: (3, H, W) in [0, 1].
        pose: The 18 joints in pixels of the canvas.
        mask: True on the person (H, W).
    """

    source: Source
    image: Float[Tensor, "3 H W"]
    pose: Pose
    mask: Bool[Tensor, "H W"]


class Targets(NamedTuple):
    """Whom to look like.

    Attributes:
        images: File names of the T images the poses belong to.
        pose: Joints (T, 18, 2) in pixels of the canvas.
        outline: True on the person (T, H, W).
        weights: The outlines with a soft edge (T, 1, H, W).
    """

    images: tuple[str, ...]
    pose: Pose
    outline: Bool[Tensor, "t H W"]
    weights: Float[Tensor, "t 1 H W"]


def read_crops(
    sources: Sequence[Source], size: Size, masks: Path | None
) -> tuple[list[Crop], list[str]]:
    """Read sources and bring them to one size.

    Args:
        sources: What to read.
        size: (height, width) of the canvas.
        masks: Folder of person masks, or None.

    Returns:
        The crops, and ``file: reason`` for each source that could not be read.
    """
    crops, left_out = [], []
    for source in sources:
        try:
            image = read_image(source.person.path)
            crops.append(put_on_canvas(source, image, size, masks))
        except ReidaugError as error:
            left_out.append(str(error))
    return crops, left_out


def put_on_canvas(
    source: Source, image: UInt8[Tensor, "3 height width"], size: Size, masks: Path | None
) -> Crop:
    """Bring a source to the size of the warps.

    Args:
        source: Whose image it is.
        image: Its pixels (3, height, width).
        size: (height, width) of the canvas.
        masks: Folder of person masks, or None.

    Returns:
        The crop.

    Raises:
        ReidaugError: Its mask is no image.
    """
    pose = on_canvas(source.pose, (image.shape[1], image.shape[2]), size)
    mask = person_mask(source.person.path.name, pose, size, masks)
    return Crop(source, resize(to_float(image), size), pose, mask)


def warp_crops(plan: Plan, crops: Sequence[Crop], places: Sequence[Crop] = ()) -> Iterator[Warp]:
    """Warp crops into every target pose.

    Args:
        plan: What to do.
        crops: At least one crop on the canvas of ``poses.json``.
        places: Crops to take other backgrounds from; only the background ``other`` needs any.

    Yields:
        The warps: all poses of the first crop, then of the next.

    Raises:
        ReidaugError: The poses cannot be read, the estimator or the reader of poses not be built,
            or there is no background of another person.
    """
    estimator, targets = prepare(plan)
    pool = None
    if places:
        pool = Places.of(
            [place.source.person.pid for place in places],
            [place.image for place in places],
            [place.mask for place in places],
        )
    for crop, asked, flow in flows_of(plan, estimator, crops, targets):
        yield from _warp_crop(plan, crop, flow, asked, pool)


@lru_cache(maxsize=1)
def prepare(plan: Plan) -> tuple[FlowEstimator, Targets]:
    """Build what all sources share; once a process.

    Args:
        plan: What to do.

    Returns:
        The estimator in evaluation mode, and the targets.

    Raises:
        ReidaugError: The poses cannot be read or the estimator not be built.
    """
    poses = read_poses(plan.out / POSES)
    return plan.build(plan.flow).eval(), outlined(poses, plan.masks)


class Asked(NamedTuple):
    """The targets as one source is asked to take them.

    Attributes:
        targets: The targets; names of left and right joints may be exchanged.
        half: Which (T,) are half turns, before any exchange.
        agree: How far source and target face the same way (T,), after it.
    """

    targets: Targets
    half: Bool[Tensor, "t"]
    agree: Float[Tensor, "t"]


def outlined(poses: TargetPoses, masks: Path | None) -> Targets:
    """Find the outlines of the people whose poses are asked for.

    Args:
        poses: The target poses.
        masks: Folder of person masks, or None.

    Returns:
        The targets.

    Raises:
        ReidaugError: A mask is no image.
    """
    outlines = [
        person_mask(image, select(poses.pose, k), poses.size, masks)
        for k, image in enumerate(poses.images)
    ]
    outline = torch.stack(outlines) if outlines else torch.zeros(0, *poses.size, dtype=torch.bool)
    return Targets(poses.images, poses.pose, outline, soft_edge(outline))


def _own_target(crop: Crop) -> Targets:
    outline = crop.mask[None]
    image = crop.source.person.path.name
    return Targets((image,), stack([crop.pose]), outline, soft_edge(outline))


def flows_of(
    plan: Plan, estimator: FlowEstimator, crops: Sequence[Crop], targets: Targets
) -> Iterator[tuple[Crop, Asked, Float[Tensor, "t 2 h w"]]]:
    """Pair each crop with what is asked of it, and with the flows there.

    Args:
        plan: How: ``half``, ``own_pose`` and ``turns`` count.
        estimator: In evaluation mode.
        crops: Crops on one canvas.
        targets: T targets on it; where each crop keeps its own pose they are of no account.

    Yields:
        Each crop, its targets, and its flows to them (T, 2, h, w).
    """
    images = torch.stack([crop.image for crop in crops])
    pose = stack([crop.pose for crop in crops])
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=plan.half):
        if plan.own_pose:
            own = estimator(images, pose, pose).float()[:, None]
            found = {k: (_own_target(crop), own[k]) for k, crop in enumerate(crops)}
        else:
            found = {}
            turns = plan.turns if estimator.to_target_pose else "allow"
            for group, asked in views(pose, targets.pose, turns):
                table = estimator.flow_table(images[group], select(pose, group), asked).float()
                for k, flow in zip(group, table, strict=True):
                    found[k] = targets._replace(pose=asked), flow
    posed = estimator.to_target_pose and not plan.own_pose
    for k, crop in enumerate(crops):
        wanted, flow = found[k]
        if not estimator.to_target_pose:
            wanted = carried(crop, flow, wanted)
        mine = stack([crop.pose])
        half = half_turns(mine, targets.pose if posed else wanted.pose)[0]
        yield crop, Asked(wanted, half, alike(mine, wanted.pose)[0]), flow


def carried(crop: Crop, flow: Float[Tensor, "t 2 h w"], targets: Targets) -> Targets:
    """Give the targets the person's own outline, carried along by the flows, and its own pose.

    Args:
        crop: The source.
        flow: Flows (T, 2, h, w) that do not lead into the targets' poses.
        targets: The T targets.

    Returns:
        The targets under their old names.
    """
    size = (crop.mask.shape[0], crop.mask.shape[1])
    whole = crop.mask[None, None].float().expand(len(flow), -1, -1, -1)
    full = upsample_flow(flow, size)
    inside = (full.abs() <= 1).all(1)  # beyond the picture its border would be smeared out
    outline = (warp(whole, full)[:, 0] >= 0.5) & inside
    pose = stack([crop.pose] * len(flow))
    return Targets(targets.images, pose, outline, soft_edge(outline))


def _warp_crop(
    plan: Plan, crop: Crop, flow: Float[Tensor, "t 2 h w"], asked: Asked, places: Places | None
) -> Iterator[Warp]:
    person, targets = crop.source.person, asked.targets
    names = [warp_name(crop.source.name, k) for k in range(len(flow))]
    shares, judged = _judge(crop, flow, asked)
    for start in range(0, len(flow), POSES_AT_ONCE):
        part = slice(start, start + POSES_AT_ONCE)
        laid = pixels_of(plan, crop, flow[part], _cut(targets, part), names[part], places)
        for k, pixels in enumerate(laid, start):
            *numbers, quality = (round(number, DECIMALS) for number in shares[k].tolist())
            turned = bool(asked.half[k])
            reason = "turn" if turned and plan.turns == "drop" else ""
            reason = reason or ("quality" if quality < plan.least_quality else "")
            pck = None
            if plan.reader is not None and not reason:
                wanted = select(targets.pose, k)
                pck = round(check_pose(plan.reader, pixels, wanted), DECIMALS)
            row = [
                names[k], person.path.name, k, targets.images[k], person.pid, person.camid,
                *numbers, bool(judged.mirrored[k]), turned, pck, quality, reason, not reason,
            ]  # fmt: skip
            yield Warp(row, None if reason else encode_jpeg(pixels, plan.jpeg_quality))


def _cut(targets: Targets, part: slice) -> Targets:
    pose = Pose(targets.pose.xy[part], targets.pose.visible[part])
    return Targets(targets.images[part], pose, targets.outline[part], targets.weights[part])


def pixels_of(
    plan: Plan,
    crop: Crop,
    flow: Float[Tensor, "t 2 h w"],
    targets: Targets,
    names: Sequence[str],
    places: Places | None = None,
) -> UInt8[Tensor, "t 3 H W"]:
    """Make the pixels of the warps of one crop.

    Args:
        plan: How: ``background``, ``spread`` and ``seed`` count.
        crop: The source.
        flow: One flow a target (T, 2, h, w).
        targets: The T targets.
        names: File names of the T warps, see `reidaug.augment.other_backgrounds.behind`.
        places: What the background ``other`` chooses from.

    Returns:
        RGB bytes (T, 3, H, W).

    Raises:
        ReidaugError: There is no background of another person.
    """
    image = spread_person(crop.image, crop.mask) if plan.spread else crop.image
    outline = targets.outline
    full = upsample_flow(flow, (image.shape[1], image.shape[2]), where=outline)
    painted = paint(image, full, outline)
    ground = behind(
        plan.background, crop.image, crop.mask, names,
        person=crop.source.person.pid, places=places, seed=plan.seed,
    )  # fmt: skip
    if ground is None:
        ground = warp(crop.image.expand(len(full), -1, -1, -1), full)
    return to_bytes(lay_over(painted, targets.weights, ground))


def _judge(
    crop: Crop, flow: Float[Tensor, "t 2 h w"], asked: Asked
) -> tuple[Float[Tensor, "t n"], WarpQuality]:
    """Judge the warps of a crop; the first numbers are those of `SHARES`, then the quality."""
    wanted = asked.targets.pose.visible
    joints = (crop.pose.visible & wanted).sum(-1) / wanted.sum(-1).clamp_min(1)
    judged = measure(flow, asked.targets.outline, crop.mask, asked.agree, joints)
    numbers = (
        joints, judged.foreground, judged.inside, judged.folded, judged.seen, judged.stretch,
        judged.stretch_95, judged.quality,
    )  # fmt: skip
    return torch.stack(numbers, -1), judged
