import lzma
import os
import subprocess
import sys
from base64 import b85decode
from pathlib import Path

import h5py
import numpy as np
import pytest

from reidaug.data.mat_table import read_mat_table
from reidaug.errors import ReidaugError

# A file with changed bytes, packed, on which HDF5's library of 2026 reads beyond its memory.
CRASHING = (
    "T>t<81poj4|NsC0{{Tdi1cYyTdv{92W>0Dz4{~W97|b6VWbFxg)zF=nHCVvNm5JeTd!1Yb=x@yk{E~rx`8Fr-"
    "l@#~wTkcEpA(Aw;JKQ&p$;j}3TEjOl0vwHhQ`B~Yk{*kdPl#pfGR7{@!=`$J@Nu1G^rT7rNsCtHU<>>X0&Yf#3myon"
    "ctBU1>eB<v^M;j#Zc;l5(rN88OW-q0=HFid2c{9rXmWYMJADrIf@eD*0SgzcmU(pP$i$zW%FcOsc6R1Hom~8p=se-"
    "8?yNOIYbVde4JhHY3h(jFGKrWNlUABv-GG2S$PS^GI=mZ+Pr$i}F23x`cgRW(kIFki*-"
    "(IY1W+OEhKxG_4>qBqo2(vEL;psXAjm}ufKH(C4>ZPtbj)+1YwStDu}i#UgvVUG-"
    "wlX#8-)gY%JRSaiAKVw?7JLWi^G)$x2G^%_^V~yV2y$|+ZJ0Zt>1vhAuoi-q@vBybNx3cF60pg=-Pc!I{*LbebBK"
)
TABLE = np.arange(3 * 28, dtype=np.float64).reshape(3, 28)


@pytest.mark.parametrize("kind", ["f8", "f4", "i4", "u2"])
@pytest.mark.parametrize("turned", [False, True])
def test_both_orders_and_all_plain_numbers_are_read(
    tmp_path: Path, kind: str, turned: bool
) -> None:
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["pp"] = (TABLE.T if turned else TABLE).astype(kind)
    assert np.array_equal(read_mat_table(tmp_path / "a.mat", 3), TABLE)


def test_as_many_images_as_numbers_are_read_by_rows(tmp_path: Path) -> None:
    square = np.arange(28.0 * 28).reshape(28, 28)
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["pp"] = square
    assert np.array_equal(read_mat_table(tmp_path / "a.mat", 28), square)


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_that_claims_gigabytes_is_refused_unread(tmp_path: Path, packed: bool) -> None:
    options = {"chunks": (1024, 28), "compression": "gzip"} if packed else {}
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file.create_dataset("pp", shape=(10**12, 28), dtype="f8", **options)
    assert (tmp_path / "a.mat").stat().st_size < 2**16
    with pytest.raises(ReidaugError, match="poses of 1,000,000,000,000 images, but there are 4"):
        read_mat_table(tmp_path / "a.mat", 4)


@pytest.mark.parametrize("kind", ["S1000000", "complex128", [("a", "f8"), ("b", "f8")]])
def test_elements_that_are_no_numbers_are_refused(tmp_path: Path, kind: object) -> None:
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file.create_dataset("pp", shape=(3, 28), dtype=kind, chunks=(1, 28))
    with pytest.raises(ReidaugError, match="not readable as HDF5"):
        read_mat_table(tmp_path / "a.mat", 3)


def test_a_chunk_of_gigabytes_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file.create_dataset(
            "pp", (3, 28), "f8", chunks=(10**7, 28), maxshape=(None, 28), compression="gzip"
        )
    with pytest.raises(ReidaugError, match="not readable as HDF5"):
        read_mat_table(tmp_path / "a.mat", 3)


def test_nothing_outside_the_file_is_opened(tmp_path: Path) -> None:
    """Each of these leads to a pipe, where reading would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(tmp_path / "external.mat", "w") as file:
        file["pp"] = h5py.ExternalLink("pipe", "pp")
    with h5py.File(tmp_path / "soft.mat", "w") as file:
        file["away"] = h5py.ExternalLink("pipe", "/")
        file["pp"] = h5py.SoftLink("/away/pp")
    with h5py.File(tmp_path / "storage.mat", "w") as file:
        file.create_dataset("pp", (3, 28), "f8", external=[("pipe", 0, 3 * 28 * 8)])
    with h5py.File(tmp_path / "virtual.mat", "w") as file:
        layout = h5py.VirtualLayout((3, 28), "f8")
        layout[:] = h5py.VirtualSource("pipe", "pp", (3, 28))
        file.create_virtual_dataset("pp", layout)
    code = """
import sys
from pathlib import Path
from reidaug.data.mat_table import read_mat_table
for name in sys.argv[1:]:
    try:
        print(read_mat_table(Path(name), 3))
    except Exception as error:
        print(error)
"""
    names = ["external.mat", "soft.mat", "storage.mat", "virtual.mat", "pipe", "none.mat"]
    done = subprocess.run(
        [sys.executable, "-c", code, *names], cwd=tmp_path, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "external.mat: 'pp' is a link to another place; store the array",
        "soft.mat: 'pp' is a link to another place; store the array",
        "storage.mat: the numbers of 'pp' are in other files; store them in it",
        "virtual.mat: the numbers of 'pp' are in other files; store them in it",
        "pipe: is a named pipe; only regular files are read",
        "none.mat: no such file",
    ]


def test_a_file_on_which_the_library_crashes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(lzma.decompress(b85decode(CRASHING)))
    with pytest.raises(ReidaugError, match=r"a\.mat: (damaged: HDF5's library|not readable)"):
        read_mat_table(tmp_path / "a.mat", 4)
