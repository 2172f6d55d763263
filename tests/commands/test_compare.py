"""The command `reidaug compare`."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from page_reader import check_self_contained
from small_trainings import check_error, comparison

from reidaug.cli import main
from reidaug.commands import compare as command


def test_the_command_line(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], left_pages: None
) -> None:
    path, out = tmp_path / "recipe.yaml", tmp_path / "run"
    path.write_text(yaml.safe_dump(comparison(people, budget=4), sort_keys=False))
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(path), "--set", "rows.fomm.batch=2", "--out", str(out)])
    printed = capsys.readouterr()
    assert ended.value.code == 0, printed.err
    for words in ("l1-norm, 32x16", "against unwarpme", "GMAC", "fomm", "joint_blend"):
        assert words in printed.out
    assert "fomm: 2 steps of 2 pairs" in printed.err
    assert (
        "Differences from unwarpme" in check_self_contained((out / "report.html").read_text()).text
    )
    for wrong, code, words in (
        (["--set", "row.a={}"], 2, "unknown key 'row'"),
        (["--set", "rows.fomm=3"], 2, "'rows.fomm'"),
        (["--set", "reference=nobody", "--out", str(tmp_path / "x")], 2, "no row 'nobody'"),
        (["--out", str(out)], 1, "holds another run"),
    ):
        check_error(capsys, ["compare", str(path), *wrong], code, words)
    help_text = CliRunner().invoke(command.command, ["--help"]).output
    for words in ("--resume", "budget", "checkpoint", "from:"):
        assert words in help_text
    assert "      budget: 20000\n" in help_text  # the recipe keeps its lines
