"""Compare two feature maps cell by cell, and keep one match a target cell.

Legend of the shapes: B pairs, M features, h w the feature grid, S = h*w source positions. The
matches have source positions as channels and target positions as space: channel i*w + j at (v, u)
is about source cell (i, j) and target cell (v, u). That is the paper's rasterised form.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.geometry.flow import identity

EPSILON = 1e-5


def unit_features(
    features: Float[Tensor, "b m h w"], *, over: str = "position", eps: float = 1e-6
) -> Float[Tensor, "b m h w"]:
    """Divide features by their l2 length.

    Args:
        features: Features (B, M, h, w).
        over: ``position``: every cell's M features get unit length, so that their dot product is a
            cosine. ``channel``: every channel gets unit length over the grid.
        eps: Shortest length divided by.

    Returns:
        Features (B, M, h, w).

    Raises:
        ValueError: ``over`` is neither.

    Source:
        UnWarpME Sec. 5.5 normalises "each channel"; ``channel`` is that wording. The mutual filter
        comes from networks that normalise each position, which is our default.
    """
    if over not in ("position", "channel"):
        raise ValueError(f"over must be 'position' or 'channel', got {over!r}")
    dim = (1,) if over == "position" else (2, 3)
    length = torch.linalg.vector_norm(features.float(), dim=dim, keepdim=True)
    return features / length.clamp_min(eps).to(features.dtype)


def correlate(
    source: Float[Tensor, "b m h w"], target: Float[Tensor, "b m h w"]
) -> Float[Tensor, "b s h w"]:
    """Compare every source cell with every target cell by the dot product of their features.

    Args:
        source: Source pose features (B, M, h, w).
        target: Target pose features (B, M, h, w).

    Returns:
        Correlation (B, h*w, h, w): source positions as channels; a cosine in [-1, 1] when the
        features have unit length at each position.

    Source:
        UnWarpME Eq. 2, Sec. 4.1.1.
    """
    product = torch.bmm(source.flatten(2).transpose(1, 2), target.flatten(2))
    return product.unflatten(2, target.shape[2:])


def mutual_attention(correlation: Float[Tensor, "b s h w"]) -> Float[Tensor, "b s h w"]:
    """Weigh each match by how close it is to being the best one on both sides.

    Args:
        correlation: Correlation (B, S, h, w), not negative.

    Returns:
        Attention (B, S, h, w) in [0, 1]: 1 where source and target cell are each other's best
        match, 0 where the correlation is 0.

    Source:
        UnWarpME Eq. 10. A small constant is added to both maxima, which may be 0.
    """
    best_source = correlation.amax(1, keepdim=True) + EPSILON
    best_target = correlation.amax((2, 3), keepdim=True) + EPSILON
    return (correlation / best_source) * (correlation / best_target)


def unit_matches(matches: Float[Tensor, "b s h w"]) -> Float[Tensor, "b s h w"]:
    """Give every target cell's matches unit l2 length over the source positions.

    Args:
        matches: Filtered correlation Q (B, S, h, w).

    Returns:
        Q_gamma (B, S, h, w); all zero where a target cell matches nothing.

    Source:
        UnWarpME Eq. 3. A small constant is added to the length.
    """
    return matches / (torch.linalg.vector_norm(matches, dim=1, keepdim=True) + EPSILON)


def filter_matches(correlation: Float[Tensor, "b s h w"]) -> Float[Tensor, "b s h w"]:
    """Rectify, filter and normalise a correlation in one go.

    Equal to ``unit_matches(mutual_attention(c) * c)`` of the rectified correlation ``c``, in three
    passes: the best source of a target cell divides that cell's matches and their length alike,
    so it is needed only for the small constants. Where no gradient is kept the correlation is
    overwritten.

    Args:
        correlation: Correlation (B, S, h, w) of any sign.

    Returns:
        Q_gamma (B, S, h, w).

    Source:
        UnWarpME Eqs. 10 and 3, in this order. Negative correlation is set to 0 first: a negative
        maximum would turn signs around.
    """
    if torch.is_grad_enabled() and correlation.requires_grad:
        matches = correlation.relu()
        best_source = matches.amax(1, keepdim=True) + EPSILON
        best_target = matches.amax((2, 3), keepdim=True) + EPSILON
        matches = matches.square() * matches * best_target.reciprocal()
        length = torch.linalg.vector_norm(matches, dim=1, keepdim=True)
        return matches * (length + EPSILON * best_source).reciprocal()
    matches = correlation.relu_()
    best_source = matches.amax(1, keepdim=True) + EPSILON
    best_target = matches.amax((2, 3), keepdim=True) + EPSILON
    matches.pow_(3).div_(best_target)
    length = torch.linalg.vector_norm(matches, dim=1, keepdim=True)
    return matches.div_(length + EPSILON * best_source)


def expected_source(
    matches: Float[Tensor, "b s h w"], temperature: Float[Tensor, ""]
) -> Float[Tensor, "b 2 h w"]:
    """Read a flow out of matches: the mean source position, weighted by a softmax.

    Args:
        matches: Q_gamma (B, S, h, w).
        temperature: Factor of the matches inside the softmax; the larger, the closer to argmax.

    Returns:
        Flow (B, 2, h, w) inside [-1, 1]; the middle of the image where nothing matches.

    Source:
        Not in the paper, whose C_i has to find the coordinates of the source positions by itself.
    """
    weights = (matches * temperature.to(matches.dtype)).softmax(1).flatten(2)
    places = identity(*matches.shape[2:], device=matches.device).flatten(1).to(weights.dtype)
    return (places @ weights).float().unflatten(2, matches.shape[2:])
