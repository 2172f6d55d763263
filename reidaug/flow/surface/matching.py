"""Matching of places: from where on a crop each cell of a target takes its texture.

The nearest place that the crop shows is looked for, with the body's symmetry as fall-back: left for
right, and the front for the back at the same height. What was used is told cell by cell.
Nothing here has gradients: networks learn from places, not from flows.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn.functional import max_pool2d

from reidaug.flow.estimator import Origin
from reidaug.flow.surface.places import AXIS_Y
from reidaug.flow.surface.smoothing import smooth_matches
from reidaug.geometry.flow import identity, size_of

FAR = 0.08  # metres from the place itself
PENALTIES = (0.0, 0.05, 0.10, 0.13)  # metres: as seen, mirrored, the other side, both
UPRIGHT = 1.4  # a metre up or down counts as so many across
BAG = 0.3  # metres from a bag to anything else
HEAD = 0.76  # height in metres from which on the front is never taken for the back: a face
NECK = 0.06  # below the head, in metres
FACE = 3.0  # on the head a metre to front or back counts as so many
NEIGHBOURS, JUMP = 3, 2.5  # places averaged, if so near in cells of the crop's grid


class Shown(NamedTuple):
    """The places that a crop shows, and their mirror images."""

    tree: cKDTree  # of points (P, 5)
    origin: NDArray[np.int8]  # of each point (P,)
    penalty: NDArray[np.float64]  # metres that each point is farther than it is (P,)
    position: NDArray[np.float32]  # where the crop shows it (P, 2), normalised
    step: NDArray[np.float32]  # one cell of the crop's grid, normalised (2,)


class Match(NamedTuple):
    """Where target cells take their texture."""

    position: Float[Tensor, "n 2"]  # on the crop, normalised
    origin: Int[Tensor, "n"]  # see `Origin`


def shown_places(surface: Float[Tensor, "4 h w"], person: Bool[Tensor, "h w"]) -> Shown:
    """Collect the places that a crop shows.

    Args:
        surface: Surface map of the crop.
        person: Cells of the person, at least one.
    """
    height, width = person.shape
    here = identity(height, width)[:, person].mT.numpy()
    places = surface[:, person].mT.detach().double().numpy()
    points, origins = [], []
    front = (places[:, 2] > HEAD) & (places[:, 1] < AXIS_Y)
    for flip_x, flip_y, penalty, origin in (
        (False, False, PENALTIES[0], Origin.SEEN),
        (True, False, PENALTIES[1], Origin.MIRRORED),
        (False, True, PENALTIES[2], Origin.OPPOSITE),
        (True, True, PENALTIES[3], Origin.OPPOSITE),
    ):
        moved = _metric(places, flip_x=flip_x, flip_y=flip_y)
        moved[:, 4] = penalty
        if flip_y:
            moved[front, 4] = 1.0  # out of reach, unless nothing else is shown
        points.append(moved)
        origins.append(np.full(len(places), origin, np.int8))
    step = np.array([2 / (width - 1), 2 / (height - 1)], np.float32)
    whole = np.concatenate(points)
    position = np.tile(here, (4, 1))
    return Shown(cKDTree(whole), np.concatenate(origins), whole[:, 4], position, step)


def match_places(shown: Shown, places: Float[Tensor, "n 4"]) -> Match:
    """Find where places (N, 4) of target cells are on the crop."""
    asked = _metric(places.detach().double().numpy())
    distance, found = shown.tree.query(asked, k=NEIGHBOURS)
    origin = shown.origin[found]
    position = shown.position[found]
    near = np.abs((position - position[:, :1]) / shown.step).max(-1) <= JUMP
    away = np.maximum(distance**2 - shown.penalty[found] ** 2, 0)
    weight = near * (origin == origin[:, :1]) / (away + 1e-5)
    mean = (position * weight[..., None]).sum(1) / weight.sum(1)[:, None]
    first = np.where(away[:, 0] > FAR**2, Origin.INVENTED, origin[:, 0])
    return Match(torch.from_numpy(mean).float(), torch.from_numpy(first).long())


def match_maps(
    shown: Shown, surface: Float[Tensor, "4 h w"], outline: Bool[Tensor, "H W"]
) -> tuple[Float[Tensor, "2 h w"], UInt8[Tensor, "h w"]]:
    """Match the cells in and around an outline, twice as fine as the map, smoothly.

    Returns:
        Flow and origin of the cells; the identity and `Origin.SEEN` far off the outline.
    """
    near = max_pool2d(outline[None, None].float(), 4, 2, 1)[0, 0] > 0
    grid = size_of(surface)
    flow = identity(*grid)
    origin = torch.zeros(grid, dtype=torch.uint8)
    if near.any():
        match = match_places(shown, surface[:, near].mT.float())
        flow[:, near] = match.position.mT
        origin[near] = match.origin.to(torch.uint8)
        flow = smooth_matches(flow, origin.long(), surface[:3].detach().float(), near)
    return flow, origin


def _metric(
    places: NDArray[np.float64], *, flip_x: bool = False, flip_y: bool = False
) -> NDArray[np.float64]:
    """Points (N, 5) whose distance is that of places (N, 4), perhaps mirrored."""
    x, y, z, bag = places.T
    x = -x if flip_x else x
    deep = -(y - AXIS_Y) if flip_y else y - AXIS_Y
    deep = deep * (1 + (FACE - 1) * np.clip((z - HEAD) / NECK + 1, 0, 1))
    return np.stack((x, deep, UPRIGHT * z, BAG * bag, np.zeros_like(x)), 1)
