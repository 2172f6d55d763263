"""How good a flow is: per pair, with a mean and a bootstrap interval.

The source is sampled directly with the flow and compared with the target; nothing refines it.
Both images are rounded to 8 bits first.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from reidaug.bootstrap import mean_interval
from reidaug.data.images import resize as resize_image
from reidaug.data.pairs import PosePair
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.perceptual_networks import ShiftTolerantLPIPS
from reidaug.geometry.flow import endpoint_error
from reidaug.geometry.flow import resize as resize_flow
from reidaug.geometry.warp import warp

GREY = 0.5
SHORT_SIDE = 32

Values = dict[str, NDArray[np.float64]]
Distance = Callable[[Tensor, Tensor], Tensor]


class ScoredBatch(NamedTuple):
    """Pairs to score.

    Attributes:
        pairs: A batch of pairs.
        person: Where the target shows the person (B, H, W); None scores whole images. Elsewhere
            both images become grey, so that a background nobody can predict counts nothing.
        shown: What the estimators are shown as the source (B, 3, H, W), where that is not the
            source itself; the source is what is sampled.
    """

    pairs: PosePair
    person: Bool[Tensor, "b H W"] | None = None
    shown: Float[Tensor, "b 3 H W"] | None = None

    def hidden(self) -> Bool[Tensor, "b H W"] | None:
        """Mark the person's cells whose surface the source does not show.

        Returns:
            (B, H, W); None where that is not known: without a mask or without an exact flow.
        """
        if self.person is None or self.pairs.visible is None:
            return None
        return self.person & ~self.pairs.visible


class PairedDifference(NamedTuple):
    """How much two rows differ on the same pairs.

    Attributes:
        mean: Mean over pairs of one row minus the other.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def evident(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def score_estimators(
    estimators: Mapping[str, FlowEstimator],
    batches: Iterable[ScoredBatch],
    perceptual: Mapping[str, ShiftTolerantLPIPS],
    distances: Mapping[str, Distance] | None = None,
    *,
    hidden: bool = False,
    generators: Mapping[str, ImageGenerator] | None = None,
) -> dict[str, Values]:
    """Score estimators on the same pairs.

    Args:
        estimators: Estimators by the name of their row, in ``eval`` mode.
        batches: The pairs.
        perceptual: Networks of ST-LPIPS by name; each adds a column ``stlpips_<name>``.
        distances: Other distances of two images by the name of their column.
        hidden: Whether each network also scores the part of the person that the source does not
            show, as ``stlpips_<name>_hidden``.
        generators: Image generators by the name of their row, in ``eval`` mode: what they draw is
            scored beside the warped source, in columns ``generated_<name>``.

    Returns:
        Row name, score name, one value a pair. ``epe_px`` is there for pairs with exact flow and
        NaN for a pair without any visible cell; so is a hidden score for one without any hidden
        cell.

    Source:
        UnWarpME Sec. 5.2.
    """
    found: dict[str, dict[str, list[Tensor]]] = {name: {} for name in estimators}
    with torch.inference_mode():
        for batch in batches:
            # What the target looks like to the networks is the same in every row.
            target = _eight_bits(_ground(batch.pairs.target, batch.person))
            wanted = {name: net.features(target) for name, net in perceptual.items()}
            unseen = batch.hidden() if hidden else None
            for row, estimator in estimators.items():
                pairs = batch.pairs
                shown = pairs.source if batch.shown is None else batch.shown
                motion = estimator.motion(shown, pairs.source_pose, pairs.target_pose)
                warped = _eight_bits(_ground(warp(pairs.source, motion.flow), batch.person))
                values = _flow_scores(motion.flow, pairs)
                values |= _compared(warped, target, perceptual, wanted, unseen)
                for name, distance in (distances or {}).items():
                    values[name] = distance(warped, target)
                if generators and row in generators:
                    image = _eight_bits(_ground(generators[row](shown, motion), batch.person))
                    drawn = _compared(image, target, perceptual, wanted)
                    values |= {f"generated_{name}": value for name, value in drawn.items()}
                for name, value in values.items():
                    found[row].setdefault(name, []).append(value.double().cpu())
    return {
        row: {name: torch.cat(parts).numpy() for name, parts in scores.items()}
        for row, scores in found.items()
    }


def lpips_distance() -> Distance | None:
    """Make the LPIPS distance (AlexNet) where torchvision's weights already are in torch's cache.

    Returns:
        The distance of images in [0, 1], one value a pair; None where nothing is cached, for
        nothing is fetched.
    """
    cached = Path(torch.hub.get_dir()) / "checkpoints"
    if not any(cached.glob("alexnet-owt-*.pth")):
        return None
    metric = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)

    def distance(image: Tensor, target: Tensor) -> Tensor:
        pairs = zip(image.split(1), target.split(1), strict=True)
        return torch.stack([metric(mine, other) for mine, other in pairs])

    return distance


def image_scores(
    image: Float[Tensor, "b 3 H W"], target: Float[Tensor, "b 3 H W"]
) -> dict[str, Float[Tensor, " b"]]:
    """Compare images pixel by pixel.

    Args:
        image: Images (B, 3, H, W) in [0, 1].
        target: What they should look like (B, 3, H, W).

    Returns:
        ``l1``: mean absolute difference on 0-255; ``l1_32``: the same after shrinking both to 32 x
        32 without aliasing and enlarging them again; ``ssim``: with a Gaussian window of sigma 1.5.

    Source:
        UnWarpME Sec. 5.2 and Table 1; its l1 is read as a mean on 0-255.
    """
    ssim = structural_similarity_index_measure(
        image, target, gaussian_kernel=True, sigma=1.5, data_range=1.0, reduction="none"
    )
    assert isinstance(ssim, Tensor)
    return {
        "l1": _l1(image, target),
        "l1_32": _l1(_coarse(image), _coarse(target)),
        "ssim": ssim.reshape(-1),
    }


def summarise(values: Values, *, seed: int) -> dict[str, float | list[float]]:
    """Turn values by pair into a row of a table.

    Args:
        values: Score name, one value a pair; NaN counts as not measured.
        seed: Of the bootstrap; the same pairs are drawn for every row.

    Returns:
        For each score its mean, and its 95 % interval as ``<name>_ci``.
    """
    row: dict[str, float | list[float]] = {}
    for name, of_pairs in values.items():
        measured = of_pairs[np.isfinite(of_pairs)]
        if len(measured):
            interval = mean_interval(measured, seed=seed)
            row[name] = round(float(measured.mean()), 5)
            row[f"{name}_ci"] = [round(end, 5) for end in interval]
    return row


def paired_difference(
    values: NDArray[np.float64], others: NDArray[np.float64], *, seed: int
) -> PairedDifference | None:
    """Compare two rows pair by pair, which is far sharper than comparing their intervals.

    Args:
        values: One value a pair (N,); NaN counts as not measured.
        others: The other row's values of the same pairs (N,).
        seed: Of the bootstrap.

    Returns:
        The difference; None where no pair was measured in both.
    """
    difference = values - others
    difference = difference[np.isfinite(difference)]
    if not len(difference):
        return None
    low, high = mean_interval(difference, seed=seed)
    return PairedDifference(float(difference.mean()), low, high)


def _compared(
    image: Tensor,
    target: Tensor,
    perceptual: Mapping[str, ShiftTolerantLPIPS],
    wanted: Mapping[str, list[Tensor]],
    unseen: Bool[Tensor, "b H W"] | None = None,
) -> dict[str, Tensor]:
    scores = image_scores(image, target)
    for name, network in perceptual.items():
        features = network.features(image)
        scores[f"stlpips_{name}"] = network.feature_distance(features, wanted[name])
        if unseen is not None:
            size = (unseen.shape[-2], unseen.shape[-1])
            there = network.difference_map(features, wanted[name], size)
            inside = torch.where(unseen, there, torch.zeros_like(there)).sum((1, 2))
            scores[f"stlpips_{name}_hidden"] = inside / unseen.sum((1, 2))
    return scores


def _flow_scores(flow: Tensor, pairs: PosePair) -> dict[str, Tensor]:
    if pairs.flow is None or pairs.visible is None:
        return {}
    size = (pairs.source.shape[-2], pairs.source.shape[-1])
    error = endpoint_error(resize_flow(flow.float(), size), pairs.flow, size)
    seen = torch.where(pairs.visible, error, torch.zeros_like(error)).sum((1, 2))
    return {"epe_px": seen / pairs.visible.sum((1, 2))}


def _ground(image: Tensor, person: Tensor | None) -> Tensor:
    if person is None:
        return image
    return torch.where(person[:, None], image, torch.full_like(image, GREY))


def _eight_bits(image: Tensor) -> Tensor:
    return (image.clamp(0, 1) * 255).round() / 255


def _l1(image: Tensor, target: Tensor) -> Tensor:
    return (image - target).abs().mean((1, 2, 3)) * 255


def _coarse(image: Tensor) -> Tensor:
    small = resize_image(image, (SHORT_SIDE, SHORT_SIDE))
    return resize_image(small, (image.shape[-2], image.shape[-1]))
