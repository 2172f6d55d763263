"""Nearest places: a true surface map's cells, found cell by cell on another.

The nearest place that a crop shows is looked for, with the body's symmetry as fall-back: left for
right, and the front for the back at the same height. What was used is told cell by cell. It is
exact on exact maps, and slow; estimators match by cameras, see `reidaug.flow.surface.matching`.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from reidaug.flow.estimator import Origin
from reidaug.flow.surface.matching import near_outline
from reidaug.flow.surface.places import AXIS_Y
from reidaug.flow.surface.training.smoothing import smooth_matches
from reidaug.geometry.flow import identity, size_of

FAR = 0.08  # metres from the place itself
PENALTIES = (0.0, 0.05, 0.10, 0.13)  # metres: as seen, mirrored, the other side, both
UPRIGHT = 1.4  # a metre up or down counts as so many across
BAG = 0.3  # metres from a bag to anything else
HEAD = 0.76  # height in metres from which on the front is never taken for the back: a face
NECK = 0.06  # below the head, in metres
FACE = 3.0  # on the head a metre to front or back counts as so many
NEIGHBOURS, JUMP = 3, 2.5  # places averaged, if so near in cells of the crop's grid
SURE = 0.04  # metres: a place so near is taken as seen, whatever its mirror images
DOUBT = 0.2  # metres: cost of a mirror image that was not looked for
WINDOW = 5  # cells over which costs are averaged before the origin is chosen


class Shown(NamedTuple):
    """The places that a crop shows, or one kind of mirror image of them."""

    tree: cKDTree  # of points (P, 5)
    penalty: NDArray[np.float64]  # metres that each point is farther than it is (P,)
    position: NDArray[np.float32]  # where the crop shows it (P, 2), normalised


class ShownPlaces(NamedTuple):
    """The places that a crop shows, by origin: as seen, mirrored, on the other side of the body."""

    kinds: tuple[Shown, Shown, Shown]
    step: NDArray[np.float32]  # one cell of the crop's grid, normalised (2,)


def shown_places(surface: Float[Tensor, "4 h w"], person: Bool[Tensor, "h w"]) -> ShownPlaces:
    """Collect the places that a crop shows.

    Args:
        surface: Surface map of the crop.
        person: Cells of the person, at least one.
    """
    height, width = person.shape
    here = identity(height, width)[:, person].mT.numpy()
    places = surface[:, person].mT.detach().double().numpy()
    face = (places[:, 2] > HEAD) & (places[:, 1] < AXIS_Y)
    copies = []
    for flip_x, flip_y, penalty in (
        (False, False, PENALTIES[0]),
        (True, False, PENALTIES[1]),
        (False, True, PENALTIES[2]),
        (True, True, PENALTIES[3]),
    ):
        moved = _metric(places, flip_x=flip_x, flip_y=flip_y)
        moved[:, 4] = penalty
        if flip_y:
            moved[face, 4] = 1.0  # out of reach, unless nothing else is shown
        copies.append(moved)
    step = np.array([2 / (width - 1), 2 / (height - 1)], np.float32)
    other = np.concatenate(copies[2:])
    seen, mirrored = (Shown(cKDTree(c), c[:, 4], here) for c in copies[:2])
    return ShownPlaces(
        (seen, mirrored, Shown(cKDTree(other), other[:, 4], np.tile(here, (2, 1)))), step
    )


def match_maps(
    shown: ShownPlaces, surface: Float[Tensor, "4 h w"], outline: Bool[Tensor, "H W"]
) -> tuple[Float[Tensor, "2 h w"], UInt8[Tensor, "h w"]]:
    """Match the cells in and around an outline, twice as fine as the map, smoothly.

    The origin of a cell is the cheapest one over its neighbourhood: single cells do not flicker.

    Returns:
        Flow and origin of the cells; the identity and `Origin.SEEN` far off the outline.
    """
    near = near_outline(outline[None])[0]
    grid = size_of(surface)
    flow, kind = identity(*grid), torch.zeros(grid, dtype=torch.uint8)
    if not near.any():
        return flow, kind
    matched = every_second(near)
    found = match_places(shown, surface[:, matched].mT)
    costs = torch.zeros(len(shown.kinds), *grid)
    costs[:, matched] = torch.from_numpy(found.cost).float()
    sums, counts = (
        avg_pool2d(part, WINDOW, 1, WINDOW // 2) for part in (costs, matched[None].float())
    )
    around = sums / counts
    kind = torch.where(near, around.argmin(0), 0)
    chosen = kind[matched].numpy()
    cells = np.arange(len(chosen))
    flow[:, matched] = torch.from_numpy(found.position[chosen, cells]).float().mT
    flow = smooth_matches(flow, kind, surface[:3].detach().float(), near, matched)
    away = torch.zeros(grid)
    away[matched] = torch.from_numpy(found.away[chosen, cells]).float()
    away = avg_pool2d(away[None], 3, 1, 1) / avg_pool2d(matched[None].float(), 3, 1, 1).clamp_min(
        1e-6
    )
    far = near & (away[0] > FAR)
    return flow, torch.where(far, int(Origin.INVENTED), kind).to(torch.uint8)


def every_second(cells: Bool[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """Take every second of some cells, like the white squares of a chessboard, and lonely ones."""
    rows, columns = (torch.arange(n, device=cells.device) for n in cells.shape)
    white = cells & ((rows[:, None] + columns) % 2 == 0)
    return white | (cells & (max_pool2d(white[None].float(), 3, 1, 1)[0] == 0))


class Matches(NamedTuple):
    """The nearest places to N asked ones, for each of the three kinds of `ShownPlaces`."""

    position: NDArray[np.float64]  # on the crop (3, N, 2), normalised
    cost: NDArray[np.float64]  # metres (3, N), penalties included
    away: NDArray[np.float64]  # metres (3, N) without penalties


def match_places(shown: ShownPlaces, places: Float[Tensor, "n 4"]) -> Matches:
    """Find where places (N, 4) are on the crop; mirror images only where none is near as seen."""
    asked = _metric(places.detach().double().numpy())
    position = np.zeros((len(shown.kinds), len(asked), 2))
    cost = np.full(position.shape[:2], DOUBT)
    away = cost.copy()
    which = np.arange(len(asked))
    for k, kind in enumerate(shown.kinds):
        if len(which):
            position[k, which], cost[k, which], away[k, which] = _nearest(
                kind, asked[which], shown.step
            )
        if k == 0:
            which = np.flatnonzero(cost[0] > SURE)
            cost[1:] = np.maximum(DOUBT, cost[0] + DOUBT)
    return Matches(position, cost, away)


def _nearest(
    shown: Shown, asked: NDArray[np.float64], step: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Average the nearest places to each of N points (N, 5), if they are near on the crop."""
    distance, found = shown.tree.query(asked, k=min(NEIGHBOURS, shown.tree.n))
    distance, found = distance.reshape(len(asked), -1), found.reshape(len(asked), -1)
    away = np.sqrt(np.maximum(distance**2 - shown.penalty[found] ** 2, 0))
    position = shown.position[found]
    near = np.abs((position - position[:, :1]) / step).max(-1) <= JUMP
    weight = near / (away**2 + 1e-5)
    mean = (position * weight[..., None]).sum(1) / weight.sum(1)[:, None]
    return mean, distance[:, 0], away[:, 0]


def _metric(
    places: NDArray[np.float64], *, flip_x: bool = False, flip_y: bool = False
) -> NDArray[np.float64]:
    """Points (N, 5) whose distance is that of places (N, 4), perhaps mirrored."""
    x, y, z, bag = places.T
    x = -x if flip_x else x
    deep = -(y - AXIS_Y) if flip_y else y - AXIS_Y
    deep = deep * (1 + (FACE - 1) * np.clip((z - HEAD) / NECK + 1, 0, 1))
    return np.stack((x, deep, UPRIGHT * z, BAG * bag, np.zeros_like(x)), 1)
