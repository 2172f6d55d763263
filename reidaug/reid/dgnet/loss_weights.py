"""What each step of DG-Net and DG-Net++ counts: weights, when they rise, and for whom."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.recipes import Weight

Phase = Literal["source", "warmup", "adapt"]
Places = tuple[int, ...]


@dataclass(frozen=True)
class Ramp:
    """When the weights that begin at 0 rise, in DG-Net on the source.

    Attributes:
        start: Step before which they are 0.
        cycle: Steps until the cycle has its final weight.
        structure: Steps until the structure code has it.
        teacher: Steps until the teacher, the fine-grained loss and the second head on real crops
            have it.

    Source:
        DG-Net: 0 until step 30,000, then 0.0005 a step up to 2 (cycle, teacher) and 1 (structure
        code). We give the lengths, so that other final weights rise as long.
    """

    start: int = 30_000
    cycle: int = 4_000
    structure: int = 2_000
    teacher: int = 4_000

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error

    def share(self, step: int, length: int) -> float:
        """Give a weight as a share of its final value.

        Args:
            step: Counted from 0.
            length: Steps it rises.

        Returns:
            A share in [0, 1].
        """
        return min(1.0, max(0.0, (step - self.start) / max(1, length)))


@dataclass(frozen=True)
class Weights:
    """Final weight of every loss; what weighs 0 is not computed.

    Attributes:
        self_reconstruction: A crop from its own two codes.
        positive_reconstruction: From the code of another crop of the person.
        structure_code: The structure of drawn crops.
        cycle: A crop from codes of drawn crops.
        generated_identity: First head on drawn crops, for the generator.
        identity: First head on erased crops.
        fine_identity: Second head on erased crops.
        positive_identity: First head on the erased positives.
        teacher: First head on drawn crops, for the encoder.
        fine_grained: Second head on drawn crops, for the encoder.
        adversarial: Drawn crops that look real.
        domain: Target features that look like the source's.
        warps: How much identity losses on extra crops count beside those on real ones.
        penalty: Of the image discriminator's slope.
        ramp: When those rise that begin at 0; of the phase ``source`` alone.

    Source:
        DG-Net and DG-Net++; ``warps`` is ours.
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
    warps: Weight = 0.5
    penalty: Weight = 0.01
    ramp: Ramp = Ramp()

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error

    def at(self, step: int) -> "Weights":
        """Give the weights of a step of DG-Net on the source.

        Args:
            step: Counted from 0.

        Returns:
            Those of the step.
        """
        taught = self.ramp.share(step, self.ramp.teacher)
        return replace(
            self,
            cycle=self.cycle * self.ramp.share(step, self.ramp.cycle),
            structure_code=self.structure_code * self.ramp.share(step, self.ramp.structure),
            teacher=self.teacher * taught,
            fine_grained=self.fine_grained * taught,
            fine_identity=self.fine_identity * taught,
        )

    def total(self, losses: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """Weigh losses and add them up.

        Args:
            losses: By the names above; ``warp_NAME`` counts ``warps`` times what NAME does, and
                ``appearance_code``, which is only looked at, nothing. One at least.

        Returns:
            Their sum.
        """
        return torch.stack([self._of(name) * loss for name, loss in losses.items()]).sum()

    def _of(self, name: str) -> float:
        if name == "appearance_code":
            return 0.0
        if name.startswith("warp_"):
            return self.warps * float(getattr(self, name.removeprefix("warp_")))
        return float(getattr(self, name))


class Roles(NamedTuple):
    """Which of the two batches of a pair a loss is asked for.

    Drawn crops go by the batch whose clothes they wear: 0 is x_ba, 1 is x_ab.

    Attributes:
        positive_reconstruction: Batches.
        identity: Batches; of either head.
        positive_identity: Batches.
        generated_identity: Drawn crops.
        teacher: Drawn crops.
        fine_grained: Drawn crops.
        domain: Batches that are pushed towards the source.
    """

    positive_reconstruction: Places
    identity: Places
    positive_identity: Places
    generated_identity: Places
    teacher: Places
    fine_grained: Places
    domain: Places


def roles(phase: Phase, domains: tuple[int, int]) -> Roles:
    """Say for whom each loss is asked.

    All other losses are asked for both batches of every pair.

    Args:
        phase: ``source``: DG-Net; ``warmup``: DG-Net++ before there are clusters; ``adapt``: with
            clusters.
        domains: Of the two batches, 0 source and 1 target.

    Returns:
        The places.

    Raises:
        ValueError: DG-Net was given a target, or a pair of the source alone came after the warm-up.

    Source:
        DG-Net++'s rounds, see the table in docs/dgnet.md. Positives are never asked of the target
        (recon_xp_tgt_w 0, tgt_pos 0). The teacher speaks of crops in a source person's clothes, the
        fine-grained loss of those with a source person's body.
    """
    if phase == "source" and any(domains):
        raise ValueError(f"DG-Net learns from the source alone, got batches of domains {domains}")
    if phase == "adapt" and not any(domains):
        raise ValueError("after the warm-up, pairs of the source alone are left out")
    source = tuple(place for place in (0, 1) if domains[place] == 0)
    target = tuple(place for place in (0, 1) if domains[place] == 1)
    named = (0, 1) if phase == "adapt" else source
    taught = phase != "adapt"
    return Roles(
        positive_reconstruction=source,
        identity=named,
        positive_identity=source,
        generated_identity=named,
        teacher=source if taught else (),
        fine_grained=tuple(p for p in (0, 1) if taught and 1 - p in source),
        domain=target if phase == "warmup" else (),
    )
