"""Keypoint files: PATN's CSV (read and written), COCO and OpenPose JSON, 14-joint .mat files.

Poses of any skeleton are converted to the 18 OpenPose joints in PATN's order.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from reidaug.data.coco_people import read_coco
from reidaug.data.joint_numbers import (
    FARTHEST,
    MISSING,
    Entry,
    as_pose,
    at_origin,
    converted,
    numbers,
)
from reidaug.data.mat_table import read_mat_table
from reidaug.data.mmpose_people import read_mmpose
from reidaug.data.openpose_people import holds_openpose, read_openpose
from reidaug.errors import ReidaugError, UsageError, printable
from reidaug.files import atomic_write, check_regular, read_text
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import MARKET_14, OPENPOSE_18, Pose

COLUMNS = ("name", "keypoints_y", "keypoints_x")


class Keypoints(NamedTuple):
    """The poses of a keypoint file."""

    # The 18 joints of each image in pixels of that image, by its name as the file has it, folders
    # included; see `reidaug.data.pose_matching`.
    poses: dict[str, Pose]
    left_out: tuple[str, ...]  # one line ``file:line: reason`` for every entry not usable
    refused: frozenset[str]  # names of the images in these lines that have no pose
    nobody: Mapping[str, str]  # of these the images without a visible joint, with their lines
    notes: tuple[str, ...] = ()  # one line for each decision a user should know of


def read_keypoints(
    path: Path,
    *,
    names: Sequence[str] | None = None,
    size_of: Callable[[str], Size | None] | None = None,
) -> Keypoints:
    """Read a keypoint file in any of five formats.

    - ``.csv``: PATN's ``name:keypoints_y:keypoints_x``; a joint is missing where either is -1.
    - ``.json``: COCO's 17 joints, see `reidaug.data.coco_people.read_coco`: visible where the
      third number is above 0 or, where these are scores, from `MIN_SCORE`.
    - a folder: OpenPose's ``<stem>_keypoints.json``, 18 or 25 joints, see
      `reidaug.data.openpose_people.read_openpose`: visible from a confidence of `MIN_CONFIDENCE`.
    - a folder: MMPose's ``<stem>.json``, see `reidaug.data.mmpose_people.read_mmpose`: visible from
      a score of `MIN_SCORE`.
    - ``.mat``: 14 joints per image in HDF5, ``28 x N``: 14 x then 14 y, counted from 1.

    Several joints of a person at exactly (0, 0) are missing, whatever is said of them.

    Of several people on an image the largest, most central and most certain one counts, see
    `reidaug.data.detected_people.prominence`; ``notes`` say how often.

    Args:
        path: The file or folder.
        names: File names of the images. The n-th pose of a ``.mat`` belongs to the n-th of these
            when sorted. For OpenPose they give the suffix (default ``.jpg``), for lists of COCO's
            results the images of numbers.
        size_of: Gives the (height, width) of an image by its name in the file, None where unknown;
            asked where there are several people and the file does not say.

    Returns:
        The poses; entries left out are damaged, or without a visible joint.

    Raises:
        ReidaugError: The file is missing or damaged as a whole, two images have one name in it, an
            image has two entries with different joints, or nothing is left.
        UsageError: ``names`` is needed, or the suffix is unknown.
    """
    if not path.exists():
        raise ReidaugError(f"{path}: no such keypoint file")
    if not path.is_dir():
        check_regular(path)
    entries: Iterable[Entry]
    notes: tuple[str, ...] = ()
    if path.is_dir():
        read_folder = read_openpose if holds_openpose(path) else read_mmpose
        entries, notes = read_folder(path, names or (), size_of)
    elif (suffix := path.suffix.lower()) == ".json":
        entries, notes = read_coco(path, names or (), size_of)
    elif suffix == ".mat":
        entries = _mat_entries(path, names)
    elif suffix == ".csv":
        entries = _patn_entries(path)
    else:
        raise UsageError(
            f"{path}: keypoints are .csv, .json, .mat or a folder of OpenPose's or MMPose's JSON"
        )
    keypoints = _collect(entries, notes)
    if not keypoints.poses:
        first = f"; first: {keypoints.left_out[0]}" if keypoints.left_out else ""
        raise ReidaugError(f"{path}: not one usable pose in it{first}")
    return keypoints


def write_patn(
    path: Path, poses: Mapping[str, Pose] | Iterable[tuple[str, Pose]], *, decimals: int = 0
) -> None:
    """Write poses as PATN's annotation CSV: ``name: [y, ...]: [x, ...]``, -1 where missing.

    Args:
        path: The file; its folder must exist.
        poses: The 18 joints of each image by file name, or an iterable of such pairs.
        decimals: Decimals kept; 0 writes integers, as PATN's own scripts expect.

    Raises:
        ReidaugError: A name cannot be written in such a file.
        ValueError: A pose has not 18 joints, or a visible joint has no finite position.
    """
    pairs = poses.items() if isinstance(poses, Mapping) else poses
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(":".join(COLUMNS) + "\n")
        for name, pose in pairs:
            if not fits_patn(name):
                raise ReidaugError(f"{path}: {name!r} cannot be written; a name has no colon")
            xy = _rounded(pose, decimals)
            file.write(f"{name}: {json.dumps(xy[1])}: {json.dumps(xy[0])}\n")


def fits_patn(name: str) -> bool:
    """Decide whether a PATN file can hold a name: no colon, line break, or blank at an end."""
    return bool(name) and name == name.strip() and not any(c in name for c in ":\n\r")


def _rounded(pose: Pose, decimals: int) -> list[list[int | float]]:
    xy = pose.xy.detach().cpu().numpy().astype(np.float64)
    visible = pose.visible.cpu().numpy()
    if xy.shape != (len(OPENPOSE_18), 2):
        raise ValueError(f"one pose of {len(OPENPOSE_18)} joints expected, got {xy.shape}")
    if not np.isfinite(xy[visible]).all():
        raise ValueError("a visible joint has no finite position")
    xy = xy.round(decimals)
    # A visible joint at -1 would be read as a missing one: move it by one step.
    xy[xy == MISSING] = MISSING + 10.0**-decimals
    xy = np.where(visible[:, None], xy.round(decimals), MISSING)
    xy[at_origin(xy)] = 10.0**-decimals  # nor are several in the corner there
    if decimals <= 0:
        return xy.astype(np.int64).T.tolist()
    return [[MISSING if v == MISSING else v for v in axis] for axis in xy.T.tolist()]


def _collect(entries: Iterable[Entry], notes: tuple[str, ...]) -> Keypoints:
    joints: dict[str, NDArray[np.float64]] = {}
    left_out, refused, nobody = [], set(), {}
    entries, repeated = _single(entries)
    if repeated:
        notes = (*notes, f"{repeated:,} entries repeat another one word for word, and count once")
    for where, name, found in entries:
        if isinstance(found, str):
            left_out.append(printable(f"{where}: {found}"))
            refused.add(name)
        elif not found[:, 2].any():
            nobody[name] = printable(f"{where}: {name} has no visible joint")
            left_out.append(nobody[name])
            refused.add(name)
        else:
            joints[name] = found
    if not joints:
        return Keypoints({}, tuple(left_out), frozenset(refused), nobody, notes)
    table = torch.from_numpy(np.stack(list(joints.values())))
    poses = as_pose(table)
    # Each pose owns its memory: pickling a view would send the whole table to a worker.
    return Keypoints(
        {
            name: Pose(poses.xy[k].clone(), poses.visible[k].clone())
            for k, name in enumerate(joints)
        },
        tuple(left_out),
        frozenset(refused - joints.keys()),
        nobody,
        notes,
    )


def _single(entries: Iterable[Entry]) -> tuple[list[Entry], int]:
    """Take one entry of each image with joints, and count those that repeat it.

    Raises:
        ReidaugError: Two entries of an image have different joints.
    """
    first: dict[str, tuple[str, NDArray[np.float64]]] = {}
    single, contradicted, repeated = list[Entry](), dict[str, str](), 0
    for where, name, found in entries:
        if isinstance(found, str) or name not in first:
            single.append((where, name, found))
            if not isinstance(found, str):
                first[name] = where, found
            continue
        before, other = first[name]
        now, then = (np.where(one[:, 2:] > 0, one, 0) for one in (found, other))
        if np.array_equal(now, then):
            repeated += 1
        else:
            contradicted.setdefault(name, f"{before} and {where.rpartition('/')[2]}: {name}")
    if contradicted:
        more = f", one of {len(contradicted):,} such images" if len(contradicted) > 1 else ""
        line = f"{next(iter(contradicted.values()))} has different joints there{more}"
        raise ReidaugError(printable(f"{line}; give each image one entry"))
    return single, repeated


def _patn_entries(path: Path) -> Iterator[Entry]:
    lines = read_text(path).split("\n")
    header = [column.strip() for column in lines[0].split(":")]
    for column in COLUMNS:
        if column not in header:
            raise ReidaugError(
                f"{path}:1: no column {column!r} in the header; expected {':'.join(COLUMNS)}"
            )
    indices = [header.index(column) for column in COLUMNS]
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split(":")]
        where = f"{path}:{number}"
        if len(cells) != len(header):
            yield where, "", f"{len(header)} columns expected, {len(cells)} found"
            continue
        name, y, x = (cells[k] for k in indices)
        yield where, name, _patn_joints(y, x) if name else "no image name"


def _patn_joints(y: str, x: str) -> NDArray[np.float64] | str:
    axes = []
    for column, text in (("keypoints_x", x), ("keypoints_y", y)):
        try:
            axis = numbers(json.loads(text), len(OPENPOSE_18))
        except (ValueError, RecursionError):
            axis = "broken JSON"
        if isinstance(axis, str):
            return f"{column}: {axis}"
        axes.append(axis)
    xy = np.stack(axes, -1)
    seen = (xy != MISSING).all(-1) & ~at_origin(xy)
    return np.concatenate((xy, seen[:, None]), -1)


def _mat_entries(path: Path, names: Sequence[str] | None) -> Iterator[Entry]:
    if names is None:
        raise UsageError(f"{path}: a .mat file names no images; give their folder with it")
    table = read_mat_table(path, len(names))
    xy = np.stack((table[:, : len(MARKET_14)], table[:, len(MARKET_14) :]), -1) - 1
    visible = np.isfinite(xy).all(-1, keepdims=True)
    near = np.abs(np.where(visible, xy, 0)).max((1, 2)) <= FARTHEST
    # Counted from 1, so that 0 and less are no pixels: joints that were not found.
    visible &= (xy > -1).any(-1, keepdims=True)
    whole = np.concatenate((np.where(visible & near[:, None, None], xy, 0), visible), -1)
    joints = converted(whole, MARKET_14)
    for number, name in enumerate(sorted(names)):
        found = joints[number] if near[number] else "not a list of plain numbers"
        yield f"{path}:{number + 1}", name, found
