"""Warps of some sources into every target pose: read, estimate flows, sample, composite."""

import zlib
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from reidaug.augment.background import BACKGROUNDS, BackgroundInputs, BackgroundPool
from reidaug.augment.inputs import Source
from reidaug.augment.options import AugmentOptions
from reidaug.augment.outlines import Targets, carry_outline, person_mask
from reidaug.augment.painting import paint, spread_person
from reidaug.augment.quality import WarpQuality, measure_quality
from reidaug.augment.viewpoint import (
    exchange_left_right,
    group_by_view,
    half_turns,
    view_agreement,
)
from reidaug.augment.warp_inputs import Content, content_of
from reidaug.data.compositing import composite
from reidaug.data.images import read_image, resize, to_bytes, to_float
from reidaug.errors import ReidaugError
from reidaug.flow.estimator import FlowEstimator, PersonFlowEstimator
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, on_canvas, select, stack
from reidaug.geometry.upsampling import upsample_flow
from reidaug.jobs import numpy_generator

POSES_AT_ONCE = 64
"""Target poses of each crop whose flows are estimated, and painted, before any is written."""


class Crop(NamedTuple):
    """A source on the canvas of the warps."""

    source: Source  # where it comes from
    image: Float[Tensor, "3 H W"]  # (3, H, W) in [0, 1]
    pose: Pose  # the 18 joints in pixels of the canvas
    mask: Bool[Tensor, "H W"]  # true on the person (H, W)


class WarpField(NamedTuple):
    """The flows from one crop to all its targets.

    With ``--turns mirror`` left and right joints are exchanged; where the flow keeps the pose, the
    outline is the crop's own.
    """

    crop: Crop
    poses: tuple[int, ...]  # numbers of the T target poses
    targets: Targets  # T targets
    flow: Float[Tensor, "t 2 h w"]
    half_turn: Bool[Tensor, "t"]  # before any exchange of left and right
    agreement: Float[Tensor, "t"]  # of the two views, after the exchange, in [0, 1]
    origin: UInt8[Tensor, "t h w"] | None = None  # see `Origin`; None where the flow does not tell


def read_crops(
    sources: Sequence[Source],
    size: Size,
    masks: Path | None,
    content: Sequence[Content] = (),
) -> tuple[list[Crop], list[str]]:
    """Read sources and bring them to one (height, width), with masks of a folder or of the joints.

    Args:
        sources: The sources.
        size: (height, width) of the crops.
        masks: Folder of masks, or None.
        content: What image and mask of each must be; none: anything.

    Returns:
        The crops, and ``file: reason`` for each source that could not be read.
    """
    crops, left_out = [], []
    for source, known in zip_longest(sources, content):
        path = source.person.path
        try:
            crop = put_on_canvas(source, read_image(path), size, masks)
            # A mask that is gone by now would be that of the joints.
            if known is not None and content_of(path, source.person.key, masks) != known:
                raise ReidaugError(f"{path}: it or its mask was changed while this was at work")
            crops.append(crop)
        except ReidaugError as error:
            left_out.append(str(error))
    return crops, left_out


def put_on_canvas(
    source: Source, image: UInt8[Tensor, "3 height width"], size: Size, masks: Path | None
) -> Crop:
    """Bring the image of a source, (3, height, width) bytes, to the size of the warps.

    Raises:
        ReidaugError: Its mask is no image.
    """
    pose = on_canvas(source.pose, (image.shape[1], image.shape[2]), size)
    mask = person_mask(source.person.key, pose, size, masks if source.mask_fits else None)
    return Crop(source, resize(to_float(image), size), pose, mask)


def estimate_flows(
    estimator: FlowEstimator, crops: Sequence[Crop], targets: Targets, options: AugmentOptions
) -> Iterator[WarpField]:
    """Estimate the flows from each of some crops to targets.

    Memory does not grow with the number of targets: first come the flows of all crops to the first
    `POSES_AT_ONCE` of their targets, one field a crop, then those to the next ones.

    Args:
        estimator: In evaluation mode.
        crops: Crops on one canvas.
        targets: T targets on it; unused where the estimator keeps the pose.
        options: ``precision``, ``turns`` count, and ``poses_each`` and ``seed`` for sources that
            are not given their poses.
    """
    count = 1 if estimator.keeps_pose else len(targets.images)
    sources = [crop.source for crop in crops]
    chosen = [s.into or tuple(poses_of(s.name, count, options)) for s in sources]
    for first in range(0, max(map(len, chosen), default=0), POSES_AT_ONCE):
        part = [numbers[first : first + POSES_AT_ONCE] for numbers in chosen]
        yield from _fields(estimator, crops, targets, part, options)


def _fields(
    estimator: FlowEstimator,
    crops: Sequence[Crop],
    targets: Targets,
    chosen: Sequence[Sequence[int]],
    options: AugmentOptions,
) -> Iterator[WarpField]:
    """Estimate the flows from each crop to its chosen targets, all at once."""
    if isinstance(estimator, PersonFlowEstimator):
        yield from _person_fields(estimator, crops, targets, chosen, options)
        return
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bfloat16):
        found = _estimate(estimator, crops, targets.pose, chosen, options)
    follows_target = estimator.to_target_pose and not estimator.keeps_pose
    for crop, numbers, (target, flow) in zip(crops, chosen, found, strict=True):
        asked = targets if estimator.keeps_pose else targets.part(numbers)
        crop_targets = targets_of(estimator, crop, flow, asked._replace(pose=target))
        source_pose = stack([crop.pose])
        half_turn = half_turns(source_pose, asked.pose if follows_target else crop_targets.pose)[0]
        agreement = view_agreement(source_pose, crop_targets.pose)[0]
        yield WarpField(crop, tuple(numbers), crop_targets, flow, half_turn, agreement)


def _person_fields(
    estimator: PersonFlowEstimator,
    crops: Sequence[Crop],
    targets: Targets,
    chosen: Sequence[Sequence[int]],
    options: AugmentOptions,
) -> Iterator[WarpField]:
    """Estimate the flows from each crop to its chosen targets, each cut by the crop's own body."""
    images = torch.stack([crop.image for crop in crops])
    masks = torch.stack([crop.mask for crop in crops])
    pose, count = stack([crop.pose for crop in crops]), len(targets.images)
    half_turn = half_turns(pose, targets.pose)
    everyone = torch.ones(count, dtype=torch.bool)
    exchanged = exchange_left_right(targets.pose, everyone)
    both = Pose(*(torch.cat(parts) for parts in zip(targets.pose, exchanged, strict=True)))
    mirrors = half_turn if options.turns == "mirror" else torch.zeros_like(half_turn)
    pairs = [
        (k, number + count * int(mirrors[k, number]))
        for k, numbers in enumerate(chosen)
        for number in numbers
    ]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bfloat16):
        found = estimator.person_flows(images, masks, pose, both, pairs)
    first = 0
    for k, (crop, numbers) in enumerate(zip(crops, chosen, strict=True)):
        own = slice(first, first + len(numbers))
        names = tuple(targets.images[number] for number in numbers)
        crop_targets = Targets.cut(names, select(found.pose, own), found.outline[own])
        agreement = view_agreement(select(pose, [k]), crop_targets.pose)[0]
        flow, turned = found.flow[own].float(), half_turn[k, list(numbers)]
        origin = found.origin[own]
        yield WarpField(crop, tuple(numbers), crop_targets, flow, turned, agreement, origin)
        first += len(numbers)


def _estimate(
    estimator: FlowEstimator,
    crops: Sequence[Crop],
    targets: Pose,
    chosen: Sequence[Sequence[int]],
    options: AugmentOptions,
) -> list[tuple[Pose, Float[Tensor, "t 2 h w"]]]:
    """Estimate the flows from each crop to its chosen targets, and the poses they lead to."""
    images = torch.stack([crop.image for crop in crops])
    pose = stack([crop.pose for crop in crops])
    if estimator.keeps_pose:
        own = estimator(images, pose, pose).float()
        return [(stack([crop.pose]), flow[None]) for crop, flow in zip(crops, own, strict=True)]
    turns = options.turns if estimator.to_target_pose else "allow"
    pairs: list[dict[int, tuple[Pose, Float[Tensor, "2 h w"]]]] = [{} for _ in crops]
    for group, seen in group_by_view(pose, targets, turns):
        for some, numbers in _tables(group, chosen):
            into = select(seen, numbers)
            table = estimator.flow_table(images[some], select(pose, some), into).float()
            for k, flows in zip(some, table, strict=True):
                for number, flow in zip(numbers, flows, strict=True):
                    pairs[k][number] = select(seen, number), flow
    found = []
    for asked, by_number in zip(chosen, pairs, strict=True):
        poses, own_flows = zip(*(by_number[number] for number in asked), strict=True)
        found.append((stack(poses), torch.stack(own_flows)))
    return found


def poses_of(source: str, poses: int, options: AugmentOptions) -> list[int]:
    """Number the target poses that a source is warped into by chance, out of so many.

    They depend on the name of the source and the seed alone: warps by several flows are of the
    same sources in the same poses.
    """
    if options.poses_each is None or options.poses_each >= poses:
        return list(range(poses))
    chance = numpy_generator(options.seed, zlib.crc32(source.encode()))
    return sorted(chance.permutation(poses)[: options.poses_each].tolist())


def _tables(
    sources: Sequence[int], chosen: Sequence[Sequence[int]]
) -> Iterator[tuple[list[int], list[int]]]:
    """Divide pairs of sources and their chosen poses into full tables of some of both.

    One table where all sources take the same poses, else one a pose.
    """
    if all(chosen[k] == chosen[sources[0]] for k in sources):
        yield list(sources), list(chosen[sources[0]])
        return
    for number in sorted({number for k in sources for number in chosen[k]}):
        yield [k for k in sources if number in chosen[k]], [number]


def targets_of(
    estimator: FlowEstimator, crop: Crop, flow: Float[Tensor, "t 2 h w"], targets: Targets
) -> Targets:
    """Find the outlines that cut the warps of a crop along flows (T, 2, h, w) of an estimator.

    They are those of the targets, or of the crop where the estimator keeps the pose or its flows
    do not lead to the target poses.
    """
    if estimator.keeps_pose:
        name = crop.source.person.key
        return Targets.cut((name,), stack([crop.pose]), crop.mask[None])
    if not estimator.to_target_pose:
        return carry_outline(crop.mask, crop.pose, flow, targets.images)
    return targets


def field_quality(field: WarpField) -> tuple[Float[Tensor, "t"], WarpQuality]:
    """Measure the warps along a field.

    Returns:
        Share (T,) of each target's joints that the crop shows, in [0, 1], and the quality.
    """
    visible = field.targets.pose.visible
    joints = (field.crop.pose.visible & visible).sum(-1) / visible.sum(-1).clamp_min(1)
    return joints, measure_quality(
        field.flow, field.targets.outline, field.crop.mask, field.agreement, joints, field.origin
    )


def warp_pixels(
    crop: Crop,
    flow: Float[Tensor, "t 2 h w"],
    targets: Targets,
    names: Sequence[str],
    options: AugmentOptions,
    pool: BackgroundPool | None = None,
) -> UInt8[Tensor, "t 3 H W"]:
    """Warp a crop into RGB bytes (T, 3, H, W).

    Args:
        crop: The source.
        flow: One flow per target (T, 2, h, w).
        targets: The T targets.
        names: File names of the T warps, which decide what backgrounds are drawn.
        options: ``background``, ``spread`` and ``seed`` count.
        pool: Backgrounds of other people, where the background needs them.

    Raises:
        ReidaugError: There is no background of another person.
    """
    image = spread_person(crop.image, crop.mask) if options.spread else crop.image
    full = upsample_flow(flow, (image.shape[1], image.shape[2]), where=targets.outline)
    painted = paint(image, full, targets.outline)
    person = crop.source.person.pid
    source = BackgroundInputs(crop.image, crop.mask, person, full, names, options.seed, pool)
    background = BACKGROUNDS[options.background].paint(source)
    return to_bytes(composite(painted, targets.matte, background))
