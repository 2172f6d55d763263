"""Scores of flows (UnWarpME Sec. 5.2): per pair, with means and intervals over people.

The source is sampled by the flow, without a generator; it and the target are rounded to 8 bits.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from reidaug.bootstrap import Estimate, grouped_mean
from reidaug.data.images import resize as resize_image
from reidaug.data.pairs import PosePair
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.perceptual_networks import ShiftTolerantLPIPS
from reidaug.geometry.flow import endpoint_error, size_of
from reidaug.geometry.flow import resize as resize_flow
from reidaug.geometry.warp import warp

GREY = 0.5
COARSE = (32, 32)  # (height, width) of the images of l1_32
HIGHER_IS_BETTER = ("ssim", "generated_ssim")

Values = dict[str, NDArray[np.float64]]
Distance = Callable[[Tensor, Tensor], Tensor]


class ScoredBatch(NamedTuple):
    """Pairs to score."""

    pairs: PosePair
    # Mask of the person in the target: elsewhere both images become grey, so that an
    # unpredictable background does not count. None scores whole images.
    person: Bool[Tensor, "b H W"] | None = None
    # The estimators' input image, where it is not the source itself, which is what is sampled.
    shown: Float[Tensor, "b 3 H W"] | None = None

    def input(self) -> Float[Tensor, "b 3 H W"]:
        """Return the estimators' input image."""
        return self.pairs.source if self.shown is None else self.shown

    def hidden(self) -> Bool[Tensor, "b H W"] | None:
        """Mark the person's cells hidden in the source (B, H, W); None without mask or flow."""
        if self.person is None or self.pairs.visible is None:
            return None
        return self.person & ~self.pairs.visible


class PairedDifference(NamedTuple):
    """Mean difference of two rows on the same pairs, with its 95 % interval."""

    mean: float  # over pairs, of one row minus the other
    low: float  # lower end of the interval
    high: float  # upper end
    evident: bool  # whether the interval excludes zero; never for pairs of one person


@dataclass(frozen=True)
class ScoreRow:
    """Mean scores of one estimator with their 95 % intervals, by score name."""

    scores: Mapping[str, Estimate]

    def as_dict(self) -> dict[str, float | list[float]]:
        """Return each mean, and its interval as ``<name>_ci``, rounded to 5 digits."""
        row: dict[str, float | list[float]] = {}
        for name, score in self.scores.items():
            row[name] = round(score.value, 5)
            row[f"{name}_ci"] = [round(score.low, 5), round(score.high, 5)]
        return row


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
        hidden: Also score the part of the person that the source does not show, as
            ``stlpips_<name>_hidden``.
        generators: Image generators by the name of their row, in ``eval`` mode; their images are
            scored as well, in columns ``generated_<name>``.

    Returns:
        Row name, score name, one value a pair; ``epe_px`` for pairs with exact flow. It is NaN for
        a pair without visible cells, and a hidden score for one without hidden cells.
    """
    found: dict[str, dict[str, list[Tensor]]] = {name: {} for name in estimators}
    with torch.inference_mode():
        for batch in batches:
            target = Target(batch, perceptual, distances or {}, hidden=hidden)
            for row, estimator in estimators.items():
                generator = (generators or {}).get(row)
                for name, value in target.score(estimator, generator).items():
                    found[row].setdefault(name, []).append(value.double().cpu())
    return {
        row: {name: torch.cat(parts).numpy() for name, parts in scores.items()}
        for row, scores in found.items()
    }


class Target:
    """The target images of a batch, and their features, which all rows share."""

    def __init__(
        self,
        batch: ScoredBatch,
        perceptual: Mapping[str, ShiftTolerantLPIPS],
        distances: Mapping[str, Distance],
        *,
        hidden: bool,
    ) -> None:
        self.batch, self.perceptual, self.distances = batch, perceptual, distances
        self.hidden = batch.hidden() if hidden else None
        self.image = self._rounded(batch.pairs.target)
        self.features = {name: net.features(self.image) for name, net in perceptual.items()}

    def score(
        self, estimator: FlowEstimator, generator: ImageGenerator | None
    ) -> dict[str, Tensor]:
        """Score one estimator, and the generator it was trained with, if given."""
        pairs, image = self.batch.pairs, self.batch.input()
        motion = estimator.motion(image, pairs.source_pose, pairs.target_pose)
        warped = self._rounded(warp(pairs.source, motion.flow))
        scores = _flow_scores(motion.flow, pairs) | self._compare(warped, self.hidden)
        scores |= {name: distance(warped, self.image) for name, distance in self.distances.items()}
        if generator is not None:
            generated = self._compare(self._rounded(generator(image, motion)), None)
            scores |= {f"generated_{name}": value for name, value in generated.items()}
        return scores

    def _rounded(self, image: Tensor) -> Tensor:
        if self.batch.person is not None:
            image = torch.where(self.batch.person[:, None], image, torch.full_like(image, GREY))
        return (image.clamp(0, 1) * 255).round() / 255

    def _compare(self, image: Tensor, hidden: Tensor | None) -> dict[str, Tensor]:
        scores = image_scores(image, self.image)
        for name, network in self.perceptual.items():
            features = network.features(image)
            scores[f"stlpips_{name}"] = network.feature_distance(features, self.features[name])
            if hidden is not None:
                there = network.difference_map(features, self.features[name], size_of(hidden))
                inside = torch.where(hidden, there, torch.zeros_like(there)).sum((1, 2))
                scores[f"stlpips_{name}_hidden"] = inside / hidden.sum((1, 2))
        return scores


def _flow_scores(flow: Tensor, pairs: PosePair) -> dict[str, Tensor]:
    if pairs.flow is None or pairs.visible is None:
        return {}
    size = size_of(pairs.source)
    error = endpoint_error(resize_flow(flow.float(), size), pairs.flow, size)
    visible = torch.where(pairs.visible, error, torch.zeros_like(error)).sum((1, 2))
    return {"epe_px": visible / pairs.visible.sum((1, 2))}


def image_scores(
    image: Float[Tensor, "b 3 H W"], target: Float[Tensor, "b 3 H W"]
) -> dict[str, Float[Tensor, " b"]]:
    """Compare images (B, 3, H, W) in [0, 1] pixel by pixel.

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


def _l1(image: Tensor, target: Tensor) -> Tensor:
    return (image - target).abs().mean((1, 2, 3)) * 255


def _coarse(image: Tensor) -> Tensor:
    return resize_image(resize_image(image, COARSE), size_of(image))


def lpips_distance() -> Distance | None:
    """Build LPIPS (AlexNet) of images in [0, 1], one value a pair.

    None unless torchvision's weights are in torch's cache; they are not downloaded.
    """
    cached = Path(torch.hub.get_dir()) / "checkpoints"
    if not any(cached.glob("alexnet-owt-*.pth")):
        return None
    metric = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)

    def distance(image: Tensor, target: Tensor) -> Tensor:
        pairs = zip(image.split(1), target.split(1), strict=True)
        return torch.stack([metric(mine, other) for mine, other in pairs])

    return distance


def summarise(values: Values, people: Shaped[ndarray, "n"], *, seed: int) -> ScoreRow:
    """Average values by pair; the intervals draw people, each with all their pairs.

    Args:
        values: Score name, one value a pair; NaN counts as not measured, all NaN gives no score.
        people: Person (N,) of every pair.
        seed: Random seed of the bootstrap; the same people are drawn for every row.
    """
    means = {name: grouped_mean(of_pairs, people, seed=seed) for name, of_pairs in values.items()}
    return ScoreRow({name: mean for name, mean in means.items() if mean is not None})


def paired_difference(
    values: Float[ndarray, "n"],
    others: Float[ndarray, "n"],
    people: Shaped[ndarray, "n"],
    *,
    seed: int,
) -> PairedDifference | None:
    """Compare two rows (N,) pair by pair, which is far sharper than comparing their intervals.

    NaN counts as not measured; None where no pair was measured in both. ``people`` (N,) are those
    of the pairs, ``seed`` is the bootstrap's random seed.
    """
    difference = values - others
    found = grouped_mean(difference, people, seed=seed)
    if found is None:
        return None
    several = len(np.unique(people[~np.isnan(difference)])) > 1
    return PairedDifference(*found, evident=several and (found.low > 0 or found.high < 0))
