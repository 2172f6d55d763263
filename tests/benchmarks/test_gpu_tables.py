from pathlib import Path

import pytest
from gpu_tables import ON_CPU, ON_GPU, Form, measure, plan, trained
from small_trainings import train_recipe
from tables import RECIPES

from reidaug.experiments.compare_config import Compare, Row, plan_rows
from reidaug.people3d.pair_dataset import PairOptions, render_pairs
from reidaug.recipes import load


@pytest.mark.parametrize("form", ON_GPU, ids=lambda form: str(form.size))
def test_rows_are_those_of_the_table_at_another_size(form: Form, tmp_path: Path) -> None:
    table = load(RECIPES / f"{form.table}.yaml", Compare, ("seeds=null",))
    planned = plan_rows(plan(form, tmp_path), tmp_path)
    assert tuple(planned) == form.rows
    for name, row in planned.items():
        training, keys = row.training, table.rows[name]
        assert training is not None
        assert training.size == form.size
        assert training.schedule.steps * training.batch >= form.budget
        assert training.estimator["class"] == keys["estimator"]["class"]
        if form.size == (128, 64):
            assert training.estimator == {
                key: keys["estimator"][key] for key in ("class", "preset")
            }
        else:
            assert training.estimator == keys["estimator"]
        assert training.cycle == tuple(keys.get("cycle", table.common["cycle"]))


def test_a_row_ends_in_time_and_says_what_it_saw(people: Path, tmp_path: Path) -> None:
    recipe = train_recipe(people, schedule={"steps": 10_000, "rate": 1e-3})
    short = trained(Row(recipe, tmp_path / "short" / "checkpoint", {}), 0.0)
    assert (short["steps"], short["pairs"], short["pairs_wanted"]) == (2, 8, 40_000)
    assert (tmp_path / "short" / "checkpoint").is_dir()


def test_the_small_form_runs_whole(tmp_path: Path) -> None:
    pairs = PairOptions(people=1, test_people=1, views=2, pairs_each=2, size=(64, 32))
    form = ON_CPU[0]._replace(pairs=pairs, batch=2, budget=4, rows=("gfla64",))
    render_pairs(plan(form, tmp_path).pairs, pairs, workers=1)  # in this process, which is faster
    found = measure((form,), tmp_path, 60.0)
    table = found["tables"]["64x32"]
    assert set(table["training"]) == set(form.rows) < set(table["rows"])
    assert all(0 < row["pairs"] <= row["pairs_wanted"] for row in table["training"].values())
    assert table["differences"]["identity"]["epe_px"]["mean"] != 0
