"""What a run works on: training images joined with their poses, and the poses to reach."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from reidaug.augment.background import mask_file
from reidaug.augment.output_folder import base_name
from reidaug.augment.target_poses import TargetPoses, choose, gather
from reidaug.augment.warping import Source
from reidaug.data.images import read_image, read_mask
from reidaug.data.keypoints import read_keypoints
from reidaug.data.market1501 import TRAIN, ReIDDataset, image_names
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, shows_torso

KEYPOINTS = "market-annotation-train.csv"
"""What the keypoint file of a dataset is called, when no other is named."""
MASKS = "masks"
"""What the folder of person masks of a dataset is called, when no other is named."""


class Material(NamedTuple):
    """What a run works on.

    Attributes:
        dataset: The training images.
        sources: Those with a pose, in name order.
        targets: The poses to warp them into; no pose when each keeps its own.
        left_out: One line for everything that cannot be used.
    """

    dataset: ReIDDataset
    sources: tuple[Source, ...]
    targets: TargetPoses
    left_out: tuple[str, ...]


def gather_material(
    dataset: ReIDDataset,
    keypoints: Path,
    *,
    masks: Path | None = None,
    count: int,
    how: str,
    seed: int,
    own_pose: bool,
) -> Material:
    """Join training images with their poses and choose the targets.

    Args:
        dataset: The dataset; only its training images matter.
        keypoints: Keypoint file of the training images.
        masks: Folder of their person masks, or None.
        count: How many target poses.
        how: How they are chosen, see `reidaug.augment.target_poses.choose`.
        seed: Of the draw.
        own_pose: Whether each image keeps its own pose; the chosen ones then only say how large
            the images are.

    Returns:
        What the run works on.

    Raises:
        ReidaugError: No image has a pose, or too few can stand model.
    """
    sources, left_out = join_poses(dataset, keypoints)
    targets = choose_targets(
        sources, masks=masks, count=count, how=how, seed=seed, own_pose=own_pose
    )
    return Material(dataset, sources, targets, (*dataset.left_out, *left_out))


def join_poses(dataset: ReIDDataset, keypoints: Path) -> tuple[tuple[Source, ...], tuple[str, ...]]:
    """Join training images with their poses.

    Args:
        dataset: The dataset; only its training images matter.
        keypoints: Keypoint file of the training images.

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
    """Choose whose poses to warp into.

    Args:
        sources: Training images with their poses.
        masks: Folder of their person masks, or None; an image whose mask is damaged is no model.
        count: How many target poses.
        how: How they are chosen, see `reidaug.augment.target_poses.choose`.
        seed: Of the draw.
        own_pose: Whether each image keeps its own pose; then no pose is returned, only how large
            the images are.

    Returns:
        The target poses.

    Raises:
        ReidaugError: Too few images can stand model.
    """
    models = {s.person.path.name: s for s in sources if own_pose or shows_torso(s.pose)}
    unreadable: list[str] = []
    while True:
        poses = {name: source.pose for name, source in models.items()}
        wanted = min(count, max(len(poses), 1)) if own_pose else count
        try:
            chosen = choose(poses, wanted, how=how, seed=seed)
        except ReidaugError as error:
            more = f"; not readable: {len(unreadable)}, first {unreadable[0]}" if unreadable else ""
            raise type(error)(f"{error}{more}") from None
        sizes: dict[str, Size] = {}
        for name in chosen:
            try:
                size = _size_of(models[name], masks)
            except ReidaugError as error:
                unreadable.append(str(error))
                del models[name]  # it is reported when it is read as a source
            else:
                sizes[name] = size
        if len(sizes) == len(chosen):
            break
    targets = gather(chosen, poses, sizes, seed=seed)
    if not own_pose:
        return targets
    nobody = Pose(torch.zeros(0, 18, 2), torch.zeros(0, 18, dtype=torch.bool))
    return targets._replace(images=(), pose=nobody)


def _size_of(source: Source, masks: Path | None) -> Size:
    """Read an image and its mask, to learn how large it is and that nothing is damaged."""
    image, mask = read_image(source.person.path), mask_file(source.person.path.name, masks)
    if mask is not None:
        read_mask(mask)
    return image.shape[1], image.shape[2]


def fingerprint(material: Material, files: Iterable[Path]) -> str:
    """Sum up what decides the warps and can change behind the same paths.

    Args:
        material: Its names and poses count.
        files: Their names and content count; folders are passed over.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256(repr((material.targets.size, material.targets.images)).encode())
    for source in material.sources:
        digest.update(source.name.encode())
        for part in source.pose:
            digest.update(part.numpy().tobytes())
    for path in files:
        if path.is_file():
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
