"""People found on images by a network: COCO's and OpenPose's JSON, and whose joints count.

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
from reidaug.data.joint_numbers import Entry, converted, numbers
from reidaug.errors import ReidaugError
from reidaug.files import read_text
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import COCO_17, OPENPOSE_18

BODY_25 = (
    "nose", "neck",
    "right_shoulder", "right_elbow", "right_wrist",
    "left_shoulder", "left_elbow", "left_wrist",
    "middle_hip",
    "right_hip", "right_knee", "right_ankle",
    "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
    "left_big_toe", "left_small_toe", "left_heel",
    "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
"""OpenPose's 25-joint skeleton."""

MIN_SCORE = 0.3
"""Least score of a visible joint in COCO files whose third numbers are scores, as mmpose draws."""
MIN_CONFIDENCE = 0.1
"""Least confidence of a visible joint in OpenPose's files; its own render threshold is 0.05."""

_FLAGS = (-1, 0, 1, 2)  # COCO's visibility: not labelled, hidden, visible; some write -1 for none
_LARGEST_SCORE = 1.5  # networks' scores exceed 1 by a little
_LEAST_CENTRED = 0.05  # of somebody at the edge of the image, beside 1 in the middle
_OPENPOSE_ENDING = "_keypoints.json"
_SKELETONS = {len(names): names for names in (OPENPOSE_18, BODY_25)}


class Reading(NamedTuple):
    """The entries of a file of detected people, and what was decided on the way."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]  # one line for each kind of decision, with its count


class _Detection(NamedTuple):
    """A person on an image."""

    where: str  # position in the file
    joints: NDArray[np.float64]  # (J, 3): x, y, and the third number as the file has it
    skeleton: tuple[str, ...]
    score: float | None  # of the person, where the file gives one


class _Reader:
    """What all images of a file have in common: their sizes, and what third numbers mean."""

    def __init__(self, least: float | None, size_of: Callable[[str], Size | None] | None) -> None:
        self.least, self.size_of = least, size_of
        self.several = self.images = self.joints = self.dropped = 0

    def entry(self, name: str, people: Sequence[_Detection], size: Size | None = None) -> Entry:
        """Choose among the people on an image, and mark their visible joints."""
        self.images += 1
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

    def _visible(self, person: _Detection) -> NDArray[np.float64]:
        joints = person.joints.copy()
        joints[:, 2] = joints[:, 2] > 0 if self.least is None else joints[:, 2] >= self.least
        return joints

    def _count(self, person: _Detection, seen: NDArray[np.float64]) -> None:
        found = person.joints[:, 2] > 0
        self.joints += int(found.sum())
        self.dropped += int((found & (seen[:, 2] == 0)).sum())

    def notes(self, *, of: str) -> Iterator[str]:
        if self.several:
            yield (
                f"{self.several:,} of {self.images:,} images show several people; the largest, "
                "most central and most certain one counts"
            )
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


def _certainty(person: _Detection, seen: NDArray[np.float64]) -> float:
    """Mean score of all joints, invisible ones as 0, times that of the person."""
    scores = np.where(seen[:, 2] > 0, person.joints[:, 2].clip(0, 1), 0)
    return float(scores.mean()) * (1 if person.score is None else min(max(person.score, 0), 1))


def read_coco(
    path: Path, names: Sequence[str] = (), size_of: Callable[[str], Size | None] | None = None
) -> Reading:
    """Read COCO's 17 joints: ground truth with images, or a list of a network's results.

    A third number of 0, 1 or 2 is a visibility; where any of a file's is something else, all of
    them are scores and joints below `MIN_SCORE` are not visible. Names are those of the file,
    folders included. In a list of results ``image_id`` is the file's name, or its stem.

    Args:
        path: The file.
        names: File names of the images, for results that name images by number.
        size_of: Gives the (height, width) of an image by its name; None where unknown.

    Raises:
        ReidaugError: The file is damaged as a whole, two images have one name, or third numbers are
            neither visibilities nor scores.
    """
    content = _json(path)
    results = isinstance(content, list) and all(
        isinstance(item, dict) and "image_id" in item for item in content
    )
    sizes: dict[str, Size] = {}
    try:
        if results and content:
            known, annotations = _result_names(path, content, names), content
        else:
            known, sizes = _listed_images(path, content["images"])
            annotations = list(content["annotations"])
    except (TypeError, KeyError, AttributeError):
        raise ReidaugError(
            f"{path}: no COCO file; it has lists 'images' and 'annotations'"
        ) from None
    refused: list[Entry] = []
    people: dict[str, list[_Detection]] = {}
    for number, annotation in enumerate(annotations):
        where = f"{path}:annotations[{number}]"
        found = _flat(annotation, "keypoints", (COCO_17,))
        if isinstance(found, str):
            refused.append((where, "", found))
            continue
        name = known.get(spelled(_image_id(annotation.get("image_id"))))
        if name is None:
            reason = "no image is called like its image_id" if results else _NOT_LISTED
            refused.append((where, "", reason))
            continue
        score = annotation.get("score")
        certain = float(score) if type(score) in (int, float) and 0 <= score <= 1 else None
        people.setdefault(name, []).append(_Detection(where, found[0], found[1], certain))
    least = _least_score(path, [person for found in people.values() for person in found])
    reader = _Reader(least, size_of)
    entries = [reader.entry(name, found, sizes.get(name)) for name, found in people.items()]
    notes = tuple(reader.notes(of="third numbers of joints are scores"))
    return Reading((*refused, *entries), notes)


_NOT_LISTED = "its image is not in 'images'"


def _least_score(path: Path, people: Sequence[_Detection]) -> float | None:
    """Decide what third numbers mean: None for visibilities, the least score of a visible joint."""
    third = np.concatenate([person.joints[:, 2] for person in people] or [np.zeros(0)])
    if np.isin(third, _FLAGS).all():
        return None
    if third.max() > _LARGEST_SCORE:
        # Flags among scores: one file of two annotators.
        if np.isin(third[third > 1], _FLAGS).all():
            return MIN_SCORE
        raise ReidaugError(
            f"{path}: third numbers of joints reach {third.max():g}; they are visibilities 0, 1 "
            "and 2, or scores from 0 to 1"
        )
    return MIN_SCORE


def _listed_images(path: Path, images: Any) -> tuple[dict[str, str], dict[str, Size]]:
    known: dict[str, str] = {}
    ids: dict[str, str] = {}
    sizes: dict[str, Size] = {}
    for image in images:
        number, name = spelled(_image_id(image["id"])), _posix(image["file_name"])
        if known.get(number, name) != name:
            raise ReidaugError(f"{path}: image {number} is both {known[number]!r} and {name!r}")
        if ids.get(name, number) != number:
            raise ReidaugError(
                f"{path}: images {ids[name]} and {number} are both called {name!r}; give "
                "file_name the folders that tell them apart"
            )
        known[number], ids[name] = name, number
        height, width = image.get("height"), image.get("width")
        if type(height) is int and type(width) is int and min(height, width) > 0:
            sizes[name] = height, width
    return known, sizes


def _result_names(path: Path, results: Sequence[Any], names: Sequence[str]) -> dict[str, str]:
    """Find the images of a list of results by their names, stems, or stems as numbers."""
    by_key: dict[str, str] = {}
    for name in names:
        stem = spelled(PurePosixPath(name).stem)
        for key in {stem, str(int(stem)) if stem.isdecimal() and len(stem) < 20 else stem}:
            if by_key.setdefault(key, name) != name:
                by_key[key] = ""
    known: dict[str, str] = {}
    for result in results:
        key = spelled(_image_id(result["image_id"]))
        if PurePosixPath(_posix(key)).suffix and not key.isdecimal():
            known[key] = _posix(key)
        elif by_key.get(key) == "":
            both = [
                name
                for name in names
                if spelled(PurePosixPath(name).stem).lstrip("0") == key.lstrip("0")
            ]
            raise ReidaugError(
                f"{path}: image_id {key!r} may be {both[0]} or {both[-1]}; name images by their "
                "paths"
            )
        elif key in by_key:
            known[key] = by_key[key]
    return known


def _image_id(value: Any) -> str:
    """Write an image's id; tables with gaps make numbers such as 7.0 of it."""
    return str(int(value)) if type(value) is float and value.is_integer() else str(value)


def _posix(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).as_posix()


def read_openpose(
    folder: Path, names: Sequence[str], size_of: Callable[[str], Size | None] | None = None
) -> Reading:
    """Read OpenPose's ``<stem>_keypoints.json``, 18 or 25 joints, in a folder and those below it.

    Joints are visible from a confidence of `MIN_CONFIDENCE`. Names are the files', with their
    folders below this one and the suffix of the image of that stem, ``.jpg`` by default.

    Args:
        folder: The folder.
        names: File names of the images.
        size_of: Gives the (height, width) of an image by its name; None where unknown.

    Raises:
        ReidaugError: There is no such file in it, or two images have one stem.
    """
    files = sorted(folder.rglob(f"*{_OPENPOSE_ENDING}"))
    if not files:
        raise ReidaugError(f"{folder}: no *{_OPENPOSE_ENDING}, so no folder of OpenPose's")
    suffixes: dict[str, str] = {}
    for name in names:
        stem, suffix = name.removesuffix(PurePosixPath(name).suffix), PurePosixPath(name).suffix
        if suffixes.setdefault(stem, suffix) != suffix:
            raise ReidaugError(
                f"{folder}: {PurePosixPath(stem).name}{_OPENPOSE_ENDING} may be of "
                f"{stem}{suffixes[stem]} or {name}; rename one of them"
            )
    by_stem = {spelled(PurePosixPath(stem).name): suffix for stem, suffix in suffixes.items()}
    reader, entries = _Reader(MIN_CONFIDENCE, size_of), list[Entry]()
    for path in files:
        stem = path.relative_to(folder).as_posix().removesuffix(_OPENPOSE_ENDING)
        ending = suffixes.get(stem) or by_stem.get(spelled(PurePosixPath(stem).name))
        name = f"{stem}{ending or '.jpg'}"
        people = _openpose_people(path)
        if isinstance(people, str):
            entries.append((f"{path}:1", name, people))
        else:
            entries.append(reader.entry(name, people))
    notes = reader.notes(of="third numbers of joints are confidences")
    return Reading(tuple(entries), tuple(notes))


def _openpose_people(path: Path) -> list[_Detection] | str:
    try:
        people = list(_json(path)["people"])
    except (ReidaugError, TypeError, KeyError):
        return "broken JSON, or no list 'people' in it"
    if not people:
        return "nobody in the image"
    found = [_flat(person, "pose_keypoints_2d", tuple(_SKELETONS.values())) for person in people]
    whole = [_Detection(f"{path}:1", *one, None) for one in found if not isinstance(one, str)]
    return whole or next(one for one in found if isinstance(one, str))


def _json(path: Path) -> Any:
    if not path.is_file():
        raise ReidaugError(f"{path}: no file of text")
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ReidaugError(f"{path}: broken JSON ({error})") from None


def _flat(
    record: Any, key: str, skeletons: Sequence[tuple[str, ...]]
) -> tuple[NDArray[np.float64], tuple[str, ...]] | str:
    """Read a flat list x, y, v, x, y, v, ... of a record: joints (J, 3) and their skeleton."""
    values = record.get(key) if isinstance(record, Mapping) else None
    if not isinstance(values, list):
        return f"no list {key!r}"
    fitting = [names for names in skeletons if 3 * len(names) == len(values)]
    if not fitting:
        expected = " or ".join(str(3 * len(names)) for names in skeletons)
        return f"{key}: {expected} numbers expected, {len(values)} found"
    found = numbers(values, len(values))
    if isinstance(found, str):
        return f"{key}: {found}"
    return found.reshape(-1, 3), fitting[0]
