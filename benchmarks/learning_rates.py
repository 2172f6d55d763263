"""Learning rates of the small tables: one grid for every estimator, scored on held-out people.

    python benchmarks/learning_rates.py [--pairs runs/small-pairs] [--out runs/learning_rates]

The six estimators of recipes/tables/table1_small.yaml are trained for a quarter of its pairs
with every rate of `RATES`, and scored on training people who are held out for it. What the tables
use is the rate with the lowest l1 there. One seed.
"""

from pathlib import Path
from typing import Any

from provenance import write_result
from tables import RECIPES, SIZE, compared

from reidaug.experiments.compare_config import Compare
from reidaug.recipes import load

ROWS = ("unwarpme", "unwarpme_sa", "fomm", "mraa", "tpsmm", "gfla64")
RATES = (1e-4, 3e-4, 1e-3)
SHARE = 4  # the table's budget over this one
SCORES = ("l1", "ssim", "stlpips_alex", "epe_px")


def main() -> None:
    """Train, print, and write the result."""
    usual = Path("runs/learning_rates")
    recipe, report = compared(__doc__.splitlines()[0], usual, grid)
    rows: dict[str, dict[str, Any]] = {}
    for name in ROWS:
        found = {rate: report.rows[named(name, rate)] for rate in RATES}
        best = min(RATES, key=lambda rate: found[rate]["l1"])
        rows[name] = {"rate": best} | {
            f"{rate:g}": {score: found[rate][score] for score in SCORES} for rate in RATES
        }
        print(name, rows[name])
    write_result(
        "learning_rates",
        "python benchmarks/learning_rates.py",
        size=SIZE,
        budget=recipe.budget,
        rates=RATES,
        chosen_by="l1",
        evaluate_on=recipe.evaluate_on,
        rows=rows,
    )


def grid(pairs: Path) -> Compare:
    """Write the comparison: every row of `ROWS` with every rate, all else as in Table 1."""
    chosen = (f"pairs={pairs}", "evaluate_on=held_out", "seeds=[0]")
    table = load(RECIPES / "table1_small.yaml", Compare, chosen)
    assert table.budget is not None
    rows = {
        named(name, rate): {
            **table.rows[name],
            "schedule": {**table.rows[name].get("schedule", {}), "rate": rate},
        }
        for name in ROWS
        for rate in RATES
    }
    return table.model_copy(
        update={"rows": rows, "budget": table.budget // SHARE, "seeds": None, "reference": None}
    )


def named(name: str, rate: float) -> str:
    """Name a row by its estimator and rate."""
    return f"{name}-{rate:g}".replace(".", "-")


if __name__ == "__main__":
    main()
