"""OpenPose's files of people: JSON, one file an image."""

from collections.abc import Callable, Sequence
from pathlib import Path

from reidaug.data.detected_people import (
    Detection,
    ImageNames,
    PersonChoice,
    Reading,
    read_json,
)
from reidaug.data.joint_numbers import Entry, read_joints
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import OPENPOSE_18

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

SKELETONS = (OPENPOSE_18, BODY_25)
MIN_CONFIDENCE = 0.1
"""Least confidence of a visible joint in OpenPose's files; its own render threshold is 0.05."""

_ENDING = "_keypoints.json"


def holds_openpose(folder: Path) -> bool:
    """Whether a folder, or one below it, has a file of OpenPose's."""
    return next(folder.rglob(f"*{_ENDING}"), None) is not None


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
    files = sorted(folder.rglob(f"*{_ENDING}"))
    if not files:
        raise ReidaugError(f"{folder}: no *{_ENDING}, so no folder of OpenPose's")
    images = ImageNames(folder, names, _ENDING)
    choice, entries = PersonChoice(MIN_CONFIDENCE, size_of), list[Entry]()
    for path in files:
        name = images.of(path.relative_to(folder).as_posix().removesuffix(_ENDING))
        entries.append(choice.entry_of_file(path, name, _openpose_people(path)))
    notes = choice.notes(of="third numbers of joints are confidences")
    return Reading(tuple(entries), tuple(notes))


def _openpose_people(path: Path) -> list[Detection] | str:
    try:
        people = list(read_json(path)["people"])
    except (ReidaugError, TypeError, KeyError):
        return "broken JSON, or no list 'people' in it"
    if not people:
        return "nobody in the image"
    found = [read_joints(person, "pose_keypoints_2d", SKELETONS) for person in people]
    whole = [Detection(f"{path}:1", *one, None) for one in found if not isinstance(one, str)]
    return whole or next(one for one in found if isinstance(one, str))
