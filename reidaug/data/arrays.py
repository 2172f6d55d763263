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
from reidaug.files import write_atomically


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
        ReidaugError: The file is missing or damaged, or has no such array.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes())) as arrays:
            return {name: arrays[name] for name in names}
    except FileNotFoundError:
        raise ReidaugError(f"{path}: no such file; it should hold {what}") from None
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        raise ReidaugError(f"{path}: not readable as {what}") from None
