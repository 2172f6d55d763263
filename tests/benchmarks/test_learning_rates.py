from pathlib import Path

from learning_rates import RATES, ROWS, SHARE, grid, named
from tables import RECIPES, SIZE

from reidaug.experiments.compare_config import Compare, plan_rows
from reidaug.recipes import load


def test_the_grid_changes_the_rate_and_the_length_and_nothing_else(tmp_path: Path) -> None:
    table = load(RECIPES / "table1_small.yaml", Compare, ("seeds=[0]",))
    recipe = grid(Path("runs/small-pairs"))
    assert recipe.evaluate_on == "held_out"
    assert recipe.size == SIZE == table.size
    of_table, of_grid = plan_rows(table, tmp_path), plan_rows(recipe, tmp_path)
    assert len(of_grid) == len(ROWS) * len(RATES)
    for name in ROWS:
        wanted = of_table[f"{name}-seed0"].training
        assert wanted is not None
        for rate in RATES:
            found = of_grid[named(name, rate)].training
            assert found is not None
            assert found.schedule.rate == rate
            assert found.schedule.steps * SHARE == wanted.schedule.steps
            same = {"row", "schedule", "evaluate_on", "pairs"}
            assert found.model_dump(exclude=same) == wanted.model_dump(exclude=same)
