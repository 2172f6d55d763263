"""Files of named arrays: NumPy's ``.npz``, compressed, the same bytes for the same arrays."""

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidaug.errors import ReidaugError
from reidaug.files import check_regular, write_atomically

MOST_BYTES = 2**28
"""Limit of the arrays that are read: those of an image or a person are far smaller."""


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays into a file of an existing folder."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            # Unlike numpy.savez, a ZipInfo has a constant date.
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content.getvalue())
    write_atomically(path, stream.getvalue())


def read_arrays(
    path: Path, names: Sequence[str], *, what: str = "named arrays"
) -> dict[str, NDArray[Any]]:
    """Read arrays by their names.

    Args:
        path: The file.
        names: Names of the arrays.
        what: What the file should hold, for the error.

    Raises:
        ReidaugError: The file is missing, damaged, no regular file or too large, or lacks an array.
    """
    if not path.exists():
        raise ReidaugError(f"{path}: no such file; it should hold {what}")
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(archive.getinfo(f"{name}.npy").file_size for name in names) > MOST_BYTES:
                raise ReidaugError(
                    f"{path}: not read, for it unpacks to over {MOST_BYTES >> 20} MiB"
                )
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in names}
        if not all(isinstance(array, np.ndarray) for array in found.values()):
            raise ValueError  # NumPy gives the bytes of what is no array
        return found
    except (
        OSError, ValueError, TypeError, KeyError, EOFError, MemoryError, RuntimeError,
        NotImplementedError, zipfile.BadZipFile, zlib.error,
    ):  # fmt: skip
        raise ReidaugError(f"{path}: not readable as {what}") from None
