"""The table of 14-joint ``.mat`` files: HDF5, checked before a number of it is read."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidaug.errors import ReidaugError, require_extra
from reidaug.files import check_regular
from reidaug.geometry.pose import MARKET_14

NAME = "pp"
WIDTH = 2 * len(MARKET_14)  # numbers of an image
MOST_CHUNK = 2**28  # bytes of a chunk, which is unpacked as a whole


def read_mat_table(path: Path, images: int) -> NDArray[np.float64]:
    """Read the joints of every image, 14 x then 14 y (N, 28).

    What a file of HDF5 can point to is not followed: other files, and arrays put together of them.
    A table of another size than asked for is not read: some bytes can claim any number of rows.

    Args:
        path: HDF5 (MATLAB v7.3) with an array ``pp`` of 28 x N numbers, or N x 28.
        images: Number of images N.

    Raises:
        ReidaugError: The file is missing, damaged, no regular file or of another kind, holds poses
            of another number of images, or points to other files.
        UsageError: h5py is not installed.
    """
    require_extra("mat", "h5py")
    import h5py

    check_regular(path)
    try:
        with h5py.File(path) as file:
            link = file.get(NAME, getlink=True)
            if link is not None and not isinstance(link, h5py.HardLink):
                raise ReidaugError(f"{path}: {NAME!r} is a link to another place; store the array")
            _check(path, file[NAME], images)
            table: NDArray[np.float64] = np.asarray(file[NAME], dtype=np.float64)
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError, MemoryError):
        raise ReidaugError(
            f"{path}: not readable as HDF5 (MATLAB v7.3) with an array {NAME!r} of {WIDTH} x N "
            "numbers"
        ) from None
    # MATLAB is column-major, so 28 x N is read as (N, 28); other writers keep (28, N).
    return table.T if table.shape[1] != WIDTH else table


def _check(path: Path, array: Any, images: int) -> None:
    """Check what a file says of its array."""
    if array.external is not None or array.is_virtual:
        raise ReidaugError(f"{path}: the numbers of {NAME!r} are in other files; store them in it")
    shape, kind = array.shape, array.dtype
    if len(shape) != 2 or WIDTH not in shape:
        raise ReidaugError(f"{path}: {NAME!r} is {shape}; expected {WIDTH} numbers per image")
    if kind.kind not in "fiu" or np.prod(array.chunks or (1,)) * kind.itemsize > MOST_CHUNK:
        raise TypeError
    rows = shape[0] if shape[1] == WIDTH else shape[1]
    if rows != images:
        raise ReidaugError(f"{path}: poses of {rows:,} images, but there are {images:,}")
