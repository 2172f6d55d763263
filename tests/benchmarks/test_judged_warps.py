"""Verdicts of people who do not know which flow made a warp."""

import json
from pathlib import Path

import pytest
from judged_warps import count


def test_verdicts_are_counted_for_the_right_dataset(tmp_path: Path) -> None:
    key = {k: {"root": "new" if k % 2 else "old", "source": "a.jpg", "pose": 0} for k in range(4)}
    (tmp_path / "key.json").write_text(json.dumps(key))
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("number,verdict,reason\n0,broken,stripes\n1,good,\n2,usable,folds\n3,good,\n")
    second.write_text(
        "number,verdict,reason\n0,broken,stripes\n1,good,\n2,broken,blur\n3,usable,blur\n"
    )
    found = count(tmp_path, [first, second])
    assert found["warps"] == 2 and found["judges"] == 2 and found["agreement"] == 0.5
    old, new = found["roots"]["old"], found["roots"]["new"]
    assert [old[v] for v in ("good", "usable", "broken")] == [0, 0.25, 0.75]
    assert [new[v] for v in ("good", "usable", "broken")] == [0.75, 0.25, 0]
    assert old["reasons"] == {"stripes": 2, "folds": 1, "blur": 1}
    assert new["by_judge"]["second"] == {"good": 1, "usable": 1, "broken": 0}


def test_another_verdict_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(json.dumps({0: {"root": "a", "source": "a", "pose": 0}}))
    (tmp_path / "x.csv").write_text("number,verdict,reason\n0,nice,\n")
    with pytest.raises(SystemExit, match="0: no verdict 'nice'"):
        count(tmp_path, [tmp_path / "x.csv"])
