import json
from pathlib import Path

from provenance import RESULTS
from tables import RECIPES
from task_balance import ALONE, IN_TURN, SEEDS, WEIGHTS, balances, chosen, summed

from reidaug.experiments.compare_config import Compare, plan_rows
from reidaug.recipes import load


def test_rows_differ_in_the_balance_of_the_tasks_alone(tmp_path: Path) -> None:
    rows = plan_rows(balances(Path("runs/small-pairs")), tmp_path)
    table = plan_rows(load(RECIPES / "table1_small.yaml", Compare), tmp_path)
    for seed in SEEDS:
        wanted = table[f"unwarpme-seed{seed}"].training
        assert wanted is not None
        found = {}
        for name in (ALONE, IN_TURN, *map(summed, WEIGHTS)):
            training = rows[f"{name}-seed{seed}"].training
            assert training is not None
            found[name] = training
            changed = {"row", "cycle", "weights", "evaluate_on", "pairs"}
            changed |= {"generator", "discriminator"} if name == ALONE else set()
            assert training.model_dump(exclude=changed) == wanted.model_dump(exclude=changed)
            assert training.evaluate_on == "held_out"
        assert found[ALONE].cycle == ("affine",)
        assert found[IN_TURN].cycle == ("affine", "generation")
        for weight in WEIGHTS:
            assert found[summed(weight)].cycle == wanted.cycle == ("affine+generation",)
            assert found[summed(weight)].weights.affine == weight
        assert wanted.weights.affine in WEIGHTS


def test_the_weight_of_the_lowest_l1_among_those_that_keep_the_endpoint_error() -> None:
    rows: dict[str, dict[str, float]] = {summed(w): {"l1": 3.0, "epe_px": 9.0} for w in WEIGHTS}
    rows[ALONE] = {"l1": 5.0, "epe_px": 4.0}
    assert chosen(rows) is None
    rows[summed(WEIGHTS[-1])] = {"l1": 4.5, "epe_px": 3.5}
    rows[summed(WEIGHTS[-2])] = {"l1": 4.0, "epe_px": 4.03}
    assert chosen(rows) == WEIGHTS[-2]
    rows[summed(WEIGHTS[-2])]["epe_px"] = 4.05  # more than a hundredth above
    assert chosen(rows) == WEIGHTS[-1]


def test_every_small_table_has_the_weight_that_was_chosen() -> None:
    weight = json.loads((RESULTS / "task_balance.json").read_text())["chosen"]
    for name in ("table1", "table2", "table3", "table4", "table7", "skip"):
        recipe = load(RECIPES / f"{name}_small.yaml", Compare)
        for row in recipe.rows.values():
            keys = {**recipe.common, **row}
            if any("affine+" in entry for entry in keys.get("cycle", ())):
                assert keys["weights"]["affine"] == weight
