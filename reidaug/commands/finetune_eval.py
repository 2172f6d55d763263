"""`reidaug finetune-eval`: does a re-ID model get better with an arm's crops on top?"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from reidaug.commands import adapt_eval, options
from reidaug.commands.adapt_recipe import AdaptEval
from reidaug.commands.cells import train_cells
from reidaug.commands.finetune_cells import Experiment
from reidaug.commands.finetune_recipe import START, FinetuneEval, build_network, read_material
from reidaug.errors import UsageError
from reidaug.recipes import read, resolve
from reidaug.reid.comparison import compare
from reidaug.reid.learner import seeded
from reidaug.reid.scoreboard import (
    Cell,
    arm_of,
    curves_of,
    difference_table,
    results_block,
    rows_of,
    sentence,
    table,
)
from reidaug.reid.trial import Tested
from reidaug.runs import RunFolder


def finetune(
    recipe: FinetuneEval, out: Path, *, resume: bool = False, workers: int | None = None
) -> dict[str, Any]:
    """Train every arm with every seed and compare them.

    Args:
        recipe: The experiment.
        out: Run folder.
        resume: Whether to go on with the run it holds: finished cells are kept.
        workers: Cells trained at a time; default: one a core, one alone on a GPU.

    Returns:
        The content of ``report.json``.

    Raises:
        ReidaugError: Crops cannot be read, a weight file does not fit, or training diverges.
        UsageError: The recipe asks for what the data cannot give.
    """
    material = read_material(recipe)
    # Built once before anything is written: a wrong name or file costs no folder.
    with seeded(0):
        build_network(recipe, len(material.pids), 0, recipe.checkpoint or recipe.weights)
    folder = RunFolder.open(out, _resolved(recipe, "finetune-eval"), resume=resume)
    done = folder.finished()
    if done is not None:
        return done
    report = _run(Experiment(recipe, material, folder), workers)
    folder.report(report)
    return report


def _run(experiment: Experiment, workers: int | None) -> dict[str, Any]:
    for name in ("cells", "checkpoints"):
        (experiment.folder.path / name).mkdir(exist_ok=True)
    train_cells(experiment, workers)
    return _report(experiment)


def dry_run(recipe: FinetuneEval) -> dict[str, Any]:
    """Read all crops, take one step with every arm, search a little; keep nothing.

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
    few = material._replace(query=material.query[:DRY], gallery=material.gallery[:DRY])
    with TemporaryDirectory() as folder:
        return _run(Experiment(recipe, few, RunFolder(Path(folder), resumed=False)), workers=1)


def evaluate_checkpoint(recipe: FinetuneEval, out: Path, *, resume: bool = False) -> dict[str, Any]:
    """Evaluate the recipe's checkpoint without training anything.

    Args:
        recipe: The experiment.
        out: Run folder.
        resume: Whether the folder may hold this run already.

    Returns:
        The content of ``report.json``.

    Raises:
        ReidaugError: Crops or the weight file cannot be read.
        UsageError: The recipe names no checkpoint.
    """
    if recipe.checkpoint is None:
        raise UsageError("--eval-only: name the model to evaluate with --set checkpoint=FILE")
    material = read_material(recipe.model_copy(update={"arms": {}}))
    with seeded(0):
        model = build_network(recipe, len(material.pids), 0, recipe.checkpoint)
    folder = RunFolder.open(out, _resolved(recipe, "finetune-eval --eval-only"), resume=resume)
    done = folder.finished()
    if done is not None:
        return done
    tested = Experiment(recipe, material, folder).test(model)
    report = {"backbone": recipe.backbone, "evaluate_on": recipe.evaluate_on, **tested._asdict()}
    folder.report(report)
    return report


def _resolved(recipe: FinetuneEval, command: str) -> dict[str, Any]:
    return {"command": command, **recipe.model_dump(mode="json")}


DRY = 64  # crops that a dry run searches for and among


def _report(experiment: Experiment) -> dict[str, Any]:
    recipe, material = experiment.recipe, experiment.material
    cells = {
        name: [Cell.read(experiment.cell_path(name, seed)) for seed in recipe.seeds]
        for name in recipe.arms
    }
    starts = dict.fromkeys(experiment.start_seed(seed) for seed in recipe.seeds)
    start = [Cell.read(experiment.cell_path(START, seed)) for seed in starts]
    return {
        "protocol": recipe.protocol,
        "evaluate_on": recipe.evaluate_on,
        "backbone": recipe.backbone,
        "seeds": list(recipe.seeds),
        "pretrain_steps": experiment.steps(START),
        "steps": recipe.steps,
        "train_people": len(material.pids),
        "train_images": len(material.train),
        "queries": len(material.query),
        "queries_without_match": start[0].tested.unmatched,
        "gallery": len(material.gallery),
        "on_top": {name: len(people) for name, people in material.on_top.items()},
        "arms": rows_of(cells),
        "cmc": curves_of(cells),
        "start": {
            **rows_of({START: start})[START],
            "loss": [cell.loss for cell in start],
            "accuracy": [cell.accuracy for cell in start],
        },
        **compare(
            {name: arm_of(run) for name, run in cells.items()},
            method=recipe.method,
            baseline=recipe.baseline,
            controls=recipe.controls,
            ceiling=recipe.ceiling,
        ),
    }


def _tell(recipe: FinetuneEval, report: dict[str, Any]) -> None:
    unmatched = report["queries_without_match"]
    if unmatched:
        click.echo(f"{unmatched} of {report['queries']} queries have no match and do not count")
    click.echo(f"protocol: {report['protocol']}")
    click.echo(table({START: report["start"], **report["arms"]}))
    if report.get("differences"):
        click.echo()
        click.echo(difference_table(recipe.method, report["differences"]))
    click.echo()
    for key, name in (
        ("gain_mAP", recipe.method),
        ("gain_over_best_control", recipe.method),
        ("ceiling", recipe.ceiling),
    ):
        if key in report:
            click.echo(sentence(name, report[key]))
    share = report.get("ceiling", {}).get("share_recovered")
    if share is not None:
        click.echo(f"{recipe.method} recovers {share:.0%} of what {recipe.ceiling} gains")


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
@click.option("--resume", is_flag=True, help="Go on with the run in --out; finished cells stay.")
@click.option("--eval-only", is_flag=True, help="Evaluate the recipe's checkpoint, train nothing.")
@click.option(
    "--dry-run",
    "dry",
    is_flag=True,
    help="Read all crops and take one step with every arm; keep nothing.",
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
    dry: bool,
    workers: int | None,
) -> None:
    r"""Fine-tune a re-ID model with each arm of RECIPE, evaluate, and say what the warps gain.

    Every arm starts from one model trained on the real crops, takes as many optimiser steps and
    sees as many crops a step; with the same seed it sees the same real crops in the same order.
    What differs is the crops on top: real ones again, or the training crops of another root.

    The recipe names the protocol: supervised; cross_domain: tried on another dataset without
    adaptation; uda: DG-Net++ adapts from a labelled source to an unlabelled target.

    \b
    reidaug finetune-eval recipes/market1501/finetune_eval.yaml --set dataset=Market-1501 \
        --set arms.warps_grey=warps
    """
    values = read(recipe, overrides)
    if values.get("protocol") == "uda":
        adaptation = resolve(values, AdaptEval, where=str(recipe))
        _adapt(adaptation, out, resume=resume, eval_only=eval_only, dry=dry, workers=workers)
        return
    resolved = resolve(values, FinetuneEval, where=str(recipe))
    if dry:
        report = dry_run(resolved)
        click.echo(
            f"dry run: {len(resolved.arms)} arms x {len(resolved.seeds)} seeds, "
            f"{resolved.steps} steps each, on {report['train_images']} crops of "
            f"{report['train_people']} people; nothing was kept"
        )
        return
    if eval_only:
        report = evaluate_checkpoint(resolved, out, resume=resume)
        parts = {name: report[name] for name in Tested._fields}
        if report["unmatched"]:
            click.echo(f"{report['unmatched']} queries have no match and do not count")
        click.echo(results_block(Tested(**parts)))
        return
    _tell(resolved, finetune(resolved, out, resume=resume, workers=workers))


def _adapt(
    recipe: AdaptEval, out: Path, *, resume: bool, eval_only: bool, dry: bool, workers: int | None
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
