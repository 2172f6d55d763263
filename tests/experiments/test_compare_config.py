"""Rows of a comparison and errors in its recipe."""

from pathlib import Path
from typing import Any

import pytest
from small_trainings import compare_recipe as recipe

from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments import compare_config
from reidaug.experiments.compare import compare


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"rows": {"a": {"cylce": ["affine"]}}}, "rows.a: unknown key 'cylce'"),
        ({"rows": {"a": {"size": [8, 8]}}}, "rows.a: 'size' is the same for all rows"),
        ({"common": {"pairs": "x"}}, "common: 'pairs' is the same for all rows"),
        ({"rows": {"a": {"schedule": {"steps": 3}}}}, r"rows.a.schedule: 'steps' follow"),
        ({"rows": {"a": {"batch": 0}}}, "rows.a: 'batch'"),
        ({"rows": {"a": {"schedule": 3}}}, "rows.a: 'schedule"),
        ({"rows": {"a": {"cycle": ["paint"]}}}, "rows.a: cycle: no task .paint"),
        ({"rows": {"a": {"estimator": {"depth": 9}}}}, "rows.a: estimator .*depth must be"),
        ({"rows": {"a": {"estimator": {"class": "no:Net"}}}}, "rows.a: estimator.class: no 'no:"),
        ({"common": {"cylce": ["affine"]}}, "common: unknown key 'cylce'"),
        ({"budget": None}, "key 'budget' is missing"),
        ({"rows": {"a": {"checkpoint": "nowhere"}}}, "nowhere: no flow checkpoint here"),
        ({"rows": {"a": {"checkpoint": "x", "batch": 3}}}, "'batch' has no effect beside 'checkp"),
        ({"rows": {"a": {}, "b": {"from": "c"}}}, r"rows.b: 'from' names no row .*\(rows: a\)"),
        ({"rows": {"a": {}, "b": {"from": "b"}}}, "rows.b: 'from' names no row"),
        (
            {"rows": {"a": {}, "b": {"from": "a", "batch": 2}}},
            "'batch' has no effect beside 'from'",
        ),
        (
            {"rows": {"a": {}, "b": {"from": "a", "estimator": {"depth": 1}}}},
            "rows.b: needs other weights than 'a' learns",
        ),
        (
            {"rows": {"a": {}, "b": {"from": "a", "estimator": {"preset": "small"}}}},
            "rows.b.estimator: .*single keywords only",
        ),
        (
            {"rows": {"a": {}, "b": {"from": "a", "estimator": {"sigmas": 1}}}},
            "rows.b: estimator .*sigmas",
        ),
        ({"rows": {"identity": {}}}, "'identity' cannot name a row"),
        ({"rows": {"../a": {}}}, "'../a' cannot name a row"),
        ({"rows": {"Own": {}, "own": {}}}, "'Own' and 'own' name the same folder"),
        (
            {"rows": {"a": {}, "b": {"untrained": "c"}}},
            r"rows.b: 'untrained' names no row .*\(rows: a\)",
        ),
        ({"rows": {"a": {}, "b": {"untrained": "a", "batch": 2}}}, "no effect beside 'untrained'"),
        ({"seeds": (1, 1)}, "seeds: each seed once"),
        ({"seeds": (0, 1), "rows": {"a": {"seed": 2}}}, "a: 'seed' has no effect beside 'seeds'"),
        ({"reference": "c"}, r"reference: no row 'c' \(rows: unwarpme, "),
    ],
)
def test_wrong_rows_fail_before_anything_is_trained(
    people: Path, tmp_path: Path, keys: dict[str, Any], words: str
) -> None:
    with pytest.raises(ReidaugError, match=words):
        compare(recipe(people, **keys), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_mappings_of_a_row_are_merged_unless_they_name_a_class() -> None:
    join = compare_config._merge
    assert join({"rate": 1, "warmup": 2}, {"rate": 3}) == {"rate": 3, "warmup": 2}
    assert join({"class": "a:A", "depth": 2}, {"depth": 3}) == {"class": "a:A", "depth": 3}
    assert join({"class": "a:A", "depth": 2}, {"class": "b:B"}) == {"class": "b:B"}
    assert join(None, {"rate": 3}) == {"rate": 3}
    assert join([1, 2], [3]) == [3]


def test_rows_of_several_seeds_have_names_of_their_own(people: Path) -> None:
    rows = {"a": {}, "b": {"from": "a"}, "c": {"untrained": "a"}}
    settings = recipe(people, rows=rows, seeds=(4, 7))
    assert compare_config.seeds_of(settings)["b"] == ["b-seed4", "b-seed7"]
    found = compare_config.with_seeds(settings).rows
    assert found["a-seed7"]["seed"] == 7
    assert (found["b-seed4"], found["c-seed7"]) == ({"from": "a-seed4"}, {"untrained": "a-seed7"})
    alike = recipe(people, rows={"a": {}, "a-seed4": {"checkpoint": "x"}}, seeds=(4,))
    with pytest.raises(UsageError, match="'a-seed4' would be the name of two rows"):
        compare_config.with_seeds(alike)
    kept = recipe(people, rows={"old": {"checkpoint": "x"}, "as": {"from": "old"}}, seeds=(4, 7))
    assert compare_config.seeds_of(kept) == {"old": ["old"], "as": ["as"]}
