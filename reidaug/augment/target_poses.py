"""Target-pose selection, and the file ``poses.json``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from reidaug.data.keypoints import read_keypoints
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import read_text, write_atomically
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import OPENPOSE_18, TORSO, Pose, on_canvas, shows_torso, stack

Choice = Literal["random", "medoids"]
CHOICES: tuple[str, ...] = get_args(Choice)
POSES = "poses.json"
MOST_COMPARED = 2_000  # poses; the table of their distances takes 16 MB


class TargetPoses(NamedTuple):
    """The poses every source is warped into."""

    size: Size  # (height, width) of the warps, in whose pixels the poses are
    seed: int  # random seed of the choice
    images: tuple[str, ...]  # file name of the training image each pose comes from
    pose: Pose  # the joints (T, 18, 2)


def choose(poses: Mapping[str, Pose], count: int, *, how: str, seed: int) -> tuple[str, ...]:
    """Choose target poses; the same arguments choose the same ones.

    Args:
        poses: Poses that show their torso, by image name, each 18 joints.
        count: Number of poses.
        how: ``random``: drawn without replacement. ``medoids``: the centres of ``count`` clusters
            of similar poses, found among at most `MOST_COMPARED` poses drawn at random.
        seed: Random seed.

    Returns:
        Image names, in the order drawn or in name order.

    Raises:
        ReidaugError: There are fewer poses than ``count``.
        UsageError: ``how`` is unknown.

    Source:
        UnWarpME Sec. 5.6: 25 poses drawn at random from the training set.
    """
    if how not in CHOICES:
        raise UsageError(f"poses are chosen by {' or '.join(CHOICES)}, not by {how!r}")
    names = sorted(poses)
    if count > len(names):
        raise ReidaugError(
            f"only {len(names)} training images show shoulders and hips, too few for {count} "
            "target poses; choose fewer with --poses"
        )
    drawn = np.random.default_rng(seed).permutation(len(names))
    if how == "random":
        return tuple(names[k] for k in drawn[:count])
    compared = sorted(drawn[:MOST_COMPARED].tolist())
    table = pose_distances(stack([poses[names[k]] for k in compared]))
    return tuple(names[compared[k]] for k in medoids(table.numpy(), count))


def poses_in(
    keypoints: Path, *, size: Size, count: int | None = None, how: str = "random", seed: int = 0
) -> TargetPoses:
    """Read target poses from a keypoint file, without the images they come from.

    Args:
        keypoints: The file, see `reidaug.data.keypoints.read_keypoints`; poses that do not show
            shoulders and hips are skipped.
        size: (height, width) of the images, all of one size, in whose pixels the joints are.
        count: Number of poses; by default all of them.
        how: How they are chosen, see `choose`.
        seed: Random seed.

    Raises:
        ReidaugError: The file cannot be read, or has fewer poses than ``count``.
    """
    known = read_keypoints(keypoints).poses
    candidates = {name: pose for name, pose in known.items() if shows_torso(pose)}
    chosen = choose(candidates, len(candidates) if count is None else count, how=how, seed=seed)
    if not chosen:
        raise ReidaugError(f"{keypoints}: no pose in it shows both shoulders and both hips")
    return TargetPoses(size, seed, chosen, stack([candidates[name] for name in chosen]))


def pose_distances(poses: Pose) -> Float[Tensor, "n n"]:
    """Distances (N, N) in torso heights between body poses (N, 18, 2) that show their torso.

    Each pose is moved to the middle of its torso and divided by the torso's height, whatever the
    position and size of the people. The distance is the root mean square over the joints that both
    show.
    """
    torso = poses.xy[:, list(TORSO)].double()
    shoulders, hips = torso[:, :2].mean(1), torso[:, 2:].mean(1)
    height = (shoulders - hips).norm(dim=-1).clamp_min(1.0)
    xy = (poses.xy.double() - torso.mean(1, keepdim=True)) / height[:, None, None]
    xy = torch.where(poses.visible[..., None], xy, torch.zeros_like(xy))
    total = torch.zeros(len(xy), len(xy), dtype=torch.float64)
    shared = torch.zeros_like(total)
    for joint in range(xy.shape[1]):
        visible = poses.visible[:, joint].double()
        both = visible[:, None] * visible
        total += both * (xy[:, None, joint] - xy[None, :, joint]).square().sum(-1)
        shared += both
    return (total / shared).sqrt().float()


def medoids(distances: NDArray[np.float32], count: int) -> list[int]:
    """Cluster items around medoids by distances (N, N), symmetric; indices in rising order.

    A greedy start (each new medoid lowers the sum of distances to the nearest medoid most), then
    every medoid moves to the middle of its cluster until none does. Ties go to the first item.
    There are ``count`` medoids, at most N.
    """
    nearest = np.full(len(distances), np.inf)
    found: list[int] = []
    for _ in range(count):
        cost = np.minimum(nearest, distances).sum(1)
        cost[found] = np.inf
        found.append(int(cost.argmin()))
        nearest = np.minimum(nearest, distances[found[-1]])
    while True:
        clusters = distances[found].argmin(0)
        clusters[found] = np.arange(count)
        moved = [_middle(distances, np.flatnonzero(clusters == k)) for k in range(count)]
        if _cost(distances, moved) >= _cost(distances, found):
            return sorted(found)
        found = moved


def _middle(distances: NDArray[np.float32], members: NDArray[np.intp]) -> int:
    return int(members[distances[np.ix_(members, members)].sum(1).argmin()])


def _cost(distances: NDArray[np.float32], found: Sequence[int]) -> float:
    return float(distances[list(found)].min(0).sum(dtype=np.float64))


def on_common_canvas(
    images: Sequence[str], poses: Mapping[str, Pose], sizes: Mapping[str, Size], *, seed: int
) -> TargetPoses:
    """Bring poses to one canvas: the most common (height, width) of their images."""
    counts: dict[Size, int] = {}
    for name in images:
        counts[sizes[name]] = counts.get(sizes[name], 0) + 1
    canvas = max(counts, key=lambda size: counts[size])
    pose = stack([on_canvas(poses[name], sizes[name], canvas) for name in images])
    return TargetPoses(canvas, seed, tuple(images), pose)


def write_poses(path: Path, targets: TargetPoses) -> None:
    """Write ``poses.json`` into a folder that exists."""
    records = [
        {"index": k, "image": name, "xy": xy, "visible": visible}
        for k, (name, xy, visible) in enumerate(
            zip(
                targets.images,
                targets.pose.xy.tolist(),
                targets.pose.visible.tolist(),
                strict=True,
            )
        )
    ]
    content = {"size": list(targets.size), "seed": targets.seed, "poses": records}
    write_atomically(path, (json.dumps(content, allow_nan=False) + "\n").encode())


def read_poses(path: Path) -> TargetPoses:
    """Read ``poses.json``; the poses equal those written.

    Raises:
        ReidaugError: The file is missing or damaged.
    """
    try:
        content = json.loads(read_text(path))
        records = content["poses"]
        height, width = content["size"]
        xy = torch.tensor([r["xy"] for r in records], dtype=torch.float32)
        visible = torch.tensor([r["visible"] for r in records], dtype=torch.bool)
        joints = len(OPENPOSE_18)
        pose = Pose(xy.reshape(len(records), joints, 2), visible.reshape(len(records), joints))
        images = tuple(str(r["image"]) for r in records)
        return TargetPoses((int(height), int(width)), int(content["seed"]), images, pose)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ReidaugError(f"{path}: not a file of target poses ({error})") from None
