"""Keypoint files: PATN's CSV (read and written), COCO and OpenPose JSON, 14-joint .mat files.

Poses of any skeleton are converted to the 18 OpenPose joints in PATN's order.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.files import atomic_write, read_text
from reidaug.geometry.pose import COCO_17, MARKET_14, OPENPOSE_18, Pose, to_openpose18

COLUMNS = ("name", "keypoints_y", "keypoints_x")
MISSING = -1

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

_FARTHEST = 1e6  # pixels; larger coordinates are errors
_OPENPOSE_ENDING = "_keypoints.json"
_SKELETONS = {len(names): names for names in (OPENPOSE_18, BODY_25)}


class Keypoints(NamedTuple):
    """The poses of a keypoint file."""

    poses: dict[str, Pose]  # the 18 joints of each image by file name, in pixels of that image
    left_out: tuple[str, ...]  # one line ``file:line: reason`` for every entry not usable
    refused: frozenset[str]  # file names of the images in these lines that have no pose
    nobody: Mapping[str, str]  # of these the images without a visible joint, with their lines


# An entry as a format's reader gives it: its position in the file, the image's name, and the joints
# (18, 3) as x, y, visible (0 or 1), or the reason why there are none.
_Entry = tuple[str, str, NDArray[np.float64] | str]


def read_keypoints(path: Path, *, names: Sequence[str] | None = None) -> Keypoints:
    """Read a keypoint file in any of four formats.

    - ``.csv``: PATN's ``name:keypoints_y:keypoints_x``; a joint is missing where either is -1.
    - ``.json``: COCO's 17 joints; visible where v > 0; the most visible person of an image counts.
    - a folder: OpenPose's ``<stem>_keypoints.json``, 18 or 25 joints, visible where the confidence
      is positive; the first person counts.
    - ``.mat``: 14 joints per image in HDF5, ``28 x N``: 14 x then 14 y, counted from 1.

    Args:
        path: The file or folder.
        names: File names of the images. The n-th pose of a ``.mat`` belongs to the n-th of these
            when sorted. For OpenPose they give the suffix (default ``.jpg``).

    Returns:
        The poses; entries left out are damaged, repeated, or without a visible joint.

    Raises:
        ReidaugError: The file is missing or damaged as a whole, or nothing is left.
        UsageError: ``names`` is needed, or the suffix is unknown.
    """
    if not path.exists():
        raise ReidaugError(f"{path}: no such keypoint file")
    if path.is_dir():
        keypoints = _collect(_openpose_entries(path, names or ()))
    elif path.suffix == ".mat":
        keypoints = _collect(_mat_entries(path, names))
    elif path.suffix == ".json":
        keypoints = _collect(_coco_entries(path))
    elif path.suffix == ".csv":
        keypoints = _collect(_patn_entries(path))
    else:
        raise UsageError(f"{path}: keypoints are .csv, .json, .mat or a folder of OpenPose JSON")
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
    if decimals <= 0:
        return xy.astype(np.int64).T.tolist()
    return [[MISSING if v == MISSING else v for v in axis] for axis in xy.T.tolist()]


def _collect(entries: Iterator[_Entry]) -> Keypoints:
    joints: dict[str, NDArray[np.float64]] = {}
    left_out, refused, nobody = [], set(), {}
    for where, name, found in entries:
        if isinstance(found, str):
            left_out.append(f"{where}: {found}")
            refused.add(name)
        elif name in joints:
            left_out.append(f"{where}: {name} appears a second time; the first one counts")
        elif not found[:, 2].any():
            nobody[name] = f"{where}: {name} has no visible joint"
            left_out.append(nobody[name])
            refused.add(name)
        else:
            joints[name] = found
    if not joints:
        return Keypoints({}, tuple(left_out), frozenset(refused), nobody)
    table = torch.from_numpy(np.stack(list(joints.values())))
    poses = _as_pose(table)
    # Each pose owns its memory: pickling a view would send the whole table to a worker.
    return Keypoints(
        {
            name: Pose(poses.xy[k].clone(), poses.visible[k].clone())
            for k, name in enumerate(joints)
        },
        tuple(left_out),
        frozenset(refused - joints.keys()),
        nobody,
    )


def _as_pose(table: Float[torch.Tensor, "*n j 3"]) -> Pose:
    visible = table[..., 2] > 0
    xy = table[..., :2].float()
    return Pose(torch.where(visible[..., None], xy, torch.full_like(xy, MISSING)), visible)


def _converted(table: NDArray[np.float64], skeleton: Sequence[str]) -> NDArray[np.float64]:
    pose = to_openpose18(_as_pose(torch.from_numpy(table)), skeleton)
    return torch.cat((pose.xy, pose.visible[..., None]), -1).double().numpy()


def _numbers(values: Any, count: int) -> NDArray[np.float64] | str:
    """Check a JSON list of ``count`` plain numbers; the reason when it is none."""
    if not isinstance(values, list):
        return "not a list of numbers"
    if len(values) != count:
        return f"{count} numbers expected, {len(values)} found"
    if not all(type(v) in (int, float) and abs(v) <= _FARTHEST for v in values):
        return "not a list of plain numbers"
    return np.array(values, dtype=np.float64)


def _patn_entries(path: Path) -> Iterator[_Entry]:
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
            axis = _numbers(json.loads(text), len(OPENPOSE_18))
        except (ValueError, RecursionError):
            axis = "broken JSON"
        if isinstance(axis, str):
            return f"{column}: {axis}"
        axes.append(axis)
    xy = np.stack(axes, -1)
    return np.concatenate((xy, (xy != MISSING).all(-1, keepdims=True)), -1)


def _json(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ReidaugError(f"{path}: broken JSON ({error})") from None


def _coco_entries(path: Path) -> Iterator[_Entry]:
    content = _json(path)
    try:
        names = {str(image["id"]): _file_name(image["file_name"]) for image in content["images"]}
        annotations = list(content["annotations"])
    except (TypeError, KeyError, AttributeError):
        raise ReidaugError(
            f"{path}: no COCO file; it has lists 'images' and 'annotations'"
        ) from None
    best: dict[str, tuple[float, _Entry]] = {}
    for number, annotation in enumerate(annotations):
        where = f"{path}:annotations[{number}]"
        found = _flat(annotation, "keypoints", (COCO_17,))
        if isinstance(found, str):
            yield where, "", found
            continue
        name = names.get(str(annotation.get("image_id")))
        if name is None:
            yield where, "", "its image is not in 'images'"
            continue
        rank = found[:, 2].sum()
        if name not in best or rank > best[name][0]:
            best[name] = rank, (where, name, found)
    yield from (entry for _, entry in best.values())


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _openpose_entries(folder: Path, names: Sequence[str]) -> Iterator[_Entry]:
    by_stem = {Path(name).stem: name for name in names}
    files = sorted(folder.glob(f"*{_OPENPOSE_ENDING}"))
    if not files:
        raise ReidaugError(f"{folder}: no *{_OPENPOSE_ENDING}, so no folder of OpenPose's")
    for path in files:
        stem = path.name.removesuffix(_OPENPOSE_ENDING)
        yield f"{path}:1", by_stem.get(stem, f"{stem}.jpg"), _openpose_joints(path)


def _openpose_joints(path: Path) -> NDArray[np.float64] | str:
    try:
        people = _json(path)["people"]
        first = people[0] if people else None
    except (ReidaugError, TypeError, KeyError):
        return "broken JSON, or no list 'people' in it"
    if first is None:
        return "nobody in the image"
    return _flat(first, "pose_keypoints_2d", tuple(_SKELETONS.values()))


def _flat(record: Any, key: str, skeletons: Sequence[Sequence[str]]) -> NDArray[np.float64] | str:
    """Read a flat list x, y, v, x, y, v, ... of a record and convert its skeleton."""
    values = record.get(key) if isinstance(record, dict) else None
    if not isinstance(values, list):
        return f"no list {key!r}"
    fitting = [names for names in skeletons if 3 * len(names) == len(values)]
    if not fitting:
        expected = " or ".join(str(3 * len(names)) for names in skeletons)
        return f"{key}: {expected} numbers expected, {len(values)} found"
    numbers = _numbers(values, len(values))
    if isinstance(numbers, str):
        return f"{key}: {numbers}"
    return _converted(numbers.reshape(-1, 3), fitting[0])


def _mat_entries(path: Path, names: Sequence[str] | None) -> Iterator[_Entry]:
    if names is None:
        raise UsageError(f"{path}: a .mat file names no images; give their folder with it")
    table = _mat_table(path)
    if len(table) != len(names):
        raise ReidaugError(f"{path}: poses of {len(table)} images, but there are {len(names)}")
    xy = np.stack((table[:, : len(MARKET_14)], table[:, len(MARKET_14) :]), -1) - 1
    visible = np.isfinite(xy).all(-1, keepdims=True)
    joints = _converted(np.concatenate((np.where(visible, xy, 0), visible), -1), MARKET_14)
    for number, name in enumerate(sorted(names)):
        yield f"{path}:{number + 1}", name, joints[number]


def _mat_table(path: Path) -> NDArray[np.float64]:
    require_extra("mat", "h5py")
    import h5py

    try:
        with h5py.File(path) as file:
            table = np.asarray(file["pp"], dtype=np.float64)
    except (OSError, KeyError, TypeError, ValueError):
        raise ReidaugError(
            f"{path}: not readable as HDF5 (MATLAB v7.3) with an array 'pp' of 28 x N numbers"
        ) from None
    width = 2 * len(MARKET_14)
    # MATLAB is column-major, so 28 x N is read as (N, 28); other writers keep (28, N).
    if table.ndim == 2 and table.shape[1] != width and table.shape[0] == width:
        table = table.T
    if table.ndim != 2 or table.shape[1] != width:
        raise ReidaugError(f"{path}: 'pp' is {table.shape}; expected {width} numbers per image")
    return table
