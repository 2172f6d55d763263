"""Cells of an experiment: pieces of training that go on from one another, several at a time."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from accelerate import PartialState
from joblib.externals.loky import ProcessPoolExecutor

from reidaug.experiments.arms import Material
from reidaug.experiments.results import Cell, arm_of, curves_of, rows_of
from reidaug.experiments.statistics import compare
from reidaug.jobs import explain_killed_worker
from reidaug.machine import cores
from reidaug.runs import RunFolder, counter

Task = tuple[str, int]  # a cell: its name and its seed
DRY = 64  # crops that a dry run searches for and among
COMPARED = ("method", "baseline", "controls", "ceiling")  # what is said of finished cells
Advance = Callable[[int], None]


class Cells(ABC):
    """An experiment whose cells can be trained one by one, each in any process.

    Attributes:
        folder: Its run folder.
    """

    folder: RunFolder

    def cell_path(self, name: str, seed: int) -> Path:
        """Tell where a finished cell is written down."""
        return self.folder.path / "cells" / f"{name}-seed{seed}.json"

    def finished(self, name: str, seed: int) -> bool:
        """Tell whether a cell has been written down."""
        return self.cell_path(name, seed).exists()

    @abstractmethod
    def plan(self) -> Mapping[Task, Task | None]:
        """List every cell with the one it goes on from, None where there is none."""

    @abstractmethod
    def steps(self, name: str) -> int:
        """Count the optimiser steps of a cell."""

    @abstractmethod
    def train(self, name: str, seed: int, advance: Advance | None = None) -> int:
        """Train a cell and write it down.

        Args:
            name: Of the cell.
            seed: Source of all chance.
            advance: Told of every step.

        Returns:
            The number of steps.
        """


def may_grow(begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether the cells of one experiment are cells of another.

    Args:
        begun: Its recipe, plain YAML values.
        wanted: That of the other: it may have more arms, other seeds after the first (which may
            have made the start of all), and compare other arms.

    Returns:
        Whether the other can go on with them.
    """
    loose = {"arms", "seeds", *COMPARED}
    fixed, asked = ({k: v for k, v in r.items() if k not in loose} for r in (begun, wanted))
    return (
        fixed == asked
        and begun["seeds"][0] == wanted["seeds"][0]
        and begun["arms"].items() <= wanted["arms"].items()
    )


@runtime_checkable
class Asked(Protocol):
    """What the recipes of all experiments say of who is compared, on whom."""

    protocol: Any
    evaluate_on: Any
    seeds: tuple[int, ...]
    method: str
    baseline: str
    controls: tuple[str, ...]


def report_of(
    recipe: Asked,
    material: Material,
    arms: Mapping[str, Sequence[Cell]],
    before: Mapping[str, Sequence[Cell]],
    *,
    ceiling: str | None = None,
) -> dict[str, Any]:
    """Put together what every experiment reports.

    Args:
        recipe: The experiment.
        material: Whom everything was tried on, and what came on top.
        arms: The cells of every arm, one a seed.
        before: The cells before all arms whose curves belong beside theirs.
        ceiling: The arm no augmentation of this kind can beat.

    Returns:
        JSON values.
    """
    return {
        "protocol": recipe.protocol,
        "evaluate_on": recipe.evaluate_on,
        "seeds": list(recipe.seeds),
        "queries": len(material.query),
        "queries_without_match": next(iter(arms.values()))[0].tested.unmatched,
        "gallery": len(material.gallery),
        "extra_crops": {name: len(people) for name, people in material.extra.items()},
        "arms": rows_of(arms),
        "cmc": curves_of({**before, **arms}),
        **compare(
            {name: arm_of(run) for name, run in arms.items()},
            method=recipe.method,
            baseline=recipe.baseline,
            controls=recipe.controls,
            ceiling=ceiling,
        ),
    }


def train_cells(cells: Cells, workers: int | None = None) -> None:
    """Train the cells that are not finished yet; each waits for the one it goes on from alone.

    Args:
        cells: The experiment.
        workers: Cells trained at a time; default: one a core, one alone on a GPU.
    """
    for name in ("cells", "checkpoints"):
        (cells.folder.path / name).mkdir(exist_ok=True)
    on_cpu = PartialState().device.type == "cpu"
    workers = workers or (cores() if on_cpu else 1)
    plan = cells.plan()
    todo = {task: parent for task, parent in plan.items() if not cells.finished(*task)}
    ready = [task for task, parent in todo.items() if parent not in todo]
    waiting: dict[Task, list[Task]] = {}
    for task, parent in todo.items():
        if parent is not None and parent in todo:
            waiting.setdefault(parent, []).append(task)
    total = sum(cells.steps(name) for name, _ in todo)
    with counter(total=total, what="re-ID", unit="step") as advance:
        if workers > 1:
            _spread(cells, ready, waiting, workers, advance)
        while workers == 1 and ready:
            task = ready.pop(0)
            cells.train(*task, advance)
            ready = waiting.pop(task, []) + ready


def _spread(
    cells: Cells,
    ready: list[Task],
    waiting: dict[Task, list[Task]],
    workers: int,
    advance: Advance,
) -> None:
    """Train cells in processes of their own."""
    pool = ProcessPoolExecutor(workers, timeout=60, initializer=_stop_quietly)
    running: dict[Future[int], Task] = {}
    try:
        with explain_killed_worker(
            "finished cells are kept: go on with --resume and fewer --workers"
        ):
            while ready or running:
                running |= {pool.submit(cells.train, *task): task for task in ready}
                ready = []
                for cell in wait(running, return_when=FIRST_COMPLETED).done:
                    if steps := cell.result():
                        advance(steps)
                    ready += waiting.pop(running.pop(cell), [])
    finally:
        pool.shutdown(wait=True, kill_workers=bool(running))


def _stop_quietly() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
