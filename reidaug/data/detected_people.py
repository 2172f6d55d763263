"""People found on images by a network, and whose joints count.

Such files hold everybody on an image, in any order. Of several people the one counts whom the crop
was cut for: large, in the middle, and found with certainty.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reidaug.data.crop_names import spelled
from reidaug.data.joint_numbers import Entry, at_origin, converted
from reidaug.errors import ReidaugError
from reidaug.files import read_text
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import COCO_17

HALPE_26 = (
    *COCO_17, "head", "neck", "middle_hip", "left_big_toe", "right_big_toe", "left_small_toe",
    "right_small_toe", "left_heel", "right_heel",
)  # fmt: skip
"""Halpe's body, as AlphaPose and MMPose find it."""
SKELETONS = (
    COCO_17, HALPE_26, (*COCO_17, *[""] * (133 - 17)), (*HALPE_26, *[""] * (136 - 26)),
)  # fmt: skip
"""COCO's joints, and skeletons that begin with them: Halpe's and whole bodies, hands and face."""
MIN_SCORE = 0.3
"""Least score of a visible joint in COCO files whose third numbers are scores, as mmpose draws."""
_LEAST_CENTRED = 0.05  # of somebody at the edge of the image, beside 1 in the middle


class Reading(NamedTuple):
    """The entries of a file of detected people, and what was decided on the way."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]  # one line for each kind of decision, with its count


class Detection(NamedTuple):
    """A person on an image."""

    where: str  # position in the file
    joints: NDArray[np.float64]  # (J, 3): x, y, and the third number as the file has it
    skeleton: tuple[str, ...]
    score: float | None  # of the person, where the file gives one


class PersonChoice:
    """Chooses among the people on the images of a file, and marks their visible joints.

    Args:
        least: Least score of a visible joint; None where third numbers are visibilities.
        size_of: Gives the (height, width) of an image by its name; None where unknown.
    """

    def __init__(self, least: float | None, size_of: Callable[[str], Size | None] | None) -> None:
        self.least, self.size_of = least, size_of
        self.several = self.images = self.joints = self.dropped = self.repeated = 0

    def entry(self, name: str, people: Sequence[Detection], size: Size | None = None) -> Entry:
        """Choose among the people on an image, and mark their visible joints.

        A person who is there twice, joint for joint, is one; those without a joint are not alike.
        """
        self.images += 1
        found = [person for person in people if person.joints[:, 2].any()]
        once = _each_once(found)
        self.repeated += len(found) - len(once)
        people = once or people[:1]
        seen = [self._visible(person) for person in people]
        shown = [k for k, joints in enumerate(seen) if joints[:, 2].any()]
        best = shown[0] if shown else 0
        if len(shown) > 1:
            self.several += 1
            size = size or (self.size_of(name) if self.size_of else None)
            ranks = [prominence(seen[k], _certainty(people[k], seen[k]), size) for k in shown]
            best = shown[int(np.argmax(ranks))]
        self._count(people[best], seen[best])
        return people[best].where, name, converted(seen[best], people[best].skeleton)

    def entry_of_file(self, path: Path, name: str, people: Sequence[Detection] | str) -> Entry:
        """Choose among the people of an image with a file of its own, or say why it has none."""
        return (f"{path}:1", name, people) if isinstance(people, str) else self.entry(name, people)

    def _visible(self, person: Detection) -> NDArray[np.float64]:
        joints = person.joints.copy()
        joints[:, 2] = joints[:, 2] > 0 if self.least is None else joints[:, 2] >= self.least
        joints[at_origin(joints), 2] = 0
        return joints

    def _count(self, person: Detection, seen: NDArray[np.float64]) -> None:
        found = (person.joints[:, 2] > 0) & ~at_origin(person.joints)
        self.joints += int(found.sum())
        self.dropped += int((found & (seen[:, 2] == 0)).sum())

    def notes(self, *, of: str) -> Iterator[str]:
        """Say what was decided; ``of`` is what third numbers are."""
        if self.several:
            yield (
                f"{self.several:,} of {self.images:,} images show several people; the largest, "
                "most central and most certain one counts"
            )
        if self.repeated:
            yield f"{self.repeated:,} people are there twice, joint for joint, and count once"
        if self.least is not None and self.dropped:
            yield (
                f"{of}: joints below {self.least} count as not visible, "
                f"{self.dropped:,} of {self.joints:,}"
            )


def prominence(joints: NDArray[np.float64], certainty: float, size: Size | None) -> float:
    """Rank a person on an image: how large, how near to the middle, how certain.

    Args:
        joints: (J, 3) as x, y, visible, at least one of them visible.
        certainty: 0 to 1.
        size: (height, width) of the image; None where unknown: then the middle does not count.

    Returns:
        The product of the diagonal of the box of the visible joints, of 1 in the middle of the
        image down to `_LEAST_CENTRED` at its edges, and of the certainty. Joints outside of the
        image do not count.
    """
    xy = joints[joints[:, 2] > 0, :2]
    if size is None:
        return float(np.hypot(*np.ptp(xy, axis=0)) * certainty)
    shares = (xy + 0.5) / np.array(size[::-1], dtype=np.float64)
    shares = shares[((shares >= 0) & (shares <= 1)).all(1)]
    if not len(shares):
        return 0.0
    box = np.stack((shares.min(0), shares.max(0)))
    away = np.hypot(*(box.mean(0) - 0.5)) * 2
    return float(np.hypot(*(box[1] - box[0])) * max(1 - away, _LEAST_CENTRED) * certainty)


def score_of(record: Mapping[str, Any]) -> float | None:
    """Read the score of a person, in [0, 1]; None where there is none, or it is no share."""
    score = record.get("score", record.get("bbox_score"))
    return float(score) if type(score) in (int, float) and 0 <= score <= 1 else None


def _each_once(people: Sequence[Detection]) -> list[Detection]:
    """Take each person once who is there several times, joint for joint, by the best score."""
    once: dict[bytes, Detection] = {}
    for person in people:
        kept = once.setdefault(person.joints.tobytes(), person)
        if (person.score or 0.0) > (kept.score or 0.0):
            once[person.joints.tobytes()] = person
    return list(once.values())


def _certainty(person: Detection, seen: NDArray[np.float64]) -> float:
    """Mean score of all joints, invisible ones as 0, times that of the person."""
    scores = np.where(seen[:, 2] > 0, person.joints[:, 2].clip(0, 1), 0)
    return float(scores.mean()) * (1 if person.score is None else min(max(person.score, 0), 1))


class ImageNames:
    """Names of images whose files of joints have their stems.

    Args:
        folder: The folder of the files, for errors.
        names: File names of the images.
        ending: End of the names of the files.

    Raises:
        ReidaugError: Two images have one stem.
    """

    def __init__(self, folder: Path, names: Sequence[str], ending: str) -> None:
        self.suffixes: dict[str, str] = {}
        self.last = {spelled(PurePosixPath(name).name) for name in names}
        for name in names:
            suffix = PurePosixPath(name).suffix
            stem = name.removesuffix(suffix)
            if self.suffixes.setdefault(stem, suffix) != suffix:
                raise ReidaugError(
                    f"{folder}: {PurePosixPath(stem).name}{ending} may be of "
                    f"{stem}{self.suffixes[stem]} or {name}; rename one of them"
                )
        self.by_stem = {
            spelled(PurePosixPath(stem).name): suffix for stem, suffix in self.suffixes.items()
        }

    def has(self, stem: str) -> bool:
        """Whether an image has a stem, in any folder."""
        return spelled(stem) in self.by_stem

    def of(self, stem: str) -> str:
        """Name the image of a stem, which folders may come before; ``.jpg`` where none has it.

        Some programs keep the image's own ending in what is then no stem.
        """
        last = spelled(PurePosixPath(stem).name)
        if last in self.last and last not in self.by_stem:
            return stem
        return f"{stem}{self.suffixes.get(stem) or self.by_stem.get(last) or '.jpg'}"


def read_json(path: Path) -> Any:
    """Read a JSON file; `ReidaugError` where it is none."""
    if not path.is_file():
        raise ReidaugError(f"{path}: no file of text")
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ReidaugError(f"{path}: broken JSON ({error})") from None
