"""The command `reidaug train-flow` and its recipe files."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from small_trainings import check_error
from small_trainings import train_recipe as recipe

from reidaug.cli import main
from reidaug.commands import train_flow
from reidaug.flow.checkpoint import build_estimator
from reidaug.flow.training.recipe import TrainFlow
from reidaug.recipes import load


def test_the_command_line(people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe(people).model_dump_json())
    out = tmp_path / "run"
    with pytest.raises(SystemExit) as ended:
        main(["train-flow", str(path), "--set", "schedule.steps=2", "--out", str(out)])
    assert ended.value.code == 0
    assert "torso_affine" in capsys.readouterr().out
    for wrong, code, words in (
        (["--set", "sched.steps=2"], 2, "unknown key 'sched'"),
        (["--set", "schedule.stps=2"], 2, "stps"),
        (["--set", "batch=0"], 2, "'batch'"),
        (["--set", f"pairs={tmp_path}", "--out", str(tmp_path / "x")], 1, "no folder train"),
        (["--out", str(out)], 1, "holds another run"),
        (["--out", str(path)], 1, "is a file"),
    ):
        check_error(capsys, ["train-flow", str(path), *wrong], code, words)
    help_text = CliRunner().invoke(train_flow.command, ["--help"]).output
    assert "--resume" in help_text


@pytest.mark.parametrize("name", ["demo", "market1501", "deepfashion"])
def test_recipe_files_can_be_built(name: str) -> None:
    path = Path(__file__).parents[2] / "recipes" / name / "train_flow.yaml"
    lines = path.read_text().splitlines()
    assert len(lines) <= 40
    assert lines[0].startswith("# reidaug train-flow recipes/")
    error = load(path, TrainFlow)
    assert build_estimator(error.estimator).grid[0] > 0  # type: ignore[union-attr]
