"""Weight files of perceptual networks, extracted once from a wheel."""

from pathlib import Path

from reidaug.data.wheels import WheelFile, fetch_from_wheel
from reidaug.files import cache_folder

WHEEL = "stlpips-pytorch==0.0.2"
FILES = {
    "alex": WheelFile(
        "stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth",
        "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
    ),
    "vgg": WheelFile(
        "stlpips_pytorch/weights/vST0.0/vgg_shift_tolerant.pth",
        "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250",
    ),
}
"""The file of each network."""


def shift_tolerant_weights(network: str) -> Path:
    """Locate ST-LPIPS's weight file (``alex`` or ``vgg``), SHA-256 checked; at first download both.

    Raises:
        ReidaugError: pip cannot fetch the wheel, or a checksum is wrong.
        ValueError: There is no such network.
    """
    if network not in FILES:
        raise ValueError(f"network must be one of {sorted(FILES)}, got {network!r}")
    others = [file for name, file in FILES.items() if name != network]
    advice = f"put its weight files into {cache_folder()}"
    return fetch_from_wheel(WHEEL, FILES[network], others=others, advice=advice)
