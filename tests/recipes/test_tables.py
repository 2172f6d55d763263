"""The recipes of the paper's tables: read, planned and built, without training."""

from pathlib import Path

import pytest

from reidaug.experiments.compare_config import Compare, plan_rows
from reidaug.flow.perceptual_networks import ShiftTolerantLPIPS
from reidaug.flow.training import networks
from reidaug.recipes import load

FOLDER = Path(__file__).parents[2] / "recipes" / "tables"
ROWS = {
    "table1": {
        "unwarpme",
        "fomm",
        "mraa",
        "tpsmm",
        "gfla64",
        "gfla32",
        "unwarpme_affine_only",
        "unwarpme_untrained",
        "unwarpme_channel",
        "unwarpme_sa",
        "fomm_untrained",
        "mraa_untrained",
        "tpsmm_untrained",
        "gfla64_untrained",
    },
    "table2": {"full", "no_affine"},
    "table3": {"full", "no_refinement"},
    "table4": {f"depth{depth}" for depth in range(1, 7)},
    "table7": {"naive", "continuous"},
    "skip": {"plain", "skip"},
    "parametric": {"unwarpme", "fomm", "mraa", "tpsmm"},
}


@pytest.fixture(autouse=True)
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    network = ShiftTolerantLPIPS("vgg")
    monkeypatch.setattr(networks, "feature_network", lambda recipe, accelerator: network)


def test_every_table_has_its_recipes() -> None:
    of_the_paper = {f"{table}{size}" for table in ROWS for size in ("", "_small")}
    assert {path.stem for path in FOLDER.iterdir()} == of_the_paper


@pytest.mark.parametrize(
    "path", sorted(FOLDER.iterdir()), ids=[path.stem for path in sorted(FOLDER.iterdir())]
)
def test_every_row_of_every_table_can_be_built(path: Path, tmp_path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 40
    assert lines[0].startswith(f"# reidaug compare recipes/tables/{path.name}")
    recipe = load(path, Compare)
    rows = plan_rows(recipe, tmp_path)
    assert ROWS[path.stem.removesuffix("_small")] <= set(recipe.rows)
    assert recipe.seeds == ((0, 1, 2) if path.stem.endswith("_small") else None)
    for copy, row in rows.items():  # nobody's loss is a score, and W is the paper's unless it says
        if row.training is not None and row.training.estimator["class"].endswith(":UnWarpME"):
            preset = row.training.estimator["preset"]
            assert preset.endswith("_sa") == ("_sa" in copy)
        if path.stem.endswith("_small"):
            assert recipe.stlpips == ("alex",)
    budgets = {
        row.training.schedule.steps * row.training.batch
        for row in rows.values()
        if row.training is not None
    }
    assert len(budgets) == 1, "every row sees as many pairs"
    assert not any(tmp_path.iterdir())
