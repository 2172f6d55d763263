"""Matching: from where on a crop each cell of a target takes its texture.

A target cell shows a place on the body; the crop's cameras tell where it shows that place. Whether
it really does, or something in front of it, is read off the crop's own surface map. Where it does
not, the body's symmetry is the fall-back: left for right, and the front for the back at the same
place on the limb. What was used is told cell by cell.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from reidaug.flow.estimator import Origin
from reidaug.flow.surface.cameras import Cameras, project
from reidaug.flow.surface.limbs import MIRRORED, limb_shares
from reidaug.flow.surface.places import AXIS_Y, mirrored_places
from reidaug.geometry.flow import size_of
from reidaug.geometry.warp import warp

FAR = 0.25  # metres from the place that is shown to the one asked for: invented
PENALTIES = (0.0, 0.22, 0.17, 0.32)  # metres: as seen, mirrored, the other side, both
BAG = 0.3  # metres from a bag to anything else
OFF = 0.3  # metres from anything to what is not the person
HEAD = 0.76  # height in metres from which on the front is never taken for the back: a face
FACE = 1.0  # metres that it costs
WINDOW = 3  # second cells over which costs are averaged before the origin is chosen
REACH = 1.5  # normalised coordinates beyond which no flow leads


class Shown(NamedTuple):
    """What crops show: places, and how the camera sees them."""

    cameras: Cameras
    places: Float[Tensor, "b 4 h w"]
    person: Float[Tensor, "b h w"]  # 1 on the person, 0 elsewhere


class Matches(NamedTuple):
    """Flow to target cells, and where their texture comes from."""

    flow: Float[Tensor, "b 2 h w"]
    origin: UInt8[Tensor, "b h w"]  # see `reidaug.flow.estimator.Origin`


def match_places(
    shown: Shown, asked: Float[Tensor, "b 4 h w"], person: Bool[Tensor, "b h w"]
) -> Matches:
    """Find for target cells where crops show their places, or what stands in for them.

    The origin of a cell is the cheapest one over its neighbourhood: single cells do not flicker.
    Gradients reach cameras and places through the flow, not through the choice.

    Args:
        shown: Of the crops.
        asked: Surface maps of the targets.
        person: Cells of the targets that count in the neighbourhoods of others.
    """
    grid = size_of(asked)
    kinds = images_of(asked.float().flatten(2))
    flow = torch.stack([project(shown.cameras, p[:, :3], share) for p, share in kinds], 1)
    flow = flow.unflatten(3, grid).clamp(-REACH, REACH)
    with torch.no_grad():
        images = torch.stack([places for places, _ in kinds], 1).unflatten(3, grid)
        kind, away = _cheapest(shown, images, flow, person)
        origin = torch.where(away > FAR, int(Origin.INVENTED), kind.clamp_max(Origin.OPPOSITE))
    chosen = flow.gather(1, kind[:, None, None].expand(-1, -1, 2, -1, -1))[:, 0]
    return Matches(chosen, origin.to(torch.uint8))


def images_of(
    places: Float[Tensor, "b 4 n"],
) -> list[tuple[Float[Tensor, "b 4 n"], Float[Tensor, "b l n"]]]:
    """List places and their mirror images with their limbs' shares, in the order of `PENALTIES`.

    Front and back are exchanged about the axes of the limbs, not of the trunk.
    """
    shares, axis = limb_shares(places[:, :3])
    x, y, z, bag = places.unbind(1)
    other = torch.stack((x, 2 * axis - y, z, bag), 1)
    swapped = shares[:, MIRRORED]
    return [
        (places, shares),
        (mirrored_places(places), swapped),
        (other, shares),
        (mirrored_places(other), swapped),
    ]


def _cheapest(
    shown: Shown,
    images: Float[Tensor, "b k 4 h w"],
    flow: Float[Tensor, "b k 2 h w"],
    person: Bool[Tensor, "b h w"],
) -> tuple[Int[Tensor, "b h w"], Float[Tensor, "b h w"]]:
    """Choose one of the images of each place, and measure how far what is shown there is from it.

    Costs are those of every second row and column, averaged over neighbours.
    """
    grid = size_of(person)
    images, flow = images[..., ::2, ::2], flow[..., ::2, ::2]
    table = torch.cat((shown.places * shown.person[:, None], shown.person[:, None]), 1)
    costs = torch.stack([_cost(table, images[:, k], flow[:, k]) for k in range(len(PENALTIES))], 1)
    back = (images[:, 0, 1] > AXIS_Y) & (images[:, 0, 2] > HEAD)
    costs[:, 2:] += (FACE * back)[:, None]
    counts = person[:, None, ::2, ::2].float()
    around = _around(costs * counts) / _around(counts).clamp_min(1e-3)
    priced = around + torch.tensor(PENALTIES, device=costs.device)[:, None, None]
    kind = priced.argmin(1, keepdim=True)
    away = around.gather(1, kind)
    kind, away = (interpolate(part.float(), size=grid)[:, 0] for part in (kind, away))
    return kind.long(), away


def _cost(
    table: Float[Tensor, "b 5 H W"], asked: Float[Tensor, "b 4 h w"], flow: Float[Tensor, "b 2 h w"]
) -> Float[Tensor, "b h w"]:
    """Measure how far what crops show is from what is asked for, in metres.

    ``table`` has the places of the person's cells, and then 1 for these cells; 0 elsewhere.
    """
    found = warp(table, flow, size=size_of(asked))
    person = found[:, 4:]
    difference = found[:, :4] / person.clamp_min(0.1) - asked
    scale = torch.tensor((1, 1, 1, BAG), device=asked.device)[:, None, None]
    square = (difference * scale).square().sum(1)
    return square.sqrt() + OFF * (1 - person[:, 0])


def _around(values: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k h w"]:
    return avg_pool2d(values, WINDOW, 1, WINDOW // 2)


def near_outline(outline: Bool[Tensor, "b H W"]) -> Bool[Tensor, "b h w"]:
    """Find the cells, twice as coarse as an outline, that are on it or beside it."""
    return max_pool2d(outline[:, None].float(), 4, 2, 1)[:, 0] > 0
