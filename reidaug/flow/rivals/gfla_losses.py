"""GFLA's two losses: sampling correctness, and affine regularisation in small windows.

Both work on the cells of the flow's own grid. Nothing is generated: features of the source image,
sampled along the flow, are compared with features of the target image.

At 256x256 the windows of the affine loss are 3x3 at the coarse and 5x5 at the fine level. On
Market-1501 GFLA takes 3x3 windows on a grid of 32x16 cells: for 128x64 crops use
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
from reidaug.geometry.flow import Size, size_of, to_pixels

EPSILON = 1e-8
SIGMA = 2.0  # width of the sampling Gaussian, in cells
NEIGHBOURS = (-1, 0, 1, 2)  # relative to the cell left of and above the sampled point
CHUNK = 2**22  # similarities held at a time


class SamplingLosses:
    """Both losses of GFLA's first training stage, summed over its levels.

    Args:
        network: Frozen network whose features are compared.
        depths: Index of each level's features in the network's output, coarse to fine. The
            default is relu4_1 and relu3_1 of `Vgg19`, and relu4_3 and relu3_3 of the VGG-16 in
            `ShiftTolerantLPIPS`, each near the resolution of its level.
        windows: Sides of the affine loss's windows at each level, coarse to fine, odd.
        standardised: Whether the network scales images as it was trained to, as for every other
            loss here. GFLA feeds it images in [-1, 1].
        autocast: Makes the context in which the network runs, as `Accelerator.autocast` does. The
            losses themselves are computed in 32 bits.

    Raises:
        ValueError: There are not as many windows as depths, or a window is even or below 3.

    Source:
        GFLA's sampling correctness and regularisation losses, weighted 20 and 0.01 in the paper,
        with VGG-19; where its weights are missing, the VGG-16 of ST-LPIPS serves. Features whose
        grid is not that of the flow are resized to it: those of ST-LPIPS have a cell more.
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
        """Compute ``correctness`` and ``regularity``, unweighted, each summed over the levels.

        Args:
            flows: One flow per level, coarse to fine, see `FlowEstimator.flows`.
            batch: The pairs.

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
                size = size_of(flow)
                z_source, z_target = (_on_grid(found[depth], size) for found in (source, target))
                correctness = correctness + sampling_correctness(flow.float(), z_source, z_target)
                regularity = regularity + affine_regularity(flow.float(), window)
        return {"correctness": correctness, "regularity": regularity}

    def _features(self, image: Tensor) -> list[Tensor]:
        if not self.standardised:
            # The network's own scaling turns this into [-1, 1].
            mean, std = (image.new_tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
            image = (2 * image - 1) * std + mean
        with torch.no_grad(), self.autocast():
            found = self.network.features(image)
        if len(found) <= max(self.depths):
            rows, columns = size_of(image)
            raise ValueError(f"images of {rows}x{columns} are too small for the network's features")
        return found


def sampling_correctness(
    flow: Float[Tensor, "b 2 h w"],
    source: Float[Tensor, "b c h w"],
    target: Float[Tensor, "b c h w"],
) -> Float[Tensor, ""]:
    """Compare sampled source features with the target's, relative to the best match.

    Args:
        flow: Flow (B, 2, h, w); it alone gets a gradient.
        source: Features of the source image (B, C, h, w).
        target: Features of the target image (B, C, h, w).

    Returns:
        The mean over cells of exp(-b / a) - exp(-1), where b is the cosine of the sampled and the
        target features and a the largest cosine of any source cell: 0 where both are equal.

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
    """Sample features by a Gaussian mean of the 4x4 cells around each point.

    Its gradients come from further away than those of a bilinear mean of 2x2 cells.

    Args:
        features: Features (B, C, h, w).
        flow: Flow (B, 2, oh, ow); gradients reach it through the weights alone.

    Returns:
        Sampled features (B, C, oh, ow). A cell at distance d from the point has the weight
        exp(-d^2 / 8), divided by the sum of all sixteen; outside the grid the nearest border cell
        is read, with the weight of the position outside.

    Source:
        GFLA's resampling in the sampling correctness loss: sigma 2, floor(x) - 1 to floor(x) + 2.
    """
    height, width = size_of(features)
    points = to_pixels(flow.movedim(1, -1), (height, width)).flatten(1, 2)
    columns, across = _neighbours(points[..., 0], width)
    rows, down = _neighbours(points[..., 1], height)
    first = torch.arange(len(points), device=flow.device)[:, None, None] * height * width
    index = rows[..., :, None] * width + columns[..., None, :]
    weights = down[..., :, None] * across[..., None, :]
    # One table of cells and sixteen weighted rows of it per point: no neighbour is ever copied.
    table = features.movedim(1, -1).flatten(0, 2)
    bags = (index.flatten(2) + first).flatten(0, 1)
    sampled = embedding_bag(
        bags, table, mode="sum", per_sample_weights=weights.flatten(2).flatten(0, 1)
    )
    return sampled.unflatten(0, (len(points), *flow.shape[-2:])).movedim(-1, 1)


def best_similarity(
    source: Float[Tensor, "b c h w"],
    target: Float[Tensor, "b c H W"],
    *,
    chunk: int = CHUNK,
) -> Float[Tensor, "b H W"]:
    """Find the largest cosine (B, H, W) of each target cell with any source cell; no gradient.

    Args:
        source: Features of the source image (B, C, h, w).
        target: Features of the target image (B, C, H, W).
        chunk: Most similarities held at a time.

    Source:
        GFLA's normalisation of the sampling correctness loss.
    """
    with torch.no_grad():
        z_source, z_target = _unit(source).flatten(2).mT, _unit(target).flatten(2)
        few = max(1, chunk // (z_source.shape[0] * z_source.shape[1]))
        best = [(z_source @ part).amax(1) for part in z_target.split(few, dim=2)]
        return torch.cat(best, 1).unflatten(1, target.shape[-2:])


def affine_regularity(flow: Float[Tensor, "b 2 h w"], window: int) -> Float[Tensor, ""]:
    """Penalise flows that are not affine within small windows.

    Args:
        flow: Flow (B, 2, h, w).
        window: Rows and columns of a window.

    Returns:
        The squared distance of a window's sampled points from the closest affine map, in cells,
        summed over the window and averaged over all windows inside the grid.

    Raises:
        ValueError: The grid is smaller than the window.

    Source:
        GFLA's regularisation loss: the residual of least squares, R = A (A^T A)^-1 A^T - I, where
        the rows of A are a cell's (row, column, 1).
    """
    height, width = size_of(flow)
    if min(height, width) < window:
        raise ValueError(f"a flow of {height}x{width} is smaller than a {window}x{window} window")
    cells = to_pixels(flow.movedim(1, -1), (height, width)).movedim(-1, 1)
    residual = affine_residual(window).to(cells)
    points = unfold(cells.flatten(0, 1).unsqueeze(1), window)
    # Both coordinates of an item lie along the first dimension: their sum is twice their mean.
    return 2 * (residual @ points).square().sum(1).mean()


def affine_residual(window: int) -> Float[Tensor, "n n"]:
    """Build R of `affine_regularity` (n, n), n = window squared, of rank n - 3."""
    axis = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
    row, column = torch.meshgrid(axis, axis, indexing="ij")
    a = torch.stack((row, column, torch.ones_like(row)), -1).flatten(0, 1)
    fit = a @ torch.linalg.inv(a.T @ a) @ a.T
    return (fit - torch.eye(window**2, dtype=fit.dtype)).float()


def _neighbours(position: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Return the indices (B, N, 4) of the cells around points along one axis, and their weights."""
    reach = torch.tensor(NEIGHBOURS, device=position.device)
    start = position.detach().floor()
    distance = (position - start)[..., None] - reach
    weights = torch.exp(-distance.square() / (2 * SIGMA**2))
    # A point may lie anywhere: clamped, so that it fits a whole number.
    index = start.clamp(-len(NEIGHBOURS), cells + len(NEIGHBOURS)).long()[..., None] + reach
    return index.clamp(0, cells - 1), weights / weights.sum(-1, keepdim=True)


def _on_grid(features: Tensor, size: Size) -> Tensor:
    features = features.float()
    if size_of(features) == size:
        return features
    return interpolate(features, size=size, mode="bilinear", align_corners=True)


def _unit(features: Tensor) -> Tensor:
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + EPSILON)
