"""The options of averaging at test time."""

import pytest
from commandline import reidaug

from reidaug.experiments.pose_averaging import Averaging


def test_they_are_for_finished_models_alone(tmp_path, capsys):
    arguments = ("finetune-eval", tmp_path / "none.yaml", "--out", tmp_path / "run")
    assert reidaug(*arguments, "--average-poses", 2) == 2
    assert "--average-poses is for --eval-only" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "value"), [("poses", 0), ("weight", 0), ("weight", -1)])
def test_numbers_that_average_nothing_are_refused(tmp_path, capsys, option, value):
    arguments = ("finetune-eval", tmp_path / "none.yaml", "--eval-only")
    assert reidaug(*arguments, f"--average-{option}", value) == 2
    assert f"--average-{option}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"), [("weight", 0.5), ("flow", "identity"), ("background", "grey")]
)
def test_they_say_nothing_without_poses(tmp_path, capsys, option, value):
    arguments = ("finetune-eval", tmp_path / "none.yaml", "--eval-only")
    assert reidaug(*arguments, f"--average-{option}", value) == 2
    assert f"--average-{option} needs --average-poses K" in capsys.readouterr().err


def test_the_defaults_are_those_of_the_library(capsys):
    assert reidaug("finetune-eval", "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"[default: {Averaging(1).weight}; 0<x<=" in shown
    assert f"on K grounds. [default: {Averaging(1).flow}]" in shown
    assert f"of other crops. [default: {Averaging(1).background}]" in shown
