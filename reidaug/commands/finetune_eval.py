"""`reidaug finetune-eval`: does a re-ID model get better with an arm's crops on top?"""

import signal
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import chain
from pathlib import Path
from typing import Any

import click
from accelerate import PartialState
from joblib.externals.loky import ProcessPoolExecutor

from reidaug.commands import options
from reidaug.commands.evaluation import evaluate_checkpoint, tell
from reidaug.commands.finetune_cells import Experiment
from reidaug.commands.finetune_recipe import (
    START,
    FinetuneEval,
    read_material,
    ready_network,
    resolved,
)
from reidaug.machine import cores
from reidaug.processes import killed_worker_told
from reidaug.recipes import load
from reidaug.reid.comparison import compare
from reidaug.reid.scoreboard import (
    Cell,
    arm_of,
    curves_of,
    rows_of,
    sentence,
    table,
)
from reidaug.report.reid_part import cmc_picture
from reidaug.runs import RunFolder, counter, write_atomically


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
        The content of ``report.json``; ``cmc.png`` lies beside it.

    Raises:
        ReidaugError: Crops cannot be read, a weight file does not fit, or training diverges.
        UsageError: The recipe asks for what the data cannot give.
    """
    material = read_material(recipe)
    ready_network(recipe, len(material.pids), training=True)
    folder = RunFolder.open(out, resolved(recipe, "finetune-eval"), resume=resume)
    done = folder.finished()
    if done is not None:
        return done
    for name in ("cells", "checkpoints"):
        (folder.path / name).mkdir(exist_ok=True)
    experiment = Experiment(recipe, material, folder)
    _train_cells(experiment, workers)
    report = _report(experiment)
    write_atomically(folder.path / "cmc.png", cmc_picture(report["cmc"]))
    folder.report(report)
    return report


Task = tuple[str, int]  # a cell: its arm (or START) and its seed


def _train_cells(experiment: Experiment, workers: int | None) -> None:
    """Train the cells that are not finished yet; an arm waits for its start alone."""
    on_cpu = PartialState().device.type == "cpu"
    workers = workers or (cores() if on_cpu else 1)
    ready: list[Task] = []
    waiting: dict[Task, list[Task]] = {}
    for seed in experiment.recipe.seeds:
        start = (START, experiment.start_seed(seed))
        arms = [(name, seed) for name in experiment.recipe.arms]
        arms = [task for task in arms if not experiment.cell_path(*task).exists()]
        if experiment.cell_path(*start).exists():
            ready += arms
        else:
            waiting.setdefault(start, []).extend(arms)
    ready = [*waiting, *ready]
    todo = chain(ready, *waiting.values())
    total = sum(experiment.steps(name) for name, _ in todo)
    with counter(total=total, what="re-ID", unit="step") as advance:
        if workers > 1:
            _spread_cells(experiment, ready, waiting, workers, advance)
        while workers == 1 and ready:
            task = ready.pop(0)
            experiment.train(*task, advance)
            ready = waiting.pop(task, []) + ready


def _spread_cells(
    experiment: Experiment,
    ready: list[Task],
    waiting: dict[Task, list[Task]],
    workers: int,
    advance: Callable[[int], None],
) -> None:
    """Train cells in processes of their own."""
    pool = ProcessPoolExecutor(workers, timeout=60, initializer=_stop_quietly)
    running: dict[Future[int], Task] = {}
    try:
        with killed_worker_told("finished cells are kept: go on with --resume and fewer --workers"):
            while ready or running:
                running |= {pool.submit(experiment.train, *task): task for task in ready}
                ready = []
                for cell in wait(running, return_when=FIRST_COMPLETED).done:
                    if steps := cell.result():
                        advance(steps)
                    ready += waiting.pop(running.pop(cell), [])
    finally:
        pool.shutdown(wait=True, kill_workers=bool(running))


def _stop_quietly() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _report(experiment: Experiment) -> dict[str, Any]:
    recipe, material = experiment.recipe, experiment.material
    cells = {
        name: [Cell.read(experiment.cell_path(name, seed)) for seed in recipe.seeds]
        for name in recipe.arms
    }
    starts = dict.fromkeys(experiment.start_seed(seed) for seed in recipe.seeds)
    start = [Cell.read(experiment.cell_path(START, seed)) for seed in starts]
    return {
        "protocol": "supervised",
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
    click.echo(table({START: report["start"], **report["arms"]}))
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
    workers: int | None,
) -> None:
    """Fine-tune a re-ID model with each arm of RECIPE, evaluate, and say what the warps gain.

    Every arm starts from one model trained on the real crops, takes as many optimiser steps and
    sees as many crops a step; with the same seed it sees the same real crops in the same order.
    What differs is the crops on top: real ones again, or the training crops of another root.

    The recipe's backbone is a ResNet, a model of torchreid, timm or fast-reid, or a class of your
    own; --eval-only tries a finished one on the test set.

    \b
    reidaug finetune-eval recipes/market1501/finetune_eval.yaml --set arms.warps_grey=warps
    reidaug finetune-eval recipes/market1501/evaluate.yaml --eval-only
    """  # noqa: D301 - click asks for this character
    what = load(recipe, FinetuneEval, overrides)
    if eval_only:
        tell(evaluate_checkpoint(what, out, resume=resume))
        return
    _tell(what, finetune(what, out, resume=resume, workers=workers))
