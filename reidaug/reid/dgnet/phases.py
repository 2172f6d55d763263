"""Phases of DG-Net and DG-Net++: active losses, their weights, and learning rates."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.recipes import Decay, Recipe, Share, Steps, Weight

Phase = Literal["source", "warmup", "adapt"]
"""``source``: DG-Net; ``warmup``: DG-Net++ before the target has pseudo-labels; ``adapt``: with."""
Indices = tuple[int, ...]


class ActiveLosses(NamedTuple):
    """For which of the two batches (0 is a, 1 is b) of a step each loss is computed.

    Generated images have the index of the batch that gave the appearance: 0 is x_ba, 1 is x_ab.
    Losses that are not listed are computed for both.

    Attributes:
        positive_reconstruction: Batches.
        identity: Batches, for both heads.
        positive_identity: Batches.
        generated_identity: Generated images.
        teacher: Generated images.
        fine_grained: Generated images.
        domain: Batches whose features are moved towards the source.
    """

    positive_reconstruction: Indices
    identity: Indices
    positive_identity: Indices
    generated_identity: Indices
    teacher: Indices
    fine_grained: Indices
    domain: Indices


def active_losses(phase: Phase, domains: tuple[int, int]) -> ActiveLosses:
    """Select the losses of a step.

    Args:
        phase: Phase of the training.
        domains: Of the two batches, 0 source and 1 target.

    Returns:
        The batches or generated images that each loss is computed for.

    Raises:
        ValueError: The phase has no such pair: target batches in ``source``, or two source batches
            in ``adapt``.

    Source:
        DG-Net++'s rounds, see the table in docs/dgnet.md. Losses on positives are off in the target
        (recon_xp_tgt_w 0, tgt_pos 0). The teacher labels images with the appearance of a source
        person; the fine-grained loss uses those with the structure of a source person.
    """
    if phase == "source" and any(domains):
        raise ValueError(f"DG-Net trains on the source alone, got batches of domains {domains}")
    if phase == "adapt" and not any(domains):
        raise ValueError("pairs of the source alone are left out after the warm-up")
    source = tuple(i for i in (0, 1) if domains[i] == 0)
    target = tuple(i for i in (0, 1) if domains[i] == 1)
    labelled = (0, 1) if phase == "adapt" else source
    distilled = phase != "adapt"
    return ActiveLosses(
        positive_reconstruction=source,
        identity=labelled,
        positive_identity=source,
        generated_identity=labelled,
        teacher=source if distilled else (),
        fine_grained=tuple(i for i in (0, 1) if distilled and 1 - i in source),
        domain=target if phase == "warmup" else (),
    )


@dataclass(frozen=True)
class WeightSchedule:
    """Linear increase of some loss weights from 0, in the phase ``source``.

    Attributes:
        start: Steps during which they are 0.
        cycle: Steps until the cycle loss has its final weight.
        structure: Steps until the structure code loss has it.
        teacher: Steps until the teacher loss, the fine-grained loss and the identity loss of the
            second head have it.

    Source:
        DG-Net: 0 until step 30,000, then +0.0005 per step up to 2 (cycle, teacher) and 1 (structure
        code). Ours are lengths, so that other final weights take as many steps.
    """

    start: Steps = 30_000
    cycle: Steps = 4_000
    structure: Steps = 2_000
    teacher: Steps = 4_000

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error

    def share(self, step: int, length: int) -> float:
        """Share in [0, 1] of the final weight at a step (from 0) of an increase of some length."""
        return min(1.0, max(0.0, (step - self.start) / max(1, length)))


@dataclass(frozen=True)
class DGNetLossWeights:
    """Final weight of every loss; losses of weight 0 are not computed.

    Attributes:
        self_reconstruction: Of a crop from its own two codes.
        positive_reconstruction: Of a crop with the appearance code of another crop of the person.
        structure_code: Of the structure code of generated images.
        cycle: Of a crop from the codes of generated images.
        generated_identity: First head on generated images, for the generators.
        identity: First head on real crops.
        fine_identity: Second head on real crops.
        positive_identity: First head on positives.
        teacher: First head on generated images, for the encoder (primary features).
        fine_grained: Second head on generated images, for the encoder (fine-grained features).
        adversarial: Image discriminator on generated images, for the generators.
        domain: Domain discriminator on target features, for the encoder.
        extra: Of the identity losses on extra crops, relative to those on real ones.
        positive_triplet: Triplet loss of target crops whose positives are extra crops, for the
            encoder: views of a cluster that are no crops of its class. 0: off.
        penalty: Gradient penalty of the image discriminator.
        schedule: Increase of weights in the phase ``source``.

    Source:
        DG-Net and DG-Net++; ``extra`` and ``positive_triplet`` are ours.
    """

    self_reconstruction: Weight = 5.0
    positive_reconstruction: Weight = 5.0
    structure_code: Weight = 1.0
    cycle: Weight = 2.0
    generated_identity: Weight = 0.5
    identity: Weight = 1.0
    fine_identity: Weight = 0.4
    positive_identity: Weight = 1.0
    teacher: Weight = 2.0
    fine_grained: Weight = 0.4
    adversarial: Weight = 1.0
    domain: Weight = 1.0
    extra: Weight = 0.5
    positive_triplet: Weight = 0.0
    penalty: Weight = 0.01
    schedule: WeightSchedule = WeightSchedule()

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error

    def at(self, step: int) -> "DGNetLossWeights":
        """Weights of a step (from 0) of the phase ``source``."""
        teacher = self.schedule.share(step, self.schedule.teacher)
        return replace(
            self,
            cycle=self.cycle * self.schedule.share(step, self.schedule.cycle),
            structure_code=self.structure_code * self.schedule.share(step, self.schedule.structure),
            teacher=self.teacher * teacher,
            fine_grained=self.fine_grained * teacher,
            fine_identity=self.fine_identity * teacher,
        )

    def total(self, losses: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """Weighted sum of losses.

        Args:
            losses: By the names above, at least one; ``extra_NAME`` has ``extra`` times the weight
                of NAME, and ``appearance_code``, a diagnostic, has none.

        Returns:
            Their sum.
        """
        return torch.stack([self._of(name) * loss for name, loss in losses.items()]).sum()

    def _of(self, name: str) -> float:
        if name == "appearance_code":
            return 0.0
        if name.startswith("extra_"):
            return self.extra * float(getattr(self, name.removeprefix("extra_")))
        return float(getattr(self, name))


@dataclass(frozen=True)
class LearningRates:
    """Learning rates of DG-Net, the phase ``source``.

    Attributes:
        encoder: Of the trunk of E_a, by SGD with Nesterov momentum 0.9.
        heads: Of its heads, as a multiple of that.
        generator: Of E_s and G, by Adam with betas 0 and 0.999.
        discriminator: Of D_img, likewise.
        domain: Of D_dom, likewise.
        decay: Weight decay of all networks.
        drops: Steps at which all rates fall to a tenth.

    Source:
        DG-Net; DG-Net++ has drops too, at steps that its rounds never reach.
    """

    encoder: Decay = 2e-3
    heads: Weight = 10.0
    generator: Decay = 1e-4
    discriminator: Decay = 1e-4
    domain: Decay = 1e-5
    decay: Decay = 5e-4
    drops: tuple[Steps, ...] = (60_000, 90_000, 105_000)

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error


@dataclass(frozen=True)
class WarmupRates(LearningRates):
    """Learning rates of DG-Net++ in the phase ``warmup``."""

    encoder: Decay = 1e-5
    generator: Decay = 1e-6
    discriminator: Decay = 1e-6
    drops: tuple[Steps, ...] = ()


@dataclass(frozen=True)
class AdaptationRates(WarmupRates):
    """Learning rates of DG-Net++ in the phase ``adapt``."""

    encoder: Decay = 6e-4


@dataclass(frozen=True)
class PhaseRates:
    """Learning rates by phase; those that a recipe does not name are the paper's.

    Attributes:
        source: Of DG-Net, on the source alone.
        warmup: Of DG-Net++ before the target has pseudo-labels.
        adapt: Of DG-Net++ in its rounds of self-training.
    """

    source: LearningRates = LearningRates()
    warmup: WarmupRates = WarmupRates()
    adapt: AdaptationRates = AdaptationRates()

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error

    def of(self, phase: Phase) -> LearningRates:
        """Learning rates of a phase."""
        return {"source": self.source, "warmup": self.warmup, "adapt": self.adapt}[phase]


class DGNetOptions(Recipe):
    """Options of the training of DG-Net and DG-Net++.

    Attributes:
        weights: Loss weights, and their schedule in the phase ``source``.
        rates: Learning rates by phase.
        erase: Share of the crops in identity losses that lose a rectangle (random erasing).
        extra_smoothing: Label smoothing on extra crops.
        margin: Of the triplet loss; None for the soft margin.
    """

    weights: DGNetLossWeights = DGNetLossWeights()
    rates: PhaseRates = PhaseRates()
    erase: Share = 0.5
    extra_smoothing: Share = 0.1
    margin: Weight | None = 0.3
