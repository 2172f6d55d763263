"""Rows of a comparison and errors in its recipe."""

from pathlib import Path
from typing import Any

import pytest
from small_trainings import compare_recipe as recipe

from reidaug.errors import ReidaugError
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
        ({"rows": {"a": {}, "b": {"from": "c"}}}, r"rows.b: 'from' names no row .*\(a\)"),
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
