"""Grids of cells: waves, processes, records."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from reidaug.errors import ReidaugError
from reidaug.experiments.cell_inputs import CellInputs
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
    inputs: CellInputs | None = None

    def plan(self):
        return {**dict.fromkeys(ARMS, START), START: None}

    def steps(self, name):
        return 1

    def train(self, key, advance):
        with (self.folder.path / "order").open("a") as file:
            file.write(f"{key}\n")
        (self.folder.path / str(key)).touch()
        advance(1)
        return CellResult(Evaluation({"mAP": float(key.seed)}, [], [None], 0))

    def forget(self, key):
        (self.folder.path / str(key)).unlink(missing_ok=True)

    def has_weights(self, key):
        return (self.folder.path / str(key)).exists()

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


@pytest.mark.parametrize("text", ["", "{", None])
def test_a_seed_whose_record_is_damaged_is_told_and_counts_in_no_mean(
    grid: Squares, text: str | None, capsys
) -> None:
    run_grid(grid, workers=1)
    record = grid.records.path("a-seed1")
    record.unlink() if text is None else record.write_text(text)
    with pytest.raises(ReidaugError, match=r"cells/a-seed1\.json: damaged or gone .* --resume"):
        grid.results("a")
    run_grid(grid, workers=1)
    told = f"{record} is damaged; a-seed1 is made again"
    assert (told in capsys.readouterr().err) == (text is not None)
    assert order(grid)[-2:] == ["b-seed0", "a-seed1"]
    assert len(grid.results("a")) == 2


def with_inputs(
    grid: Squares, evaluation: str = "e", settings: dict[str, str] | None = None, **training: str
) -> Squares:
    names = {"start": "s", "a": "a", "b": "b"}
    return Squares(grid.folder, CellInputs(names | training, evaluation, settings or {}))


def test_cells_of_another_recipe_are_stale_and_those_of_earlier_versions_are_not(
    grid: Squares,
) -> None:
    asked = with_inputs(grid, settings={"start": "r", "a": "r", "b": "r"})
    run_grid(asked, workers=1)
    (grid.folder.path / "order").unlink()
    other = with_inputs(grid, settings={"start": "r", "a": "other", "b": "r"})
    assert [key for key in other.plan() if other.stale(key)] == ARMS[:2]
    assert not other.is_trained(ARMS[0])
    run_grid(other, workers=1)
    assert order(grid) == ["a-seed0", "a-seed1"]
    for key in other.plan():
        record = other.records.read(str(key))
        other.records.write(str(key), record | {"of": record["of"][:2]})
    assert all(asked.finished(key) and asked.is_trained(key) for key in asked.plan())


def test_cells_of_other_inputs_are_stale_and_forgotten_before_they_are_trained(
    grid: Squares,
) -> None:
    run_grid(with_inputs(grid), workers=1)
    (grid.folder.path / "order").unlink()
    changed = with_inputs(grid, b="other")
    assert [key for key in changed.plan() if changed.stale(key)] == [ARMS[2]]
    assert changed.is_trained(ARMS[0])
    assert not changed.is_trained(ARMS[2])

    def killed(steps: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        changed.finish(ARMS[2], killed)
    # What the killed training left is of the new inputs, and nothing is of the old ones.
    assert not changed.stale(ARMS[2])
    assert changed.is_trained(ARMS[2])
    assert not with_inputs(grid).is_trained(ARMS[2])
    run_grid(with_inputs(grid), workers=1)
    assert order(grid) == ["b-seed0", "b-seed0"]


def test_another_test_set_leaves_the_weights(grid: Squares) -> None:
    run_grid(with_inputs(grid), workers=1)
    changed = with_inputs(grid, evaluation="other")
    assert all(changed.stale(key) and changed.is_trained(key) for key in changed.plan())


def test_cells_of_an_earlier_version_are_adopted(grid: Squares) -> None:
    run_grid(grid, workers=1)
    for key in grid.plan():
        record = grid.records.read(str(key))
        del record["of"]
        grid.records.write(str(key), record)
    grid.begun.remove()
    now = with_inputs(grid)
    assert all(now.stale(key) for key in now.plan())
    now.adopt()
    assert all(now.finished(key) and now.is_trained(key) for key in now.plan())
