import subprocess
import sys

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
