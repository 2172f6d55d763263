"""`reidaug train-flow`: train a flow estimator, keep its checkpoint, score it."""

from dataclasses import asdict
from pathlib import Path

import click

from reidaug.commands import options
from reidaug.flow.score_table import table_text
from reidaug.flow.surface.training.recipe import TrainSurface
from reidaug.flow.surface.training.train import train_surface
from reidaug.flow.training.recipe import TrainFlow
from reidaug.flow.training.train import train
from reidaug.recipes import read, resolve


@click.command("train-flow")
@options.run_of_recipe(
    "runs/train-flow",
    contents="Run folder: checkpoint/, report.json, log.jsonl, tensorboard/.",
    resume="Resume the run in --out.",
)
def command(recipe: Path, overrides: tuple[str, ...], out: Path, resume: bool) -> None:
    """Train a flow estimator as RECIPE says, and score it on other people.

    The checkpoint goes to OUT/checkpoint, ready for `reidaug augment --flow`. A recipe with
    ``pairs`` trains an estimator on pairs of images, in several processes with
    `PYTHONSAFEPATH=1 torchrun --nproc-per-node N -m reidaug train-flow RECIPE`; one with
    ``surfaces`` trains surface flow on rendered people, in one process.
    """
    values = read(recipe, overrides, command="train-flow")
    if "surfaces" in values:
        surface = resolve(values, TrainSurface, where=str(recipe))
        scores = train_surface(surface, out, resume=resume)
        for name, value in scores.items():
            click.echo(f"{name:12s} {'-' if value is None else value}")
    else:
        report = train(resolve(values, TrainFlow, where=str(recipe)), out, resume=resume)
        if report is None:
            return
        click.echo(table_text(asdict(report)))
    click.echo(f"checkpoint: {out / 'checkpoint'}")
