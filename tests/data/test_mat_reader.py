"""The reader as the process it is; what it refuses is in test_mat_table.py."""

import io
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from reidaug.data import mat_reader
from reidaug.data.mat_reader import RefusedError, read_table

READER = Path(mat_reader.__file__)


def test_the_array_is_written_as_it_is_stored(tmp_path: Path) -> None:
    table = np.arange(3 * 28, dtype=np.float32).reshape(28, 3)
    with h5py.File(tmp_path / "-a.mat", "w") as file:
        file["pp"] = table
    command = [sys.executable, "-P", READER, "-a.mat", "3", "28"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert np.array_equal(np.load(io.BytesIO(done.stdout)), table)
    assert read_table(os.fspath(tmp_path / "-a.mat"), 3, 28).dtype == np.float64


def test_it_says_why_not_in_a_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["pp"] = np.zeros((3, 28))
    for name, images, line in (
        ("a.mat", "4", "poses of 3 images, but there are 4"),
        ("b.mat", "3", "not readable as HDF5 (MATLAB v7.3) with an array 'pp' of 28 x N numbers"),
    ):
        command = [sys.executable, "-P", READER, name, images, "28"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{line}\n")
    with pytest.raises(RefusedError, match="expected 14 numbers per image"):
        read_table(os.fspath(tmp_path / "a.mat"), 3, 14)
