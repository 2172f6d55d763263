"""`reidaug finetune-eval`: does a re-ID model get better with the extra crops of an arm?"""

from pathlib import Path
from typing import get_args

import click

from reidaug.commands import options
from reidaug.commands.averaging_options import averaging as averaging_options
from reidaug.commands.averaging_options import chosen_averaging
from reidaug.commands.pages import leave_page
from reidaug.errors import UsageError
from reidaug.experiments import adaptation, finetune
from reidaug.experiments.adaptation_config import WARMUP, AdaptationRecipe
from reidaug.experiments.evaluation import evaluate_checkpoint
from reidaug.experiments.finetune_config import START, FinetuneRecipe
from reidaug.experiments.pose_averaging import Averaging
from reidaug.experiments.tables import share_sentence, summary
from reidaug.recipes import read, resolve
from reidaug.reid.evaluation.retrieval import Rerank
from reidaug.report.experiment import FinetuneReport

RESUME = """Go on with the run in --out: finished cells stay, and the recipe may have got more arms,
more seeds, or other arms to compare."""


@click.command("finetune-eval")
@options.run_of_recipe("runs/finetune-eval", contents="Run folder.", resume=RESUME)
@click.option("--eval-only", is_flag=True, help="Evaluate the recipe's checkpoint, train nothing.")
@options.choice("--rerank", get_args(Rerank), "With --eval-only: also rank the gallery this way.")
@averaging_options
@click.option(
    "--dry-run",
    "dry",
    is_flag=True,
    help="List all crops and take one step with every arm; keep nothing.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, options.MOST_WORKERS),
    help="Cells trained in parallel. [default: one per core, one on a GPU]",
)
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    out: Path,
    resume: bool,
    eval_only: bool,
    rerank: Rerank,
    average_poses: int | None,
    average_weight: float,
    average_flow: str,
    average_background: str,
    dry: bool,
    workers: int | None,
) -> None:
    """Fine-tune a re-ID model with each arm of RECIPE, evaluate, and say what the warps gain.

    Every arm starts from one model trained on the real crops, takes as many optimiser steps and
    trains on as many crops per step; with the same seed on the same real crops in the same order.
    Arms differ in their extra crops: real ones again, or the training crops of another root.

    The recipe's backbone is a ResNet, a model of torchreid, timm or fast-reid, or a class of your
    own; --eval-only evaluates a finished one on the test set. Its protocol is supervised;
    cross_domain: evaluated on another dataset without adaptation; or uda: DG-Net++ adapts from a
    labelled source to an unlabelled target.

    \b
    reidaug finetune-eval recipes/market1501/finetune_eval.yaml --set arms.warps_grey=warps
    reidaug finetune-eval recipes/market1501/evaluate.yaml --eval-only
    """  # noqa: D301 - click needs this character
    averaging = chosen_averaging(average_poses, average_weight, average_flow, average_background)
    _check_modes(eval_only=eval_only, dry=dry, rerank=rerank, averaging=averaging)
    values = read(recipe, overrides, command="finetune-eval")
    if values.get("protocol") == "uda":
        if eval_only:
            raise UsageError("--eval-only needs no adaptation: leave protocol out of the recipe")
        uda = resolve(values, AdaptationRecipe, where=str(recipe))
        _adapt(uda, out, resume=resume, dry=dry, workers=workers)
        return
    experiment = resolve(values, FinetuneRecipe, where=str(recipe))
    if eval_only:
        report = evaluate_checkpoint(
            experiment, out, rerank=rerank, averaging=averaging, resume=resume, workers=workers
        )
        click.echo(report.text())
        leave_page(out)
    elif dry:
        found = finetune.dry_run(experiment)
        click.echo(
            f"dry run: {len(experiment.arms)} arms x {len(experiment.seeds)} seeds, "
            f"{experiment.steps} steps each, on {found.train_images} crops of "
            f"{found.train_people} people; nothing was kept"
        )
    else:
        _print(finetune.finetune(experiment, out, resume=resume, workers=workers))
        leave_page(out)


def _check_modes(
    *, eval_only: bool, dry: bool, rerank: Rerank, averaging: Averaging | None
) -> None:
    if dry and eval_only:
        raise UsageError("--dry-run checks a training, and --eval-only trains nothing")
    if rerank != "none" and not eval_only:
        raise UsageError("--rerank is for --eval-only: arms are compared by the plain search")
    if averaging is not None and not eval_only:
        raise UsageError("--average-poses is for --eval-only: arms are compared as they are")


def _print(report: FinetuneReport) -> None:
    if report.queries_without_match:
        click.echo(
            f"{report.queries_without_match} of {report.queries} queries have no match and do "
            f"not count"
        )
    gains = (report.gain_mAP, report.gain_over_best_control, report.ceiling)
    click.echo(summary(report, {START: report.start}, gains))
    if report.gain_over_best_control is not None and report.ceiling is not None:
        click.echo(share_sentence(report.gain_over_best_control.arm, report.ceiling), nl=False)


def _adapt(
    recipe: AdaptationRecipe, out: Path, *, resume: bool, dry: bool, workers: int | None
) -> None:
    if dry:
        report = adaptation.dry_run(recipe)
        click.echo(
            f"dry run: {len(recipe.arms)} arms x {len(recipe.seeds)} seeds, {recipe.rounds} rounds "
            f"of {recipe.round_steps} steps each, from {report.source_images} source crops of "
            f"{report.source_people} people to {report.target_images} target crops; nothing was "
            f"kept"
        )
        return
    report = adaptation.adapt(recipe, out, resume=resume, workers=workers)
    gains = (report.adaptation, report.gain_mAP, report.gain_over_best_control)
    click.echo(summary(report, {START: report.start, WARMUP: report.warmup}, gains))
    if idle := sum(sum(counts) for counts in report.rounds_without_clusters.values()):
        click.echo(
            f"{idle} rounds found no clusters and trained nothing: see 'cluster' in the recipe"
        )
    leave_page(out)
