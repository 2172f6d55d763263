"""Training of surface flow: the loop, its resumable state, its checkpoint and scores."""

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_

from reidaug.checksums import finite_or_null
from reidaug.errors import ReidaugError, UsageError
from reidaug.fingerprint import Inputs
from reidaug.finite import (
    LAST_GOOD,
    NotFiniteError,
    check_losses,
    first_not_finite,
    keep_last_good,
)
from reidaug.flow.builtin import load_flow
from reidaug.flow.checkpoint import build_estimator, load_checkpoint, save_checkpoint
from reidaug.flow.surface.estimator import SurfaceFlow, shown_in
from reidaug.flow.surface.training.inputs import PLACES, TEST, TRAINED_ON, training_inputs
from reidaug.flow.surface.training.losses import Prediction, losses_of
from reidaug.flow.surface.training.recipe import TrainSurface, resolved
from reidaug.flow.surface.training.samples import Batch, Samples, read_samples
from reidaug.flow.surface.training.scores import score_samples
from reidaug.flow.training.batches import PairBatches, step_generator
from reidaug.flow.training.pair_inputs import ADVICE
from reidaug.flow.training.train import CHECKPOINT, is_trained
from reidaug.geometry.flow import size_of
from reidaug.geometry.pose import Pose
from reidaug.jobs import StateFile
from reidaug.runs import RunFolder, check_lock, notice, progress

STATE = "state.pt"
CHANCE = 1_000
"""Added to the seed: the numbers that change samples are not those that order them."""


class SurfaceTrainer:
    """One optimisation step after another.

    Args:
        recipe: The training.
    """

    def __init__(self, recipe: TrainSurface) -> None:
        self.recipe = recipe
        # Modules initialise from torch's global generator: seed it for this block alone.
        with torch.random.fork_rng():
            torch.default_generator.manual_seed(recipe.seed)
            estimator = build_estimator(recipe.estimator)
        # Channels last: a fifth faster in bfloat16 on CPUs.
        estimator = estimator.to(memory_format=torch.channels_last)
        if not isinstance(estimator, SurfaceFlow):
            name = recipe.estimator["class"]
            raise UsageError(f"estimator.class: {name} is not trained on surfaces")
        self.estimator = estimator
        if recipe.start is not None:
            start_from(estimator, recipe.start)
        for name, part in estimator.named_children():
            part.train(name in recipe.parts).requires_grad_(name in recipe.parts)
        learning = [p for p in estimator.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            learning, lr=recipe.schedule.rate, betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )  # fmt: skip
        self.steps_done = 0

    def step(self, batch: Batch, random: torch.Generator) -> dict[str, float]:
        """Take a step on a batch; the unweighted losses by name.

        Raises:
            NotFiniteError: A loss or the gradient is not finite; the weights are as before.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.schedule.at(self.steps_done)
        losses = losses_of(self.predict(batch, random), batch)
        weights = asdict(self.recipe.weights)
        total = sum((weights[name] * loss for name, loss in losses.items()), torch.zeros(()))
        check_losses({**losses, "total": total})  # before its gradient, which can crash
        self.optimiser.zero_grad()
        total.backward()
        if self.recipe.clip is not None:
            norm = clip_grad_norm_(self.estimator.parameters(), self.recipe.clip)
            check_losses({"gradient": norm})
        self.optimiser.step()
        self.steps_done += 1
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def predict(self, batch: Batch, random: torch.Generator) -> Prediction:
        """Run the four parts; the target network gets retargeted joints, or true ones."""
        half = self.recipe.precision == "bfloat16"
        context = torch.autocast(batch.image.device.type, torch.bfloat16) if half else nullcontext()
        size, model = size_of(batch.image), self.estimator
        with context:
            seen = model.source(batch.image, batch.mask, batch.known, batch.pose)
            moved = model.retargeting(batch.pose, batch.asked, seen.code, size)
            given = given_joints(batch, moved, self.recipe, random)
            imagined = model.target(given, seen.code, size)
            shown = shown_in(seen, batch.mask > 0.5, batch.known, batch.pose, size)
            matched, refined = model.join(shown, seen, imagined, batch.pose, given, size)
        return Prediction(seen, moved, imagined, matched.flow, refined)

    def state(self) -> dict[str, Any]:
        """Give all that a resumed training needs."""
        return {
            "model": self.estimator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.steps_done,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.estimator.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps_done = state["step"]


def given_joints(batch: Batch, moved: Pose, recipe: TrainSurface, random: torch.Generator) -> Pose:
    """Choose the joints (B, 18, 2) that the target network gets.

    Those asked for, where they are of the same person; else those retargeted, or in a share of the
    samples the true ones with joint noise, so that it learns before the retargeting does.
    """
    true = torch.rand(len(batch.retargeted), generator=random) < recipe.true_joints
    noise = torch.randn(batch.target_pose.xy.shape, generator=random)
    near = batch.target_pose.xy + recipe.augmentation.jitter * batch.image.shape[-2] * noise
    other = torch.where(true[:, None, None], near, moved.xy.detach())
    own = torch.where(batch.retargeted[:, None, None], other, batch.asked.xy)
    return Pose(own, batch.asked.visible)


def start_from(estimator: SurfaceFlow, start: str) -> None:
    """Take the weights of a checkpoint, by its folder or name, and tell which do not fit.

    Raises:
        UsageError: It is another kind of estimator.
    """
    found, own = load_flow(start), estimator.state_dict()
    if not isinstance(found, SurfaceFlow):
        raise UsageError(f"start: {start} is no surface flow")
    state = found.state_dict()
    fits = {name for name in own if name in state and state[name].shape == own[name].shape}
    estimator.load_state_dict({name: state[name] for name in fits}, strict=False)
    if new := sorted({name.rpartition(".")[0] for name in own.keys() - fits}):
        shown = ", ".join(new[:4]) + (" ..." if len(new) > 4 else "")
        notice(f"start: {len(own) - len(fits)} of {len(own)} tensors are new: {shown}")


def train_surface(recipe: TrainSurface, out: Path, *, resume: bool = False) -> dict[str, Any]:
    """Train an estimator on rendered people, write its checkpoint and score it.

    Args:
        recipe: The training.
        out: Run folder.
        resume: Whether to resume the run in that folder, to the same bytes as without interruption.

    Returns:
        The report, see `reidaug.flow.surface.training.scores.score_samples`.

    Raises:
        ReidaugError: Samples cannot be read, or training diverges.
        UsageError: The recipe cannot be carried out.
    """
    check_lock(out)
    trainer, state = SurfaceTrainer(recipe), StateFile(out / STATE)
    inputs = training_inputs(recipe, out)
    run = RunFolder.open(out, resolved(recipe), resume=resume, inputs=inputs, places=PLACES)
    trained, report = is_trained(run, PLACES), run.finished()
    if trained or state.path.exists():  # else it begins anew, with the files that are there
        inputs.check(*TRAINED_ON, advice=ADVICE)
        if changed := run.changed(inputs):
            notice(f"{out}: {changed}{'' if report is None else '; it is scored again'}")
            report = None if report is None else _score(recipe, run, inputs)
    if report is not None:
        inputs.save()
        state.remove()
        return report
    samples = None if trained else _training_samples(recipe)
    if samples is not None:
        _check_still(recipe, out, inputs)
    inputs.save()  # of what could be read
    if samples is not None:
        kept = state.read(torch.device("cpu"))
        if kept is not None:
            trainer.restore(kept)
        run.rewind(lambda record: record.get("step", 0) <= trainer.steps_done)
        _fit(trainer, samples, run, state)
        save_checkpoint(
            out / CHECKPOINT, trainer.estimator, resolved(recipe),
            half_precision=recipe.half_precision_weights,
        )  # fmt: skip
    report = _score(recipe, run, inputs)
    state.remove()
    return report


def _training_samples(recipe: TrainSurface) -> Samples:
    return read_samples(recipe.surfaces, "train", keypoints=recipe.keypoints, masks=recipe.masks)


def _check_still(recipe: TrainSurface, out: Path, inputs: Inputs, *kinds: str) -> None:
    """Check that files of some kinds, or of all, are what was fingerprinted; else raise.

    Without this a mask that is removed while crops are read would count as one never found.
    """
    if line := inputs.since(training_inputs(recipe, out), *kinds):
        raise ReidaugError(
            f"{out}: changed while it was read: {line}; run the same command again, with --resume"
        )


def _score(recipe: TrainSurface, run: RunFolder, inputs: Inputs) -> dict[str, Any]:
    """Score the checkpoint of a training and write its report."""
    folder = run.path / CHECKPOINT
    stored = load_checkpoint(folder)
    assert isinstance(stored, SurfaceFlow)
    scores = score_samples(stored, read_samples(recipe.surfaces, "test"), recipe.test_samples)
    _check_still(recipe, run.path, inputs, TEST)
    report = {"steps": recipe.schedule.steps, "seed": recipe.seed, **scores}
    run.report(report, folder.iterdir())
    return dict(finite_or_null(report))  # as it is read again


def _fit(trainer: SurfaceTrainer, samples: Samples, run: RunFolder, state: StateFile) -> None:
    recipe = trainer.recipe
    batches = PairBatches(
        len(samples.targets.source), recipe.batch, steps=recipe.schedule.steps,
        start=trainer.steps_done, seed=recipe.seed,
    )  # fmt: skip
    sums: dict[str, float] = {}
    for numbers in progress(batches, total=len(batches), what="train", unit="step"):
        random = step_generator(recipe.seed + CHANCE, trainer.steps_done)
        batch = recipe.augmentation.draw(samples, torch.tensor(numbers), random)
        try:
            losses = trainer.step(batch, random)
        except NotFiniteError as error:
            raise _stopped(trainer, samples, numbers, run, error) from None
        sums = {name: sums.get(name, 0.0) + loss for name, loss in losses.items()}
        step = trainer.steps_done
        if step % recipe.log_every == 0:
            run.log(step=step, **{name: total / recipe.log_every for name, total in sums.items()})
            sums = {}
        due = step % recipe.save_every == 0 and step < recipe.schedule.steps
        if due and not first_not_finite(trainer.estimator.state_dict()):  # else the next step tells
            state.write(trainer.state())


def _stopped(
    trainer: SurfaceTrainer,
    samples: Samples,
    numbers: list[int],
    run: RunFolder,
    error: NotFiniteError,
) -> ReidaugError:
    """Say where a training stopped and on which crops; keep the weights from before that step."""
    crops = [samples.names[k] for k in samples.targets.source[numbers[:3]].tolist()]
    last = "its last state is kept" if (run.path / STATE).exists() else "there is no earlier state"
    last = keep_last_good(
        trainer.estimator.state_dict(),
        lambda folder: save_checkpoint(folder, trainer.estimator, resolved(trainer.recipe)),
        run.path / LAST_GOOD,
        else_kept=last,
    )
    return ReidaugError(
        f"step {trainer.steps_done + 1}: {error}; its crops are {', '.join(crops)}"
        f"{' ...' if len(numbers) > 3 else ''}; {last}; lower schedule.rate, or look at the crops"
    )
