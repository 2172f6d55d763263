"""Smoothing of matches: a local affine fit among neighbouring cells of one piece of the body.

Single matches are noisy, since neither surface map is exact, and noise destroys patterns.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

RADIUS, SIGMA = 3, 2.0  # of the window, in cells
PIECE = 0.10  # metres between places on the body at which cells count little for each other
LEAST = 1e-6  # weight of a neighbour of another piece or origin, for cells without any of their own
RIDGE = 0.05  # square cells: pulls the fit of few or collinear cells towards their mean


def smooth_matches(
    position: Float[Tensor, "2 h w"],
    origin: Int[Tensor, "h w"],
    places: Float[Tensor, "3 h w"],
    which: Bool[Tensor, "h w"],
    matched: Bool[Tensor, "h w"],
    *,
    radius: int = RADIUS,
    sigma: float = SIGMA,
    piece: float = PIECE,
) -> Float[Tensor, "2 h w"]:
    """Compute the value in each cell of an affine map fitted to the matches around.

    Neighbours count by their distance, by the distance of their places on the body, and if their
    texture has the same origin.

    Args:
        position: Where each target cell takes its texture, in any unit.
        origin: See `reidaug.flow.estimator.Origin`.
        places: Place of each cell on the body, in metres.
        which: Cells to compute; the others stay.
        matched: Cells that have a match, at least one in every window.
        radius: Of the window, in cells.
        sigma: Deviation of the weights by distance, in cells.
        piece: Deviation of the weights by place, in metres.
    """
    rows, columns = which.nonzero(as_tuple=True)
    steps = torch.arange(-radius, radius + 1, device=which.device)
    down, across = (part.flatten() for part in torch.meshgrid(steps, steps, indexing="ij"))
    table = torch.cat((position, places, origin[None].float(), matched[None].float()))
    table = pad(table, (radius,) * 4)
    width = table.shape[-1]
    here_at = (rows + radius) * width + columns + radius
    around = here_at[:, None] + down * width + across
    near = table.flatten(1).index_select(1, around.flatten()).unflatten(1, around.shape)
    here = table.flatten(1).index_select(1, here_at)[..., None]
    square = (near[2:5] - here[2:5]).square().sum(0) / piece**2
    bell = (down.square() + across.square()) / sigma**2
    weight = torch.exp(-0.5 * (square + bell)) * near[6] * (near[5] == here[5])
    weight = weight + LEAST * near[6] * torch.exp(-bell)
    total = weight.sum(-1)
    x, y = across.float(), down.float()

    def mean(values: Tensor) -> Tensor:
        return (weight * values).sum(-1) / total

    mx, my = mean(x), mean(y)
    xx, yy, xy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    determinant = (xx + RIDGE) * (yy + RIDGE) - xy * xy
    result = position.clone()
    for k in range(2):
        value = near[k]
        m = mean(value)
        cx, cy = mean(value * x) - m * mx, mean(value * y) - m * my
        slope_x = ((yy + RIDGE) * cx - xy * cy) / determinant
        slope_y = ((xx + RIDGE) * cy - xy * cx) / determinant
        result[k, rows, columns] = m - slope_x * mx - slope_y * my
    return result
