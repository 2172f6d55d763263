"""Read the table of a 14-joint ``.mat`` file in a process of its own: HDF5 may crash on damage.

``python -P mat_reader.py FILE IMAGES WIDTH`` writes the array to standard output as ``.npy``, or
one line to standard error and ends with 1. `reidaug.data.mat_table` runs it; it imports no other
module of the package, so that it starts in a moment.
"""

import sys
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

NAME = "pp"
MOST_CHUNK = 2**28  # bytes of a chunk, which is unpacked as a whole
UNREADABLE = (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError, MemoryError)


def read_table(path: str, images: int, width: int) -> NDArray[np.float64]:
    """Read the array of a file as it is stored.

    Args:
        path: HDF5 (MATLAB v7.3) with an array ``pp``.
        images: Number of images.
        width: Numbers of each.

    Returns:
        The array, (images, width) or (width, images).

    Raises:
        RefusedError: The array is none of these, or is elsewhere.
        OSError: The file is damaged, as by the other errors of `UNREADABLE`.
    """
    with h5py.File(path) as file:
        link = file.get(NAME, getlink=True)
        if link is not None and not isinstance(link, h5py.HardLink):
            raise RefusedError(f"{NAME!r} is a link to another place; store the array")
        check_array(file[NAME], images, width)
        return np.asarray(file[NAME], dtype=np.float64)


class RefusedError(Exception):
    """Not an array of the asked-for kind."""


def check_array(array: Any, images: int, width: int) -> None:
    """Check what a file says of its array, before a number is read."""
    if array.external is not None or array.is_virtual:
        raise RefusedError(f"the numbers of {NAME!r} are in other files; store them in it")
    shape, kind = array.shape, array.dtype
    if len(shape) != 2 or width not in shape:
        raise RefusedError(f"{NAME!r} is {shape}; expected {width} numbers per image")
    if kind.kind not in "fiu" or np.prod(array.chunks or (1,)) * kind.itemsize > MOST_CHUNK:
        raise TypeError
    rows = shape[0] if shape[1] == width else shape[1]
    if rows != images:
        raise RefusedError(f"poses of {rows:,} images, but there are {images:,}")


def main() -> None:
    """Read the file that the arguments name."""
    path, images, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    try:
        table = read_table(path, images, width)
    except RefusedError as refused:
        sys.exit(str(refused))
    except UNREADABLE:
        sought = f"an array {NAME!r} of {width} x N numbers"
        sys.exit(f"not readable as HDF5 (MATLAB v7.3) with {sought}")
    np.save(sys.stdout.buffer, table, allow_pickle=False)


if __name__ == "__main__":
    main()
