import json
import shutil
from pathlib import Path

import pytest

from reidaug.errors import ReidaugError
from reidaug.files import write_atomically
from reidaug.fingerprint import Inputs
from reidaug.kept_recipe import COPY
from reidaug.runs import RunFolder, counter, progress, stored_recipe

RECIPE = {"command": "train-flow", "steps": 3}


def test_a_new_folder_holds_its_recipe(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path / "a" / "b", RECIPE, resume=False)
    assert not run.resumed
    assert (run.path / "recipe.yaml").read_text() == "command: train-flow\nsteps: 3\n"
    assert run.finished() is None
    assert run.records() == []


def test_the_same_run_goes_on_only_when_asked(tmp_path: Path) -> None:
    RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    assert RunFolder.open(tmp_path / "a", RECIPE, resume=True).resumed
    with pytest.raises(ReidaugError, match="--resume"):
        RunFolder.open(tmp_path / "a", RECIPE, resume=False)


def test_another_run_is_left_alone(tmp_path: Path) -> None:
    RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    with pytest.raises(ReidaugError, match="another run"):
        RunFolder.open(tmp_path / "a", {**RECIPE, "steps": 4}, resume=True)
    assert (tmp_path / "a" / "recipe.yaml").read_text() == "command: train-flow\nsteps: 3\n"


def test_a_note_in_a_recipe_changes_nothing(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    run.report({"loss": 1.0})
    noted = "# the one with the good seed\ncommand: train-flow\nsteps: 3\n"
    (run.path / "recipe.yaml").write_text(noted)
    assert RunFolder.open(tmp_path / "a", RECIPE, resume=True).finished() == {"loss": 1.0}
    assert (run.path / "recipe.yaml").read_text() == noted


def test_a_run_grows_where_it_may(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    run.report({"loss": 1.0})
    more = {**RECIPE, "steps": 4}

    def longer(begun, wanted):
        return begun["steps"] <= wanted["steps"]

    with pytest.raises(ReidaugError, match="--resume"):
        RunFolder.open(tmp_path / "a", more, resume=False, grows=longer)
    assert run.finished() is not None
    grown = RunFolder.open(tmp_path / "a", more, resume=True, grows=longer)
    assert grown.resumed
    assert grown.finished() is None
    with pytest.raises(ReidaugError, match="another run"):
        RunFolder.open(tmp_path / "a", RECIPE, resume=True, grows=longer)


DAMAGED = ["steps: [", "no mapping", "", "command: train-flow\n", None]


def spoil(path: Path, text: str | None) -> None:
    """Replace a file's content; None: remove it."""
    if text is None:
        path.unlink()
    else:
        path.write_text(text)


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_recipe_is_made_again_by_the_run_that_it_is_of(
    tmp_path: Path, text: str | None, capsys
) -> None:
    run = RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    (run.path / "work").write_text("of hours")
    before = (run.path / "recipe.yaml").read_bytes()
    spoil(run.path / "recipe.yaml", text)
    assert RunFolder.open(tmp_path / "a", RECIPE, resume=True).resumed
    assert (run.path / "recipe.yaml").read_bytes() == before
    assert "recipe.yaml is missing or damaged; it is made again" in capsys.readouterr().err
    spoil(run.path / "recipe.yaml", text)
    with pytest.raises(ReidaugError, match=r"is damaged, and no longer tells|holds another run"):
        RunFolder.open(tmp_path / "a", {**RECIPE, "steps": 4}, resume=True)
    assert (run.path / "work").exists()


@pytest.mark.parametrize("text", ["command: train-f", ""])
def test_a_damaged_recipe_without_checksum_is_told_unless_nothing_was_done(
    tmp_path: Path, text: str
) -> None:
    for done in (False, True):
        run = RunFolder.open(tmp_path / "a", RECIPE, resume=True)
        spoil(run.path / "recipe.yaml", text)
        spoil(run.path / "checksums.json", "{")
        spoil(run.path / COPY, text)
        if done:
            (run.path / "work").write_text("of hours")
    with pytest.raises(ReidaugError, match=r"no longer tells whose run|holds another run"):
        RunFolder.open(tmp_path / "a", RECIPE, resume=True)


@pytest.mark.parametrize("text", [None, "", "{"])
def test_a_run_that_lost_its_recipe_and_checksums_goes_on(
    tmp_path: Path, text: str | None, capsys
) -> None:
    run = RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    run.report({"mAP": 1.0})
    lost = [run.path / "recipe.yaml", run.path / "checksums.json"]
    before = lost[0].read_bytes()
    for file in lost:
        spoil(file, text)
    with pytest.raises(ReidaugError, match=r"is damaged, and no longer tells|holds another run"):
        RunFolder.open(tmp_path / "a", {**RECIPE, "steps": 4}, resume=True)
    assert RunFolder.open(tmp_path / "a", RECIPE, resume=True).resumed
    assert lost[0].read_bytes() == before
    assert "recipe.yaml is missing or damaged; it is made again" in capsys.readouterr().err


def test_a_folder_that_lost_all_that_tells_whose_it_is_says_what_to_do(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    kept = (run.path / "recipe.yaml").read_bytes()
    for name in ("recipe.yaml", "checksums.json", COPY):
        (run.path / name).unlink()
    (run.path / "checkpoint").mkdir()
    with pytest.raises(ReidaugError, match=r"holds no run \(checkpoint\); .* put recipe.yaml back"):
        RunFolder.open(tmp_path / "a", RECIPE, resume=True)
    (run.path / "recipe.yaml").write_bytes(kept)
    assert RunFolder.open(tmp_path / "a", RECIPE, resume=True).resumed


def test_a_run_goes_on_with_files_that_were_moved(tmp_path: Path, capsys) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    (data / "a.jpg").write_text("image")

    def opened(*, resume: bool = True, **changes: object) -> RunFolder:
        inputs, recipe = Inputs(run), {**RECIPE, "dataset": str(data), **changes}
        inputs.add("images", data.glob("*.jpg"))
        folder = RunFolder.open(run, recipe, resume=resume, inputs=inputs, places=("dataset",))
        inputs.save()
        return folder

    opened().report({"mAP": 1.0})
    data = data.rename(tmp_path / "renamed")
    assert opened().finished() == {"mAP": 1.0}
    assert stored_recipe(run)["dataset"] == str(data)
    assert f"dataset was {tmp_path / 'data'} and is {data} now" in capsys.readouterr().err
    data = data.rename(tmp_path / "again")
    (data / "a.jpg").write_text("another image")
    for resume in (True, False):  # no advice to resume what would not be resumed
        with pytest.raises(ReidaugError, match=r"holds another run: dataset was .* 1 changed"):
            opened(resume=resume)
    (data / "a.jpg").write_text("image")
    with pytest.raises(ReidaugError, match=r"holds another run; .* \(other: steps\)"):
        opened(steps=4)
    assert stored_recipe(run)["dataset"] == str(tmp_path / "renamed")


def test_a_run_copied_without_hidden_files_is_told(tmp_path: Path, capsys) -> None:
    run = RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    run.renew(Inputs(run.path))
    run.report({"mAP": 1.0})
    shutil.rmtree(run.path / ".inputs")
    again = RunFolder.open(tmp_path / "a", RECIPE, resume=True)
    again.renew(Inputs(run.path))
    assert ".inputs is missing, as in a copy without hidden files" in capsys.readouterr().err
    assert again.finished() is None
    again.renew(Inputs(run.path))
    assert not capsys.readouterr().err


def test_a_file_of_the_users_is_no_damaged_recipe(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("years of work")
    with pytest.raises(ReidaugError, match="no longer tells whose run this is; put it back"):
        RunFolder.open(tmp_path, RECIPE, resume=True)
    assert (tmp_path / "recipe.yaml").read_text() == "years of work"


@pytest.mark.parametrize("name", [".recipe.yaml.123.part", ".checksums.json.9.part", ".lock"])
def test_a_run_killed_while_its_first_file_was_written_begins_anew(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / name).write_text("comm")
    run = RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    assert not run.resumed
    names = {path.name for path in run.path.iterdir()}
    assert names == {".lock", "recipe.yaml", "checksums.json", COPY}


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"mAP": 2.0}', None])
@pytest.mark.parametrize("name", ["report.json", "cmc.png", "deep/x"])
def test_a_finished_run_of_damaged_files_is_not_finished(
    tmp_path: Path, name: str, text: str | None, capsys
) -> None:
    run = RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    (run.path / "deep").mkdir()
    files = [run.path / "cmc.png", run.path / "deep" / "x"]
    for file in files:
        file.write_text("content")
    run.report({"mAP": 1.0}, files)
    assert run.finished() == {"mAP": 1.0}
    spoil(run.path / name, text)
    assert run.finished() is None
    if name != "report.json" or text is not None:  # without a report it is an unfinished run
        assert f"{name} is " in capsys.readouterr().err
    assert RunFolder.open(tmp_path / "a", RECIPE, resume=True).resumed


@pytest.mark.parametrize("text", ["", "{", '{"sha256":"0","value":{"report.json":"0"}}', None])
def test_a_run_of_damaged_checksums_is_not_finished(
    tmp_path: Path, text: str | None, capsys
) -> None:
    """Without any, it is one of an earlier version."""
    run = RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    run.report({"mAP": 1.0})
    spoil(run.path / "checksums.json", text)
    again = RunFolder.open(tmp_path / "a", RECIPE, resume=True)
    assert again.finished() == (None if text is not None else {"mAP": 1.0})
    assert ("checksums.json is damaged" in capsys.readouterr().err) == (text is not None)
    again.report({"mAP": 1.0})
    assert again.finished() == {"mAP": 1.0}


def test_a_damaged_log_loses_no_more_than_its_damaged_lines(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    content = b'{"step": 1}\n\xff\xfe\x00\n5\n[1]\n{"step": 2}\n{"st'
    (run.path / "log.jsonl").write_bytes(content)
    assert run.records() == [{"step": 1}, {"step": 2}]
    run.rewind(lambda record: record["step"] < 2)
    assert run.records() == [{"step": 1}]


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ReidaugError, match="not empty"):
        RunFolder.open(tmp_path, RECIPE, resume=True)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ReidaugError, match="is a file"):
        RunFolder.open(tmp_path / "out", RECIPE, resume=False)


def test_a_link_to_nothing_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to("gone")
    with pytest.raises(ReidaugError, match=r"run is a link to gone, which is not there; name"):
        RunFolder.open(tmp_path / "run", {"command": "c"}, resume=False)
    assert not (tmp_path / "gone").exists()


def test_a_log_line_cut_off_is_left_out(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    run.log(step=1, loss=0.5)
    with (run.path / "log.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    assert run.records() == [{"step": 1, "loss": 0.5}]


def test_reports_and_logs_are_json_whatever_the_numbers(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path / "run", {"command": "x"}, resume=False)
    numbers = {"mAP": float("nan"), "rows": [float("inf"), (1.5, -float("inf"))], "n": 3}
    run.report({"a": numbers})
    run.log(**numbers)
    plain = {"mAP": None, "rows": [None, [1.5, None]], "n": 3}
    assert run.finished() == {"a": plain}
    assert run.records() == [plain]
    for file in ("report.json", "log.jsonl"):
        text = (run.path / file).read_text()
        assert "NaN" not in text
        assert "Infinity" not in text


def test_the_report_says_the_run_is_complete(tmp_path: Path) -> None:
    run = RunFolder.open(tmp_path / "a", RECIPE, resume=False)
    path = run.report({"mAP": 1.0})
    assert json.loads(path.read_text()) == {"mAP": 1.0} == run.finished()


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "x").write_text("")
    with pytest.raises(OSError):
        write_atomically(target, b"bytes")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_progress_speaks_in_plain_lines_off_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(progress(range(3), total=3, what="warping", unit="image")) == [0, 1, 2]
    with counter(total=5, what="rendering") as advance:
        advance(5)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("warping: 3/3 (")
    assert lines[1].startswith("rendering: 5/5 (")


def test_a_stored_recipe_is_read_or_empty(tmp_path: Path) -> None:
    RunFolder.open(tmp_path / "run", {"command": "c", "k": [1]}, resume=False)
    assert stored_recipe(tmp_path / "run") == {"command": "c", "k": [1]}
    assert stored_recipe(tmp_path / "gone") == {}
    for damaged in ("{", "- 1"):
        (tmp_path / "run" / "recipe.yaml").write_text(damaged)
        assert stored_recipe(tmp_path / "run") == {}


def test_a_run_of_changed_inputs_is_not_complete(tmp_path: Path, capsys) -> None:
    image, out = tmp_path / "a.jpg", tmp_path / "run"

    def opened() -> RunFolder:
        run, inputs = RunFolder.open(out, {"command": "x"}, resume=True), Inputs(out)
        inputs.add("images", [image])
        run.renew(inputs)
        return run

    image.write_text("one")
    opened().report({"mAP": 1.0})
    assert opened().finished() == {"mAP": 1.0}
    assert capsys.readouterr().err == ""
    image.write_text("two")
    assert opened().finished() is None
    assert capsys.readouterr().err == (
        f"{out}: images: 1 changed (a.jpg); what depends on it is made again\n"
    )
    assert opened().finished() is None  # also the next time, until it is
    assert capsys.readouterr().err == ""
