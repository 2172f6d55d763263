import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from reidaug import cli


def test_the_command_line_answers_without_heavy_imports() -> None:
    code = (
        "import sys, reidaug.cli\n"
        "try: reidaug.cli.main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nonsense"], 2, "No such command 'nonsense'"),
        (["augment"], 2, "Missing argument"),
        (["train-flow", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["finetune-eval", "nowhere.yaml"], 2, "nowhere.yaml"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], code: int, says: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "reidaug", *arguments], capture_output=True, text=True, check=False
    )
    assert ran.returncode == code
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_file_that_ends_early_is_no_interruption(capsys, monkeypatch) -> None:
    @click.command()
    def read() -> None:
        raise EOFError("no data left in file")

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: read)
    with pytest.raises(SystemExit) as stop:
        cli.main(["augment"])
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert "a file is shorter than it should be (no data left in file)" in error
    assert "interrupted" not in error


@pytest.mark.parametrize("kind", [ImportError, SystemError, OSError])
def test_an_interruption_that_a_library_made_an_error_of_is_one_line(
    kind: type[Exception], capsys, monkeypatch
) -> None:
    @click.command()
    def read() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise kind("import failed") from error

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: read)
    with pytest.raises(SystemExit) as stop:
        cli.main(["augment"])
    assert stop.value.code == 130
    assert capsys.readouterr().err.startswith("reidaug: interrupted; run the same command again")


def test_a_file_of_the_current_folder_is_no_module_of_the_start(tmp_path: Path) -> None:
    for name in ("pathlib", "signal", "threading", "click", "contextlib"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    ran = subprocess.run(
        [sys.executable, "-m", "reidaug", "--version"], capture_output=True, text=True, check=False,
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
    )  # fmt: skip
    assert ran.stdout.startswith("reidaug, version"), ran.stderr
