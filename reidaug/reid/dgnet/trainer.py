"""Training step of DG-Net and DG-Net++: discriminators first, then generators and encoder."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from reidaug.finite import check_losses
from reidaug.jobs import torch_generator
from reidaug.reid.batches import Batch
from reidaug.reid.dgnet.losses import (
    domain_discriminator_loss,
    image_discriminator_loss,
    real_gradient_penalty,
    sum_losses,
)
from reidaug.reid.dgnet.networks import DGNet
from reidaug.reid.dgnet.objective import DGNetObjective, Losses
from reidaug.reid.dgnet.phases import (
    DGNetLossWeights,
    DGNetOptions,
    LearningRates,
    Phase,
    active_losses,
)
from reidaug.reid.dgnet.swapping import CrossIdentity, DomainBatch, generate_cross_identity
from reidaug.reid.dgnet.teacher import Teacher
from reidaug.reid.network_modes import seeded
from reidaug.reid.trainer import build_optimiser


class DGNetTrainer:
    """Trainer of DG-Net or DG-Net++ in one phase.

    Every round of DG-Net++ has a trainer of its own with new optimisers. Random numbers of a step
    depend on the seed and the number of the step only, so that a resumed training gives the same
    bytes.

    Args:
        network: Changed in place.
        phase: Phase of the training.
        options: Loss weights, learning rates and augmentation.
        teacher: Labels generated images; required in the first two phases unless its weight is 0.
        bfloat16: Whether the networks compute in bfloat16.
        seed: Random seed.

    Attributes:
        steps: Steps taken so far.

    Raises:
        ValueError: A network that the phase needs is missing.
    """

    def __init__(
        self,
        network: DGNet,
        phase: Phase,
        options: DGNetOptions,
        *,
        teacher: Teacher | None = None,
        bfloat16: bool = False,
        seed: int = 0,
    ) -> None:
        self.network, self.phase, self.options = network, phase, options
        self.teacher, self.bfloat16, self.seed, self.steps = teacher, bfloat16, seed, 0
        self._check()
        self.rates = options.rates.of(phase)
        self.optimisers = _optimisers(network, self.rates, domain=self._trains_domain)
        self._initial_rates = {
            name: [group["lr"] for group in optimiser.param_groups]
            for name, optimiser in self.optimisers.items()
        }

    def step(self, a: DomainBatch, b: DomainBatch, extra: Batch | None = None) -> dict[str, float]:
        """Take one step of the discriminators, then one of the generators and the encoder.

        Args:
            a: First batch.
            b: Second batch, of as many crops.
            extra: Labelled extra crops, which are used in identity losses, and as positives of
                target crops in the triplet loss, only.

        Returns:
            Unweighted losses by the names of `DGNetLossWeights`; ``extra_identity`` and
            ``extra_fine_identity``; ``loss``, the weighted sum of these; the losses of the
            discriminators ``discriminator``, ``gradient_penalty`` and ``domain_discriminator``; and
            the diagnostic ``appearance_code``, the distance of the appearance code of generated
            images from the one they were generated with. It has no gradient, here as in the
            original.

        Raises:
            NotFiniteError: A loss is not finite.
            ValueError: The batches do not suit the phase, each other or the networks.
        """
        active = active_losses(self.phase, (a.domain, b.domain))
        weights = self.options.weights
        if self.phase == "source":
            weights = weights.at(self.steps)
        generator = torch_generator(self.seed, self.steps)
        self.network.train()
        self._set_rates()
        with seeded(int(torch.randint(2**62, (), generator=generator))):
            with self._autocast():
                adversarial = active.domain if weights.domain else ()
                cross = generate_cross_identity(self.network, a, b, adversarial=adversarial)
            record = self._train_discriminators(cross, weights)
            with self._autocast():
                objective = DGNetObjective(self.network, cross, active, weights)
                losses = self._losses(objective, extra, generator)
            total = weights.total(losses)
            self._optimise(total, "generator", "encoder")
        self.steps += 1
        return {name: float(v.detach()) for name, v in {"loss": total, **losses, **record}.items()}

    def state_dict(self) -> dict[str, Any]:
        """State for resuming: all but the teacher, which does not change."""
        return {
            "network": self.network.state_dict(),
            "optimisers": {name: one.state_dict() for name, one in self.optimisers.items()},
            "steps": self.steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from the `state_dict` of a trainer of the same phase and networks."""
        self.network.load_state_dict(state["network"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.steps = state["steps"]

    @property
    def _trains_domain(self) -> bool:
        return self.phase == "warmup" and self.options.weights.domain > 0

    def _check(self) -> None:
        if self.phase != "source" and len(self.network.generators) != 2:
            raise ValueError(f"the phase '{self.phase}' needs two generators: use adapt_dgnet")
        if self._trains_domain and self.network.domain_discriminator is None:
            raise ValueError("the warm-up needs a domain discriminator, or the weight domain=0")
        if self.phase != "adapt" and self.options.weights.teacher and self.teacher is None:
            raise ValueError(f"the phase '{self.phase}' needs a teacher, or the weight teacher=0")

    def _set_rates(self) -> None:
        share = 0.1 ** sum(self.steps >= drop for drop in self.rates.drops)
        for name, optimiser in self.optimisers.items():
            for group, rate in zip(optimiser.param_groups, self._initial_rates[name], strict=True):
                group["lr"] = rate * share

    def _autocast(self) -> torch.autocast:
        device = next(self.network.parameters()).device.type
        # No cache: it would keep 16-bit weights from before a discriminator's step, and those that
        # were made without gradient.
        return torch.autocast(device, torch.bfloat16, enabled=self.bfloat16, cache_enabled=False)

    def _train_discriminators(self, cross: CrossIdentity, weights: DGNetLossWeights) -> Losses:
        record: Losses = {}
        if weights.adversarial:
            discriminator, losses, penalties = self.network.image_discriminator, [], []
            for batch, generated in zip(cross.batches, cross.generated, strict=True):
                images = batch.images.detach().requires_grad_()
                real = discriminator(images)  # in 32 bits, for the gradient penalty
                with self._autocast():
                    fake = discriminator(generated.detach())
                losses.append(image_discriminator_loss(real, fake))
                penalties.append(real_gradient_penalty(real, images))
            record["discriminator"] = sum_losses(losses)
            record["gradient_penalty"] = sum_losses(penalties)
            total = record["discriminator"] + weights.penalty * record["gradient_penalty"]
            self._optimise(total, "discriminator")
        domain_discriminator = self.network.domain_discriminator
        if self._trains_domain and domain_discriminator is not None:
            with self._autocast():
                scores = [domain_discriminator(codes.pooled.detach()) for codes in cross.codes]
            record["domain_discriminator"] = sum_losses(
                domain_discriminator_loss(one, batch.domain)
                for one, batch in zip(scores, cross.batches, strict=True)
            )
            self._optimise(record["domain_discriminator"], "domain")
        return record

    def _losses(
        self, objective: DGNetObjective, extra: Batch | None, generator: torch.Generator
    ) -> Losses:
        options = self.options
        train_encoder = bool(torch.rand((), generator=generator) < 0.5)
        losses = {
            **objective.generation(),
            **objective.code_reconstruction(train_encoder=train_encoder),
            **objective.generated_features(self.teacher),
            **objective.identities(options.erase, generator),
            **objective.domain_confusion(),
        }
        if extra is not None:
            losses |= objective.extra_crops(
                extra, options.erase, options.extra_smoothing, generator, margin=options.margin
            )
        return losses

    def _optimise(self, loss: Tensor, *names: str) -> None:
        check_losses({f"of {' and '.join(names)}": loss})  # before its gradient
        for name in names:
            self.optimisers[name].zero_grad()
        loss.backward()
        for name in names:
            self.optimisers[name].step()


def _optimisers(
    network: DGNet, rates: LearningRates, *, domain: bool
) -> dict[str, torch.optim.Optimizer]:
    def adam(module: nn.Module, rate: float) -> torch.optim.Optimizer:
        parameters = list(module.parameters())
        return torch.optim.Adam(
            parameters, lr=rate, betas=(0.0, 0.999), weight_decay=rates.decay, fused=True
        )

    optimisers = {
        "generator": adam(network.generators, rates.generator),
        "encoder": build_optimiser(
            network.encoder,
            kind="sgd",
            learning_rate=rates.encoder,
            head_rate=rates.heads,
            weight_decay=rates.decay,
        ),
        "discriminator": adam(network.image_discriminator, rates.discriminator),
    }
    if domain and network.domain_discriminator is not None:
        optimisers["domain"] = adam(network.domain_discriminator, rates.domain)
    return optimisers
