"""`reidaug train-flow`: train a flow estimator, keep its checkpoint, score it."""

import json
import math
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import (
    DistributedDataParallelKwargs,
    send_to_device,
)
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from reidaug.data.deepfashion import PairList, read_deepfashion
from reidaug.data.pairs import PairDataset, PosePair, collate
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import summarise_left_out
from reidaug.flow.checkpoint import load_checkpoint, save_checkpoint
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.score_table import flow_rows, table
from reidaug.flow.training.batches import BatchOrder
from reidaug.flow.training.pair_sources import hold_out, person_pairs, spread
from reidaug.flow.training.recipe import TrainFlow, build_trainer, resolved
from reidaug.flow.training.trainer import FlowTrainer
from reidaug.recipes import load
from reidaug.runs import RunFolder, progress, write_atomically

PRECISIONS = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


def train(
    recipe: TrainFlow, out: Path, *, resume: bool = False, beside: bool = False
) -> dict[str, Any]:
    """Train an estimator, write its checkpoint and score it.

    Args:
        recipe: The training.
        out: Run folder.
        resume: Whether to go on with the run it holds. What comes out is what an uninterrupted run
            would have given, byte for byte.
        beside: Whether others are trained at the same time: progress comes in lines that name it.

    Returns:
        The content of ``report.json``.

    Raises:
        ReidaugError: Pairs cannot be read, weights cannot be fetched, or training diverges.
        UsageError: The recipe asks for what there is not.
    """
    accelerator = _accelerator(recipe)
    training, testing = _pairs(recipe)
    learner = build_trainer(recipe, accelerator)
    run = _open(recipe, out, accelerator, resume=resume)
    done = run.finished()
    if done is not None:
        return done
    _restore(run, accelerator)
    loader = _loader(recipe, training, accelerator, start=learner.taken)
    name = f"train {recipe.row}" if beside else "train"
    steps = progress(loader, total=len(loader), what=name, unit="step", lines=beside)
    with closing(SummaryWriter(str(out / "tensorboard"), purge_step=learner.taken)) as curves:
        for batch in steps if accelerator.is_main_process else loader:
            losses = _step(learner, _on(batch, accelerator.device))
            step = learner.taken
            if not all(map(math.isfinite, losses.values())):
                raise ReidaugError(f"step {step}: a loss is not finite; lower schedule.rate")
            # As many steps in a row as the cycle is long: every task is told of.
            told = step % recipe.log_every < len(recipe.cycle)
            if told and accelerator.is_main_process:
                run.log(step=step, **losses)
                for name, loss in losses.items():
                    curves.add_scalar(name, loss, step)
            if step % recipe.save_every == 0 and step < recipe.schedule.steps:
                _save(run, accelerator, step)
    report: dict[str, Any] = {}
    if accelerator.is_main_process:
        save_checkpoint(
            out / "checkpoint",
            learner.estimator,
            resolved(recipe),
            generator=learner.image_generator,
            half=recipe.half_precision_weights,
        )
        # As stored: perhaps in 16 bits.
        report = _score(recipe, load_checkpoint(out / "checkpoint"), testing)
        run.report(report)
        _forget_states(run)
    accelerator.wait_for_everyone()
    return report


def check(recipe: TrainFlow) -> None:
    """Raise what `train` would raise of the recipe itself, without looking at pairs.

    Args:
        recipe: The training.

    Raises:
        ReidaugError: Weights cannot be fetched.
        UsageError: The recipe asks for what there is not.
    """
    build_trainer(recipe, _accelerator(recipe))


def _accelerator(recipe: TrainFlow) -> Accelerator:
    # One process may train several times with different precision, as `reidaug demo` does; the
    # library keeps the first one for good unless it is told to forget it.
    AcceleratorState._reset_state()
    # On a machine without accelerators several processes find each other only when told so.
    cpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    # Not every task works on every network.
    wrapper = DistributedDataParallelKwargs(find_unused_parameters=len(recipe.cycle) > 1)
    return Accelerator(
        mixed_precision=PRECISIONS[recipe.precision], cpu=cpu, kwargs_handlers=[wrapper]
    )


def _pairs(recipe: TrainFlow) -> tuple[PairList, PairList]:
    splits = {
        "train": read_deepfashion(
            recipe.pairs,
            "train",
            annotated_size=recipe.annotated_size,
            others=recipe.more_keypoints,
        )
    }
    if recipe.evaluate_on == "test":
        splits["test"] = read_deepfashion(
            recipe.pairs, "test", annotated_size=recipe.annotated_size
        )
    for split, pairs in splits.items():
        total = len(pairs.pairs) + len(pairs.left_out)
        told = summarise_left_out(pairs.left_out, total, what=f"{split} rows")
        if told:
            click.echo(told, err=True)
    training = splits["train"]
    if "exact" in "+".join(recipe.cycle) and training.flows is None:
        raise UsageError(f"{recipe.pairs}: no flows for the task 'exact'; take it out of 'cycle'")
    if recipe.evaluate_on == "held_out":
        training, testing = hold_out(training, recipe.held_out)
        testing = testing._replace(others=())
    else:
        testing = splits["test"]
    if not training.pairs or not testing.pairs:
        raise UsageError(
            f"{recipe.pairs}: too few people to hold out {recipe.held_out:.0%} of them"
        )
    return training, spread(testing, recipe.test_pairs)


def _open(recipe: TrainFlow, out: Path, accelerator: Accelerator, *, resume: bool) -> RunFolder:
    run = RunFolder(out, resumed=resume)
    if accelerator.is_main_process:
        run = RunFolder.open(out, resolved(recipe), resume=resume)
    accelerator.wait_for_everyone()
    return run


def _loader(
    recipe: TrainFlow, pairs: PairList, accelerator: Accelerator, *, start: int
) -> DataLoader[PosePair]:
    if recipe.batch % accelerator.num_processes:
        raise UsageError(
            f"'batch': {recipe.batch} pairs are not for {accelerator.num_processes} processes"
        )
    cut = person_pairs(pairs, recipe.size) if recipe.background == "grey" else None
    dataset = PairDataset(pairs, size=recipe.size) if cut is None else cut
    order = BatchOrder(
        len(dataset),
        recipe.batch,
        steps=recipe.schedule.steps,
        start=start,
        seed=recipe.seed,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
    )
    return DataLoader(
        dataset,
        batch_sampler=order,
        collate_fn=collate,
        num_workers=recipe.workers,
    )


def _step(learner: FlowTrainer, batch: PosePair) -> dict[str, float]:
    try:
        return learner.step(batch)
    except ValueError as error:  # a network that is not made for such images, a task without loss
        raise UsageError(f"'size', 'weights' or a network: {error}") from None


def _on(batch: PosePair, device: torch.device) -> PosePair:
    moved: PosePair = send_to_device(batch, device, non_blocking=True)
    return moved


def _save(run: RunFolder, accelerator: Accelerator, step: int) -> None:
    # Under another name until it is whole: a run killed here goes on from the state before.
    partial, state = run.path / "state.part", run.path / f"state-{step:08d}"
    if accelerator.is_main_process and partial.exists():
        shutil.rmtree(partial)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        older = _states(run)
        partial.rename(state)
        for folder in older:
            shutil.rmtree(folder)


def _restore(run: RunFolder, accelerator: Accelerator) -> None:
    states = _states(run)
    if states:
        accelerator.load_state(str(states[-1]))
    if accelerator.is_main_process:
        # What was logged after the state was saved will be logged again.
        start = int(states[-1].name.removeprefix("state-")) if states else 0
        lines = [json.dumps(record) for record in run.records() if record["step"] <= start]
        write_atomically(run.path / "log.jsonl", "".join(f"{line}\n" for line in lines).encode())
    accelerator.wait_for_everyone()


def _states(run: RunFolder) -> list[Path]:
    return sorted(run.path.glob("state-*"))


def _forget_states(run: RunFolder) -> None:
    for folder in [*_states(run), run.path / "state.part"]:
        shutil.rmtree(folder, ignore_errors=True)


def _score(recipe: TrainFlow, estimator: FlowEstimator, pairs: PairList) -> dict[str, Any]:
    report = flow_rows(
        {recipe.row: estimator},
        pairs,
        size=recipe.size,
        stlpips=recipe.stlpips,
        seed=recipe.seed,
        background=recipe.background,
    )
    return report | {"evaluate_on": recipe.evaluate_on, "steps": recipe.schedule.steps}


@click.command("train-flow")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a recipe key.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/train-flow"),
    show_default=True,
    help="Run folder: checkpoint/, report.json, log.jsonl, tensorboard/.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
def command(recipe: Path, overrides: tuple[str, ...], out: Path, resume: bool) -> None:
    """Train a flow estimator as RECIPE says, and score it on people it never saw.

    The checkpoint goes to OUT/checkpoint, ready for `reidaug augment --flow`. Several processes:
    `torchrun --nproc-per-node N -m reidaug train-flow RECIPE`.
    """
    report = train(load(recipe, TrainFlow, overrides), out, resume=resume)
    if report:
        click.echo(table(report))
        click.echo(f"checkpoint: {out / 'checkpoint'}")
