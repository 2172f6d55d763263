"""The table of 14-joint ``.mat`` files: HDF5, checked before a number of it is read."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reidaug.children import deaf_children
from reidaug.errors import ReidaugError, require_extra
from reidaug.files import check_regular
from reidaug.geometry.pose import MARKET_14

WIDTH = 2 * len(MARKET_14)  # numbers of an image
READER = Path(__file__).with_name("mat_reader.py")


def read_mat_table(path: Path, images: int) -> NDArray[np.float64]:
    """Read the joints of every image, 14 x then 14 y (N, 28).

    What a file of HDF5 can point to is not followed: other files, and arrays put together of them.
    A table of another size than asked for is not read: some bytes can claim any number of rows.
    Another process reads: on some damaged files HDF5's library crashes.

    Args:
        path: HDF5 (MATLAB v7.3) with an array ``pp`` of 28 x N numbers, or N x 28.
        images: Number of images N.

    Raises:
        ReidaugError: The file is missing, damaged, no regular file or of another kind, holds poses
            of another number of images, or points to other files.
        UsageError: h5py is not installed.
    """
    require_extra("mat", "h5py")
    check_regular(path)
    command: list[str | Path] = [sys.executable, "-P", READER, path.absolute()]
    with deaf_children():
        done = subprocess.run([*command, str(images), str(WIDTH)], capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        crashed = f"damaged: HDF5's library ends with {done.returncode} when it reads it"
        raise ReidaugError(f"{path}: {said[-1] if said and done.returncode == 1 else crashed}")
    table: NDArray[np.float64] = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    # MATLAB is column-major, so 28 x N is read as (N, 28); other writers keep (28, N).
    return table.T if table.shape[1] != WIDTH else table
