"""COCO's files of people: ground truth, and lists of results, as of AlphaPose and MMPose."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from reidaug.data.crop_names import spelled
from reidaug.data.detected_people import (
    MIN_SCORE,
    SKELETONS,
    Detection,
    PersonChoice,
    Reading,
    read_json,
    score_of,
)
from reidaug.data.joint_numbers import Entry, read_joints
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import COCO_17

PERSON = "person"
_FLAGS = (-1, 0, 1, 2)  # COCO's visibility: not labelled, hidden, visible; some write -1 for none
_LARGEST_SCORE = 1.5  # networks' scores exceed 1 by a little


def read_coco(
    path: Path, names: Sequence[str] = (), size_of: Callable[[str], Size | None] | None = None
) -> Reading:
    """Read COCO's 17 joints: ground truth with images, or a list of a network's results.

    Skeletons that begin with these joints are read as well, see `SKELETONS`.

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
    content = read_json(path)
    results = isinstance(content, list) and all(
        isinstance(item, dict) and "image_id" in item for item in content
    )
    sizes: dict[str, Size] = {}
    others: set[str] = set()
    try:
        if results and content:
            known, annotations = _result_names(path, content, names), _single(content)
        else:
            known, sizes = _listed_images(path, content["images"])
            annotations = list(content["annotations"])
            others = _other_categories(content)
            if order := _other_order(content):
                raise ReidaugError(f"{path}: {order}")
    except (TypeError, KeyError, AttributeError):
        told = _other_form(content) or "no COCO file; it has lists 'images' and 'annotations'"
        raise ReidaugError(f"{path}: {told}") from None
    counted = len(annotations)
    annotations = [a for a in annotations if not _is_of(a, others)]
    _check_ids(path, () if results else annotations)
    refused: list[Entry] = []
    people: dict[str, list[Detection]] = {}
    for number, annotation in enumerate(annotations):
        where = f"{path}:annotations[{number}]"
        found = read_joints(annotation, "keypoints", SKELETONS)
        if isinstance(found, str):
            refused.append((where, "", found))
            continue
        name = known.get(spelled(_image_id(annotation.get("image_id"))))
        if name is None:
            reason = "no image is called like its image_id" if results else _NOT_LISTED
            refused.append((where, "", reason))
            continue
        people.setdefault(name, []).append(Detection(where, *found, score_of(annotation)))
    least = _least_score(path, [person for found in people.values() for person in found])
    reader = PersonChoice(least, size_of)
    entries = [reader.entry(name, found, sizes.get(name)) for name, found in people.items()]
    notes = [*reader.notes(of="third numbers of joints are scores")]
    if left := counted - len(annotations):
        notes.append(f"{left:,} of {counted:,} annotations are of other categories than person")
    return Reading((*refused, *entries), tuple(notes))


def _check_ids(path: Path, annotations: Sequence[Any]) -> None:
    """Raise `ReidaugError` where two annotations of an image have one id and other joints.

    Nothing is joined by these ids: they may begin anew with every image, and those of a file that
    has but one, as detectors write, are none.
    """
    numbered = [
        (number, _image_id(annotation["id"]), annotation)
        for number, annotation in enumerate(annotations)
        if isinstance(annotation, dict) and annotation.get("id") is not None
    ]
    if len({own for _, own, _ in numbered}) == 1:
        return
    first: dict[tuple[str, str], tuple[int, Any]] = {}
    for number, own, annotation in numbered:
        key = _image_id(annotation.get("image_id")), own
        before, other = first.setdefault(key, (number, annotation))
        if annotation.get("keypoints") != other.get("keypoints"):
            raise ReidaugError(
                f"{path}: annotations {before} and {number} of one image have one id, {own}, and "
                "other joints: is it of two files? give each an id of its own"
            )


def _other_categories(content: Any) -> set[str]:
    """List the ids of categories that are not people, in a file that names people."""
    found = content.get("categories")
    named = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    kinds = {str(one.get("id")): str(one.get("name")).strip().lower() for one in named}
    return {k for k, kind in kinds.items() if kind != PERSON} if PERSON in kinds.values() else set()


def _other_order(content: Any) -> str:
    """Say whether the names of a category's joints are others than COCO's; empty where not."""
    found = content.get("categories")
    kinds = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    people = [one for one in kinds if str(one.get("name")).strip().lower() == PERSON] or kinds
    for kind in people:
        names = kind.get("keypoints")
        if isinstance(names, list) and len(names) >= len(COCO_17):
            first = [str(name).strip().lower().replace(" ", "_") for name in names[: len(COCO_17)]]
            if any({"left", "right"} & set(a.split("_")) for a in first) and first != [*COCO_17]:
                named = ", ".join(first[:3])
                return f"joints of {kind.get('name')} begin with {named}; they are not COCO's 17"
    return ""


def _is_of(annotation: Any, categories: set[str]) -> bool:
    kind = annotation.get("category_id") if isinstance(annotation, dict) else None
    return kind is not None and str(kind) in categories


_NOT_LISTED = "its image is not in 'images'"


def _single(results: Sequence[Any]) -> list[Any]:
    """List results one by one, also those that are lists ``instances`` of an image."""
    found: list[Any] = []
    for result in results:
        inner = result.get("instances")
        if isinstance(inner, list):
            image = {"image_id": result["image_id"]}
            found.extend(one | image if isinstance(one, dict) else one for one in inner)
        else:
            found.append(result)
    return found


def _other_form(content: Any) -> str:
    """Name the form of another program's file, and say what to do; empty for unknown ones."""
    first = next(iter(content), None) if isinstance(content, list) else content
    while isinstance(first, list) and first:  # of a batch
        first = first[0]
    if isinstance(first, dict) and first.keys() & {"instance_info", "instances", "keypoint_scores"}:
        return (
            "predictions of MMPose for one image or video, which name none; give the folder of "
            "such files, one an image and called like it"
        )
    if isinstance(content, dict) and {"preds", "image_paths"} <= content.keys():
        return "the output of MMPose's test; write a list of {image_id, keypoints, score} of it"
    inner = next(iter(content.values()), None) if isinstance(content, dict) else None
    if isinstance(inner, dict) and inner.keys() & {"bodies", "people"}:
        return "AlphaPose's file by --format cmu or open; run it with --format coco, its default"
    if isinstance(first, dict) and "keypoints" in first:
        return "a list of results that name no image; each needs image_id, the file's name"
    return ""


def _least_score(path: Path, people: Sequence[Detection]) -> float | None:
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
    _check_named_once(path, known)
    return known


def _check_named_once(path: Path, known: Mapping[str, str]) -> None:
    """Raise `ReidaugError` where two ids mean one image."""
    owner: dict[str, str] = {}
    for key, name in known.items():
        if owner.setdefault(name, key) != key:
            raise ReidaugError(
                f"{path}: image_id {owner[name]!r} and {key!r} both mean {name}: is it of two "
                "programs? call each image by one name"
            )


def _image_id(value: Any) -> str:
    """Write an image's id; tables with gaps make numbers such as 7.0 of it."""
    return str(int(value)) if type(value) is float and value.is_integer() else str(value)


def _posix(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).as_posix()
