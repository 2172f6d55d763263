"""Flow training: the loop, its resumable state, its checkpoint and scores."""

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, send_to_device
from pydantic import TypeAdapter
from torch.utils.data import DataLoader

from reidaug.children import end_worker_with_parent
from reidaug.data.deepfashion import PairList
from reidaug.data.pairs import PosePair, collate
from reidaug.errors import ReidaugError, UsageError
from reidaug.fingerprint import Inputs
from reidaug.finite import LAST_GOOD, NotFiniteError, first_not_finite, keep_last_good
from reidaug.flow.checkpoint import is_whole, load_checkpoint, save_checkpoint
from reidaug.flow.perceptual_weights import shift_tolerant_weights
from reidaug.flow.score_table import score_pairs
from reidaug.flow.training.batches import PairBatches
from reidaug.flow.training.curves import open_curves
from reidaug.flow.training.networks import build_networks
from reidaug.flow.training.pair_inputs import (
    ADVICE,
    PLACES,
    SCORED_ON,
    TRAINED_ON,
    check_begun_with,
    training_inputs,
)
from reidaug.flow.training.pair_sources import (
    Splits,
    check_flows,
    check_readable,
    read_splits,
    trained_pairs,
)
from reidaug.flow.training.recipe import TrainFlow, resolved, same_weights
from reidaug.flow.training.trainer import FlowTrainer
from reidaug.jobs import StateFile, States, explain_killed_worker
from reidaug.kept_recipe import without_places
from reidaug.runs import RunFolder, check_lock, notice, progress, stored_recipe

STATE = "training.pt"
CHECKPOINT = "checkpoint"
"""Folder of the trained estimator."""


@dataclass(frozen=True)
class FlowReport:
    """``report.json`` of a flow training."""

    size: tuple[int, int]  # (height, width) of the images
    pairs: int  # number of scored pairs
    region: Literal["foreground", "image"]  # what was compared
    rows: dict[str, dict[str, Any]]  # scores and 95 % intervals (``<score>_ci``) by estimator name
    evaluate_on: Literal["test", "held_out"]  # whose pairs were scored
    steps: int  # length of the training
    # What the intervals draw. Reports that do not say are older: theirs drew single pairs.
    interval_over: Literal["people", "pairs"] = "pairs"


def train(
    recipe: TrainFlow,
    out: Path,
    *,
    resume: bool = False,
    lines: bool = False,
    row_of: Path | None = None,
) -> FlowReport | None:
    """Train an estimator, write its checkpoint and score it.

    Args:
        recipe: The training.
        out: Run folder.
        resume: Whether to resume the run in that folder, to the same bytes as without interruption.
        lines: Print progress in lines that name the row, for one of several trainings at a time.
        row_of: Run folder of the comparison that the training is a row of: it trains on the pairs
            that the comparison began with, and on no others.

    Returns:
        The report; None in processes other than the main one.

    Raises:
        ReidaugError: Pairs cannot be read, weights cannot be fetched, or training diverges.
        UsageError: The recipe cannot be carried out.
    """
    trainer = build_trainer(recipe)
    main = trainer.accelerator.is_main_process
    if main:
        check_lock(out)
    splits = read_splits(recipe, recipe.more_keypoints)
    training = splits.training
    check_flows(training, recipe.tasks)
    run = RunFolder(out, resumed=resume)
    if main:
        run = _open(recipe, splits, out, resume=resume, row_of=row_of)
    trainer.accelerator.wait_for_everyone()
    done = run.finished()
    if done is None:
        for network in recipe.stlpips:  # now, and not after hours of training
            shift_tolerant_weights(network)
        if not is_trained(run):
            _fit(trainer, training, run, lines=lines)
        if main:
            done = _save_and_score(trainer, splits, run)
        trainer.accelerator.wait_for_everyone()
    if main:
        States(out).remove()
    return TypeAdapter(FlowReport).validate_python(done) if main and done else None


def is_trained(run: RunFolder, places: Collection[str] = PLACES) -> bool:
    """Whether a run has its checkpoint, undamaged and not that of another training.

    ``places`` are the keys of its recipe whose values are paths.
    """
    checkpoint = run.path / CHECKPOINT
    asked, done = (without_places(stored_recipe(at), places) for at in (run.path, checkpoint))
    if asked and done and not same_weights(asked, done):
        return False
    sums, start = run.checksums.read() or {}, f"{CHECKPOINT}/"
    known = {n.removeprefix(start): own for n, own in sums.items() if n.startswith(start)}
    return is_whole(checkpoint, known)


def has_begun(run: RunFolder) -> bool:
    """Whether a run has a checkpoint, or a state to resume from: something that is of its files."""
    return States(run.path).latest() is not None or is_trained(run)


def _open(
    recipe: TrainFlow, splits: Splits, out: Path, *, resume: bool, row_of: Path | None
) -> RunFolder:
    """Open the run of a training, which goes on with the files it began with.

    One without a state begins anew, with the files that are there; one whose test pairs changed is
    scored again.

    Raises:
        ReidaugError: Something that its weights depend on changed, or cannot be read, or the pairs
            are not those that the comparison it is a row of began with.
    """
    if row_of is not None:
        check_begun_with(row_of, splits.training, recipe)
    if not has_begun(RunFolder(out, resumed=True)):
        check_readable(*splits)
    kept = training_inputs(recipe, splits, out)
    run = RunFolder.open(
        out, resolved(recipe), resume=resume, grows=same_weights, inputs=kept, places=PLACES
    )
    if has_begun(run):
        kept.check(*TRAINED_ON, advice=ADVICE)
        if changed := run.changed(kept):
            again = run.finished() is not None
            notice(f"{run.path}: {changed}{'; it is scored again' if again else ''}")
            if again:
                _score(recipe, splits, run, kept)
    kept.save()
    return run


def build_trainer(recipe: TrainFlow) -> FlowTrainer:
    """Build a trainer, and so check the recipe without reading pairs; errors as of `train`."""
    accelerator = Accelerator(
        mixed_precision="no",  # see `reidaug.flow.training.networks`
        # Without GPUs, several processes find each other only if the CPU is named.
        cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()),
        # Not every task uses every network.
        kwargs_handlers=[
            DistributedDataParallelKwargs(find_unused_parameters=len(recipe.cycle) > 1)
        ],
    )
    if recipe.batch % accelerator.num_processes:
        raise UsageError(
            f"'batch': {recipe.batch} pairs are not for {accelerator.num_processes} processes"
        )
    return FlowTrainer(recipe, build_networks(recipe, accelerator.device), accelerator)


def _fit(trainer: FlowTrainer, pairs: PairList, run: RunFolder, *, lines: bool) -> None:
    """Run the training loop from the latest state on."""
    recipe, accelerator, states = trainer.recipe, trainer.accelerator, States(run.path)
    _restore(states, run, trainer)
    loader = _loader(trainer, pairs)
    name = f"train {recipe.row}" if lines else "train"
    steps = progress(loader, total=len(loader), what=name, unit="step", lines=lines)
    with (
        explain_killed_worker("go on with --resume, and with fewer 'workers' in the recipe"),
        open_curves(run.path / "tensorboard", step=trainer.steps_done) as curves,
    ):
        for batch in steps if accelerator.is_main_process else loader:
            try:
                losses = _step(trainer, batch)
            except NotFiniteError as error:
                raise _stopped(trainer, loader, pairs, run, error) from None
            step = trainer.steps_done
            # As many steps in a row as the cycle is long, so that every task is logged.
            logged = step % recipe.log_every < len(recipe.cycle)
            if logged and accelerator.is_main_process:
                run.log(step=step, **losses)
                curves.add(step, losses)
            if (
                step % recipe.save_every == 0
                and step < recipe.schedule.steps
                and not first_not_finite(trainer.estimator.state_dict())  # the next step tells
            ):
                _save_state(states, trainer)


def _stopped(
    trainer: FlowTrainer,
    loader: DataLoader[PosePair],
    pairs: PairList,
    run: RunFolder,
    error: NotFiniteError,
) -> ReidaugError:
    """Say where a training stopped and on which pairs; keep the weights from before that step."""
    step, recipe = trainer.steps_done, trainer.recipe
    batches = loader.batch_sampler
    assert isinstance(batches, PairBatches)
    combinations = (1 + len(pairs.more_poses)) ** 2
    shown = [" > ".join(pairs.pairs[k // combinations]) for k in batches.at(step)[:3]]
    kept = States(run.path).latest()
    last = f"the last good state is {kept[1]}" if kept else "there is no earlier state"
    if trainer.accelerator.is_main_process:
        last = keep_last_good(
            trainer.estimator.state_dict(),
            lambda folder: save_checkpoint(folder, trainer.estimator, resolved(recipe)),
            run.path / LAST_GOOD,
            else_kept=last,
        )
    return ReidaugError(
        f"step {step + 1}: {error}; its pairs are {', '.join(shown)}"
        f"{' ...' if recipe.batch > 3 else ''}; {last}; lower schedule.rate, or look at the pairs"
    )


def _loader(trainer: FlowTrainer, pairs: PairList) -> DataLoader[PosePair]:
    recipe, dataset = trainer.recipe, trained_pairs(trainer.recipe, pairs)
    batches = PairBatches(
        len(dataset),
        recipe.batch,
        steps=recipe.schedule.steps,
        start=trainer.steps_done,
        seed=recipe.seed,
        process=trainer.accelerator.process_index,
        processes=trainer.accelerator.num_processes,
    )
    return DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=recipe.workers,
        worker_init_fn=end_worker_with_parent,
    )


def _step(trainer: FlowTrainer, batch: PosePair) -> dict[str, float]:
    try:
        return trainer.step(send_to_device(batch, trainer.accelerator.device, non_blocking=True))
    except (ValueError, RuntimeError) as error:
        # Images of a size the network cannot take, a task without loss, not enough memory.
        reason = " ".join(str(error).split())[:300]
        raise UsageError(f"'size', 'weights' or a network: {reason}") from error


def _save_state(states: States, trainer: FlowTrainer) -> None:
    accelerator, state = trainer.accelerator, trainer.state_dict()
    if accelerator.is_main_process:
        shutil.rmtree(states.partial, ignore_errors=True)
        states.partial.mkdir()
        StateFile(states.partial / STATE).write(state)
        states.commit(trainer.steps_done)
    accelerator.wait_for_everyone()


def _restore(states: States, run: RunFolder, trainer: FlowTrainer) -> None:
    """Go on from the latest state: tensors and plain values, never objects, which are code."""
    accelerator = trainer.accelerator
    step, folder = states.latest() or (0, None)
    if folder is not None:
        advice = f"remove {folder} to train from the start"
        state = StateFile(folder / STATE).read(torch.device("cpu"))
        if state is None:
            raise ReidaugError(f"{folder}: no training state that this version reads; {advice}")
        try:
            trainer.load_state_dict(state)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError):
            raise ReidaugError(f"{folder}: not the state of this training; {advice}") from None
    if accelerator.is_main_process:
        run.rewind(lambda record: record.get("step", 0) <= step)  # later steps are logged again
    accelerator.wait_for_everyone()


def _save_and_score(trainer: FlowTrainer, splits: Splits, run: RunFolder) -> dict[str, Any]:
    """Write the checkpoint, and score it as it was stored, perhaps in 16 bits.

    What changed since the training began is told.
    """
    recipe, folder = trainer.recipe, run.path / CHECKPOINT
    if not is_trained(run):
        save_checkpoint(
            folder,
            trainer.estimator,
            resolved(recipe),
            generator=trainer.image_generator,
            half_precision=recipe.half_precision_weights,
        )
    report = _score(recipe, splits, run)
    States(run.path).remove()
    now = training_inputs(recipe, splits, run.path)
    if line := now.text():
        now.save_mixed()
        notice(f"{run.path}: changed while it was at work: {line}; what it learnt is of both")
    return report


def _score(
    recipe: TrainFlow, splits: Splits, run: RunFolder, kept: Inputs | None = None
) -> dict[str, Any]:
    """Score the checkpoint of a training and write its report.

    ``kept`` are the inputs as they were before; None: those that the run keeps.

    Raises:
        ReidaugError: A file of the test pairs is another by now: without a mask, whole images would
            be compared.
    """
    scored = score_pairs(
        {recipe.row: load_checkpoint(run.path / CHECKPOINT)},
        splits.testing,
        size=recipe.size,
        stlpips=recipe.stlpips,
        background=recipe.background,
    )
    now = training_inputs(recipe, splits, run.path)
    if line := now.text(*SCORED_ON) if kept is None else kept.since(now, *SCORED_ON):
        raise ReidaugError(
            f"{run.path}: changed while it was at work: {line}; the same command with --resume "
            "scores again"
        )
    report = scored.as_dict(seed=recipe.seed)
    report |= {"evaluate_on": recipe.evaluate_on, "steps": recipe.schedule.steps}
    run.report(report, (run.path / CHECKPOINT).iterdir())
    return report
