"""Scores of pictures of people: shares with intervals over people, and the joints found in them."""

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from reidaug.bootstrap import Estimate, ratio_of_sums
from reidaug.data.keypoints import read_keypoints
from reidaug.geometry.pose import Pose, stack
from reidaug.perception.dataset_poses import crops_of, estimate_poses


def estimate(
    name: str, parts: NDArray[Any], wholes: NDArray[Any], people: NDArray[Any]
) -> dict[str, Any]:
    """A ratio of sums with its interval, as JSON values."""
    found: Estimate | None = ratio_of_sums(parts, wholes, people)
    if found is None:
        return {name: None}
    return {name: round(found.value, 4), f"{name}_ci": [round(found.low, 4), round(found.high, 4)]}


def share(part: int, whole: int) -> float | None:
    """Part of a whole; None of nothing."""
    return round(part / whole, 4) if whole else None


def read_poses_of(
    root: Path, names: list[str], workers: int | None, *, masks: Path | None = None
) -> tuple[Pose, int]:
    """Read the joints of some crops of a root with BlazePose; also how many show nobody."""
    csv = root.with_name(f"{root.name}-joints.csv")
    estimate_poses(crops_of(root).crops, csv, masks=masks, workers=workers)
    found = read_keypoints(csv).poses
    nowhere = Pose(torch.full((18, 2), -1.0), torch.zeros(18, dtype=torch.bool))
    return stack([found.get(name, nowhere) for name in names]), sum(n not in found for n in names)
