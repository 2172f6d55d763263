"""Spoiled files of every kind: they are read, or refused in one line of ours."""

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import environment
from readers import READERS, outcome, spoiled

# What Pillow, h5py and NumPy warn of in damaged files is no error of ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.parametrize("name", list(READERS)),
]
Prepared = tuple[Path, Mapping[str, bytes]]


@pytest.fixture
def prepared(name: str, tmp_path: Path) -> Prepared:
    if name == "MAT" and find_spec("h5py") is None:
        pytest.skip("needs h5py")
    return tmp_path, READERS[name].valid(tmp_path)


def test_valid_files_are_read(name: str, prepared: Prepared) -> None:
    folder, files = prepared
    for file, content in files.items():
        assert outcome(READERS[name], folder / file, content) == "read"


def test_spoiled_files_are_read_or_refused(name: str, prepared: Prepared) -> None:
    folder, files = prepared
    draw = Random(7)
    for _ in range(15):
        file = draw.choice(sorted(files))
        content = spoiled(READERS[name], file, files[file], draw)
        assert outcome(READERS[name], folder / file, content) in ("read", "refused")
        (folder / file).write_bytes(files[file])


@pytest.mark.slow
def test_spoiled_files_are_read_or_refused_for_a_while(name: str, prepared: Prepared) -> None:
    script = Path(__file__).parent / "fuzz.py"
    done = subprocess.run(
        [sys.executable, str(script), name, "--minutes", "0.5", "--seed", "1"],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1])["failures"] == []
