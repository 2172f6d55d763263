"""One step of DG-Net and DG-Net++: the judges first, then the generators and the encoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reidaug.recipes import Weight
from reidaug.reid.batches import Batch
from reidaug.reid.dgnet.loss_weights import Phase, Weights, roles
from reidaug.reid.dgnet.losses import (
    domain_discriminator_loss,
    image_discriminator_loss,
    slope_penalty,
)
from reidaug.reid.dgnet.networks import DGNet
from reidaug.reid.dgnet.objective import (
    Losses,
    added,
    drawing_losses,
    lesson_losses,
    naming_losses,
    recoding_losses,
    seen_in_drawn,
    warp_losses,
)
from reidaug.reid.dgnet.swapping import Crossing, Side, cross
from reidaug.reid.dgnet.teacher import Teacher
from reidaug.reid.network_modes import seeded
from reidaug.reid.trainer import build_optimiser


@dataclass(frozen=True)
class Rates:
    """Learning rates.

    Attributes:
        encoder: Of the trunk of E_a, by SGD with Nesterov momentum 0.9.
        heads: How many times as large it is for its heads.
        generator: Of E_s and G, by Adam with betas 0 and 0.999.
        discriminator: Of D_img, by the same.
        domain: Of D_dom, by the same.
        decay: Weight decay of all.
        drops: Steps at which all rates fall to a tenth.

    Source:
        DG-Net; DG-Net++ has drops too, at steps that its rounds never reach.
    """

    encoder: Weight = 2e-3
    heads: Weight = 10.0
    generator: Weight = 1e-4
    discriminator: Weight = 1e-4
    domain: Weight = 1e-5
    decay: Weight = 5e-4
    drops: tuple[int, ...] = (60_000, 90_000, 105_000)

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error


RATES: dict[Phase, Rates] = {
    "source": Rates(),
    "warmup": Rates(encoder=1e-5, generator=1e-6, discriminator=1e-6, drops=()),
    "adapt": Rates(encoder=6e-4, generator=1e-6, discriminator=1e-6, drops=()),
}


class DGNetLearner:
    """Trains DG-Net or DG-Net++ step by step, through one phase.

    Each round of DG-Net++ is a learner of its own: its optimisers begin anew. What a step draws at
    random depends on the seed and the number of the step alone, so that a training that was cut off
    goes on exactly.

    Args:
        network: Changed in place.
        phase: ``source``: DG-Net; ``warmup``: DG-Net++ while the target has no labels; ``adapt``:
            DG-Net++ with clusters as the target's labels.
        teacher: Labels drawn crops; needed where its weight is not 0, in the first two phases.
        weights: Of every loss; None for the paper's.
        rates: Learning rates; None for the paper's of the phase.
        erase: Share of the crops that lose a rectangle before they are named.
        warp_smoothing: Label smoothing on extra crops.
        half: Whether the networks compute in bfloat16.
        seed: Of everything random.

    Raises:
        ValueError: The phase lacks a network.
    """

    def __init__(
        self,
        network: DGNet,
        *,
        phase: Phase,
        teacher: Teacher | None = None,
        weights: Weights | None = None,
        rates: Rates | None = None,
        erase: float = 0.5,
        warp_smoothing: float = 0.1,
        half: bool = False,
        seed: int = 0,
    ) -> None:
        self.network, self.phase, self.teacher = network, phase, teacher
        self.weights, self.rates = weights or Weights(), rates or RATES[phase]
        self.erase, self.warp_smoothing = erase, warp_smoothing
        self.half, self.seed, self.taken = half, seed, 0
        self._check()
        self.optimisers = _optimisers(network, self.rates, domain=self._hides_domain)
        self._first_rates = {
            name: [group["lr"] for group in optimiser.param_groups]
            for name, optimiser in self.optimisers.items()
        }

    def step(self, first: Side, second: Side, warps: Batch | None = None) -> dict[str, float]:
        """Take one step of the judges, then one of generators and encoder.

        Args:
            first: a.
            second: b, of as many crops.
            warps: Extra crops with labels, which enter the identity losses and nothing else.

        Returns:
            Unweighted losses by the names of `Weights`; ``warp_identity`` and
            ``warp_fine_identity``; ``loss``, their weighted sum; the judges' own losses
            ``discriminator``, ``slope`` and ``domain_discriminator``; and ``appearance_code``, how
            far the code of drawn crops is from the one they were drawn with. The last is no loss:
            neither side of it has a gradient, in the original as here.

        Raises:
            ValueError: The batches do not suit the phase, each other or the networks.
        """
        who = roles(self.phase, (first.domain, second.domain))
        weights = self._weights_now()
        chance = _chance(self.seed, self.taken)
        self.network.train()
        self._set_rates()
        with seeded(_whole(chance)):
            with self._precision():
                pushed = who.domain if weights.domain else ()
                crossing = cross(self.network, first, second, pushed=pushed)
            record = self._teach_judges(crossing, weights)
            with self._precision():
                seen = seen_in_drawn(self.network, crossing, who, weights)
                coin = bool(torch.rand((), generator=chance) < 0.5)
                losses = {
                    **drawing_losses(self.network, crossing, who, weights),
                    **recoding_losses(self.network, crossing, weights, seen, teach_encoder=coin),
                    **lesson_losses(crossing, who, weights, seen, self.teacher),
                    **naming_losses(
                        self.network, crossing, who, weights, erase=self.erase, chance=chance
                    ),
                    **self._on_top(warps, weights, chance),
                }
            total = weights.total(losses)
            self._descend(total, "generator", "encoder")
        self.taken += 1
        return {name: float(v.detach()) for name, v in {"loss": total, **losses, **record}.items()}

    def state_dict(self) -> dict[str, Any]:
        """Give everything a resumed run needs but the teacher, which does not change.

        Returns:
            ``network``, ``optimisers`` by name, and ``step``, how many were taken.
        """
        return {
            "network": self.network.state_dict(),
            "optimisers": {name: one.state_dict() for name, one in self.optimisers.items()},
            "step": self.taken,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state.

        Args:
            state: What `state_dict` gave, of a learner of the same phase and networks.
        """
        self.network.load_state_dict(state["network"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.taken = state["step"]

    @property
    def _hides_domain(self) -> bool:
        return self.phase == "warmup" and self.weights.domain > 0

    def _check(self) -> None:
        if self.phase != "source" and len(self.network.generators) != 2:
            raise ValueError(f"the phase '{self.phase}' needs two generators: use adapt_dgnet")
        if self._hides_domain and self.network.domain_discriminator is None:
            raise ValueError("the warm-up needs a domain discriminator, or the weight domain=0")
        if self.phase != "adapt" and self.weights.teacher and self.teacher is None:
            raise ValueError(f"the phase '{self.phase}' needs a teacher, or the weight teacher=0")

    def _weights_now(self) -> Weights:
        return self.weights.at(self.taken) if self.phase == "source" else self.weights

    def _set_rates(self) -> None:
        share = 0.1 ** sum(self.taken >= drop for drop in self.rates.drops)
        for name, optimiser in self.optimisers.items():
            for group, rate in zip(optimiser.param_groups, self._first_rates[name], strict=True):
                group["lr"] = rate * share

    def _precision(self) -> torch.autocast:
        device = next(self.network.parameters()).device.type
        # No cache: it would keep 16-bit weights from before a judge's step, and such as were made
        # where no gradient was asked for.
        return torch.autocast(device, torch.bfloat16, enabled=self.half, cache_enabled=False)

    def _teach_judges(self, crossing: Crossing, weights: Weights) -> Losses:
        record: Losses = {}
        if weights.adversarial:
            judge, found, slopes = self.network.image_discriminator, [], []
            for side, drawn in zip(crossing.sides, crossing.drawn, strict=True):
                real = side.images.detach().requires_grad_()
                scores = judge(real)  # in 32 bits, since its slope is taken
                with self._precision():
                    fake = judge(drawn.detach())
                found.append(image_discriminator_loss(scores, fake))
                slopes.append(slope_penalty(scores, real))
            record |= {"discriminator": added(found), "slope": added(slopes)}
            self._descend(record["discriminator"] + weights.penalty * record["slope"], "image")
        judge_domain = self.network.domain_discriminator
        if self._hides_domain and judge_domain is not None:
            with self._precision():
                scores = [judge_domain(look.pooled.detach()) for look in crossing.looks]
            record["domain_discriminator"] = added(
                domain_discriminator_loss(one, side.domain)
                for one, side in zip(scores, crossing.sides, strict=True)
            )
            self._descend(record["domain_discriminator"], "domain")
        return record

    def _on_top(self, warps: Batch | None, weights: Weights, chance: torch.Generator) -> Losses:
        if warps is None:
            return {}
        return warp_losses(
            self.network,
            warps,
            weights,
            erase=self.erase,
            smoothing=self.warp_smoothing,
            chance=chance,
        )

    def _descend(self, loss: Tensor, *names: str) -> None:
        for name in names:
            self.optimisers[name].zero_grad()
        loss.backward()
        for name in names:
            self.optimisers[name].step()


def _optimisers(network: DGNet, rates: Rates, *, domain: bool) -> dict[str, torch.optim.Optimizer]:
    def adam(module: nn.Module, rate: float) -> torch.optim.Optimizer:
        parameters = list(module.parameters())
        return torch.optim.Adam(
            parameters, lr=rate, betas=(0.0, 0.999), weight_decay=rates.decay, fused=True
        )

    built = {
        "generator": adam(network.generators, rates.generator),
        "encoder": build_optimiser(
            network.encoder,
            kind="sgd",
            learning_rate=rates.encoder,
            head_rate=rates.heads,
            weight_decay=rates.decay,
        ),
        "image": adam(network.image_discriminator, rates.discriminator),
    }
    if domain and network.domain_discriminator is not None:
        built["domain"] = adam(network.domain_discriminator, rates.domain)
    return built


def _chance(seed: int, step: int) -> torch.Generator:
    state = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def _whole(chance: torch.Generator) -> int:
    return int(torch.randint(2**62, (), generator=chance))
