"""Lists of image pairs in the form of PATN and GFLA, for DeepFashion and Market-1501.

A root holds the folders ``train`` and ``test`` and, for each, a list of pairs and a keypoint file.
"""

import csv
import io
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.data.image_poses import read_image_poses
from reidaug.data.images import image_size
from reidaug.data.joint_placement import place
from reidaug.data.keypoints import read_keypoints
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import read_text, write_atomically
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, shows_torso

SPLITS = ("train", "test")
SPELLINGS = ("fasion", "fashion", "fasion-resize", "fashion-resize", "market")
_COLUMNS = ("from", "to")
_NAME = re.compile(r"fashion(WOMEN|MEN)([A-Za-z_]+)id(\d{8})(\d{2})_(\d)([a-z]+)\.jpg")
_ORIGINAL = re.compile(r"(WOMEN|MEN)/([A-Za-z_]+)/id_(\d{8})/(\d{2})_(\d)_([a-z]+)\.jpg")


class PairList(NamedTuple):
    """Pairs of images of one person."""

    folder: Path  # of the images
    pairs: tuple[tuple[str, str], ...]  # file names, source then target
    poses: dict[str, Pose]  # the 18 joints by file name
    left_out: tuple[str, ...]  # one line ``file:line: reason`` for every row that could not be used
    flows: Path | None  # folder of the exact flows, if any
    # (height, width) the joints are measured in where it is not the size of the image files, as in
    # GFLA's lists: (256, 176).
    annotated_size: Size | None = None
    # Further annotations of the same images, each the 18 joints by file name.
    more_poses: tuple[dict[str, Pose], ...] = ()


def read_deepfashion(
    root: Path,
    split: str,
    *,
    annotated_size: Size | None = None,
    more_keypoints: Sequence[Path] = (),
) -> PairList:
    """Read the pairs of one split whose images and keypoints all exist.

    The lists are ``<word>-pairs-<split>.csv`` and ``<word>-annotation-<split>.csv``, where the
    word is any of `SPELLINGS`.

    Args:
        root: The folder with the image folders and the lists.
        split: ``train`` or ``test``.
        annotated_size: (height, width) the joints are measured in, if not the images' own.
        more_keypoints: Keypoint files with further annotations of the images, such as
            `reidaug pose` writes; they need not list every image.

    Raises:
        ReidaugError: A list or folder is missing or damaged, no pair is left, one of the further
            files lists no image, or joints do not lie on their images, see
            `reidaug.data.joint_placement`.
        UsageError: There is no such split.
    """
    if split not in SPLITS:
        raise UsageError(f"split {split!r}: there are {' and '.join(SPLITS)}")
    root = root.expanduser()
    folder = root / split
    if not folder.is_dir():
        held = split == "test" and (root / "train").is_dir()
        advice = "; to test on people of train, who are held out: evaluate_on=held_out"
        raise ReidaugError(
            f"{root}: no folder {split} with the images of the pairs{advice if held else ''}"
        )
    pairs_csv, annotation_csv = _lists(root, split)
    keypoints = read_keypoints(annotation_csv)
    images = {file.name for file in folder.iterdir()}
    rows = list(_pair_rows(pairs_csv))
    paired = dict.fromkeys(name for _, *names in rows for name in names)
    files = {name: folder / name for name in paired if name in keypoints.poses}
    sizes = {name: annotated_size or image_size(path) for name, path in files.items()}
    placed = place({name: keypoints.poses[name] for name in files}, sizes, file=annotation_csv)
    poses = {n: pose for n, pose in keypoints.poses.items() if n not in placed.left_out}
    pairs, left_out = [], [*keypoints.left_out, *placed.left_out.values()]
    for where, source, target in rows:
        problem = _problem((source, target), folder, images, poses, annotation_csv)
        if problem:
            left_out.append(f"{where}: {problem}")
        else:
            pairs.append((source, target))
    if not pairs:
        first = f"; first: {left_out[0]}" if left_out else ""
        raise ReidaugError(f"{pairs_csv}: no usable pair in it{first}")
    flows = root / "flows" / split
    return PairList(
        folder,
        tuple(pairs),
        poses,
        tuple(left_out),
        flows if flows.is_dir() else None,
        annotated_size,
        tuple(_more_poses(path, files, annotated_size) for path in more_keypoints),
    )


def _more_poses(path: Path, files: Mapping[str, Path], size: Size | None) -> dict[str, Pose]:
    """Read further poses of images by their names, given their files."""
    read = read_image_poses(list(files.values()), path)
    if not read.keys:
        raise ReidaugError(f"{path}: names none of the images, such as {next(iter(files))}")
    poses = read.place(file=path, size=size).poses
    keys = {name: read.keys.get(file, "") for name, file in files.items()}
    return {name: poses[key] for name, key in keys.items() if key in poses}


def write_pairs_csv(path: Path, pairs: Sequence[tuple[str, str]]) -> None:
    """Write a list of pairs of file names, source then target, into an existing folder."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *pairs])
    write_atomically(path, text.getvalue().encode())


def fashion_pairs(poses: Mapping[str, Pose]) -> list[tuple[str, str]]:
    """List all ordered pairs of images of one outfit on DeepFashion; see `same_person_pairs`."""
    return same_person_pairs(poses, fashion_outfit)


def market_identity(name: str) -> str | None:
    """Read the identity of a Market-1501 image from its name; None for junk and distractors."""
    person = name.split("_", 1)[0]
    return None if person.startswith("-1") or person == "0000" else person


def fashion_outfit(name: str) -> str | None:
    """Read the outfit (item and colour) from a name of `fashion_name`; None for other names."""
    found = _NAME.fullmatch(name)
    return found[3] + found[4] if found else None


def fashion_name(original: str) -> str:
    """Convert DeepFashion's path of an image to the flat name used by PATN and GFLA.

    ``WOMEN/Tees_Tanks/id_00007838/05_7_additional.jpg`` in any folder becomes
    ``fashionWOMENTees_Tanksid0000783805_7additional.jpg``.

    Raises:
        ValueError: It is no such path.
    """
    found = _ORIGINAL.fullmatch("/".join(original.replace("\\", "/").split("/")[-4:]))
    if not found:
        raise ValueError(f"no DeepFashion path: {original!r}")
    gender, category, item, colour, index, view = found.groups()
    return f"fashion{gender}{category}id{item}{colour}_{index}{view}.jpg"


def same_person_pairs(
    poses: Mapping[str, Pose], identity: Callable[[str], str | None]
) -> list[tuple[str, str]]:
    """List all ordered pairs of images of one person that show both shoulders and both hips.

    Args:
        poses: The 18 joints by file name.
        identity: Returns the identity of an image by its name; None to leave it out.

    Returns:
        Pairs sorted by name, person after person in the order of their first image.
    """
    images: dict[str, list[str]] = {}
    for name in sorted(poses):
        person = identity(name)
        if person is not None and shows_torso(poses[name]):
            images.setdefault(person, []).append(name)
    return [pair for names in images.values() for pair in itertools.permutations(names, 2)]


def _lists(root: Path, split: str) -> tuple[Path, Path]:
    for word in SPELLINGS:
        pairs = root / f"{word}-pairs-{split}.csv"
        annotation = root / f"{word}-annotation-{split}.csv"
        if pairs.is_file() and annotation.is_file():
            return pairs, annotation
        if pairs.is_file() or annotation.is_file():
            found, missing = (pairs, annotation) if pairs.is_file() else (annotation, pairs)
            raise ReidaugError(f"{root}: {found.name} is there, but no {missing.name}")
    raise ReidaugError(
        f"{root}: no <word>-pairs-{split}.csv with <word>-annotation-{split}.csv; "
        f"the word is {', '.join(SPELLINGS[:-1])} or {SPELLINGS[-1]}"
    )


def _pair_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    lines = read_text(path).split("\n")
    header = _cells(lines[0])
    for column in _COLUMNS:
        if column not in header:
            raise ReidaugError(f"{path}:1: no column {column!r} in the header; expected from,to")
    indices = [header.index(column) for column in _COLUMNS]
    for number, line in enumerate(lines[1:], 2):
        if line.strip():
            cells = _cells(line)
            source, target = (cells[k] if k < len(cells) else "" for k in indices)
            yield f"{path}:{number}", source, target


def _cells(line: str) -> list[str]:
    # Line by line, so that a stray quotation mark costs one row and not the rest of the file.
    try:
        return [cell.strip() for cell in next(csv.reader([line], strict=True), [])]
    except csv.Error:
        return []


def _problem(
    names: tuple[str, str],
    folder: Path,
    images: set[str],
    poses: Mapping[str, Pose],
    annotation: Path,
) -> str | None:
    for column, name in zip(_COLUMNS, names, strict=True):
        if not name:
            return f"nothing in column {column!r}"
        # A name may be longer than any file's: pathlib would raise.
        if name not in images and not ("/" in name and os.path.isfile(folder / name)):  # noqa: PTH113
            return f"no image {folder / name}"
        if name not in poses:
            return f"no keypoints of {name} in {annotation.name}"
    return None
