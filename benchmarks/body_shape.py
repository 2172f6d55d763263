"""Shape of the body in a picture, from joints and outline, and how far a warp changes it."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray
from picture_scores import estimate, share

from reidaug.geometry.pose import OPENPOSE_18, TORSO, Pose

BEYOND = 1.25
"""Factor, either way, beyond which a body has another shape."""

ANKLES = [OPENPOSE_18.index(f"{side}_ankle") for side in ("right", "left")]


class BodyShape(NamedTuple):
    """Shape of the bodies in N pictures; NaN where a picture does not show it."""

    shoulder_width: Float[ndarray, "n"]  # distance of the shoulders in torso lengths
    area: Float[ndarray, "n"]  # area of the outline over the square of its height

    def of(self, which: Shaped[ndarray, "m"]) -> "BodyShape":
        """Take the shapes of some pictures by number."""
        return BodyShape(*(part[which] for part in self))


class PairNumbers(NamedTuple):
    """Whom and what N warps show."""

    people: Int[ndarray, "n"]  # person of the source
    sources: Int[ndarray, "n"]  # number of the source
    targets: Int[ndarray, "n"]  # number of the crop the target pose comes from


def shoulder_width(pose: Pose) -> float:
    """Distance of the shoulders over the length of the torso; NaN where the torso is not seen."""
    if not pose.visible[list(TORSO)].all():
        return float("nan")
    right, left, *hips = pose.xy[list(TORSO)].double().numpy()
    torso = float(np.linalg.norm((right + left) / 2 - (hips[0] + hips[1]) / 2))
    return float(np.linalg.norm(right - left)) / max(torso, 1.0)


def relative_area(pose: Pose, mask: Bool[ndarray, "h w"] | None) -> float:
    """Area of an outline over the square of its height; NaN where no ankle is seen."""
    if mask is None or not mask.any() or not pose.visible[ANKLES].any():
        return float("nan")
    rows = np.flatnonzero(mask.any(1))
    return float(mask.sum() / (rows[-1] - rows[0] + 1) ** 2)


def compare_shapes(
    warp: BodyShape,
    source: BodyShape,
    target: BodyShape,
    pairs: PairNumbers,
    same_view: Bool[ndarray, "n"],
) -> dict[str, Any]:
    """Compare bodies of N warps with those of source and target, measure by measure."""
    result = {}
    everything = np.ones(len(same_view), dtype=bool)
    for name, made, before, asked in zip(BodyShape._fields, warp, source, target, strict=True):
        result[name] = _compare(made, before, asked, pairs, everything) | {
            "same_view": _compare(made, before, asked, pairs, same_view)
        }
    return result


def _compare(
    warp: Float[ndarray, "n"],
    source: Float[ndarray, "n"],
    target: Float[ndarray, "n"],
    pairs: PairNumbers,
    here: Bool[ndarray, "n"],
) -> dict[str, Any]:
    """Sum up the ratios of warps to sources, and how far they follow either person."""
    shown = here & (np.stack([warp, source, target]) > 0).all(0)  # NaN is not
    made, before, asked = (part[shown] for part in (warp, source, target))
    people, sources, targets = (part[shown] for part in pairs)
    ratio = made / before
    beyond = np.abs(np.log(ratio)) > np.log(BEYOND)
    return {
        "pairs": int(shown.sum()),
        "shown": share(int(shown.sum()), int(here.sum())),
        "median": round(float(np.median(ratio)), 4) if shown.any() else None,
        **estimate("beyond", beyond, np.ones(len(beyond)), people),
        **slope("from_source", made, before, targets, people),
        **slope("from_target", made, asked, sources, people),
    }


def slope(
    name: str,
    values: Float[ndarray, "n"],
    by: Float[ndarray, "n"],
    groups: Int[ndarray, "n"],
    people: Int[ndarray, "n"],
) -> dict[str, Any]:
    """Slope of values over others within groups, so that noise of a group's own changes nothing."""
    _, group = np.unique(groups, return_inverse=True)
    counts = np.maximum(np.bincount(group), 1)
    apart, spread = (
        part - (np.bincount(group, part, len(counts)) / counts)[group] for part in (values, by)
    )
    return estimate(name, apart * spread, spread**2, people)
