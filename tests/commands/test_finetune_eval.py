"""`reidaug finetune-eval` on the command line."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from page_reader import check_self_contained
from small_experiment import draw_roots, recipe

from reidaug.commands.finetune_eval import command
from reidaug.commands.pages import pages_wanted
from reidaug.errors import UsageError
from reidaug.experiments.finetune import dry_run
from reidaug.experiments.finetune_config import START


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return draw_roots(tmp_path_factory.mktemp("reid"))


def write(root: Path, folder: Path, **changes) -> str:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(root, **changes).model_dump(mode="json")))
    return str(path)


@pytest.fixture(scope="module")
def run(root):
    """One run, and what it printed."""
    folder = root / "run"
    arguments = [write(root, root), "--out", str(folder), "--workers", "1"]
    with pages_wanted(True):
        result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return folder, result.output


def test_a_table_and_sentences_are_printed(run):
    assert "| warps_grey" in run[1]
    assert "warps_grey against real_only: " in run[1]
    page = run[0] / "report.html"
    assert run[1].endswith(f"page: {page}\n")
    assert "UnWarpME warps against every other arm" in check_self_contained(page.read_text()).text


def test_a_dry_run_trains_every_arm_and_keeps_nothing(root, tmp_path):
    out = tmp_path / "run"
    result = CliRunner().invoke(
        command, [write(root, tmp_path), "--out", str(out), "--dry-run"], catch_exceptions=False
    )
    for part in ("3 arms x 2 seeds", "4 steps", "24 crops of 6 people"):
        assert part in result.output
    assert not out.exists()
    with pytest.raises(UsageError, match="no backbone"):
        dry_run(recipe(root, backbone="resnet19"))


def test_eval_only_scores_the_start_as_training_did(root, run, tmp_path, left_pages):
    start = run[0] / "checkpoints" / f"{START}-seed0.safetensors"
    arguments = [
        write(root, tmp_path),
        *("--set", f"checkpoint={start}"),
        *("--eval-only", "--out", str(tmp_path / "run")),
    ]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    lines = result.stdout.splitlines()
    reader = check_self_contained((tmp_path / "run" / "report.html").read_text())
    assert "Ranked results" in reader.text
    block = lines.index("** Results **")
    report = json.loads((run[0] / "report.json").read_text())
    assert lines[block + 1] == f"mAP: {report['start']['mAP'][0]:.1f}%"
    assert [line[:9] for line in lines[block + 3 : block + 7]] == [
        "Rank-1  :", "Rank-5  :", "Rank-10 :", "Rank-20 :",
    ]  # fmt: skip


def test_eval_only_needs_a_checkpoint(root, tmp_path):
    result = CliRunner().invoke(
        command, [write(root, tmp_path), "--eval-only", "--out", str(tmp_path / "run")]
    )
    assert isinstance(result.exception, UsageError)
    assert "checkpoint" in str(result.exception)
