"""Inputs of an augmented dataset: training images joined with their poses, and target poses."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from reidaug.augment.options import KEYPOINTS, MASKS, AugmentOptions
from reidaug.augment.outlines import mask_file
from reidaug.augment.output_folder import base_name
from reidaug.augment.target_poses import TargetPoses, choose, on_common_canvas
from reidaug.data.images import read_image, read_mask
from reidaug.data.keypoints import read_keypoints
from reidaug.data.market1501 import TRAIN, Person, ReIDDataset, image_names
from reidaug.errors import ReidaugError, UsageError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, shows_torso


class Source(NamedTuple):
    """An image to warp."""

    person: Person  # the crop
    name: str  # file name its warps are named after
    pose: Pose  # its 18 joints in pixels


class AugmentInputs(NamedTuple):
    """Inputs of an augmented dataset."""

    dataset: ReIDDataset  # the training images
    sources: tuple[Source, ...]  # those with a pose, in name order
    targets: TargetPoses  # the target poses; none where each image keeps its own
    left_out: tuple[str, ...]  # one line for everything that cannot be used


def read_inputs(
    dataset: ReIDDataset, keypoints: Path, options: AugmentOptions, *, own_pose: bool = False
) -> AugmentInputs:
    """Join training images with their poses and choose the target poses.

    Args:
        dataset: The dataset; only its training images matter.
        keypoints: Keypoint file of the training images.
        options: Number and choice of the target poses, masks and seed count.
        own_pose: Whether each image keeps its own pose, see `choose_targets`.

    Raises:
        ReidaugError: No image has a pose, or there are too few candidate target poses.
    """
    sources, left_out = join_poses(dataset, keypoints)
    targets = choose_targets(
        sources, masks=options.masks, count=options.poses, how=options.choose, seed=options.seed,
        own_pose=own_pose,
    )  # fmt: skip
    return AugmentInputs(dataset, sources, targets, (*dataset.left_out, *left_out))


def find_keypoints(root: Path, keypoints: Path | None = None) -> Path | None:
    """Find the keypoint file of a dataset: the given one, or `KEYPOINTS` if it is there.

    Raises:
        UsageError: The given file does not exist.
    """
    return _find(keypoints, root / KEYPOINTS, "keypoint file")


def find_masks(root: Path, masks: Path | None = None) -> Path | None:
    """Find the folder of person masks of a dataset: the given one, or `MASKS` if it is there.

    Raises:
        UsageError: The given folder does not exist.
    """
    return _find(masks, root / MASKS, "folder of masks")


def _find(given: Path | None, default: Path, what: str) -> Path | None:
    path = given or default
    there = path.is_dir() if what.startswith("folder") else path.exists()
    if given and not there:
        raise UsageError(f"{path}: no such {what}")
    return path.resolve() if there else None


def join_poses(dataset: ReIDDataset, keypoints: Path) -> tuple[tuple[Source, ...], tuple[str, ...]]:
    """Join the training images of a dataset with the poses of a keypoint file.

    Returns:
        The images with a pose in name order, and one line for everything that cannot be used.

    Raises:
        ReidaugError: No image has a pose.
    """
    folder = dataset.root / TRAIN
    names = image_names(folder) if folder.is_dir() else [p.path.name for p in dataset.train]
    known = read_keypoints(keypoints, names=names)
    sources: dict[str, Source] = {}
    without = []
    for person in dataset.train:
        name = base_name(person)
        pose = known.poses.get(person.path.name)
        if pose is None and person.path.name in known.refused:
            continue  # the file's own line says why
        if pose is None:
            without.append(f"{person.path}: no usable keypoints in {keypoints.name}")
        elif name in sources:
            without.append(f"{person.path}: warps of {sources[name].person.path} have its name")
        else:
            sources[name] = Source(person, name, pose)
    if not sources:
        raise ReidaugError(
            f"{keypoints}: names none of the {len(dataset.train)} training images of "
            f"{dataset.root}, such as {dataset.train[0].path.name}"
        )
    return tuple(sources.values()), (*known.left_out, *without)


def choose_targets(
    sources: Sequence[Source],
    *,
    masks: Path | None = None,
    count: int,
    how: str,
    seed: int,
    own_pose: bool = False,
) -> TargetPoses:
    """Choose the target poses among training images; those whose file is damaged are no candidates.

    Args:
        sources: Training images with their poses.
        masks: Folder of their person masks, or None.
        count: Number of target poses.
        how: How they are chosen, see `reidaug.augment.target_poses.choose`.
        seed: Random seed.
        own_pose: Whether each image keeps its own pose; then only the images' size is returned.

    Raises:
        ReidaugError: There are too few candidates.
    """
    candidates = {s.person.path.name: s for s in sources if own_pose or shows_torso(s.pose)}
    unreadable: list[str] = []
    while True:
        poses = {name: source.pose for name, source in candidates.items()}
        number = min(count, max(len(poses), 1)) if own_pose else count
        try:
            chosen = choose(poses, number, how=how, seed=seed)
        except ReidaugError as error:
            more = f"; not readable: {len(unreadable)}, first {unreadable[0]}" if unreadable else ""
            raise type(error)(f"{error}{more}") from None
        sizes: dict[str, Size] = {}
        for name in chosen:
            try:
                sizes[name] = _size_of(candidates[name], masks)
            except ReidaugError as error:
                unreadable.append(str(error))
                del candidates[name]  # it is reported when it is read as a source
        if len(sizes) == len(chosen):
            break
    targets = on_common_canvas(chosen, poses, sizes, seed=seed)
    if not own_pose:
        return targets
    nobody = Pose(torch.zeros(0, 18, 2), torch.zeros(0, 18, dtype=torch.bool))
    return targets._replace(images=(), pose=nobody)


def _size_of(source: Source, masks: Path | None) -> Size:
    """Read the size of an image; check that neither it nor its mask is damaged."""
    image, mask = read_image(source.person.path), mask_file(source.person.path.name, masks)
    if mask is not None:
        read_mask(mask)
    return image.shape[1], image.shape[2]


def fingerprint(inputs: AugmentInputs, files: Iterable[Path]) -> str:
    """Hash what decides the warps and can change behind the same paths.

    Names and poses of the inputs count, names and content of files; folders are skipped.
    """
    digest = hashlib.sha256(repr((inputs.targets.size, inputs.targets.images)).encode())
    for source in inputs.sources:
        digest.update(source.name.encode())
        for part in source.pose:
            digest.update(part.numpy().tobytes())
    for path in files:
        if path.is_file():
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
