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
