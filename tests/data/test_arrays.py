import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from reidaug.data.arrays import read_arrays, write_arrays
from reidaug.errors import ReidaugError


def test_arrays_come_back_and_the_same_ones_are_the_same_bytes(tmp_path):
    arrays = {"one": np.arange(6, dtype=np.float16).reshape(2, 3), "two": np.array([True])}
    write_arrays(tmp_path / "a.npz", arrays)
    write_arrays(tmp_path / "b.npz", arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = read_arrays(tmp_path / "a.npz", ("one", "two"))
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
    assert found["one"].dtype == np.float16


@pytest.mark.parametrize("content", [None, b"", b"PK nothing"])
def test_what_is_no_file_of_arrays_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "c.npz"
    words = "no such file"
    if content is not None:
        path.write_bytes(content)
        words = "not readable as named arrays"
    with pytest.raises(ReidaugError, match=words):
        read_arrays(path, ("one",))


def test_a_missing_array_is_told(tmp_path):
    write_arrays(tmp_path / "a.npz", {"one": np.zeros(2)})
    with pytest.raises(ReidaugError, match=r"a\.npz: not readable as a flow"):
        read_arrays(tmp_path / "a.npz", ("two",), what="a flow")


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flow.npy", bytes(300 * 2**20))
    assert (tmp_path / "a.npz").stat().st_size < 2**20
    with pytest.raises(ReidaugError, match="not read, for it unpacks to over 256 MiB"):
        read_arrays(tmp_path / "a.npz", ["flow"])


def test_a_header_that_claims_terabytes_is_damage(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**14,)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("flow.npy", header.getvalue() + bytes(64))
    with pytest.raises(ReidaugError, match="not readable as named arrays"):
        read_arrays(tmp_path / "a.npz", ["flow"])


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", flow=np.array([{}], dtype=object))
    with pytest.raises(ReidaugError, match="not readable as named arrays"):
        read_arrays(tmp_path / "a.npz", ["flow"])


def test_a_pipe_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(ReidaugError, match="is a named pipe"):
        read_arrays(tmp_path / "a.npz", ["flow"])


def test_what_is_no_array_is_a_damaged_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("flow.npy", b"NUMPY, but not quite")
    with pytest.raises(ReidaugError, match=r"a\.npz: not readable"):
        read_arrays(tmp_path / "a.npz", ("flow",))
