"""Rare poses: for each training image the target poses that its person's images show least."""

from collections.abc import Callable
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.augment.inputs import AugmentInputs
from reidaug.augment.missing_poses import STAND_INS
from reidaug.data.images import image_size
from reidaug.geometry.pose import Pose, on_canvas, select, stack

SHARED_JOINTS = 3  # fewer of them have no shape to compare
NUMBERS_KEPT = 4_000_000  # distances held at a time: 32 MB
DECIMALS = 6  # of distances, so that equal ones are equal on every machine


def with_rare_poses(inputs: AugmentInputs, each: int) -> AugmentInputs:
    """Give each training image the target poses that are rare for its person, see `rare_poses`.

    Images on which nobody was found show no pose; they are given some as all others are.

    Args:
        inputs: Training images and target poses, at least one.
        each: Number of poses an image, at most that of the target poses.
    """
    sources, targets = inputs.sources, inputs.targets
    people: dict[int, list[int]] = {}
    for k, source in enumerate(sources):
        people.setdefault(source.person.pid, []).append(k)
    row = _rows(targets.pose)
    given = list(sources)
    for numbers in people.values():
        own = [sources[k] for k in numbers if sources[k].pose_from not in STAND_INS]
        sizes = [image_size(source.person.path) or targets.size for source in own]
        poses = [on_canvas(s.pose, z, targets.size) for s, z in zip(own, sizes, strict=True)]
        shown = stack(poses) if poses else select(targets.pose, [])
        chosen = rare_poses(shown, len(numbers), targets.pose, each, row=row)
        for k, into in zip(numbers, chosen, strict=True):
            given[k] = sources[k]._replace(into=into)
    return inputs._replace(sources=tuple(given))


def rare_poses(
    shown: Pose,
    images: int,
    targets: Pose,
    each: int,
    *,
    row: Callable[[int], Float[Tensor, "t"]] | None = None,
) -> list[tuple[int, ...]]:
    """Deal target poses to the images of one person, those first that the images do not show.

    Farthest-point selection orders the targets: next is always the one whose nearest pose, among
    those shown and the targets before it, is farthest by `shape_distances`; of equally far ones the
    first. The first image gets the first ``each`` of that order, the second the next ones. After
    the last target it begins again: no target is given twice before each was given once.

    Args:
        shown: Poses (S, 18, 2) that the person's images show, on the canvas of the targets; may be
            none.
        images: Number of the person's images.
        targets: Target poses (T, 18, 2).
        each: Number of poses an image, at most T.
        row: Distances of a target, by its number, to all targets, where they are known already.

    Returns:
        The numbers of each image's poses in rising order.

    Source:
        Farthest-point selection: Gonzalez, Clustering to minimize the maximum intercluster distance
        (1985).
    """
    count = len(targets.xy)
    if not 1 <= each <= count:
        raise ValueError(f"1 to {count} poses an image can be chosen among {count}, not {each}")
    row = row or _rows(targets)
    nearest = torch.full((count,), torch.inf, dtype=torch.float64)
    at_once = max(1, NUMBERS_KEPT // count)
    for first in range(0, len(shown.xy), at_once):
        some = select(shown, slice(first, first + at_once))
        nearest = torch.minimum(nearest, shape_distances(some, targets).amin(0))
    order: list[int] = []
    for _ in range(min(count, images * each)):
        order.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, row(order[-1]))
        nearest[order[-1]] = -1
    dealt = (range(k * each, (k + 1) * each) for k in range(images))
    return [tuple(sorted(order[k % count] for k in some)) for some in dealt]


def _rows(targets: Pose) -> Callable[[int], Float[Tensor, "t"]]:
    """Give the distances of a target to all targets, keeping no more of them than memory allows."""

    @lru_cache(maxsize=max(1, NUMBERS_KEPT // max(1, len(targets.xy))))
    def row(number: int) -> Float[Tensor, "t"]:
        return shape_distances(select(targets, [number]), targets)[0]

    return row


def shape_distances(poses: Pose, others: Pose) -> Float[Tensor, "n m"]:
    """Distances (N, M), 0 to 2, between body poses (N, 18, 2) and (M, 18, 2), whatever their size.

    Of two poses the joints visible in both count. Each pose is moved until the mean of these joints
    is 0, and divided by the root of the mean square of their distances from it; the distance is the
    root mean square over the joints of what then lies between them. A pose and its turned or
    mirrored self differ: left joints are compared with left ones. Poses that share less than three
    joints, or all of whose shared joints lie in one point, are infinitely far apart.
    """
    # With joints weighted by visibility every sum over shared joints is a product of matrices.
    xy, seen = _centred(poses)
    other_xy, other_seen = _centred(others)
    shared = seen @ other_seen.T
    shares = shared.clamp_min(1)
    own = [xy[..., axis] @ other_seen.T for axis in (0, 1)]
    other = [seen @ other_xy[..., axis].T for axis in (0, 1)]
    spread = xy.square().sum(-1) @ other_seen.T - sum(s.square() for s in own) / shares
    other_spread = seen @ other_xy.square().sum(-1).T - sum(s.square() for s in other) / shares
    products = sum(xy[..., axis] @ other_xy[..., axis].T for axis in (0, 1))
    products = products - sum(a * b for a, b in zip(own, other, strict=True)) / shares
    size = (spread.clamp_min(0) * other_spread.clamp_min(0)).sqrt()
    distance = (2 - 2 * products / size).clamp(0, 4).sqrt().round(decimals=DECIMALS)
    known = (shared >= SHARED_JOINTS) & (size > 1e-9 * shares)
    return torch.where(known, distance, torch.inf)


def _centred(poses: Pose) -> tuple[Float[Tensor, "n 18 2"], Float[Tensor, "n 18"]]:
    """Move the mean of all visible joints to 0; invisible ones are at 0 and weigh nothing."""
    seen = poses.visible.double()
    xy = torch.where(poses.visible[..., None], poses.xy.double(), 0.0)
    mean = xy.sum(1) / seen.sum(1).clamp_min(1)[:, None]
    return (xy - mean[:, None]) * seen[..., None], seen
