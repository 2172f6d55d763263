"""The command `reidaug compare`."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from flow_figures import SIZE
from small_pairs import write_pairs

from reidaug.cli import main
from reidaug.commands import compare as command

ESTIMATOR = {
    "class": "reidaug.flow.unwarpme:UnWarpME",
    "canvas": [32, 16],
    "sigma": 1.5,
    "widths": [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8],
    "head_widths": [8, 8, 8, 8, 8],
    "first_kernel": 1,
}


ROWS: dict[str, Any] = {
    "unwarpme": {},
    "gfla32": {"from": "unwarpme", "estimator": {"sigma": 3.0}},
    "fomm": {"estimator": {"depth": 2}, "batch": 3, "schedule": {"rate": 2e-3}},
}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("people") / "pairs")


def values(people: Path, **keys: Any) -> dict[str, Any]:
    return {
        "pairs": str(people),
        "size": list(SIZE),
        "budget": 10,
        "stlpips": [],
        "common": {
            "cycle": ["exact+reconstruction", "affine"],
            "schedule": {"rate": 1e-3, "warmup": 1},
            "batch": 4,
            "save_every": 1,
            "precision": "float32",
            "estimator": ESTIMATOR,
        },
        "rows": ROWS,
        **keys,
    }


def test_the_command_line(people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "recipe.yaml", tmp_path / "run"
    path.write_text(yaml.safe_dump(values(people, budget=4), sort_keys=False))
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(path), "--set", "rows.fomm.batch=2", "--out", str(out)])
    printed = capsys.readouterr()
    assert ended.value.code == 0, printed.err
    for words in ("l1-norm, 32x16", "against unwarpme", "GMAC", "fomm", "joint_blend"):
        assert words in printed.out
    assert "fomm: 2 steps of 2 pairs" in printed.err
    for wrong, code, words in (
        (["--set", "row.a={}"], 2, "unknown key 'row'"),
        (["--set", "rows.fomm=3"], 2, "'rows.fomm'"),
        (["--set", "reference=nobody", "--out", str(tmp_path / "x")], 2, "no row 'nobody'"),
        (["--out", str(out)], 1, "holds another run"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["compare", str(path), *wrong])
        settings = capsys.readouterr().err
        assert ended.value.code == code, settings
        assert words in settings
        assert settings.count("\n") == 1
    help_text = CliRunner().invoke(command.command, ["--help"]).output
    for words in ("--resume", "budget", "checkpoint", "from:"):
        assert words in help_text
    assert "      budget: 20000\n" in help_text  # the recipe keeps its lines
