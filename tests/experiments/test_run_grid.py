"""Grids of cells: waves, processes, records."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from reidaug.experiments.results import CellResult
from reidaug.experiments.run_grid import CellKey, Grid, run_grid
from reidaug.reid.evaluation.retrieval import Evaluation
from reidaug.runs import RunFolder

START = CellKey("start", 0)
ARMS = [CellKey("a", 0), CellKey("a", 1), CellKey("b", 0)]


@dataclass(frozen=True)
class Squares(Grid):
    """Cells that write down when they were trained."""

    folder: RunFolder

    def plan(self):
        return {**dict.fromkeys(ARMS, START), START: None}

    def steps(self, name):
        return 1

    def train(self, key, advance):
        with (self.folder.path / "order").open("a") as file:
            file.write(f"{key}\n")
        advance(1)
        return CellResult(Evaluation({"mAP": float(key.seed)}, [], [None], 0))

    def report(self):
        raise NotImplementedError


@pytest.fixture
def grid(tmp_path: Path) -> Squares:
    return Squares(RunFolder(tmp_path, resumed=False))


def order(grid: Squares) -> list[str]:
    return (grid.folder.path / "order").read_text().split()


@pytest.mark.parametrize("workers", [1, 2])
def test_arms_wait_for_the_cell_they_go_on_from(grid: Squares, workers: int) -> None:
    run_grid(grid, workers)
    assert order(grid)[0] == "start-seed0"
    assert sorted(order(grid)[1:]) == ["a-seed0", "a-seed1", "b-seed0"]


def test_finished_cells_are_not_trained_again(grid: Squares) -> None:
    for key in (START, ARMS[0]):
        grid.finish(key, lambda _: None)
    run_grid(grid, workers=1)
    assert order(grid) == ["start-seed0", "a-seed0", "a-seed1", "b-seed0"]


def test_results_are_in_the_order_of_the_plan(grid: Squares) -> None:
    run_grid(grid, workers=1)
    assert [result.evaluation.scores["mAP"] for result in grid.results("a")] == [0.0, 1.0]
