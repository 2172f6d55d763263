"""Spoiled files of every kind: they are read, or refused in one line of ours."""

import sys
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from fuzz import fuzz
from readers import READERS, outcome, spoiled

# What Pillow, h5py and NumPy warn of in damaged files is no error of ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.parametrize("name", list(READERS)),
]


@pytest.fixture
def prepared(name: str, tmp_path_factory: pytest.TempPathFactory):
    if name == "MAT" and find_spec("h5py") is None:
        pytest.skip("needs h5py")
    folder = tmp_path_factory.mktemp("valid")
    return folder, READERS[name].valid(folder)


def test_valid_files_are_read(name: str, prepared) -> None:
    folder, files = prepared
    for file, content in files.items():
        assert outcome(READERS[name], folder / file, content) == "read"


@settings(max_examples=15)
@given(draw=st.randoms(use_true_random=False), number=st.integers(0, 99))
def test_spoiled_files_are_read_or_refused(name: str, prepared, draw: Random, number: int) -> None:
    folder, files = prepared
    file = sorted(files)[number % len(files)]
    try:
        content = spoiled(READERS[name], file, files[file], draw)
        assert outcome(READERS[name], folder / file, content) in ("read", "refused")
    finally:
        (folder / file).write_bytes(files[file])


@pytest.mark.slow
def test_spoiled_files_are_read_or_refused_for_a_while(name: str, prepared) -> None:
    folder, _ = prepared
    assert fuzz(name, folder, minutes=0.5, seed=1, keep=None)["failures"] == []
