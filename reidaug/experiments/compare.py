"""Comparison of flow estimators: trained on equal budgets, scored on the same pairs."""

import os
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import wait_for_everyone
from joblib import delayed

from reidaug.checksums import RECIPE, REPORT, check_written
from reidaug.data.deepfashion import PairList
from reidaug.data.images import encode_png, to_bytes
from reidaug.data.pairs import PairDataset, collate
from reidaug.errors import ReidaugError
from reidaug.experiments.compare_config import Compare, Row, plan_rows, seeds_of
from reidaug.experiments.compared_warps import warped_pairs
from reidaug.experiments.comparison import Comparison, RowTraining, differences, row_scores
from reidaug.files import write_atomically
from reidaug.fingerprint import Inputs
from reidaug.flow.cost import Cost, cost, parameters
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.perceptual_weights import shift_tolerant_weights
from reidaug.flow.score_table import CLOSED_FORMS, score_pairs
from reidaug.flow.training.pair_inputs import (
    ADVICE,
    PLACES,
    SCORED_ON,
    TEST,
    TRAINED_ON,
    TRAINING,
    WEIGHTS,
    add_code,
    add_pairs,
    checkpoint_files,
    weight_files,
)
from reidaug.flow.training.pair_sources import (
    Splits,
    check_flows,
    read_split,
    read_splits,
    subsample,
)
from reidaug.flow.training.recipe import TrainFlow, resolved
from reidaug.flow.training.train import CHECKPOINT, has_begun, train
from reidaug.jobs import run_tasks
from reidaug.machine import cores, one_thread
from reidaug.report.figures import Picture, labelled_columns
from reidaug.runs import RunFolder, check_lock, stored_recipe
from reidaug.verbosity import progress_line

PICTURE = "warps.png"
ROWS, MORE_JOINTS, GIVEN = "rows", "further joints", "checkpoints"
RETRY = "resume with --resume and fewer --jobs"


def compare(
    recipe: Compare, out: Path, *, resume: bool = False, jobs: int | None = None
) -> Comparison | None:
    """Train the rows of a comparison and score all of them on the same pairs.

    Args:
        recipe: The comparison.
        out: Run folder; trained rows are run folders of `reidaug train-flow` in ``rows``.
        resume: Whether to resume the run in that folder. Finished rows are kept; the result is
            that of an uninterrupted run with as many jobs, times aside.
        jobs: Rows trained in parallel, sharing the cores evenly. By default one per core, and one
            on a GPU or where several processes train together. The number of cores of a row
            changes the last digits of its weights.

    Returns:
        The report; None in processes other than the main one.

    Raises:
        ReidaugError: Pairs or a checkpoint cannot be read, weights cannot be fetched, or a
            training diverges.
        UsageError: The recipe cannot be carried out.
    """
    main = PartialState().is_main_process
    if main:
        check_lock(out)
    rows = plan_rows(recipe, out)
    trainings = {name: row.training for name, row in rows.items() if row.training is not None}
    splits = _read_splits(recipe, trainings)
    run = RunFolder(out, resumed=resume)
    if main:
        run = _open(recipe, rows, splits, out, resume=resume)
    wait_for_everyone()
    done = run.finished()
    if done is None:
        for network in recipe.stlpips:  # now, and not after hours of training
            shift_tolerant_weights(network)
        _train_rows(run, trainings, splits.testing, jobs)
    if not main:
        return None
    if done is not None:
        return Comparison.from_dict(done)
    report = _score_rows(recipe, rows, splits.testing, run)
    _check_still(recipe, rows, splits, out)
    parts = [f"{ROWS}/{n}/{p}" for n in trainings for p in (RECIPE, REPORT, f"{CHECKPOINT}/*")]
    run.report(report.as_dict(), (f for p in (PICTURE, *parts) for f in run.path.glob(p)))
    return report


def _read_splits(recipe: Compare, trainings: Mapping[str, TrainFlow]) -> Splits:
    """Read the test pairs, and those to train on, if any; check now what trainings will read."""
    if not trainings and recipe.evaluate_on == "test":
        check_written(recipe.pairs)
        testing = subsample(read_split(recipe, "test"), recipe.test_pairs)
        return Splits(testing._replace(pairs=()), testing)
    splits = read_splits(recipe)
    for training in trainings.values():
        check_flows(splits.training, training.tasks)
    for more in {t.more_keypoints for t in trainings.values() if t.more_keypoints}:
        read_split(recipe, "train", more)
    return splits


def _open(
    recipe: Compare, rows: Mapping[str, Row], splits: Splits, out: Path, *, resume: bool
) -> RunFolder:
    """Open the run of a comparison; what is scored may have changed since it began.

    Raises:
        ReidaugError: Something that a row was trained on changed.
    """
    kept, values = Inputs(out), {"command": "compare", **recipe.model_dump(mode="json")}
    _add_inputs(kept, recipe, rows, splits)
    run = RunFolder.open(out, values, resume=resume, inputs=kept, places=PLACES)
    trained = [name for name, row in rows.items() if row.training is not None]
    if any(has_begun(RunFolder(out / ROWS / name, resumed=True)) for name in trained):
        kept.check(*TRAINED_ON, MORE_JOINTS, advice=ADVICE)
    run.renew(kept)
    return run


def _add_inputs(kept: Inputs, recipe: Compare, rows: Mapping[str, Row], splits: Splits) -> None:
    """Fingerprint what rows are trained and scored on, and the checkpoints that are given."""
    trainings = {name: row.training for name, row in rows.items() if row.training is not None}
    if trainings:
        add_pairs(kept, TRAINING, splits.training, recipe)
        more = {file for training in trainings.values() for file in training.more_keypoints}
        kept.add(MORE_JOINTS, sorted(more))
        weights = {file for training in trainings.values() for file in weight_files(training)}
        kept.add(WEIGHTS, sorted(weights))
    add_code(kept, [recipe])
    add_pairs(kept, TEST, splits.testing, recipe)
    folders = {row.weights for row in rows.values() if row.weights and row.training is None}
    own = kept.folder.parent / ROWS
    given = (folder for folder in folders if own not in folder.parents)
    kept.add(GIVEN, [file for folder in given for file in checkpoint_files(folder)])


def _check_still(recipe: Compare, rows: Mapping[str, Row], splits: Splits, out: Path) -> None:
    """Check that the test pairs and checkpoints are what the run began with; else raise."""
    now = Inputs(out)
    _add_inputs(now, recipe, rows, splits)
    if line := now.text(*SCORED_ON, GIVEN):
        raise ReidaugError(
            f"{out}: changed while it was at work: {line}; the same command with --resume scores "
            "again"
        )


def _train_rows(
    run: RunFolder, trainings: Mapping[str, TrainFlow], testing: PairList, jobs: int | None
) -> None:
    """Train the rows that are not finished; those whose test pairs changed are scored again.

    Raises:
        ReidaugError: The folder of a row holds another training, perhaps that of another row.
    """
    folders = {name: run.path / ROWS / name for name in trainings}
    runs = {name: RunFolder(folder, resumed=True) for name, folder in folders.items()}
    unfinished = [name for name in trainings if runs[name].finished() is None]
    missing = [
        name
        for name, training in trainings.items()
        if name in unfinished
        or stored_recipe(folders[name]) != resolved(training)  # moved, or that of another row
        or _scored_on_others(runs[name], training, testing)
    ]
    state = PartialState()
    for name in unfinished if state.is_main_process else ():
        steps, batch = trainings[name].schedule.steps, trainings[name].batch
        progress_line(f"{name}: {steps} steps of {batch} pairs")
    alone = state.num_processes > 1 or state.device.type != "cpu"
    # Of all rows, not of the missing ones: with as many threads, sums round alike.
    jobs = 1 if alone else min(jobs or cores(), len(trainings))
    work = _train_row
    if jobs > 1:
        work = partial(_train_in_worker, (Path.cwd(), list(sys.path)), max(1, cores() // jobs))
    tasks = [delayed(work)(trainings[name], folders[name], run) for name in missing]
    for _ in run_tasks(tasks, jobs, ordered=False, advice=RETRY):
        pass


def _scored_on_others(run: RunFolder, training: TrainFlow, testing: PairList) -> bool:
    """Whether a finished row was scored on other test pairs than those that are there now.

    A row's own report has scores of a pair of the comparison alone, the first.
    """
    kept = Inputs(run.path)
    add_pairs(kept, TEST, subsample(testing, training.test_pairs), training)
    return bool(run.changed(kept))


def _train_in_worker(place: tuple[Path, list[str]], threads: int, *row: Any) -> None:
    """Train a row in another process."""
    # A worker may be older than the folder and the modules that paths and classes refer to.
    os.chdir(place[0])
    sys.path[:] = place[1]
    torch.set_num_threads(threads)
    _train_row(*row, lines=True)


def _train_row(training: TrainFlow, folder: Path, run: RunFolder, *, lines: bool = False) -> None:
    """Train a row, and log its time even if it is interrupted."""
    start = time.monotonic()
    try:
        train(training, folder, resume=True, lines=lines, row_of=run.path)
    finally:
        if PartialState().is_main_process:
            run.log(row=training.row, seconds=round(time.monotonic() - start, 1))


def _score_rows(
    recipe: Compare, rows: Mapping[str, Row], testing: PairList, run: RunFolder
) -> Comparison:
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
    named = seeds_of(recipe) | {name: [name] for name in CLOSED_FORMS}
    values = {name: [scored.values[copy] for copy in copies] for name, copies in named.items()}
    estimators |= {name: closed_form() for name, closed_form in CLOSED_FORMS.items()}
    first = {name: estimators[copies[0]] for name, copies in named.items()}
    write_atomically(run.path / PICTURE, encode_png(_figure(recipe, testing, first)))
    reference = recipe.reference or next(iter(named))
    return Comparison(
        size=scored.size,
        pairs=scored.pairs,
        region=scored.region,
        evaluate_on=recipe.evaluate_on,
        budget=recipe.budget,
        rows={
            name: row_scores(of_row, scored.people, seed=recipe.seed)
            | {"parameters": parameters(first[name])}
            for name, of_row in values.items()
        },
        reference=reference,
        differences={
            name: differences(of_row, values[reference], scored.people, seed=recipe.seed)
            for name, of_row in values.items()
            if name != reference
        },
        training=_trainings(run, rows),
        sizes=_costs(recipe, testing, first),
        seeds=recipe.seeds or (),
        interval_over="people",
    )


def _trainings(run: RunFolder, rows: Mapping[str, Row]) -> dict[str, RowTraining]:
    # Times of interrupted runs add up; one that was killed logged none.
    spent: dict[str, float] = {}
    for record in run.records():
        if {"row", "seconds"} <= record.keys():
            spent[record["row"]] = spent.get(record["row"], 0.0) + record["seconds"]
    return {
        name: RowTraining(
            steps=training.schedule.steps,
            batch=training.batch,
            pairs=training.schedule.steps * training.batch,
            seconds=round(spent.get(name, 0.0), 1),
        )
        for name, row in rows.items()
        if (training := row.training) is not None
    }


def _costs(
    recipe: Compare, testing: PairList, estimators: Mapping[str, FlowEstimator]
) -> dict[str, Cost]:
    pair = collate([PairDataset(testing, size=recipe.size)[0]])
    with one_thread():
        costs = {name: cost(estimator, pair) for name, estimator in estimators.items()}
    return {name: c._replace(gmac=round(c.gmac, 4), ms=round(c.ms, 2)) for name, c in costs.items()}


def _figure(recipe: Compare, testing: PairList, estimators: Mapping[str, FlowEstimator]) -> Picture:
    """Show pairs beside their warps by every estimator."""
    columns: dict[str, list[Picture]] = {"source": [], "target": []}
    columns |= {name: [] for name in estimators}
    for pairs, warps in warped_pairs(recipe, subsample(testing, recipe.shown), estimators):
        columns["source"] += to_bytes(pairs.source)
        columns["target"] += to_bytes(pairs.target)
        for name, warped in warps.items():
            columns[name] += to_bytes(warped)
    return labelled_columns(columns)
