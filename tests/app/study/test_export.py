"""The export of a study."""

import csv
from pathlib import Path

import pytest
from small_study import write_study

from reidaug.app.study.answers import QUESTIONS
from reidaug.app.study.export import export_study
from reidaug.app.study.schedule import SIDES
from reidaug.errors import UsageError


def test_practice_is_kept_apart_and_the_table_counts_the_rest(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", rounds=4, practice=2, participants=3)
    with study.answers() as kept:
        for one in kept.participants()[:2]:
            for step in range(one.steps - 2 * (one.number == 2)):  # the second one is under way
                shown = kept.round(one, step // len(QUESTIONS))
                kept.answer(one, step, SIDES[shown.right == "unwarpme"])
    text = export_study(study, tmp_path / "out")
    assert "14 answers of 2 participants (1 finished, 3 invited); 8 of practice" in text
    assert text.splitlines()[1].startswith("unwarpme / fomm")
    assert "100.0 / 0.0" in text
    rows = list(csv.DictReader((tmp_path / "out" / "answers.csv").read_text().splitlines()))
    assert len(rows) == 14
    assert {row["preferred"] for row in rows} == {"unwarpme"}
    assert {row["practice"] for row in rows} == {"0"}
    practice = list(csv.DictReader((tmp_path / "out" / "practice.csv").read_text().splitlines()))
    assert len(practice) == 8
    assert all(row["sample"].startswith("practice") for row in practice)
    table = list(csv.DictReader((tmp_path / "out" / "table6.csv").read_text().splitlines()))
    assert sum(int(row["answers"]) for row in table) == 14
    with study.answers() as kept:
        tokens = [one.token for one in kept.participants()]
    everything = text + "".join(p.read_text() for p in (tmp_path / "out").iterdir())
    assert not any(token in everything for token in tokens)
    assert export_study(study, tmp_path / "out") == text


def test_a_file_of_the_users_stays_and_what_a_killed_export_left_is_removed(
    tmp_path: Path,
) -> None:
    study, out = write_study(tmp_path / "study"), tmp_path / "out"
    export_study(study, out)
    (out / ".answers.csv.999999999.part").write_text("part")
    export_study(study, out)
    assert len([*out.iterdir()]) == 3
    (out / "answers.csv").unlink()
    (out / "table6.csv").write_text("mine\n")
    with pytest.raises(UsageError, match=r"table6\.csv: is there already, and no export"):
        export_study(study, out)
    assert {path.name for path in out.iterdir()} == {"practice.csv", "table6.csv"}
    assert (out / "table6.csv").read_text() == "mine\n"
