"""Viewpoint of people, from the order of their shoulders and hips."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.geometry.pose import FLIP_18, TORSO, Pose

FULL_WIDTH = (1.0, 0.58)
"""Shoulders and hips of a person seen from the front, in torso heights: the 95 % quantiles over
rendered people."""

SIDE = 0.2
"""Dead zone: below it a person is seen from the side, neither from the front nor from behind."""

Turns = Literal["auto", "allow", "mirror", "drop"]
"""Treatment of half turns. ``allow``: nothing. ``mirror``: see `exchange_left_right`. ``drop``:
they are not kept. ``auto``: ``mirror`` with a flow that sees the person, else
``allow``."""


def facing(pose: Pose) -> Float[Tensor, "b"]:
    """Measure which way people of 18 joints (B, 18, 2) in pixels face, (B,) in [-1, 1].

    1 is from the front, -1 from behind, 0 from either side and where the joints do not show it. In
    the picture of a person who faces the camera the left shoulder is right of the right one; so
    are the hips. Their distances, over the height of the torso and their width from the front, are
    averaged over the pairs that are visible.
    """
    order = list(TORSO)  # right shoulder, left shoulder, right hip, left hip
    visible = pose.visible[..., order].unflatten(-1, (2, 2))
    # A missing joint's position may be anything, even NaN.
    xy = pose.xy[..., order, :].unflatten(-2, (2, 2))
    xy = torch.where(visible[..., None], xy, torch.zeros_like(xy))
    level = xy[..., 1].sum(-1) / visible.sum(-1).clamp_min(1)
    height = (level[..., 1] - level[..., 0]).abs().clamp_min(1.0)
    both = visible.all(-1) & visible.any(-1).all(-1, keepdim=True)
    width = (xy[..., 1, 0] - xy[..., 0, 0]) / height[..., None]
    width = width / torch.tensor(FULL_WIDTH, device=width.device)
    return ((width * both).sum(-1) / both.sum(-1).clamp_min(1)).clamp(-1, 1)


def view_agreement(source: Pose, target: Pose) -> Float[Tensor, "s t"]:
    """How far sources (S, 18, 2) and targets (T, 18, 2) face the same way, (S, T) in [0, 1].

    1 is the same view, 0.5 a quarter turn, 0 a half turn.
    """
    return 1 - (facing(source)[:, None] - facing(target)).abs() / 2


def half_turns(source: Pose, target: Pose) -> Bool[Tensor, "s t"]:
    """Find the pairs (S, T) of which one shows the front and the other the back.

    A view from the side is never part of one. Joints are (S, 18, 2) and (T, 18, 2).
    """
    return _side(source)[:, None] * _side(target) < 0


def exchange_left_right(pose: Pose, which: Bool[Tensor, "b"]) -> Pose:
    """Exchange left and right joints of the poses `which` (B,): the outline from the opposite side.

    A person from behind and one from the front can have the same outline; what differs is which
    joint is called left. With left and right exchanged, a source seen from the front stays so in
    the outline of a back view: there is no half turn, and no face on the back of a head. (To mirror
    picture and joints of the source but not their names also spares the estimator the half turn,
    but shows the front mirrored, as if it were the back: on 117 rendered pairs that is 1.3 +- 0.3
    of 255 further from the true view than to allow the turn; exchanged names are 0.3 +- 0.4
    further.)
    """
    order = list(FLIP_18)
    return Pose(
        torch.where(which[:, None, None], pose.xy[:, order], pose.xy),
        torch.where(which[:, None], pose.visible[:, order], pose.visible),
    )


def group_by_view(source: Pose, target: Pose, turns: str) -> list[tuple[list[int], Pose]]:
    """Group sources (S, 18, 2) by view: indices and targets (T, 18, 2) of each disjoint group.

    With ``turns`` ``mirror``, sources from the front and from behind get targets of their own side,
    see `exchange_left_right`; otherwise all get the same targets.
    """
    everyone = list(range(len(source.xy)))
    if turns != "mirror":
        return [(everyone, target)]
    sides = _side(source).tolist()
    groups = [(side, [k for k in everyone if sides[k] == side]) for side in (-1, 0, 1)]
    return [
        (group, exchange_left_right(target, _side(target) * side < 0))
        for side, group in groups
        if group
    ]


def view_names(pose: Pose) -> list[str]:
    """Name the views of people (B, 18, 2): ``front``, ``side`` or ``back``, see `SIDE`."""
    names = {1: "front", 0: "side", -1: "back"}
    return [names[int(side)] for side in _side(pose).tolist()]


def _side(pose: Pose) -> Tensor:
    """-1 from behind, 1 from the front, 0 from either side."""
    faces = facing(pose)
    return faces.sign() * (faces.abs() > SIDE)
