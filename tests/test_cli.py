import subprocess
import sys

import pytest


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
