"""`reidaug compare`: flow estimators trained on equal terms, scored on the same pairs."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import torch
from accelerate import PartialState
from accelerate.utils import wait_for_everyone
from joblib import Parallel, delayed

from reidaug.commands import options
from reidaug.commands.train_flow import train
from reidaug.data.deepfashion import PairList, read_deepfashion
from reidaug.data.images import encode_png, to_bytes
from reidaug.data.pairs import PairDataset, collate
from reidaug.errors import UsageError
from reidaug.experiments.compare_config import Compare, Row, plan_rows
from reidaug.files import write_atomically
from reidaug.flow.cost import cost, parameters
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.score_table import (
    CLOSED_FORMS,
    HIGHER_IS_BETTER,
    Scored,
    score_pairs,
    scored_batches,
)
from reidaug.flow.scores import Values, paired_difference, summarise
from reidaug.flow.training.pair_sources import hold_out, on_grey, spread
from reidaug.flow.training.recipe import TrainFlow
from reidaug.geometry.warp import warp
from reidaug.jobs import explain_killed_worker
from reidaug.machine import cores, end_with_parent, one_thread
from reidaug.recipes import load
from reidaug.report.figures import Picture, labelled_columns
from reidaug.report.flow_table import differences_text, scores_text, sizes_text
from reidaug.report.published import SCALE_NOTE, TABLES
from reidaug.runs import RunFolder


def compare(
    recipe: Compare, out: Path, *, resume: bool = False, jobs: int | None = None
) -> dict[str, Any]:
    """Train the rows that are to be trained, and score all of them on the same pairs.

    Args:
        recipe: The comparison.
        out: Run folder; trained rows are run folders of `reidaug train-flow` in its ``rows``.
        resume: Whether to go on with the run it holds. Finished rows are kept; what comes out is
            what an uninterrupted run with as many jobs would have given, times aside.
        jobs: Rows trained at the same time; they share the cores evenly. By default one a core,
            and on a GPU, or where several processes train together, one. The number of cores a
            row has changes the last digits of its weights.

    Returns:
        The content of ``report.json``; nothing in processes other than the first.

    Raises:
        ReidaugError: Pairs or a checkpoint cannot be read, weights cannot be fetched, or a
            training diverges.
        UsageError: The recipe asks for what there is not.
    """
    rows = plan_rows(recipe, out)
    testing = _testing(recipe, rows)
    run = _open(recipe, out, resume=resume)
    done = run.finished()
    if done is not None:
        return done
    _train(run, {name: row.training for name, row in rows.items() if row.training}, jobs)
    if not PartialState().is_main_process:
        return {}
    estimators: dict[str, FlowEstimator] = {name: row.load() for name, row in rows.items()}
    scored = score_pairs(
        estimators,
        testing,
        size=recipe.size,
        stlpips=recipe.stlpips,
        background=recipe.background,
        hidden=True,
        generators={name: net for name, row in rows.items() if (net := row.load_generator())},
    )
    estimators |= {name: closed_form() for name, closed_form in CLOSED_FORMS.items()}
    write_atomically(run.path / "warps.png", encode_png(_figure(recipe, testing, estimators)))
    report = {
        **_scores(recipe, scored, estimators),
        "training": _training(run, rows),
        "sizes": _sizes(recipe, testing, estimators),
    }
    run.report(report)
    return report


def _testing(recipe: Compare, rows: Mapping[str, Row]) -> PairList:
    """Read the test pairs, and find out now what a training would find wrong with its pairs."""
    trained = [row.training for row in rows.values() if row.training is not None]
    held_out = recipe.evaluate_on == "held_out"
    training = None
    if trained or held_out:
        training = read_deepfashion(recipe.pairs, "train", annotated_size=recipe.annotated_size)
        for others in {told.more_keypoints for told in trained if told.more_keypoints}:
            read_deepfashion(
                recipe.pairs, "train", annotated_size=recipe.annotated_size, others=others
            )
        exact = any("exact" in "+".join(told.cycle) for told in trained)
        if exact and training.flows is None:
            raise UsageError(f"{recipe.pairs}: no flows for the task 'exact'; take it out of rows")
    if training is None or not held_out:
        testing = read_deepfashion(recipe.pairs, "test", annotated_size=recipe.annotated_size)
    else:
        kept, testing = hold_out(training, recipe.held_out)
        if not kept.pairs or not testing.pairs:
            share = f"{recipe.held_out:.0%}"
            raise UsageError(f"{recipe.pairs}: too few people to hold out {share} of them")
    return spread(testing, recipe.test_pairs)


def _open(recipe: Compare, out: Path, *, resume: bool) -> RunFolder:
    run = RunFolder(out, resumed=resume)
    if PartialState().is_main_process:
        resolved = {"command": "compare", **recipe.model_dump(mode="json")}
        run = RunFolder.open(out, resolved, resume=resume)
    wait_for_everyone()
    return run


def _train(run: RunFolder, trainings: Mapping[str, TrainFlow], jobs: int | None) -> None:
    folders = {name: run.path / "rows" / name for name in trainings}
    missing = [name for name in trainings if not (folders[name] / "report.json").exists()]
    main = PartialState().is_main_process
    for name in missing if main else ():
        told = trainings[name]
        click.echo(f"{name}: {told.schedule.steps} steps of {told.batch} pairs", err=True)
    alone = PartialState().num_processes > 1 or PartialState().device.type != "cpu"
    # Of all rows, not of those that are missing: sums come out the same with as many threads.
    jobs = 1 if alone else min(jobs or cores(), len(trainings))
    if jobs > 1 and missing:
        threads = max(1, cores() // jobs)
        # A worker may be older than the folder and the modules that paths and classes stand for.
        place = (Path.cwd(), sys.path)
        tasks = [delayed(_beside)(trainings[n], folders[n], threads, place) for n in missing]
        with explain_killed_worker("go on with --resume and fewer --jobs"):
            for name, seconds in Parallel(jobs, return_as="generator_unordered")(tasks):
                run.log(row=name, seconds=seconds)
        return
    for name in missing:
        start = time.monotonic()
        try:
            train(trainings[name], folders[name], resume=True)
        finally:
            if main:
                run.log(row=name, seconds=round(time.monotonic() - start, 1))


def _beside(
    training: TrainFlow, folder: Path, threads: int, place: tuple[Path, list[str]]
) -> tuple[str, float]:
    """Train a row in a process of its own."""
    end_with_parent()
    os.chdir(place[0])
    sys.path[:] = place[1]
    torch.set_num_threads(threads)
    start = time.monotonic()
    train(training, folder, resume=True, beside=True)
    return training.row, round(time.monotonic() - start, 1)


def _scores(
    recipe: Compare, scored: Scored, estimators: Mapping[str, FlowEstimator]
) -> dict[str, Any]:
    reference = recipe.reference or next(iter(estimators))
    rows = {
        name: summarise(scored.values[name], seed=recipe.seed)
        | {"parameters": parameters(estimator)}
        for name, estimator in estimators.items()
    }
    report: dict[str, Any] = {
        "size": list(scored.size),
        "pairs": scored.pairs,
        "region": scored.region,
        "evaluate_on": recipe.evaluate_on,
        "budget": recipe.budget,
        "rows": rows,
        "reference": reference,
        "differences": {
            name: _differences(scored.values[name], scored.values[reference], recipe.seed)
            for name in estimators
            if name != reference
        },
    }
    if recipe.table is not None:
        published = TABLES[recipe.table]
        report["published"] = {
            "table": recipe.table,
            "title": published.title,
            "rows": {name: line for name, line in published.rows.items() if name in rows},
            "note": "; ".join(filter(None, (SCALE_NOTE, published.note))),
        }
    return report


def _differences(values: Values, others: Values, seed: int) -> dict[str, Any]:
    said = {}
    for score in [name for name in values if name in others]:
        found = paired_difference(values[score], others[score], seed=seed)
        if found is None:
            continue
        better = (found.mean > 0) == (score in HIGHER_IS_BETTER)
        words = "better" if better else "worse"
        said[score] = {
            "mean": round(found.mean, 5),
            "ci": [round(found.low, 5), round(found.high, 5)],
            "words": words if found.evident else "no evidence of a difference",
        }
    return said


def _training(run: RunFolder, rows: Mapping[str, Row]) -> dict[str, Any]:
    # A run that was killed outright did not live to log its seconds.
    spent: dict[str, float] = {}
    for record in run.records():
        spent[record["row"]] = spent.get(record["row"], 0.0) + record["seconds"]
    return {
        name: {
            "steps": row.training.schedule.steps,
            "batch": row.training.batch,
            "pairs": row.training.schedule.steps * row.training.batch,
            "seconds": round(spent.get(name, 0.0), 1),
        }
        for name, row in rows.items()
        if row.training is not None
    }


def _sizes(
    recipe: Compare, testing: PairList, estimators: Mapping[str, FlowEstimator]
) -> dict[str, Any]:
    pair = collate([PairDataset(testing, size=recipe.size)[0]])
    with one_thread():
        costs = {name: cost(estimator, pair) for name, estimator in estimators.items()}
    return {
        name: {"parameters": c.parameters, "gmac": round(c.gmac, 4), "ms": round(c.ms, 2)}
        for name, c in costs.items()
    }


def _figure(recipe: Compare, testing: PairList, estimators: Mapping[str, FlowEstimator]) -> Picture:
    columns: dict[str, list[Picture]] = {"source": [], "target": []}
    columns |= {name: [] for name in estimators}
    shown = spread(testing, recipe.shown)
    for batch in scored_batches(shown, recipe.size, background=recipe.background):
        pairs = batch.pairs
        columns["source"] += to_bytes(pairs.source)
        columns["target"] += to_bytes(pairs.target)
        seen = pairs.source if batch.shown is None else batch.shown
        for name, estimator in estimators.items():
            with torch.inference_mode():
                flow = estimator(seen, pairs.source_pose, pairs.target_pose)
                warped = warp(pairs.source, flow)
            if batch.person is not None:
                cut = map(on_grey, warped, batch.person)
                warped = torch.stack(list(cut))
            columns[name] += to_bytes(warped)
    return labelled_columns(columns)


@click.command("compare")
@click.argument("recipe", type=click.Path(path_type=Path))
@options.overrides
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/compare"),
    show_default=True,
    help="Run folder: report.json, warps.png, rows/NAME/checkpoint.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out; finished rows stay.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Rows trained at the same time, sharing the cores. [default: one a core; on a GPU 1]",
)
def command(
    recipe: Path, overrides: tuple[str, ...], out: Path, resume: bool, jobs: int | None
) -> None:
    """Train flow estimators on equal terms, score them on the same pairs, and say what differs.

    Every trained row of RECIPE sees as many pairs (`budget`), people and sizes are the same, and
    identity, torso_affine and joint_blend, which learn nothing, stand beside them. Differences to
    one row (`reference`) are taken pair by pair; where a 95 % interval has 0 inside, there is no
    evidence of a difference.

    \b
    A recipe:
        pairs: runs/pairs
        budget: 20000
        common: {cycle: [exact+reconstruction], schedule: {rate: 1.0e-3}}
        rows:
          soft: {estimator: {class: "reidaug.flow.unwarpme:UnWarpME", preset: small}}
          mine: {estimator: {class: "my_flow:Drift"}, batch: 32}
          older: {checkpoint: runs/flow/checkpoint}
          soft_again: {from: soft, estimator: {sigma: 4.0}}

    A row has keys of `reidaug train-flow` recipes, a `checkpoint`, or `from`: the weights of
    another row, used with other keywords. `table: 1` prints the paper's own figures below rows of
    the same name.
    """  # noqa: D301  # \b is a character to click: it keeps the lines of the recipe
    report = compare(load(recipe, Compare, overrides), out, resume=resume, jobs=jobs)
    if report:
        click.echo(scores_text(report))
        click.echo(f"\n{differences_text(report)}\n\n{sizes_text(report)}")
        click.echo(f"\nwarps: {out / 'warps.png'}")
