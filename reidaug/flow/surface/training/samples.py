"""Samples of a surface training: rendered crops with their surface maps, in memory.

A crop of 128 x 64 with its maps takes 70 KB, a target pose 30 KB: 2,000 people 1.5 GB.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, UInt8
from joblib import delayed
from numpy.typing import NDArray
from torch import Tensor

from reidaug.checksums import check_written
from reidaug.data.image_poses import read_image_poses
from reidaug.data.images import read_image, read_mask
from reidaug.data.keypoints import read_keypoints
from reidaug.errors import ReidaugError
from reidaug.flow.surface.training.ideal_flows import ideal_flows
from reidaug.geometry.flow import Size, size_of
from reidaug.geometry.pose import Pose, select, stack
from reidaug.jobs import run_tasks
from reidaug.machine import cores, one_thread
from reidaug.people3d.surface_dataset import read_surfaces


class Crops(NamedTuple):
    """N crops. A missing pose or mask of the second kind is that of the first."""

    image: UInt8[Tensor, "n 3 H W"]
    surface: Float[Tensor, "n 4 h w"]  # half precision, NaN where the person is not visible
    masks: tuple[Bool[Tensor, "n H W"], ...]  # true masks, perhaps those of a network
    poses: tuple[Pose, ...]  # true joints (N, 18, 2), perhaps those of a network


class Targets(NamedTuple):
    """M target poses; see `reidaug.people3d.surface_dataset.PersonSurfaces`."""

    source: Int[Tensor, "m"]  # number of the crop
    retargeted: Bool[Tensor, "m"]  # whether `asked` is given, rather than `pose`
    asked: Pose  # joints of another person (M, 18, 2)
    pose: Pose  # joints of the crop's person (M, 18, 2)
    surface: Float[Tensor, "m 4 h w"]  # half precision, NaN off the person
    outline: Bool[Tensor, "m H W"]
    # What the flow should be and where it comes from, see `ideal_flows`.
    ideal: Float[Tensor, "m 2 h w"]
    origin: UInt8[Tensor, "m h w"]


class Samples(NamedTuple):
    """All samples of a split."""

    crops: Crops
    targets: Targets
    names: tuple[str, ...]  # file names of the crops

    @property
    def size(self) -> Size:
        """(height, width) of the crops."""
        return size_of(self.crops.image)


def read_samples(
    root: Path, split: str, *, keypoints: Path | None = None, masks: Path | None = None
) -> Samples:
    """Read the samples of a split.

    Args:
        root: Folder of `reidaug synth surfaces`.
        split: ``train`` or ``test``.
        keypoints: Joints of the crops as a network finds them, see `reidaug pose`.
        masks: Folder of their masks, as the network finds them.

    Raises:
        ReidaugError: A file is missing or damaged, or its joints do not lie on the crops.
    """
    check_written(root)
    files = sorted((root / "surfaces" / split).glob("*.npz"))
    if not files:
        raise ReidaugError(f"{root}: no rendered surfaces here; reidaug synth surfaces makes them")
    annotation = root / f"fasion-annotation-{split}.csv"
    true = read_keypoints(annotation).poses
    surfaces: list[Tensor] = []
    targets: list[Targets] = []
    names: list[str] = []
    tasks = (delayed(_read_person)(file) for file in files)
    for file, (crop, target) in zip(files, run_tasks(tasks, cores()), strict=True):
        targets.append(target._replace(source=target.source + len(names)))
        names += [f"{file.stem}_{k}.jpg" for k in range(len(crop))]
        surfaces.append(crop)
    if without := [name for name in names if name not in true]:
        raise ReidaugError(f"{annotation}: no joints of {without[0]}, of {len(without):,} crops")
    image = torch.stack([read_image(root / split / name) for name in names])
    poses, outlines = [_poses(names, true)], [_masks(names, root / "masks")]
    if keypoints:
        read = read_image_poses([root / split / name for name in names], keypoints)
        placed = read.place(file=keypoints).poses
        found = {path.name: placed[key] for path, key in read.keys.items() if key in placed}
        poses.append(_poses(names, true | found))
    if masks:
        outlines.append(_masks(names, masks, instead=outlines[0]))
    crops = Crops(image, torch.cat(surfaces), tuple(outlines), tuple(poses))
    return Samples(crops, _joined(targets), tuple(names))


def _read_person(file: Path) -> tuple[Tensor, Targets]:
    """Read the surfaces of a person's crops, and their targets, with ideal flows."""
    person = read_surfaces(file)
    crop, target = torch.from_numpy(person.crop), torch.from_numpy(person.target)
    source, outline = torch.from_numpy(person.source).long(), torch.from_numpy(person.outline)
    with one_thread():
        ideal = ideal_flows(crop[source], target, outline)
    asked, own = _pose(person.asked), _pose(person.joints)
    retargeted = torch.from_numpy(person.retargeted)
    return crop, Targets(source, retargeted, asked, own, target, outline, *ideal)


def _pose(table: NDArray[Any]) -> Pose:
    joints = torch.from_numpy(table)
    return Pose(joints[..., :2].contiguous(), joints[..., 2] > 0)


def _poses(names: Sequence[str], poses: dict[str, Pose]) -> Pose:
    return stack([poses[name] for name in names])


def _masks(
    names: Sequence[str], folder: Path, instead: Bool[Tensor, "n H W"] | None = None
) -> Bool[Tensor, "n H W"]:
    masks = []
    for k, name in enumerate(names):
        path = folder / f"{Path(name).stem}.png"
        mask = read_mask(path) if instead is None or path.is_file() else instead[k]
        masks.append(mask if instead is None or mask.any() else instead[k])
    return torch.stack(masks)


def _joined(parts: Sequence[Targets]) -> Targets:
    def joined(column: Any) -> Any:
        if isinstance(column[0], Pose):
            return Pose(*(torch.cat(part) for part in zip(*column, strict=True)))
        return torch.cat(column)

    return Targets(*(joined(column) for column in zip(*parts, strict=True)))


class Batch(NamedTuple):
    """B samples, floats; what networks are given, and the truth."""

    image: Float[Tensor, "b 3 H W"]
    mask: Float[Tensor, "b H W"]
    known: Bool[Tensor, "b"]  # whether the mask is known
    pose: Pose  # of the crop
    asked: Pose  # target joints, of another person where `retargeted`
    retargeted: Bool[Tensor, "b"]
    seen: Float[Tensor, "b 4 h w"]  # surface of the crop, NaN where not visible
    target_pose: Pose  # true joints of the person in the target pose
    surface: Float[Tensor, "b 4 h w"]  # surface in the target pose, NaN off the person
    outline: Bool[Tensor, "b H W"]
    ideal: Float[Tensor, "b 2 h w"]  # flow, NaN where nothing is asked
    origin: UInt8[Tensor, "b h w"]  # of the ideal flow


def take(samples: Samples, numbers: Tensor, pose: int = 0, mask: int = 0) -> Batch:
    """Take samples by the numbers of their targets, with poses and masks of one kind."""
    crops, targets = samples.crops, samples.targets
    source = targets.source[numbers]
    retargeted = targets.retargeted[numbers]
    asked, own = select(targets.asked, numbers), select(targets.pose, numbers)
    given = Pose(
        torch.where(retargeted[:, None, None], asked.xy, own.xy),
        torch.where(retargeted[:, None], asked.visible, own.visible),
    )
    return Batch(
        crops.image[source].float() / 255,
        crops.masks[mask][source].float(),
        torch.ones(len(numbers), dtype=torch.bool),
        select(crops.poses[pose], source),
        given,
        retargeted,
        crops.surface[source].float(),
        own,
        targets.surface[numbers].float(),
        targets.outline[numbers],
        targets.ideal[numbers].float(),
        targets.origin[numbers],
    )
