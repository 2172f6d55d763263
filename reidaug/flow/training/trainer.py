"""One optimisation step of a flow estimator, with or without adversary."""

from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from jaxtyping import Float
from torch import Tensor

from reidaug.data.pairs import PosePair
from reidaug.finite import check_losses
from reidaug.flow.training.batches import step_generator
from reidaug.flow.training.joint_model import Autocast
from reidaug.flow.training.networks import Networks
from reidaug.flow.training.recipe import TrainFlow
from reidaug.flow.training.tasks import Criteria, Losses, affine_losses, pair_losses
from reidaug.flow.unwarpme.discriminator import Discriminator
from reidaug.flow.unwarpme.losses import total_loss


class OptimiserStep:
    """Adam with the recipe's learning rate.

    Args:
        groups: Parameter groups, each with ``rate``, a multiple of the scheduled rate.
        recipe: The training.
        accelerator: Runs the backward pass.
        clip: Largest gradient norm; None does not clip.
        average: Whether to average gradients over processes here, for networks that are not
            wrapped for that.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        recipe: TrainFlow,
        accelerator: Accelerator,
        *,
        clip: float | None = None,
        average: bool = False,
    ) -> None:
        adam = torch.optim.Adam(
            groups, lr=recipe.schedule.rate, betas=recipe.betas, weight_decay=recipe.weight_decay
        )
        self.optimizer = accelerator.prepare(adam)
        self.schedule, self.clip, self.accelerator = recipe.schedule, clip, accelerator
        self.average = average and accelerator.num_processes > 1
        self.scaler = torch.amp.GradScaler(
            accelerator.device.type, enabled=recipe.precision == "float16"
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimiser and of its loss scaling."""
        return {"optimiser": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.optimizer.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])

    def __call__(self, loss: Float[Tensor, ""], step: int) -> float:
        """Minimise the loss by one step, counted from 0; return the step's base learning rate."""
        rate = self.schedule.at(step)
        parameters = []
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate", 1.0)
            parameters += group["params"]
        self.optimizer.zero_grad()
        self.accelerator.backward(self.scaler.scale(loss))
        for parameter in parameters if self.average else ():
            if parameter.grad is not None:
                parameter.grad = self.accelerator.reduce(parameter.grad, "mean")
        if self.clip is not None:
            self.scaler.unscale_(self.optimizer)
            norm = self.accelerator.clip_grad_norm_(parameters, self.clip)
            # The scaler of 16 bits skips such steps by itself.
            if norm is not None and not self.scaler.is_enabled():
                check_losses({"gradient": norm})
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return rate


class DiscriminatorTrainer:
    """One optimisation step of a discriminator, in turn with the generator's."""

    def __init__(
        self,
        discriminator: Discriminator,
        autocast: Autocast,
        recipe: TrainFlow,
        accelerator: Accelerator,
    ) -> None:
        self.discriminator, self.autocast = discriminator, autocast
        group = {"params": list(discriminator.parameters()), "rate": 1.0}
        self.optimise = OptimiserStep([group], recipe, accelerator, average=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the discriminator and its optimiser."""
        return {"network": self.discriminator.state_dict(), **self.optimise.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.discriminator.load_state_dict(state["network"])
        self.optimise.load_state_dict(state)

    def step(self, image: Tensor, batch: PosePair, step: int, random: torch.Generator) -> float:
        """Take one optimisation step, counted from 0; return the loss.

        Args:
            image: Generated images (B, 3, H, W).
            batch: The pairs they were generated for.
            step: Number of the step.
            random: Generator on the CPU.
        """
        with self.autocast():
            loss = self.discriminator.loss(batch.target, image.detach(), batch.target_pose, random)
        check_losses({"discriminator": loss})
        self.optimise(loss, step)
        return float(loss.detach())


class FlowTrainer:
    """Trains any flow estimator, alone or with an image generator and a discriminator.

    Every step takes the next entry of the recipe's cycle of tasks. Random numbers of a step depend
    on the seed, the process and the number of the step alone, so that an interrupted training
    resumes exactly.

    Attributes:
        steps_done: Steps taken so far.

    Source:
        UnWarpME Sec. 4.1.2 and 4.2: ``affine`` and ``generation`` alternate, 1:1; Eq. 9 sums them.
    """

    def __init__(self, recipe: TrainFlow, networks: Networks, accelerator: Accelerator) -> None:
        self.recipe, self.accelerator = recipe, accelerator
        self.estimator = networks.model.estimator
        self.image_generator = networks.model.image_generator
        self.criteria = Criteria.make(recipe, networks)
        groups = networks.model.parameter_groups()
        self.model = accelerator.prepare(networks.model)
        self.optimise = OptimiserStep(groups, recipe, accelerator, clip=recipe.clip)
        self.discriminator = None
        if networks.discriminator is not None:
            self.discriminator = DiscriminatorTrainer(
                networks.discriminator, networks.model.autocast, recipe, accelerator
            )
        self.steps_done = 0

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed training needs: tensors and plain values, no objects.

        Every process calls it: it gathers the states of torch's own random generators, which
        estimators may draw from.
        """
        device, random = self.accelerator.device, [torch.get_rng_state()]
        if device.type == "cuda":
            random.append(torch.cuda.get_rng_state(device))
        discriminator = self.discriminator
        return {
            "steps_done": self.steps_done,
            "model": self.accelerator.unwrap_model(self.model).state_dict(),
            **self.optimise.state_dict(),
            "discriminator": None if discriminator is None else discriminator.state_dict(),
            "random": gather_object([random]),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume after the steps of a saved state."""
        self.accelerator.unwrap_model(self.model).load_state_dict(state["model"])
        self.optimise.load_state_dict(state)
        if self.discriminator is not None:
            self.discriminator.load_state_dict(state["discriminator"])
        process, device = self.accelerator.process_index, self.accelerator.device
        if process < len(state["random"]):
            own, *others = state["random"][process]
            torch.set_rng_state(own.cpu())
            if others and device.type == "cuda":
                torch.cuda.set_rng_state(others[0].cpu(), device)
        self.steps_done = state["steps_done"]

    def step(self, batch: PosePair) -> dict[str, float]:
        """Take one step; return its unweighted losses, and ``rate``, the learning rate.

        Raises:
            NotFiniteError: A loss or the gradient is not finite; the weights are as before.
            ValueError: The pairs lack what the tasks need, or no loss has a weight.
        """
        recipe, step, random = self.recipe, self.steps_done, self._random()
        tasks = recipe.cycle[step % len(recipe.cycle)].split("+")
        batch = recipe.pair_augmentation.apply(batch, random)
        self.estimator.set_progress(step / recipe.schedule.steps, random)
        losses, image = self.losses(tasks, batch, random)
        total = total_loss(losses, recipe.weights)
        check_losses({**losses, "total": total})  # before its gradient, which can crash
        rate = self.optimise(total, step)
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        if image is not None and self.discriminator is not None:
            values["discriminator"] = self.discriminator.step(image, batch, step, random)
        self.steps_done += 1
        return values | {"rate": rate}

    def losses(
        self, tasks: list[str], batch: PosePair, random: torch.Generator
    ) -> tuple[Losses, Tensor | None]:
        """Compute unweighted losses by name, and the generated images (B, 3, H, W), if any.

        Args:
            tasks: Names of tasks, as in the recipe.
            batch: A batch of pairs.
            random: Generator on the CPU.
        """
        losses: Losses = {}
        if "affine" in tasks:
            losses |= affine_losses(self.model, batch, self.recipe.pair_augmentation, random)
        if set(tasks) == {"affine"}:
            return losses, None
        prediction = self.model(batch, tasks, random)
        return losses | pair_losses(tasks, prediction, batch, self.criteria), prediction.image

    def _random(self) -> torch.Generator:
        processes, process = self.accelerator.num_processes, self.accelerator.process_index
        return step_generator(self.recipe.seed, self.steps_done * processes + process)
