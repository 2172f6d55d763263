"""MMPose's files of people: JSON, one file an image, as its inferencer and its demos write them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reidaug.data.detected_people import (
    MIN_SCORE,
    SKELETONS,
    Detection,
    ImageNames,
    PersonChoice,
    Reading,
    read_json,
    score_of,
)
from reidaug.data.joint_numbers import Entry, read_joints
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import COCO_17

ENDING = ".json"
_DEMO = "results_"  # what the demos' files begin with


def read_mmpose(
    folder: Path, names: Sequence[str], size_of: Callable[[str], Size | None] | None = None
) -> Reading:
    """Read MMPose's ``<stem>.json`` or ``results_<stem>.json`` in a folder and those below it.

    Each holds a list of people, or ``instance_info`` is one: ``keypoints`` with
    ``keypoint_scores``, of 17 joints in COCO's order or of a skeleton that begins with these, see
    `SKELETONS`. Where ``meta_info`` names the joints, they have to be these. Joints are visible
    from a score of `MIN_SCORE`. Names are the files', as of
    `reidaug.data.openpose_people.read_openpose`.

    Args:
        folder: The folder.
        names: File names of the images.
        size_of: Gives the (height, width) of an image by its name; None where unknown.

    Raises:
        ReidaugError: There is no such file in it, or two images have one stem.
    """
    files = sorted(folder.rglob(f"*{ENDING}"))
    if not files:
        raise ReidaugError(
            f"{folder}: neither OpenPose's *_keypoints.json nor MMPose's *.json are in it"
        )
    images = ImageNames(folder, names, ENDING)
    choice, entries = PersonChoice(MIN_SCORE, size_of), list[Entry]()
    for path in files:
        stem = path.relative_to(folder).with_suffix("")
        if not images.has(stem.name):
            stem = stem.with_name(stem.name.removeprefix(_DEMO) or stem.name)
        entries.append(choice.entry_of_file(path, images.of(stem.as_posix()), _people(path)))
    notes = choice.notes(of="third numbers of joints are scores")
    return Reading(tuple(entries), tuple(notes))


def _people(path: Path) -> list[Detection] | str:
    """Read the people of a file, or the reason why there are none."""
    try:
        content = read_json(path)
    except ReidaugError:
        return "broken JSON"
    if isinstance(content, Mapping):
        if order := _other_order(content.get("meta_info")):
            return order
        content = content.get("instance_info")
    while isinstance(content, list) and len(content) == 1 and isinstance(content[0], list):
        content = content[0]  # of a batch of one image
    if not isinstance(content, list):
        return "neither a list of people nor one called 'instance_info'"
    if any(isinstance(one, Mapping) and "instances" in one for one in content):
        return "frames of a video; predict its images one by one"
    if not content:
        return "nobody in the image"
    found = [(one, read_joints(one, "keypoints", SKELETONS)) for one in content]
    whole = [
        Detection(f"{path}:1", *joints, score_of(one))
        for one, joints in found
        if not isinstance(joints, str)
    ]
    return whole or next(joints for _, joints in found if isinstance(joints, str))


def _other_order(meta: Any) -> str:
    """Say whether the names of a file's joints are others than COCO's; empty where not."""
    names = meta.get("keypoint_id2name") if isinstance(meta, Mapping) else None
    if not isinstance(names, Mapping):
        return ""
    first = [names.get(str(k), names.get(k)) for k in range(len(COCO_17))]
    if first == list(COCO_17):
        return ""
    kind = meta.get("dataset_name", "another dataset")
    return f"joints of {kind}, not COCO's 17: its first ones are {', '.join(map(str, first[:3]))}"
