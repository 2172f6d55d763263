"""Correlation of pose features, and its filter: Eqs. 2, 10 and 3.

Shapes: B pairs, M features, h x w the feature grid, S = h*w source positions. Matches have source
positions as channels and target positions as space: channel i*w + j at (v, u) is about source cell
(i, j) and target cell (v, u), the paper's rasterised form.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.geometry.flow import identity

EPSILON = 1e-5
UNITS = ("position", "channel")


def unit_features(
    features: Float[Tensor, "b m h w"], *, over: str = "position", eps: float = 1e-6
) -> Float[Tensor, "b m h w"]:
    """Normalise features (B, M, h, w) to unit l2 length.

    Args:
        features: The features.
        over: ``position``: the M features of each cell, so that their dot product is a cosine.
            ``channel``: each channel over the grid.
        eps: Lower bound of the length.

    Raises:
        ValueError: ``over`` is neither.

    Source:
        UnWarpME Sec. 5.5 normalises "each channel"; ``channel`` is that wording. NC-Net, where the
        mutual filter comes from, normalises each position, which is our default.
    """
    if over not in UNITS:
        raise ValueError(f"over must be one of {UNITS}, got {over!r}")
    dim = (1,) if over == "position" else (2, 3)
    length = torch.linalg.vector_norm(features.float(), dim=dim, keepdim=True)
    return features / length.clamp_min(eps).to(features.dtype)


def correlate(
    source: Float[Tensor, "b m h w"], target: Float[Tensor, "b m h w"]
) -> Float[Tensor, "b s h w"]:
    """Correlate every source cell with every target cell: the dot product of their features.

    Args:
        source: Source pose features z_s (B, M, h, w).
        target: Target pose features z_t (B, M, h, w).

    Returns:
        Correlation C (B, h*w, h, w): source positions as channels; a cosine in [-1, 1] for
        features of unit length at each position.

    Source:
        UnWarpME Eq. 2, Sec. 4.1.1.
    """
    product = torch.bmm(source.flatten(2).transpose(1, 2), target.flatten(2))
    return product.unflatten(2, target.shape[2:])


def mutual_attention(correlation: Float[Tensor, "b s h w"]) -> Float[Tensor, "b s h w"]:
    """Weight each match by its ratio to the best match on either side.

    Args:
        correlation: Correlation (B, S, h, w), not negative.

    Returns:
        Attention gamma (B, S, h, w) in [0, 1]: 1 where source and target cell are each other's
        best match, 0 where the correlation is 0.

    Source:
        UnWarpME Eq. 10. A small constant is added to both maxima, which may be 0.
    """
    # Multiplied by the reciprocals of the few maxima: a division's gradient takes twice as long.
    best_source = (correlation.amax(1, keepdim=True) + EPSILON).reciprocal()
    best_target = (correlation.amax((2, 3), keepdim=True) + EPSILON).reciprocal()
    return (correlation * best_source) * (correlation * best_target)


def unit_matches(matches: Float[Tensor, "b s h w"]) -> Float[Tensor, "b s h w"]:
    """Normalise each target cell's matches Q to unit l2 length over the source positions.

    Returns:
        Q_gamma (B, S, h, w); all zero where a target cell matches nothing.

    Source:
        UnWarpME Eq. 3. A small constant is added to the length.
    """
    length = torch.linalg.vector_norm(matches, dim=1, keepdim=True) + EPSILON
    return matches * length.reciprocal()


def filter_matches(correlation: Float[Tensor, "b s h w"]) -> Float[Tensor, "b s h w"]:
    """Rectify a correlation, filter it (Q = gamma C) and normalise it to Q_gamma (B, S, h, w).

    Args:
        correlation: Correlation (B, S, h, w) of any sign; overwritten where it needs no gradient.

    Source:
        UnWarpME Eqs. 10 and 3, in this order. Negative correlation is set to 0 first: a negative
        maximum would turn signs around.
    """
    if not (torch.is_grad_enabled() and correlation.requires_grad):
        return fused_matches(correlation)
    similarity = correlation.relu()
    return unit_matches(mutual_attention(similarity) * similarity)


def fused_matches(correlation: Float[Tensor, "b s h w"]) -> Float[Tensor, "b s h w"]:
    """Compute `filter_matches` in place, for inference; equal up to rounding.

    The best source of a target cell divides that cell's matches and their length alike, so it is
    needed only for the small constants.
    """
    matches = correlation.relu_()
    best_source = matches.amax(1, keepdim=True) + EPSILON
    best_target = matches.amax((2, 3), keepdim=True) + EPSILON
    matches.pow_(3).div_(best_target)
    length = torch.linalg.vector_norm(matches, dim=1, keepdim=True)
    return matches.div_(length + EPSILON * best_source)


def expected_source(
    matches: Float[Tensor, "b s h w"], temperature: Float[Tensor, ""]
) -> Float[Tensor, "b 2 h w"]:
    """Compute the mean source position under a softmax of the matches (soft argmax).

    Args:
        matches: Q_gamma (B, S, h, w).
        temperature: Factor of the matches inside the softmax; the larger, the closer to argmax.

    Returns:
        Flow (B, 2, h, w) inside [-1, 1]; the image's centre where nothing matches.

    Source:
        Not in the paper, whose C_i has to learn the coordinates of the source positions.
    """
    weights = (matches * temperature.to(matches.dtype)).softmax(1).flatten(2)
    positions = identity(*matches.shape[2:], device=matches.device).flatten(1).to(weights.dtype)
    return (positions @ weights).float().unflatten(2, matches.shape[2:])
