"""Pairs of a crop and a target pose, among the evaluated people of a training set."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from turns import view_turn_of

from reidaug.augment.target_poses import TargetPoses
from reidaug.data.images import read_image
from reidaug.data.keypoints import read_keypoints
from reidaug.data.market1501 import TRAIN, Person, read_market1501
from reidaug.data.people_split import Part, split_people
from reidaug.errors import ReidaugError
from reidaug.files import summarise_left_out
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, select, shows_torso, stack
from reidaug.jobs import numpy_generator
from reidaug.perception.dataset_poses import estimate_poses
from reidaug.runs import notice


class Draw(NamedTuple):
    """Crops to warp, and the gallery that is searched for their people.

    Attributes:
        sources: The S crops that are warped, in name order.
        pose: Their joints (S, 18, 2) by BlazePose.
        gallery: All crops of the evaluated people, and the distractors.
        distractors: Number of crops in it of other people, who never match.
        candidates: Number of crops that the sources were drawn from.
        keypoints: Joints of all crops of the evaluated people.
        masks: Their outlines.
    """

    sources: tuple[Person, ...]
    pose: Pose
    gallery: tuple[Person, ...]
    distractors: int
    candidates: int
    keypoints: Path
    masks: Path

    def link_sources(self, root: Path) -> Path:
        """Make a dataset of links to the sources."""
        (root / TRAIN).mkdir(parents=True, exist_ok=True)
        for person in self.sources:
            link = root / TRAIN / person.path.name
            if not link.is_symlink():
                link.symlink_to(person.path.resolve())
        return root


class Pairs(NamedTuple):
    """Every source with every target pose but its own, N pairs.

    Attributes:
        size: (height, width) of crops and warps.
        sources: The source of each pair.
        source_number: Its number in `Draw.sources` (N,).
        target_number: Number there of the crop the target pose comes from (N,).
        pose: Number of the target pose (N,).
        people: Person of the source (N,).
        source: Joints of the source (N, 18, 2).
        target: Joints of the target pose (N, 18, 2).
        turn: Place in `VIEW_TURNS` (N,).
    """

    size: Size
    sources: list[Person]
    source_number: NDArray[np.int64]
    target_number: NDArray[np.int64]
    pose: NDArray[np.int64]
    people: NDArray[np.int64]
    source: Pose
    target: Pose
    turn: NDArray[np.int64]

    @classmethod
    def of(cls, draw: Draw, targets: TargetPoses) -> "Pairs":
        """Pair the sources with target poses that were chosen among them."""
        numbers = {person.path.name: k for k, person in enumerate(draw.sources)}
        from_crop = np.array([numbers[image] for image in targets.images])
        source, pose = (
            part.ravel()
            for part in np.meshgrid(
                np.arange(len(numbers)), np.arange(len(from_crop)), indexing="ij"
            )
        )
        other = from_crop[pose] != source
        source, pose = source[other], pose[other]
        before = select(draw.pose, torch.from_numpy(source))
        after = select(targets.pose, torch.from_numpy(pose))
        sources = [draw.sources[k] for k in source]
        people = np.array([person.pid for person in sources])
        turn = view_turn_of(before, after)
        return cls(
            targets.size, sources, source, from_crop[pose], pose, people, before, after, turn
        )


def draw_crops(
    market: Path,
    kept: Path,
    part: Part,
    crops: int,
    distractors: int,
    *,
    seed: int,
    workers: int | None,
) -> Draw:
    """Draw crops whose pose is found and shows the torso, and the distractors of the gallery."""
    dataset = read_market1501(market, splits=(TRAIN,))
    if dataset.left_out:
        notice(summarise_left_out(dataset.left_out, len(dataset.train), what="images"))
    split = split_people(dataset.train, part)
    people = sorted((*split.query, *split.gallery), key=lambda person: person.path.name)
    keypoints, masks = kept / "pose" / "crops.csv", kept / "pose" / "masks"
    estimate_poses([person.path for person in people], keypoints, masks=masks, workers=workers)
    poses = read_keypoints(keypoints).poses
    candidates = [p for p in seen_twice(people) if shows(poses.get(p.path.name))]
    if crops > len(candidates):
        raise ReidaugError(
            f"{market}: only {len(candidates)} crops of {part} people show shoulders and hips of "
            f"someone whom another camera shows too, too few for --crops {crops}"
        )
    chosen = numpy_generator(seed, 0).choice(len(candidates), crops, replace=False)
    sources = tuple(candidates[k] for k in sorted(chosen))
    check_sizes(sources)
    others = numpy_generator(seed, 1).permutation(len(split.train))[:distractors]
    gallery = (*people, *(split.train[k] for k in sorted(others)))
    pose = stack([poses[person.path.name] for person in sources])
    return Draw(sources, pose, gallery, len(others), len(candidates), keypoints, masks)


def seen_twice(people: Sequence[Person]) -> list[Person]:
    """Keep the crops of people whom two cameras show: they have a match in the gallery."""
    cameras: dict[int, set[int]] = {}
    for person in people:
        cameras.setdefault(person.pid, set()).add(person.camid)
    return [person for person in people if len(cameras[person.pid]) > 1]


def shows(pose: Pose | None) -> bool:
    """Whether a pose was found and shows the torso."""
    return pose is not None and shows_torso(pose)


def check_sizes(people: Sequence[Person]) -> None:
    """Refuse crops of several sizes: joints are compared in pixels."""
    sizes = {tuple(read_image(person.path).shape[1:]) for person in people}
    if len(sizes) > 1:
        listed = ", ".join(f"{h}x{w}" for h, w in sorted(sizes)[:3])
        raise ReidaugError(f"{people[0].path.parent}: crops of one size are needed, not {listed}")
