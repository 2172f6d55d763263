"""Target-pose selection, and the file ``poses.json``."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from reidaug.augment.pose_pool import Refusal, count_flaws, describe_flaws
from reidaug.data.images import LONGEST_SIDE
from reidaug.data.joint_numbers import FARTHEST
from reidaug.data.joint_placement import place
from reidaug.data.keypoints import read_keypoints
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import read_text, write_atomically
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import OPENPOSE_18, TORSO, Pose, on_canvas, shows_torso, stack
from reidaug.runs import notice

Choice = Literal["random", "medoids"]
CHOICES: tuple[str, ...] = get_args(Choice)
POSES = "poses.json"
DEFAULT_POSES = 25  # target poses, as in the paper
MOST_COMPARED = 2_000  # poses; the table of their distances takes 16 MB

# What a file with other values in it leads to.
_DAMAGED = (
    ValueError, KeyError, TypeError, RuntimeError, RecursionError, OverflowError, AttributeError
)  # fmt: skip


class TargetPoses(NamedTuple):
    """The poses every source is warped into."""

    size: Size  # (height, width) of the warps, in whose pixels the poses are
    seed: int  # random seed of the choice
    # File name of the training image each pose comes from, or its name in
    # `reidaug.augment.shipped_poses`.
    images: tuple[str, ...]
    pose: Pose  # the joints (T, 18, 2)
    refused: tuple[Refusal, ...] = ()  # images that were drawn and are no good targets


class Chosen(NamedTuple):
    """Chosen target poses, by the names of their images."""

    images: tuple[str, ...]  # in the order drawn, or in name order
    refused: tuple[Refusal, ...]  # those examined and refused, in the order drawn


def _check_asked(count: int, how: str, seed: int, *, least: int) -> None:
    if how not in CHOICES:
        raise UsageError(f"poses are chosen by {' or '.join(CHOICES)}, not by {how!r}")
    if not isinstance(count, int) or count < least or seed < 0:
        raise UsageError(
            f"a whole number of poses from 1 and a seed from 0, not {count} and {seed}"
        )


def choose(
    poses: Mapping[str, Pose],
    count: int,
    *,
    how: str,
    seed: int,
    flaw: Callable[[str], str | None] | None = None,
) -> Chosen:
    """Choose target poses; the same arguments choose the same ones.

    Args:
        poses: Poses that show their torso, by image name, each 18 joints.
        count: Number of poses.
        how: ``random``: drawn without replacement. ``medoids``: the centres of ``count`` clusters
            of similar poses, found among at most `MOST_COMPARED` poses drawn at random.
        seed: Random seed.
        flaw: Says of an image why it is no good target; None where it is. Images are examined in
            the order drawn, no more of them than it takes to find enough good ones.

    Raises:
        ReidaugError: There are fewer good poses than ``count``.
        UsageError: ``how`` is unknown, or ``count`` or ``seed`` out of range.

    Source:
        UnWarpME Sec. 5.6: 25 poses drawn at random from the training set. That they are examined is
        ours: of photographs' estimated poses and outlines one in five is spoiled.
    """
    _check_asked(count, how, seed, least=min(1, len(poses)))
    names = draw_order(poses, seed)
    wanted = count if how == "random" else max(count, MOST_COMPARED)
    good, refused = list[str](), list[Refusal]()
    for name in names:
        if len(good) == wanted:
            break
        why = flaw(name) if flaw else None
        if why is None:
            good.append(name)
        else:
            refused.append(Refusal(name, why))
    few = too_few(count, len(good))
    if count > len(names):
        raise ReidaugError(f"only {len(names)} training images show shoulders and hips, {few}")
    if len(good) < count:
        raise ReidaugError(
            f"only {len(good)} of {len(names)} training images that show shoulders and hips are "
            f"good target poses, {few}, or take any with --pool any "
            f"({len(refused)} refused: {describe_flaws(count_flaws(refused))})"
        )
    if how == "random":
        return Chosen(tuple(good), tuple(refused))
    good.sort()
    table = pose_distances(stack([poses[name] for name in good]))
    return Chosen(tuple(good[k] for k in medoids(table.numpy(), count)), tuple(refused))


def draw_order(names: Iterable[str], seed: int) -> list[str]:
    """Shuffle names; their order does not matter."""
    ordered = sorted(names)
    return [ordered[k] for k in np.random.default_rng(seed).permutation(len(ordered))]


def too_few(count: int, images: int) -> str:
    """Say that images are too few for the poses asked for, and what to ask for."""
    usual = ", the default of --poses" if count == DEFAULT_POSES else ""
    fewer = f"choose at most {images} with --poses, or " if images else ""
    return (
        f"too few for {count} target poses{usual}; {fewer}take those that come with the package "
        "with --poses-from shipped"
    )


def poses_in(
    keypoints: Path, *, size: Size, count: int | None = None, how: str = "random", seed: int = 0
) -> TargetPoses:
    """Read target poses from a keypoint file, without the images they come from.

    Nothing but joints is known: whether outlines are whole is not tested, as
    `reidaug.augment.posed_crops.PosedCrops.targets` does.

    Args:
        keypoints: The file, see `reidaug.data.keypoints.read_keypoints`; poses that do not show
            shoulders and hips, or do not lie on such an image, are skipped.
        size: (height, width) of the images, all of one size, in whose pixels the joints are.
        count: Number of poses; by default all of them.
        how: How they are chosen, see `choose`.
        seed: Random seed.

    Raises:
        ReidaugError: The file cannot be read, its joints do not lie on images of this size, or it
            has fewer poses than ``count``.
    """
    known = read_keypoints(keypoints, size_of=lambda name: size)
    for note in known.notes:
        notice(f"{keypoints}: {note}")
    placed = place(known.poses, dict.fromkeys(known.poses, size), file=keypoints).poses
    candidates = {name: pose for name, pose in placed.items() if shows_torso(pose)}
    number = len(candidates) if count is None else count
    chosen = choose(candidates, number, how=how, seed=seed).images
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


def common_size(sizes: Iterable[Size]) -> Size:
    """Find the most common (height, width); of equally common ones the first."""
    counts = Counter(sizes)
    return max(counts, key=lambda size: counts[size])


def on_common_canvas(
    images: Sequence[str], poses: Mapping[str, Pose], sizes: Mapping[str, Size], *, seed: int
) -> TargetPoses:
    """Bring poses to one canvas: the most common (height, width) of their images."""
    canvas = common_size(sizes[name] for name in images)
    pose = stack([on_canvas(poses[name], sizes[name], canvas) for name in images])
    return TargetPoses(canvas, seed, tuple(images), pose)


def write_poses(path: Path, targets: TargetPoses) -> None:
    """Write ``poses.json`` into a folder that exists."""
    write_atomically(path, poses_content(targets))


def poses_content(targets: TargetPoses) -> bytes:
    """Make the content of ``poses.json``."""
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
    content = {
        "size": list(targets.size),
        "seed": targets.seed,
        "poses": records,
        "refused": [refusal._asdict() for refusal in targets.refused],
    }
    return (json.dumps(content, allow_nan=False) + "\n").encode()


def read_poses(path: Path) -> TargetPoses:
    """Read ``poses.json``; the poses equal those written. Older files name no refused images.

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
        refused = tuple(Refusal(str(r["image"]), str(r["why"])) for r in content.get("refused", ()))
        targets = TargetPoses(
            (int(height), int(width)), int(content["seed"]), images, pose, refused
        )
    except _DAMAGED as error:
        reason = " ".join(str(error).split())
        raise ReidaugError(f"{path}: not a file of target poses ({reason})") from None
    if not 0 < min(targets.size) <= max(targets.size) <= LONGEST_SIDE:
        raise ReidaugError(f"{path}: target poses of no image's size")
    if not (pose.xy[pose.visible].abs() <= FARTHEST).all():
        raise ReidaugError(f"{path}: a joint lies nowhere")
    return targets
