"""Inputs of an augmented dataset: training images joined with their poses, and target poses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from reidaug.augment.limb_edges import doubtful_joints
from reidaug.augment.mask_placement import Masked, check_masks
from reidaug.augment.missing_poses import STAND_INS, PoseFrom, StandIns
from reidaug.augment.options import AugmentOptions
from reidaug.augment.outlines import check_mask_names, mask_file
from reidaug.augment.output_folder import base_name
from reidaug.augment.pose_pool import Pool, mirror_flaw, outline_flaw
from reidaug.augment.shipped_poses import shipped_targets
from reidaug.augment.target_poses import (
    TargetPoses,
    choose,
    common_size,
    draw_order,
    on_common_canvas,
)
from reidaug.data.image_poses import read_image_poses
from reidaug.data.images import channels_last, read_image, read_mask, resize_mask
from reidaug.data.market1501 import TRAIN, Person, ReIDDataset, image_names
from reidaug.data.pose_matching import NamesByLast, by_last_name, names_of, other_ending
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, shows_torso
from reidaug.perception.mask_folders import check_mask_folder
from reidaug.perception.mirror_agreement import mirror_agreement
from reidaug.perception.pose_estimator import PoseEstimator
from reidaug.perception.pose_sums import check_crops
from reidaug.perception.provenance import read_provenance
from reidaug.runs import notice

DAMAGED = "damaged file"
SECOND = "found in a second try only"  # it agrees with the mirrored crop if that was the try
MOST_MISSING = 0.5  # of the training images; beyond it stand-ins are no exceptions


class Source(NamedTuple):
    """An image to warp."""

    person: Person  # the crop
    name: str  # file name its warps are named after
    pose: Pose  # its 18 joints in pixels
    pose_from: PoseFrom = "given"  # where the pose comes from
    mask_fits: bool = True  # whether its mask file, where there is one, goes with the pose
    # Numbers of the target poses it is warped into; None: what `poses_each` and chance give it.
    into: tuple[int, ...] | None = None


class AugmentInputs(NamedTuple):
    """Inputs of an augmented dataset."""

    dataset: ReIDDataset  # the training images
    sources: tuple[Source, ...]  # those with a pose or a stand-in, in name order
    targets: TargetPoses  # the target poses; none where each image keeps its own
    left_out: tuple[str, ...]  # one line for everything that cannot be used


def read_inputs(
    dataset: ReIDDataset,
    keypoints: Path,
    options: AugmentOptions,
    *,
    own_pose: bool = False,
    estimator: PoseEstimator | None = None,
) -> AugmentInputs:
    """Join training images with their poses and choose the target poses.

    Args:
        dataset: The dataset; only its training images matter.
        keypoints: Keypoint file of the training images.
        options: Number, choice and pool of the target poses, masks and seed count.
        own_pose: Whether each image keeps its own pose, see `choose_canvas`.
        estimator: See `choose_targets`.

    Raises:
        ReidaugError: No image has a pose, more than half of them have none and are not skipped, the
            joints are misplaced, a name means two images, or too few images are good targets.
    """
    if options.missing == "fallback":
        sources, left_out = _fill_missing(dataset, keypoints, options.masks)
    else:
        sources, left_out = join_poses(dataset, keypoints)
    used = [source.person.path for source in sources]
    check_mask_names(used, options.masks)
    check_mask_folder(options.masks, used, keypoints=keypoints)
    check_outlines(sources, options.masks)
    if own_pose or options.poses_from == "shipped":
        targets = choose_canvas(sources, count=options.poses, seed=options.seed)
    else:
        targets = choose_targets(
            sources, masks=options.masks, count=options.poses, how=options.choose,
            seed=options.seed, pool=options.pool, estimator=estimator,
        )  # fmt: skip
    if options.poses_from == "shipped" and not own_pose:
        targets = shipped_targets(
            options.poses, size=targets.size, how=options.choose, seed=options.seed
        )
    return AugmentInputs(dataset, sources, targets, (*dataset.left_out, *left_out))


def check_outlines(sources: Sequence[Source], masks: Path | None) -> None:
    """Test that masks are outlines of the people in images with poses of their own.

    What the images' edges say against the joints is told: see `reidaug.augment.limb_edges`.

    Raises:
        ReidaugError: As of `reidaug.augment.mask_placement.check_masks`.
    """
    people = with_own_poses(sources)
    check_masks(masks, people)
    if doubt := doubtful_joints(people):
        notice(doubt)


def with_own_poses(sources: Sequence[Source]) -> list[Masked]:
    """List the images that have poses of their own."""
    found = (source for source in sources if source.pose_from not in STAND_INS)
    return [Masked(s.person.path, s.person.key, s.pose) for s in found]


def join_poses(dataset: ReIDDataset, keypoints: Path) -> tuple[tuple[Source, ...], tuple[str, ...]]:
    """Join the training images of a dataset with the poses of a keypoint file.

    Returns:
        The images with a pose in name order, and one line for everything that cannot be used.

    Raises:
        ReidaugError: No image has a pose.
    """
    joined = _join(dataset, keypoints)
    without = (
        f"{person.path}: no usable keypoints in {keypoints.name}"
        for person in joined.without
        if not names_of(person.path, joined.refused)  # the file's own line says why
    )
    return joined.sources, (*joined.left_out, *without, *joined.doubles)


class _Joined(NamedTuple):
    """Training images of a dataset beside a keypoint file."""

    left_out: tuple[str, ...]  # a line for each of the file's entries that cannot be used
    refused: NamesByLast  # the file's names of the images that these lines are about
    nobody: Mapping[str, str]  # of these lines those of images without a visible joint, by name
    sources: tuple[Source, ...]  # the images with a pose, in name order
    without: tuple[Person, ...]  # those without
    doubles: tuple[str, ...]  # a line for each image whose warps would have another one's names
    others: str  # says which of those without are in the file with another ending


def join_most(dataset: ReIDDataset, keypoints: Path) -> _Joined:
    """Join training images with poses; `ReidaugError` as of `join_poses`, or where most have none.

    Where more than `MOST_MISSING` have none the file is probably of other images.
    """
    joined, total = _join(dataset, keypoints), len(dataset.train)
    if len(joined.without) > MOST_MISSING * total:
        nobody = by_last_name(joined.nobody)
        seen = sum(bool(names_of(person.path, nobody)) for person in joined.without)
        why = "is it theirs?"
        if seen > MOST_MISSING * len(joined.without):
            why = f"it has nobody on {seen:,} others, are they crops of whole people?"
        raise ReidaugError(
            f"{keypoints}: poses of only {total - len(joined.without):,} of {total:,} training "
            f"images{joined.others}; {why} --missing skip warps these alone"
        )
    return joined


def _join(dataset: ReIDDataset, keypoints: Path) -> _Joined:
    """Join training images with poses that lie on them; `ReidaugError` where that fails."""
    folder, crops = dataset.root / TRAIN, [person.path for person in dataset.train]
    names = image_names(folder) if folder.is_dir() else [p.key for p in dataset.train]
    read, estimated = read_image_poses(crops, keypoints, names=names), read_provenance(keypoints)
    check_crops(keypoints, crops)
    known, placed = read.known, read.place(file=keypoints)
    sources: dict[str, Source] = {}
    without, doubles = list[Person](), list[str]()
    for person in dataset.train:
        name, key = base_name(person), read.keys.get(person.path, "")
        if key not in placed.poses:
            without.append(person)
        elif name in sources:
            doubles.append(_double(person, sources[name]))
        else:
            pose_from: PoseFrom = estimated.get(key, "given")
            sources[name] = Source(person, name, placed.poses[key], pose_from)
    left_out = (*known.left_out, *placed.left_out.values())
    others = other_ending([person.path for person in without], known.poses)
    if not sources:
        what, first = "has no usable pose", f"; first: {left_out[0]}" if placed.left_out else ""
        if not read.keys:
            what, first = "names none", "" if others else f"; it has {next(iter(known.poses))}"
        raise ReidaugError(
            f"{keypoints}: {what} of the {len(dataset.train)} training images of {dataset.root}, "
            f"such as {dataset.train[0].key}{others}{first}"
        )
    refused = by_last_name((*known.refused, *placed.left_out))
    return _Joined(
        left_out, refused, known.nobody, tuple(sources.values()), tuple(without), tuple(doubles),
        others,
    )  # fmt: skip


def _double(person: Person, first: Source) -> str:
    return f"{person.path}: warps of {first.person.path} have its name"


def _fill_missing(
    dataset: ReIDDataset, keypoints: Path, masks: Path | None
) -> tuple[tuple[Source, ...], tuple[str, ...]]:
    """Join training images with poses, and with stand-ins where the file has none.

    Returns what `join_poses` does and raises what `join_most` does.
    """
    joined = join_most(dataset, keypoints)
    stand_ins = StandIns(((s.person, s.pose) for s in joined.sources), masks)
    sources = {source.name: source for source in joined.sources}
    left_out = list(joined.doubles)
    for person in joined.without:
        name = base_name(person)
        if name in sources:
            left_out.append(_double(person, sources[name]))
            continue
        try:
            sources[name] = Source(person, name, *stand_ins.of(person))
        except ReidaugError as error:
            left_out.append(str(error))
    # That the file has nobody in an image is no loss any more; a damaged line still is one.
    nobody, images = by_last_name(joined.nobody), [s.person.path for s in sources.values()]
    mended = {joined.nobody[name] for path in images for name in names_of(path, nobody)}
    lines = [line for line in joined.left_out if line not in mended]
    order = {person: k for k, person in enumerate(dataset.train)}
    filled = sorted(sources.values(), key=lambda source: order[source.person])
    return tuple(filled), (*lines, *left_out)


def choose_targets(
    sources: Sequence[Source],
    *,
    masks: Path | None = None,
    count: int,
    how: str,
    seed: int,
    pool: Pool = "good",
    estimator: PoseEstimator | None = None,
) -> TargetPoses:
    """Choose the target poses among training images.

    Those whose pose is a stand-in or whose file is damaged are no candidates. Without a mask file
    an outline is not tested: limbs drawn from the joints fit them.

    Args:
        sources: Training images with their poses.
        masks: Folder of their person masks, or None.
        count: Number of target poses.
        how: How they are chosen, see `reidaug.augment.target_poses.choose`.
        seed: Random seed.
        pool: Whether images with a flaw are refused, see `reidaug.augment.pose_pool`.
        estimator: Estimator of the poses that are not ``given``, which are compared with those in
            the mirrored crops; None: they are not.

    Raises:
        ReidaugError: There are too few candidates.
    """
    found = [source for source in sources if source.pose_from not in STAND_INS]
    candidates = {s.person.key: s for s in found if shows_torso(s.pose)}
    poses = {name: source.pose for name, source in candidates.items()}
    sizes: dict[str, Size] = {}
    damaged: list[str] = []

    def flaw(name: str) -> str | None:
        try:
            crop = read_candidate(candidates[name], masks)
        except ReidaugError as error:
            damaged.append(str(error))
            return DAMAGED
        sizes[name] = crop.size
        return target_flaw(crop, estimator) if pool == "good" else None

    try:
        chosen = choose(poses, count, how=how, seed=seed, flaw=flaw)
    except ReidaugError as error:
        more = f"; first {DAMAGED}: {damaged[0]}" if damaged else ""
        raise type(error)(f"{error}{more}") from None
    targets = on_common_canvas(chosen.images, poses, sizes, seed=seed)
    return targets._replace(refused=chosen.refused)


def choose_canvas(sources: Sequence[Source], *, count: int, seed: int) -> TargetPoses:
    """Choose the size of warps where no pose is taken from the images: no pose on their canvas.

    It is the most common one of ``count`` images drawn by the seed, or of as many as can be read.

    Raises:
        ReidaugError: None can be read.
    """
    named = {s.person.key: s for s in sources if s.pose_from not in STAND_INS}
    sizes, damaged = list[Size](), list[str]()
    for name in draw_order(named, seed):
        if len(sizes) == count:
            break
        try:
            sizes.append(read_candidate(named[name], None).size)
        except ReidaugError as error:
            damaged.append(str(error))
    if not sizes:
        raise ReidaugError(f"no training image with a pose can be read; first {damaged[0]}")
    nobody = Pose(torch.zeros(0, 18, 2), torch.zeros(0, 18, dtype=torch.bool))
    return TargetPoses(common_size(sizes), seed, (), nobody)


class Candidate(NamedTuple):
    """A training image that may give a target pose, as read."""

    source: Source
    image: UInt8[Tensor, "3 h w"]
    mask: Bool[Tensor, "h w"] | None  # its mask file's, of the image's size; None without a file

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return self.image.shape[1], self.image.shape[2]


def read_candidate(source: Source, masks: Path | None) -> Candidate:
    """Read an image and its mask; `ReidaugError` where one is damaged."""
    image, file = read_image(source.person.path), mask_file(source.person.key, masks)
    size = (image.shape[1], image.shape[2])
    return Candidate(source, image, None if file is None else resize_mask(read_mask(file), size))


def target_flaw(crop: Candidate, estimator: PoseEstimator | None) -> str | None:
    """Find the flaw of a candidate, None of a good one; for ``estimator`` see `choose_targets`."""
    source, mask = crop.source, crop.mask
    if source.pose_from == "second":
        return SECOND
    flaw = outline_flaw(source.pose, mask) if mask is not None else None
    if flaw or estimator is None or source.pose_from == "given":
        return flaw
    outline = None if mask is None else mask.numpy()
    return mirror_flaw(mirror_agreement(estimator, channels_last(crop.image), source.pose, outline))
