"""Some sources into every pose: read, estimate, sample, judge, encode."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from reidaug.augment.background import (
    colour_of,
    lay_over,
    person_mask,
    soft_edge,
    spread_person,
)
from reidaug.augment.poses import TargetPoses, read_poses
from reidaug.augment.quality import measure, outline_weights
from reidaug.data.images import encode_jpeg, read_image, resize, to_bytes, to_float
from reidaug.data.market1501 import warp_name
from reidaug.data.people import Person
from reidaug.errors import ReidaugError
from reidaug.flow.estimator import FlowEstimator
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, on_canvas, select, stack
from reidaug.geometry.warp import warp

COLUMNS = (
    "file", "source", "pose", "pose_image", "pid", "camid",
    "joints", "foreground", "inside", "folded", "mirrored", "quality", "kept",
)  # fmt: skip
POSES = "poses.json"
DECIMALS = 4


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
        own_pose: Warp each image into its own pose only.
        spread: Let what misses the person sample the person's nearest pixel.
        half: Estimate flows in bfloat16.
        jpeg_quality: 1 to 95.
        least_quality: Warps below are recorded and not kept, 0 to 1.
    """

    out: Path
    build: Callable[[str], FlowEstimator]
    flow: str
    masks: Path | None = None
    background: str = "grey"
    own_pose: bool = False
    spread: bool = True
    half: bool = False
    jpeg_quality: int = 95
    least_quality: float = 0.0


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


def warp_crops(plan: Plan, crops: Sequence[Crop]) -> Iterator[Warp]:
    """Warp crops into every target pose.

    Args:
        plan: What to do.
        crops: At least one crop on the canvas of ``poses.json``.

    Yields:
        The warps: all poses of the first crop, then of the next.

    Raises:
        ReidaugError: The poses cannot be read or the estimator not be built.
    """
    estimator, targets = prepare(plan)
    for crop, flow in zip(crops, flows_of(plan, estimator, crops, targets), strict=True):
        yield from _warp_crop(plan, crop, flow, _own_target(crop) if plan.own_pose else targets)


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
) -> Float[Tensor, "s t 2 h w"]:
    """Estimate the flows of crops to targets.

    Args:
        plan: How: ``half`` and ``own_pose`` count.
        estimator: In evaluation mode.
        crops: S crops on one canvas.
        targets: T targets on it; where each crop keeps its own pose they are of no account.

    Returns:
        Flows (S, T, 2, h, w).
    """
    images = torch.stack([crop.image for crop in crops])
    pose = stack([crop.pose for crop in crops])
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=plan.half):
        if plan.own_pose:
            return estimator(images, pose, pose).float()[:, None]
        return estimator.flow_table(images, pose, targets.pose).float()


def _warp_crop(
    plan: Plan, crop: Crop, flow: Float[Tensor, "t 2 h w"], targets: Targets
) -> Iterator[Warp]:
    person = crop.source.person
    laid, sampled = pixels_of(plan, crop, flow, targets)
    cells = outline_weights(targets.outline, (flow.shape[2], flow.shape[3]))
    judged = measure(flow, cells, targets.outline, sampled)
    seen = targets.pose.visible
    joints = (crop.pose.visible & seen).sum(-1) / seen.sum(-1).clamp_min(1)
    shares = (joints, judged.foreground, judged.inside, judged.folded, judged.quality)
    table = torch.stack(shares, -1).tolist()
    for k, numbers in enumerate(table):
        *others, quality = (round(number, DECIMALS) for number in numbers)
        kept = quality >= plan.least_quality
        row = [
            warp_name(crop.source.name, k), person.path.name, k, targets.images[k],
            person.pid, person.camid, *others, bool(judged.mirrored[k]), quality, kept,
        ]  # fmt: skip
        yield Warp(row, encode_jpeg(laid[k], plan.jpeg_quality) if kept else None)


def pixels_of(
    plan: Plan, crop: Crop, flow: Float[Tensor, "t 2 h w"], targets: Targets
) -> tuple[UInt8[Tensor, "t 3 H W"], Float[Tensor, "t H W"]]:
    """Make the pixels of the warps of one crop.

    Args:
        plan: How: ``background`` and ``spread`` count.
        crop: The source.
        flow: One flow a target (T, 2, h, w).
        targets: The T targets.

    Returns:
        RGB bytes (T, 3, H, W), and the source's person mask as the flow samples it (T, H, W), in
        [0, 1].
    """
    image = spread_person(crop.image, crop.mask) if plan.spread else crop.image
    # The person mask travels with the colours as a fourth channel.
    stacked = torch.cat((image, crop.mask[None].float()))
    warped = warp(stacked.expand(len(flow), -1, -1, -1), flow)
    laid = lay_over(warped[:, :3], targets.weights, colour_of(plan.background))
    return to_bytes(laid), warped[:, 3]
