"""Pose pool: which training images are good target poses, by their outline and joints.

The outline of a target cuts one warp of every crop, so that a torn one spoils them all. The limits
were chosen on photographs, on the tune people of Market-1501 (`reidaug.data.people_split`); lengths
are measured in torso heights or crop heights.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool
from scipy import ndimage
from torch import Tensor

from reidaug.geometry.flow import Size
from reidaug.geometry.pose import OPENPOSE_18, TORSO, Pose, stack
from reidaug.geometry.silhouette import silhouette
from reidaug.perception.mirror_agreement import MirrorAgreement

Pool = Literal["good", "any"]
"""Which training images may give target poses. ``good``: those without a flaw. ``any``: all that
show shoulders and hips, as in the paper."""

LARGEST_PIECE = 0.98  # least share of the outline in its largest piece
LARGEST_HOLE = 0.06  # greatest share: a gap between an arm and the trunk is a hole too
TOLERANCE = 2 / 128  # of the height: a joint so near to the outline is covered
COVERED = 0.88  # least share of the visible joints
LEAST_HEIGHT = 2.6  # torso heights of an outline down to the shins
AT_EDGE = 0.02  # of the height: an outline that ends so near to the lower edge is cut off by it
LIMB_RADIUS = 0.1  # torso heights
AREA = (1.15, 3.4)  # outline over limbs: of slim people, and of people in wide clothes
LARGEST_AREA = 4.2  # squared torso heights: more is somebody else's too
ANKLES = [OPENPOSE_18.index(f"{side}_ankle") for side in ("right", "left")]
MIRRORED_JOINTS, MIRRORED_OUTLINE = 0.8, 0.75  # least agreement


class Refusal(NamedTuple):
    """A training image that gives no target pose."""

    image: str  # its file name
    why: str  # its flaw


def outline_flaw(pose: Pose, mask: Bool[Tensor, "h w"]) -> str | None:
    """Find what makes a person unfit to be a target, from joints and outline.

    Args:
        pose: 18 joints (18, 2) in pixels of the mask, shoulders and hips visible.
        mask: True on the person (h, w).

    Returns:
        The flaw that was found first, in a few words; None for a good target.
    """
    return next(_flaws(pose, mask), None)


def _flaws(pose: Pose, mask: Bool[Tensor, "h w"]) -> Iterator[str]:
    outline = mask.numpy()
    piece, largest = _largest_piece(outline)
    if largest == 0:
        yield "no outline"
        return
    if largest < LARGEST_PIECE * outline.sum():
        yield "outline in pieces"
    holes = ndimage.binary_fill_holes(outline) & ~outline
    if _largest_piece(holes)[1] > LARGEST_HOLE * outline.sum():
        yield "hole in the outline"
    yield from _misfits(pose, mask, piece)


def _misfits(
    pose: Pose, mask: Bool[Tensor, "h w"], piece: Bool[np.ndarray, "h w"]
) -> Iterator[str]:
    """Find where an outline, whose largest piece is given, does not go with the joints."""
    whole, torso = int(mask.sum()), _torso_height(pose)
    rows = np.flatnonzero(piece.any(1))
    ends_inside = rows[-1] < (1 - AT_EDGE) * len(piece) - 1
    if ends_inside and rows[-1] + 1 - rows[0] < LEAST_HEIGHT * torso:
        yield "half a person"
    if ends_inside and not pose.visible[ANKLES].any():
        yield "no foot in sight"
    if covered(pose, mask) < COVERED:
        yield "joints outside the outline"
    over_limbs = whole / _limbs(pose, (mask.shape[0], mask.shape[1]), torso)
    if over_limbs < AREA[0]:
        yield "outline too small for the joints"
    if over_limbs > AREA[1] or whole > LARGEST_AREA * torso**2:
        yield "outline too large for the joints"


def covered(pose: Pose, mask: Bool[Tensor, "h w"]) -> float:
    """Compute the share of the visible joints (18, 2) within `TOLERANCE` of a mask (h, w)."""
    distance = ndimage.distance_transform_edt(~mask.numpy())
    xy = pose.xy[pose.visible].round().long().numpy()
    x, y = xy[:, 0].clip(0, mask.shape[1] - 1), xy[:, 1].clip(0, mask.shape[0] - 1)
    return float((distance[y, x] <= TOLERANCE * mask.shape[0]).mean())


def mirror_flaw(agreement: MirrorAgreement) -> str | None:
    """Find what the mirrored crop shows to be wrong: a flaw in a few words, or None."""
    if agreement.joints < MIRRORED_JOINTS:
        return "other joints in the mirrored crop"
    if agreement.outline is not None and agreement.outline < MIRRORED_OUTLINE:
        return "another outline in the mirrored crop"
    return None


def count_flaws(refused: Sequence[Refusal]) -> dict[str, int]:
    """Count refusals by their flaw, the most frequent first, then in the order of the alphabet."""
    counts = Counter(one.why for one in refused)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def describe_flaws(counts: dict[str, int]) -> str:
    """Write counts of flaws on one line."""
    return ", ".join(f"{count:,} {why}" for why, count in counts.items())


def _largest_piece(mask: Bool[np.ndarray, "h w"]) -> tuple[Bool[np.ndarray, "h w"], int]:
    """Find the largest piece of a mask (h, w), and its number of pixels; neighbours touch."""
    labels, pieces = ndimage.label(mask, structure=np.ones((3, 3)))
    if not pieces:
        return mask, 0
    sizes = np.bincount(labels.ravel())[1:]
    return labels == sizes.argmax() + 1, int(sizes.max())


def _torso_height(pose: Pose) -> float:
    torso = pose.xy[list(TORSO)]
    return max(1.0, float((torso[:2].mean(0) - torso[2:].mean(0)).norm()))


def _limbs(pose: Pose, size: Size, torso: float) -> int:
    """Count the pixels of the limbs, whose radius is in proportion to the torso's height."""
    limbs = silhouette(stack([pose]), size, radius=LIMB_RADIUS * torso)
    return max(1, int(torch.count_nonzero(limbs)))
