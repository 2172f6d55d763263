"""Samples and counts of an augmented dataset, for its page: flows made again, quality by view."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.augment.inputs import Source
from reidaug.augment.options import AugmentOptions
from reidaug.augment.outlines import target_outlines
from reidaug.augment.output_folder import base_name, training_folder
from reidaug.augment.target_poses import POSES, TargetPoses, read_poses
from reidaug.augment.viewpoint import view_names
from reidaug.augment.warp_manifest import MANIFEST
from reidaug.augment.warping import estimate_flows, read_crops
from reidaug.data.keypoints import read_keypoints
from reidaug.data.loose_crops import read_training
from reidaug.data.manifest import manifest_parts
from reidaug.data.market1501 import Person
from reidaug.errors import ReidaugError
from reidaug.flow.builtin import named_flow
from reidaug.flow.estimator import FlowEstimator, PersonFlowEstimator
from reidaug.geometry.flow import resize
from reidaug.geometry.pose import Pose, select, stack
from reidaug.machine import one_thread

SHOWN = 6
UNKNOWN = "unknown"
COLUMNS = ("file", "source", "pose", "quality", "kept")


class WarpSample(NamedTuple):
    """A warp of the dataset beside what it was made of."""

    source: Path  # image file
    target: Pose  # the pose (18, 2) it was warped into, in pixels of the warp
    flow: Float[Tensor, "2 H W"]  # estimated again
    outline: Bool[Tensor, "H W"]  # the person in the warp
    warp: Path  # image file


class Cell(NamedTuple):
    """Warps from one view into another."""

    made: int  # number of warps
    kept: int  # those of them that are written
    quality: float  # mean quality of these; 0 where there are none


class AugmentedSamples(NamedTuple):
    """What a page of an augmented dataset shows beside its report."""

    samples: Sequence[WarpSample]
    views: Mapping[tuple[str, str], Cell]  # by the views of source and target
    why_not: str = ""  # why there are no samples
    borrowed: bool = False  # whether warps are known to have the outlines of other people


def read_samples(out: Path, recipe: Mapping[str, Any], *, shown: int = SHOWN) -> AugmentedSamples:
    """Choose warps by number, never by looks, and estimate their flows again.

    Warps into the pose of their own source show no flow, and are not chosen.

    Where the training images, their joints or the flow are no longer there, only the manifest is
    read.

    Args:
        out: The augmented dataset.
        recipe: Its recipe.
        shown: Number of samples.

    Raises:
        ReidaugError: The manifest or the target poses cannot be read.
    """
    targets = read_poses(out / POSES)
    poses: Mapping[str, Pose] = {}
    why_not, options, borrowed = "", None, False
    try:
        options = AugmentOptions.of_run(out, recipe)
        if options.keypoints is not None:
            poses = read_keypoints(options.keypoints).poses
    except (ReidaugError, OSError, ValueError, KeyError, TypeError) as error:
        why_not = _line(error)
    views, rows = _count(out, poses, targets, shown)
    samples: list[WarpSample] = []
    if options is not None and not why_not:
        try:
            estimator = named_flow(str(recipe["flow"])).estimator()
            own = estimator.keeps_pose or isinstance(estimator, PersonFlowEstimator)
            borrowed = estimator.to_target_pose and not own
            samples = _samples(out, recipe, options, estimator, poses, targets, rows)
        except (ReidaugError, OSError, ValueError, KeyError, TypeError) as error:
            why_not = _line(error)
    return AugmentedSamples(samples, views, why_not, borrowed)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _count(
    out: Path, poses: Mapping[str, Pose], targets: TargetPoses, shown: int
) -> tuple[dict[tuple[str, str], Cell], list[tuple[str, str, int]]]:
    """Count warps by view, and take some that are kept: their file, source and pose."""
    sides = dict(zip(poses, view_names(stack(list(poses.values()))), strict=True)) if poses else {}
    into = view_names(targets.pose) if targets.images else []
    found: dict[tuple[str, str], Cell] = {}
    every: list[tuple[str, str, int]] = []
    last = ""  # the last source
    for part in manifest_parts(out / MANIFEST, COLUMNS):
        for file, source, pose, quality, kept in zip(*(part[c] for c in COLUMNS), strict=True):
            side = sides.get(source) or sides.get(Path(source).name, UNKNOWN)
            key = (side, into[pose] if 0 <= pose < len(into) else side)
            cell = found.get(key, Cell(0, 0, 0.0))
            found[key] = Cell(cell.made + 1, cell.kept + kept, cell.quality + kept * quality)
            # One a source, each in another pose, as far as it is kept; never in the source's own.
            if not kept or (0 <= pose < len(targets.images) and targets.images[pose] == source):
                continue
            if source != last:
                last = source
                every.append((file, source, pose))
            elif every[-1][2] < (len(every) - 1) % max(len(into), 1) <= pose:
                every[-1] = (file, source, pose)
    count = min(shown, len(every))
    chosen = [every[(2 * k + 1) * len(every) // (2 * count)] for k in range(count)]
    means = {key: c._replace(quality=c.quality / max(c.kept, 1)) for key, c in found.items()}
    return means, chosen


def _samples(
    out: Path,
    recipe: Mapping[str, Any],
    options: AugmentOptions,
    estimator: FlowEstimator,
    poses: Mapping[str, Pose],
    targets: TargetPoses,
    rows: Sequence[tuple[str, str, int]],
) -> list[WarpSample]:
    """Estimate the flows of some warps again."""
    if not rows:
        raise ReidaugError("no warp into another image's pose is kept")
    found, _ = read_training(
        Path(recipe["dataset"]), pattern=options.pattern, layout=options.layout, allow_left_out=True
    )
    people = {person.key: person for person in found.train}
    options = options.for_estimator(estimator)
    outlines = target_outlines(targets, options.masks)
    samples = []
    with one_thread(), torch.inference_mode():
        for file, name, pose in rows:
            source = _source(people.get(name), poses, pose)
            crops = [] if source is None else read_crops([source], targets.size, options.masks)[0]
            for field in estimate_flows(estimator, crops, outlines, options) if crops else ():
                samples.append(
                    WarpSample(
                        people[name].path,
                        select(field.targets.pose, 0),
                        resize(field.flow, targets.size)[0].clone(),
                        field.targets.outline[0].clone(),
                        training_folder(out) / file,
                    )
                )
    if not samples:
        raise ReidaugError(f"{recipe['dataset']}: the images of the warps are not there any more")
    return samples


def _source(person: Person | None, poses: Mapping[str, Pose], pose: int) -> Source | None:
    """Put a source together from its image and joints; None where one is missing."""
    if person is None:
        return None
    joints = poses.get(person.key) or poses.get(person.path.name)
    if joints is None:
        return None
    return Source(person, base_name(person), joints, "given", into=(pose,))
