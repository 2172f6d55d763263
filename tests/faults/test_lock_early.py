"""Another run is told before the inputs are read: they may take hours to prepare."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from commandline import reidaug

from reidaug import locks

HOLDER = """
import sys
from pathlib import Path
from reidaug.locks import lock
out = Path(sys.argv[1])
held = lock(out / ".lock", of=out)
print("held", flush=True)
sys.stdin.read()
"""
SUPERVISED = {"dataset": "nowhere", "checkpoint": "nowhere.pth"}
UDA = {
    "protocol": "uda",
    "arms": {"dgnetpp": None},
    "dataset": "nowhere",
    "source": "nowhere",
    "preset": "small",
}


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder at which another process is at work."""
    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.setattr(locks, "PATIENCE", 0.2)
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield folder
        holder.communicate()


@pytest.mark.parametrize(
    ("command", "recipe"),
    [
        (("augment", "nowhere"), None),
        (("pairs", "nowhere"), None),
        (("finetune-eval", "recipe.yaml"), SUPERVISED),
        (("finetune-eval", "recipe.yaml", "--eval-only"), SUPERVISED),
        (("finetune-eval", "recipe.yaml"), UDA),
        (("synth", "market", "--people", "2"), None),
    ],
)
def test_the_lock_is_seen_before_the_inputs(
    out: Path, command: tuple[str, ...], recipe: dict[str, object] | None, capfd
) -> None:
    if recipe is not None:
        Path("recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert reidaug(*command, "--out", out) == 1
    assert "another run is at work on it (process " in capfd.readouterr().err
    assert [path.name for path in out.iterdir()] == [".lock"]
