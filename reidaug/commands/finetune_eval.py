"""`reidaug finetune-eval`: does a re-ID model get better with an arm's extra crops?"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import click

from reidaug.commands import options
from reidaug.errors import UsageError
from reidaug.experiments import adaptation_run as adapt_eval
from reidaug.experiments.adaptation_config import AdaptationRecipe
from reidaug.experiments.evaluation import evaluate_checkpoint, tell
from reidaug.experiments.finetune import Experiment
from reidaug.experiments.finetune_config import (
    START,
    FinetuneEval,
    read_material,
    ready_network,
    resolved,
)
from reidaug.experiments.results import Cell, comparison, rows_of
from reidaug.experiments.run_grid import DRY, may_grow, report_of, train_cells
from reidaug.files import write_atomically
from reidaug.recipes import read, resolve
from reidaug.reid.evaluation.retrieval import Rerank
from reidaug.report.reid_section import cmc_picture
from reidaug.runs import RunFolder


def finetune(
    recipe: FinetuneEval, out: Path, *, resume: bool = False, workers: int | None = None
) -> dict[str, Any]:
    """Train every arm with every seed and compare them.

    Args:
        recipe: The experiment.
        out: Run folder.
        resume: Whether to go on with the run it holds: finished cells are kept, also when the
            recipe has more arms or seeds by now, or compares others.
        workers: Cells trained at a time; default: one a core, one alone on a GPU.

    Returns:
        The content of ``report.json``; ``cmc.png`` lies beside it.

    Raises:
        ReidaugError: Crops cannot be read, a weight file does not fit, or training diverges.
        UsageError: The recipe asks for what the data cannot give.
    """
    material = read_material(recipe)
    ready_network(recipe, len(material.pids), training=True)
    folder = RunFolder.open(out, resolved(recipe, "finetune-eval"), resume=resume, grows=may_grow)
    done = folder.finished()
    if done is not None:
        return done
    report = _run(Experiment(recipe, material, folder), workers)
    write_atomically(folder.path / "cmc.png", cmc_picture(report["cmc"]))
    folder.report(report)
    return report


def _run(experiment: Experiment, workers: int | None) -> dict[str, Any]:
    train_cells(experiment, workers)
    return _report(experiment)


def dry_run(recipe: FinetuneEval) -> dict[str, Any]:
    """List all crops, take one step with every arm, search a little; keep nothing.

    Args:
        recipe: The experiment.

    Returns:
        What `finetune` would report; its numbers mean nothing.

    Raises:
        ReidaugError: As `finetune`.
        UsageError: As `finetune`.
    """
    changes = {"seeds": recipe.seeds[:1], "steps": 1, "pretrain_steps": 1}
    recipe = recipe.model_copy(update=changes)
    material = read_material(recipe)
    ready_network(recipe, len(material.pids), training=True)
    few = material._replace(query=material.query[:DRY], gallery=material.gallery[:DRY])
    with TemporaryDirectory() as folder:
        return _run(Experiment(recipe, few, RunFolder(Path(folder), resumed=False)), workers=1)


def _report(experiment: Experiment) -> dict[str, Any]:
    recipe, material = experiment.recipe, experiment.material
    cells = {
        name: [Cell.read(experiment.cell_path(name, seed)) for seed in recipe.seeds]
        for name in recipe.arms
    }
    starts = dict.fromkeys(experiment.start_seed(seed) for seed in recipe.seeds)
    start = [Cell.read(experiment.cell_path(START, seed)) for seed in starts]
    return {
        **report_of(recipe, material, cells, {}, ceiling=recipe.ceiling),
        "backbone": recipe.backbone,
        "pretrain_steps": experiment.steps(START),
        "steps": recipe.steps,
        "train_people": len(material.pids),
        "train_images": len(material.train),
        "start": {
            **rows_of({START: start})[START],
            "loss": [cell.loss for cell in start],
            "accuracy": [cell.accuracy for cell in start],
        },
    }


def _tell(recipe: FinetuneEval, report: dict[str, Any]) -> None:
    unmatched = report["queries_without_match"]
    if unmatched:
        click.echo(f"{unmatched} of {report['queries']} queries have no match and do not count")
    rows = {START: report["start"], **report["arms"]}
    told = dict.fromkeys(("gain_mAP", "gain_over_best_control"), recipe.method)
    told["ceiling"] = recipe.ceiling
    click.echo(comparison(rows, report, method=recipe.method, told=told))
    share = report.get("ceiling", {}).get("share_recovered")
    if share is not None:
        click.echo(f"{recipe.method} recovers {share:.0%} of what {recipe.ceiling} gains")


GO_ON = """Go on with the run in --out: finished cells stay, and the recipe may have got more arms,
more seeds, or other arms to compare."""


@click.command("finetune-eval")
@click.argument("recipe", type=options.PATH)
@options.overrides
@click.option(
    "--out",
    type=options.PATH,
    default=Path("runs/finetune-eval"),
    show_default=True,
    help="Run folder.",
)
@click.option("--resume", is_flag=True, help=GO_ON)
@click.option("--eval-only", is_flag=True, help="Evaluate the recipe's checkpoint, train nothing.")
@click.option(
    "--rerank",
    type=click.Choice(get_args(Rerank)),
    default="none",
    show_default=True,
    help="With --eval-only: also rank the gallery this way.",
)
@click.option(
    "--dry-run",
    "dry",
    is_flag=True,
    help="List all crops and take one step with every arm; keep nothing.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Cells trained at a time. [default: one a core, one alone on a GPU]",
)
def command(
    recipe: Path,
    overrides: tuple[str, ...],
    out: Path,
    resume: bool,
    eval_only: bool,
    rerank: Rerank,
    dry: bool,
    workers: int | None,
) -> None:
    """Fine-tune a re-ID model with each arm of RECIPE, evaluate, and say what the warps gain.

    Every arm starts from one model trained on the real crops, takes as many optimiser steps and
    sees as many crops a step; with the same seed it sees the same real crops in the same order.
    What differs is the extra crops: real ones again, or the training crops of another root.

    The recipe's backbone is a ResNet, a model of torchreid, timm or fast-reid, or a class of your
    own; --eval-only tries a finished one on the test set. Its protocol is supervised; cross_domain:
    tried on another dataset without adaptation; or uda: DG-Net++ adapts from a labelled source to
    an unlabelled target.

    \b
    reidaug finetune-eval recipes/market1501/finetune_eval.yaml --set arms.warps_grey=warps
    reidaug finetune-eval recipes/market1501/evaluate.yaml --eval-only
    """  # noqa: D301 - click asks for this character
    if dry and eval_only:
        raise UsageError("--dry-run tries a training, and --eval-only trains nothing")
    if rerank != "none" and not eval_only:
        raise UsageError("--rerank is for --eval-only: arms are compared by the plain search")
    values = read(recipe, overrides)
    if values.get("protocol") == "uda":
        adaptation = resolve(values, AdaptationRecipe, where=str(recipe))
        _adapt(adaptation, out, resume=resume, eval_only=eval_only, dry=dry, workers=workers)
        return
    what = resolve(values, FinetuneEval, where=str(recipe))
    if dry:
        report = dry_run(what)
        click.echo(
            f"dry run: {len(what.arms)} arms x {len(what.seeds)} seeds, "
            f"{what.steps} steps each, on {report['train_images']} crops of "
            f"{report['train_people']} people; nothing was kept"
        )
        return
    if eval_only:
        tell(evaluate_checkpoint(what, out, rerank=rerank, resume=resume))
        return
    _tell(what, finetune(what, out, resume=resume, workers=workers))


def _adapt(
    recipe: AdaptationRecipe,
    out: Path,
    *,
    resume: bool,
    eval_only: bool,
    dry: bool,
    workers: int | None,
) -> None:
    if eval_only:
        raise UsageError("--eval-only needs no adaptation: leave protocol out of the recipe")
    if dry:
        report = adapt_eval.dry_run(recipe)
        click.echo(
            f"dry run: {len(recipe.arms)} arms x {len(recipe.seeds)} seeds, {recipe.rounds} rounds "
            f"of {recipe.round_steps} steps each, from {report['source_images']} source crops of "
            f"{report['source_people']} people to {report['target_images']} target crops; nothing "
            f"was kept"
        )
        return
    report = adapt_eval.adapt(recipe, out, resume=resume, workers=workers)
    adapt_eval.tell(recipe, report)
