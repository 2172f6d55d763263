"""GFLA's two losses: does the flow sample what is wanted, and is it affine nearby?

Both work on the cells of the flow's own grid. Nothing is drawn by a network: features of the source
image, sampled along the flow, are compared with features of the target image.

At 256x256 the windows of the affine loss are 3x3 at the coarse and 5x5 at the fine level. On
Market-1501 GFLA takes 3x3 windows on a grid of 32x16 cells: for 128x64 crops give
``windows=(3, 3)``.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import embedding_bag, interpolate, unfold

from reidaug.data.images import IMAGENET_MEAN, IMAGENET_STD
from reidaug.data.pairs import PosePair
from reidaug.flow.perceptual_networks import FeatureNetwork
from reidaug.geometry.flow import Size, to_pixels

EPSILON = 1e-8
SIGMA = 2.0  # width of the Gaussian that samples, in cells
NEIGHBOURS = (-1, 0, 1, 2)  # of the cell left of and above the sampled point
SIMILARITIES_TOGETHER = 2**22  # numbers of a table of similarities held at a time


class SamplingLosses:
    """Both losses of GFLA's first training stage, summed over its levels.

    Args:
        network: Frozen network whose features are compared.
        depths: Place of each level's features in what the network gives, coarse to fine. The
            default is relu4_1 and relu3_1 of `Vgg19`, and relu4_3 and relu3_3 of the VGG-16 in
            `ShiftTolerantLPIPS`, each near the resolution of its level.
        windows: Rows and columns of the affine loss's windows at each level, coarse to fine, odd.
        standardised: Whether the network does its own scaling, as for every other loss here. GFLA
            feeds it images in [-1, 1] as they are.
        autocast: Makes the context in which the network runs, as `Accelerator.autocast` does. The
            losses themselves are worked out in 32 bits.

    Raises:
        ValueError: There are not as many windows as depths, or a window is even or below 3.

    Source:
        GFLA's sampling correctness and regularisation losses. In the paper they count 20 and 0.01,
        and the network is a VGG-19; where there is none, the VGG-16 of ST-LPIPS serves. Features
        whose grid is not that of the flow are resized to it: those of ST-LPIPS have a cell more.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        *,
        depths: Sequence[int] = (3, 2),
        windows: Sequence[int] = (3, 5),
        standardised: bool = False,
        autocast: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        if len(depths) != len(windows):
            raise ValueError(f"{len(depths)} depths but {len(windows)} windows")
        if any(window < 3 or window % 2 == 0 for window in windows):
            raise ValueError(f"windows must be odd and at least 3, got {tuple(windows)}")
        self.network, self.autocast = network, autocast
        self.depths, self.windows, self.standardised = tuple(depths), tuple(windows), standardised

    def __call__(
        self, flows: Sequence[Float[Tensor, "b 2 _ _"]], batch: PosePair
    ) -> dict[str, Tensor]:
        """Judge the flows of pairs.

        Args:
            flows: One flow a level, coarse to fine, as `FlowEstimator.flows` gives them.
            batch: The pairs.

        Returns:
            ``correctness`` and ``regularity``, unweighted, each summed over the levels.

        Raises:
            ValueError: The number of flows is not that of the levels, images are too small for the
                network's deep features, or a flow is smaller than its window.
        """
        if len(flows) != len(self.depths):
            raise ValueError(f"{len(self.depths)} flows expected, got {len(flows)}")
        source, target = self._features(batch.source), self._features(batch.target)
        correctness = regularity = torch.zeros((), device=batch.source.device)
        with torch.autocast(batch.source.device.type, enabled=False):
            for flow, depth, window in zip(flows, self.depths, self.windows, strict=True):
                size = (flow.shape[-2], flow.shape[-1])
                mine, wanted = (_on_grid(found[depth], size) for found in (source, target))
                correctness = correctness + sampling_correctness(flow.float(), mine, wanted)
                regularity = regularity + affine_regularity(flow.float(), window)
        return {"correctness": correctness, "regularity": regularity}

    def _features(self, image: Tensor) -> list[Tensor]:
        if not self.standardised:
            # What the network's own scaling turns into [-1, 1].
            mean, std = (image.new_tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
            image = (2 * image - 1) * std + mean
        with torch.no_grad(), self.autocast():
            found = self.network.features(image)
        if len(found) <= max(self.depths):
            rows, columns = image.shape[-2:]
            raise ValueError(f"images of {rows}x{columns} are too small for the network's features")
        return found


def sampling_correctness(
    flow: Float[Tensor, "b 2 h w"],
    source: Float[Tensor, "b c h w"],
    target: Float[Tensor, "b c h w"],
) -> Float[Tensor, ""]:
    """Ask that every cell samples source features as like the wanted ones as any in the source.

    Args:
        flow: Flow (B, 2, h, w); gradients flow into this.
        source: Features of the source image (B, C, h, w).
        target: Features of the target image (B, C, h, w).

    Returns:
        The mean over cells of exp(-b / a) - exp(-1): 0 where the sampled features are as like the
        wanted ones (b) as the most like ones of all source cells are (a).

    Source:
        GFLA's sampling correctness loss, with a over all source positions, as its authors compute
        it (UnWarpME's text speaks of local patches of heat maps).
    """
    sampled = gaussian_resample(source, flow)
    best = best_similarity(source, target)
    similarity = (_unit(sampled) * _unit(target)).sum(1)
    return torch.exp(-similarity / (best + EPSILON)).mean() - math.exp(-1)


def gaussian_resample(
    features: Float[Tensor, "b c h w"], flow: Float[Tensor, "b 2 oh ow"]
) -> Float[Tensor, "b c oh ow"]:
    """Sample features by a Gaussian mean of the 4x4 cells about each point.

    A bilinear mean knows two cells along each axis; this one gives gradients from further away.

    Args:
        features: Features (B, C, h, w).
        flow: Flow (B, 2, oh, ow); gradients flow into it through the weights alone.

    Returns:
        Sampled features (B, C, oh, ow). The weight of a cell at distance d from the point is
        exp(-d^2 / 8), divided by the sum of all sixteen; outside the grid stands the nearest cell
        of its border, with the weight of the place it stands for.

    Source:
        GFLA's resampling in the sampling correctness loss: sigma 2, floor(x) - 1 to floor(x) + 2.
    """
    height, width = features.shape[-2:]
    points = to_pixels(flow.movedim(1, -1), (height, width)).flatten(1, 2)
    columns, across = _neighbours(points[..., 0], width)
    rows, down = _neighbours(points[..., 1], height)
    first = torch.arange(len(points), device=flow.device)[:, None, None] * height * width
    place = rows[..., :, None] * width + columns[..., None, :]
    weights = down[..., :, None] * across[..., None, :]
    # One table of cells and sixteen weighted places in it a point: no neighbour is ever copied.
    table = features.movedim(1, -1).flatten(0, 2)
    bags = (place.flatten(2) + first).flatten(0, 1)
    sampled = embedding_bag(
        bags, table, mode="sum", per_sample_weights=weights.flatten(2).flatten(0, 1)
    )
    return sampled.unflatten(0, (len(points), *flow.shape[-2:])).movedim(-1, 1)


def best_similarity(
    source: Float[Tensor, "b c h w"],
    target: Float[Tensor, "b c H W"],
    *,
    together: int = SIMILARITIES_TOGETHER,
) -> Float[Tensor, "b H W"]:
    """Find how like each target cell the most like source cell is; gives no gradient.

    Args:
        source: Features of the source image (B, C, h, w).
        target: Features of the target image (B, C, H, W).
        together: Most similarities held at a time; less memory, more rounds.

    Returns:
        The greatest cosine over all source cells (B, H, W).

    Source:
        GFLA's normalisation of the sampling correctness loss.
    """
    with torch.no_grad():
        mine, wanted = _unit(source).flatten(2).mT, _unit(target).flatten(2)
        few = max(1, together // (mine.shape[0] * mine.shape[1]))
        best = [(mine @ part).amax(1) for part in wanted.split(few, dim=2)]
        return torch.cat(best, 1).unflatten(1, target.shape[-2:])


def affine_regularity(flow: Float[Tensor, "b 2 h w"], window: int) -> Float[Tensor, ""]:
    """Ask that the flow is affine within small windows.

    Args:
        flow: Flow (B, 2, h, w).
        window: Rows and columns of a window.

    Returns:
        The squared distance of a window's sampled points from the closest affine map, in cells,
        summed over the window and averaged over all windows that lie inside the grid.

    Raises:
        ValueError: The grid is smaller than the window.

    Source:
        GFLA's regularisation loss: the residual of least squares, R = A (A^T A)^-1 A^T - I, where
        the rows of A are a cell's (row, column, 1).
    """
    height, width = flow.shape[-2:]
    if min(height, width) < window:
        raise ValueError(f"a flow of {height}x{width} is smaller than a {window}x{window} window")
    cells = to_pixels(flow.movedim(1, -1), (height, width)).movedim(-1, 1)
    residual = affine_residual(window).to(cells)
    points = unfold(cells.flatten(0, 1).unsqueeze(1), window)
    # Both coordinates of an item lie along the first dimension: their sum is twice their mean.
    return 2 * (residual @ points).square().sum(1).mean()


def affine_residual(window: int) -> Float[Tensor, "n n"]:
    """Build the matrix that takes from numbers in a window what an affine function explains.

    Args:
        window: Rows and columns of the window.

    Returns:
        R (n, n), n = window squared: minus the residual of least squares; of rank n - 3.

    Source:
        GFLA's regularisation loss.
    """
    axis = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
    row, column = torch.meshgrid(axis, axis, indexing="ij")
    a = torch.stack((row, column, torch.ones_like(row)), -1).flatten(0, 1)
    fit = a @ torch.linalg.inv(a.T @ a) @ a.T
    return (fit - torch.eye(window**2, dtype=fit.dtype)).float()


def _neighbours(at: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Give the places (B, N, 4) of the cells about points along one axis, and their weights."""
    reach = torch.tensor(NEIGHBOURS, device=at.device)
    start = at.detach().floor()
    distance = (at - start)[..., None] - reach
    weights = torch.exp(-distance.square() / (2 * SIGMA**2))
    # A point may lie anywhere: only places next to the grid are worth counting in whole numbers.
    place = (start.clamp(-len(NEIGHBOURS), cells + len(NEIGHBOURS)).long()[..., None]) + reach
    return place.clamp(0, cells - 1), weights / weights.sum(-1, keepdim=True)


def _on_grid(features: Tensor, size: Size) -> Tensor:
    features = features.float()
    if tuple(features.shape[-2:]) == size:
        return features
    return interpolate(features, size=size, mode="bilinear", align_corners=True)


def _unit(features: Tensor) -> Tensor:
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + EPSILON)
