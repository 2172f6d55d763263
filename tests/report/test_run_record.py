import json
from pathlib import Path

import pytest
from small_runs import write_run

from reidaug.errors import ReidaugError
from reidaug.report.run_record import read_run


def test_a_run_is_read_with_its_recipe_its_report_and_its_log(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", "synth pairs", {"crops": 1}, [{"persons": 2}])
    record = read_run(folder)
    assert (record.kind, record.finished, record.report) == ("synth pairs", True, {"crops": 1})
    assert record.recipe["seed"] == 0
    assert list(record.log) == [{"persons": 2}]
    assert read_run(write_run(tmp_path / "b", "compare", None)).finished is False


def test_options_are_no_part_of_the_kind(tmp_path: Path) -> None:
    command = "finetune-eval --eval-only --rerank gnn"
    record = read_run(write_run(tmp_path / "a", command, {"x": 1}))
    assert (record.kind, record.command) == ("finetune-eval --eval-only", command)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("report.json", "{", "is not as it was written"),
        ("recipe.yaml", "- 1", "recipe.yaml"),
        ("recipe.yaml", "", "recipe.yaml is damaged"),
        ("recipe.yaml", "steps: 3", "recipe.yaml in it is that of no run; name the folder"),
        ("contact_sheet.png", "x", None),
    ],
)
def test_damage_is_one_line(tmp_path: Path, name: str, text: str, told: str | None) -> None:
    folder = write_run(tmp_path / "a", "pairs", {"pairs": 1})
    (folder / name).write_text(text)
    if told is None:  # of no run
        assert read_run(folder).finished
        return
    with pytest.raises(ReidaugError, match=told) as error:
        read_run(folder)
    assert "\n" not in str(error.value)


def test_what_is_no_run_is_one_line(tmp_path: Path) -> None:
    other, empty = tmp_path / "other.json", tmp_path / "empty"
    other.write_text(json.dumps({"a": 1}))
    empty.mkdir()
    csv = tmp_path / "joints.csv"
    csv.write_text("")
    for path, told in (
        (tmp_path / "gone", "there is no such run"),
        (other, "no report of a command"),
        (empty, "has no recipe.yaml; name the folder"),
        (csv, "no joints.report.json is beside it"),
    ):
        with pytest.raises(ReidaugError, match=told):
            read_run(path)
