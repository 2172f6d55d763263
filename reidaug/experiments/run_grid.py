"""Grid of an experiment: its cells, several trained in parallel.

A cell is one arm trained with one seed. A stage, such as the start, is a training that the
arms continue from; with a seed it is a cell too.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, NamedTuple, TypeVar

from accelerate import PartialState
from joblib import delayed

from reidaug.experiments.arms import ExperimentOptions, extends
from reidaug.experiments.results import CellResult
from reidaug.files import remove_partials, write_atomically
from reidaug.jobs import Records, run_tasks
from reidaug.machine import cores
from reidaug.report.experiment import ExperimentReport, read_report
from reidaug.report.reid_section import cmc_picture
from reidaug.runs import RunFolder, counter

ADVICE = "finished cells are kept: go on with --resume and fewer --workers"
R = TypeVar("R", bound=ExperimentReport)
Advance = Callable[[int], None]
"""Called with the number of optimiser steps just taken."""


class CellKey(NamedTuple):
    """Name of a cell: an arm, or a stage that arms continue from, and a seed."""

    name: str
    seed: int

    def __str__(self) -> str:
        """Write the key as in file names."""
        return f"{self.name}-seed{self.seed}"


class Grid(ABC, Generic[R]):
    """An experiment whose cells can be trained one by one, each in any process."""

    folder: RunFolder

    @property
    def records(self) -> Records:
        """The records of finished cells, by the text of their keys."""
        return Records(self.folder.path / "cells")

    @abstractmethod
    def plan(self) -> Mapping[CellKey, CellKey | None]:
        """List every cell with the one it continues from, None where there is none."""

    @abstractmethod
    def steps(self, name: str) -> int:
        """Count the optimiser steps of a cell."""

    @abstractmethod
    def train(self, key: CellKey, advance: Advance) -> CellResult:
        """Train and evaluate a cell; `advance` is called after every step."""

    @abstractmethod
    def report(self) -> R:
        """Build the report of the finished experiment."""

    def rewind(self) -> None:
        """Drop lines of the log that will be written again; cells may do that themselves."""

    def finished(self, key: CellKey) -> bool:
        """Whether a cell has a record."""
        return self.records.read(str(key)) is not None

    def finish(self, key: CellKey, advance: Advance) -> CellKey:
        """Train and evaluate a cell, and write its record."""
        self.records.write(str(key), self.train(key, advance).as_record())
        return key

    def results(self, name: str) -> list[CellResult]:
        """Read the results of a finished arm or stage, one per seed, in the order of the plan."""
        keys = [key for key in self.plan() if key.name == name]
        return [CellResult.of_record(self.records.read(str(key))) for key in keys]


def run_experiment(
    grid: Callable[[RunFolder], Grid[R]],
    options: ExperimentOptions,
    kind: type[R],
    out: Path,
    *,
    resume: bool,
    workers: int | None,
) -> R:
    """Run an experiment in a run folder, or read the report of a finished one.

    Writes the report as ``report.json``, and ``cmc.png`` beside it.

    Args:
        grid: Makes the grid of a run folder.
        options: Recipe of the experiment.
        kind: Kind of its report.
        out: Run folder.
        resume: Whether to go on with the run it holds.
        workers: As in `run_grid`.

    Raises:
        ReidaugError: The folder holds another run, or training diverges.
    """
    folder = RunFolder.open(out, options.resolved("finetune-eval"), resume=resume, grows=extends)
    if (finished := folder.finished()) is not None:
        return read_report(finished, kind)
    experiment = grid(folder)
    for inner in folder.path.iterdir():
        if inner.is_dir():
            remove_partials(inner)
    if folder.resumed:
        experiment.rewind()
    run_grid(experiment, workers)
    report = experiment.report()
    write_atomically(folder.path / "cmc.png", cmc_picture(report.cmc))
    folder.report(report.as_dict())
    return report


def dry_run_grid(grid: Callable[[RunFolder], Grid[R]]) -> R:
    """Run a short experiment in this process, keep nothing, and return its report."""
    with TemporaryDirectory() as folder:
        experiment = grid(RunFolder(Path(folder), resumed=False))
        run_grid(experiment, workers=1)
        return experiment.report()


def run_grid(grid: Grid[Any], workers: int | None = None) -> None:
    """Train the cells that are not finished, wave by wave: first those that others continue from.

    ``workers`` cells are trained in parallel; by default one per core, one on a GPU.
    """
    workers = workers or (cores() if PartialState().device.type == "cpu" else 1)
    waves = [[key for key in wave if not grid.finished(key)] for wave in _waves(grid)]
    total = sum(grid.steps(key.name) for wave in waves for key in wave)
    with counter(total=total, what="re-ID", unit="step") as advance:
        for wave in waves:
            alone = workers == 1  # then steps are counted as they are taken
            tasks = (delayed(grid.finish)(key, advance if alone else _ignore) for key in wave)
            for key in run_tasks(tasks, workers, ordered=False, advice=ADVICE):
                if not alone:
                    advance(grid.steps(key.name))


def _waves(grid: Grid[Any]) -> Iterator[list[CellKey]]:
    """Sort the cells by how many others they wait for."""
    plan = dict(grid.plan())
    wave = [key for key, parent in plan.items() if parent is None]
    while wave:
        yield wave
        wave = [key for key, parent in plan.items() if parent in wave]


def _ignore(steps: int) -> None:
    """Count nothing: another process does."""
