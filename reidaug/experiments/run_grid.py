"""Grid of an experiment: its cells, several trained in parallel.

A cell is one arm trained with one seed. A stage, such as the start, is a training that the
arms continue from; with a seed it is a cell too.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, NamedTuple, TypeVar

from accelerate import PartialState
from joblib import delayed

from reidaug.checksums import flaw_of
from reidaug.errors import ReidaugError
from reidaug.experiments.arms import ExperimentOptions, extends
from reidaug.experiments.cell_inputs import CellInputs
from reidaug.experiments.results import CellResult
from reidaug.files import remove_partials, write_atomically
from reidaug.fingerprint import MIXED, Inputs
from reidaug.jobs import Records, run_tasks
from reidaug.machine import cores
from reidaug.recipes import place_keys
from reidaug.report.experiment import ExperimentReport, read_report
from reidaug.report.reid_section import cmc_picture
from reidaug.runs import RunFolder, counter, notice
from reidaug.verbosity import Advance

TRAINED, CLUSTERINGS, BEGUN = BEFORE = ("trained", "clusterings", "begun")
"""Folders of what is recorded of cells before they have a record of their own."""
CELLS, CHECKPOINTS = "cells", "checkpoints"
OF = "of"
"""Key of a record: digests of what its cell depends on."""
ADVICE = "finished cells are kept: go on with --resume and fewer --workers"
R = TypeVar("R", bound=ExperimentReport)
"""Called with the number of optimiser steps just taken."""


class CellKey(NamedTuple):
    """Name of a cell: an arm, or a stage that arms continue from, and a seed."""

    name: str
    seed: int

    def __str__(self) -> str:
        """Write the key as in file names."""
        return f"{self.name}-seed{self.seed}"


def weight_file(folder: RunFolder, key: CellKey) -> Path:
    """Name the weight file of a cell."""
    return folder.path / CHECKPOINTS / f"{key}.safetensors"


class Grid(ABC, Generic[R]):
    """An experiment whose cells can be trained one by one, each in any process."""

    folder: RunFolder
    inputs: CellInputs | None  # None: they do not change, as in a dry run

    @property
    def records(self) -> Records:
        """The records of finished cells, by the text of their keys."""
        return Records(self.folder.path / CELLS)

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

    @abstractmethod
    def forget(self, key: CellKey) -> None:
        """Remove what a cell has trained so far: its weights, and states to resume from."""

    @abstractmethod
    def has_weights(self, key: CellKey) -> bool:
        """Whether the weights of a cell are kept."""

    @property
    def begun(self) -> Records:
        """What the training of each cell that has begun depends on."""
        return Records(self.folder.path / BEGUN)

    def of(self, key: CellKey) -> list[str]:
        """Give digests: what training and evaluation of a cell depend on, and what is asked."""
        inputs = self.inputs
        if inputs is None:
            return ["", "", ""]
        return [inputs.training[key.name], inputs.evaluation, inputs.settings.get(key.name, "")]

    def rewind(self) -> None:
        """Drop lines of the log that will be written again; cells may do that themselves."""

    def finished(self, key: CellKey) -> bool:
        """Whether a cell has a record of the inputs as they are, and kept weights as written."""
        result = self.result(key)
        if result is None or self.stale(key):
            return False
        flaw = "" if result.weights is None else flaw_of(self.model_path(key), result.weights)
        if flaw:
            notice(f"{self.model_path(key)} is {flaw}; {key} is trained again")
            for file in (self.model_path(key), self.records.path(str(key))):
                file.unlink(missing_ok=True)
        return not flaw

    def model_path(self, key: CellKey) -> Path:
        """Name the weight file of a cell."""
        return weight_file(self.folder, key)

    def result(self, key: CellKey) -> CellResult | None:
        """Read the result of a cell; None where it has no record, or a damaged one."""
        try:
            record = dict(self.records.read(str(key)))
            record.pop(OF, None)
            return CellResult.of_record(record)
        except (TypeError, ValueError, KeyError, AttributeError):
            return None

    def stale(self, key: CellKey) -> bool:
        """Whether a cell has a record of other inputs, or of another recipe.

        Records of earlier versions do not know of what recipe they are.
        """
        record = self.records.read(str(key))
        if not isinstance(record, dict):
            return False
        own = record.get(OF)
        return not isinstance(own, list) or len(own) < 2 or own != self.of(key)[: len(own)]

    def is_trained(self, key: CellKey) -> bool:
        """Whether the weights of a cell are there, of the inputs as they are."""
        return self._is_of_these(key) and self.has_weights(key)

    def _is_of_these(self, key: CellKey) -> bool:
        """Whether a training that has begun, or has finished, is of inputs and recipe as they are.

        Those of earlier versions know their inputs alone.
        """
        begun, record = self.begun.read(str(key)), self.records.read(str(key))
        if begun is None and isinstance(record, dict):
            begun = _of_training(record.get(OF) or [])
        known = isinstance(begun, list) and len(begun) > 0
        return known and begun == _of_training(self.of(key))[: len(begun)]

    def doubt(self, now: CellInputs) -> None:
        """Let cells be made again whose inputs are others now: they may be made of both.

        Also where the inputs will be as they were.
        """
        for key in self.plan():
            own = self.of(key)
            other = own[:1] != [now.training[key.name]], own[1:2] != [now.evaluation]
            of = [MIXED if differs else one for one, differs in zip(own, other, strict=False)]
            record = self.records.read(str(key))
            if any(other) and isinstance(record, dict):
                self.records.write(str(key), record | {OF: [*of, *own[2:]]})
            if other[0] and self.begun.read(str(key)) is not None:
                self.begun.write(str(key), _of_training([*of, *own[2:]]))

    def adopt(self) -> None:
        """Take the cells of a run of an earlier version as made of the inputs as they are."""
        for key in self.plan():
            record = self.records.read(str(key))
            if not isinstance(record, dict):
                self.begun.write(str(key), _of_training(self.of(key)))
            elif OF not in record:
                self.records.write(str(key), record | {OF: self.of(key)})

    def finish(self, key: CellKey, advance: Advance) -> CellKey:
        """Train and evaluate a cell, and write its record.

        What it trained of other inputs is removed first.
        """
        of = self.of(key)
        if not self._is_of_these(key):
            self.records.path(str(key)).unlink(missing_ok=True)
            self.forget(key)
            self.begun.write(str(key), _of_training(of))
        self.records.write(str(key), self.train(key, advance).as_record() | {OF: of})
        self.begun.path(str(key)).unlink(missing_ok=True)
        return key

    def results(self, name: str) -> list[CellResult]:
        """Read the results of a finished arm or stage, one per seed, in the order of the plan.

        Raises:
            ReidaugError: The record of a seed is damaged or gone: means over the others would be
                compared as if of all.
        """
        found = {key: self.result(key) for key in self.plan() if key.name == name}
        lost = [str(self.records.path(str(key))) for key, result in found.items() if result is None]
        if lost:
            raise ReidaugError(
                f"{', '.join(lost)}: damaged or gone since this run wrote it; the same command "
                "with --resume makes it again, and nothing else"
            )
        return [result for result in found.values() if result is not None]


def _of_training(of: Sequence[str]) -> list[str]:
    """Take from the digests of a cell those that its training depends on."""
    return [*of[:1], *of[2:]]


def run_experiment(
    grid: Callable[[RunFolder], Grid[R]],
    options: ExperimentOptions,
    kind: type[R],
    out: Path,
    kept: Inputs,
    *,
    look: Callable[[], tuple[Inputs, CellInputs]],
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
        kept: Fingerprints of its inputs. Cells of inputs that changed are made again: evaluated
            where their weights are kept, else trained.
        look: Fingerprints its inputs once more, when all cells are made.
        resume: Whether to go on with the run it holds.
        workers: As in `run_grid`.

    Raises:
        ReidaugError: The folder holds another run, training diverges, or inputs changed meanwhile.
    """
    folder = RunFolder.open(
        out, options.resolved("finetune-eval"), resume=resume, grows=extends,
        inputs=kept, places=place_keys(type(options)),
    )  # fmt: skip
    experiment = grid(folder)
    if folder.resumed and not kept.known:
        experiment.adopt()
    folder.renew(kept)
    stale = [key for key in experiment.plan() if experiment.stale(key)]
    finished = folder.finished()
    if finished is not None and not stale:
        return read_report(finished, kind)
    _tell_stale(experiment, stale)
    for name in (CELLS, CHECKPOINTS, *BEFORE):  # what a killed run left half written
        remove_partials(folder.path / name)
    if folder.resumed:
        experiment.rewind()
    run_grid(experiment, workers)
    now, inputs = look()
    if line := now.text():
        if any(map(now.replaced, now.changes())):
            experiment.doubt(inputs)
        raise ReidaugError(
            f"{out}: its files changed while it was at work: {line}; the same command with "
            "--resume makes again what depends on them"
        )
    report = experiment.report()
    write_atomically(folder.path / "cmc.png", cmc_picture(report.cmc))
    keys = list(experiment.plan())
    weights = [path for key in keys if (path := experiment.model_path(key)).is_file()]
    cells = (experiment.records.path(str(key)) for key in keys)
    folder.report(report.as_dict(), [folder.path / "cmc.png", *cells, *weights])
    for name in BEFORE:
        Records(folder.path / name).remove()
    return report


def _tell_stale(experiment: Grid[Any], stale: Sequence[CellKey]) -> None:
    """Say which cells are made again."""
    again: dict[str, list[str]] = {"trained": [], "evaluated": []}
    for key in stale:
        again["evaluated" if experiment.is_trained(key) else "trained"].append(str(key))
    for what, names in again.items():
        if names:
            notice(f"{what} again: {', '.join(names)}")


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
    for key in grid.plan():
        if (record := grid.records.path(str(key))).exists() and grid.result(key) is None:
            notice(f"{record} is damaged; {key} is made again")
    workers = workers or (cores() if PartialState().device.type == "cpu" else 1)
    waves = [[key for key in wave if not grid.finished(key)] for wave in _waves(grid)]
    total = sum(grid.steps(key.name) for wave in waves for key in wave)
    trained = {key for wave in waves for key in wave if grid.is_trained(key)}
    with counter(total=total, what="re-ID", unit="step") as advance:
        for wave in waves:
            alone = workers == 1  # then steps are counted as they are taken
            tasks = (delayed(grid.finish)(key, advance if alone else _ignore) for key in wave)
            for key in run_tasks(tasks, workers, ordered=False, advice=ADVICE):
                if not alone:
                    advance(grid.steps(key.name), before=key in trained)


def _waves(grid: Grid[Any]) -> Iterator[list[CellKey]]:
    """Sort the cells by how many others they wait for."""
    plan = dict(grid.plan())
    wave = [key for key, parent in plan.items() if parent is None]
    while wave:
        yield wave
        wave = [key for key, parent in plan.items() if parent in wave]


def _ignore(steps: int, /, *, before: bool = False) -> None:
    """Count nothing: another process does."""
