"""Image files and tensors.

In memory an image is RGB, uint8 (3, H, W) or float (..., 3, H, W) in [0, 1].
"""

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"})
"""Endings of files that are taken for images, in small letters."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Statistics of ImageNet's RGB in [0, 1]: networks trained on it want images normalised by them."""

_ORIENTATION = 0x0112  # the EXIF tag
_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow raises on damaged files, whichever format they claim to be.
_UNREADABLE = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError,
    struct.error, Image.DecompressionBombError,
)  # fmt: skip


def read_image(path: Path) -> UInt8[Tensor, "3 H W"]:
    """Read an image file as it should be looked at.

    The EXIF rotation is applied; grey, palette, CMYK and 16-bit images become RGB bytes;
    transparent ones are laid over white; of an animation the first frame is taken.

    Args:
        path: JPEG, PNG or any other format Pillow reads.

    Returns:
        RGB bytes (3, H, W).

    Raises:
        ReidaugError: The file is missing, empty, cut off or no image.
    """
    with open_image(path) as file:
        pixels = np.array(as_seen(file))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file as it was stored, all of it decoded.

    Args:
        path: Any format Pillow reads.

    Yields:
        The image in its own mode, not yet turned upright.

    Raises:
        ReidaugError: The file is missing, empty, cut off or no image.
    """
    try:
        with Image.open(path) as file:
            file.load()
            yield file
    except FileNotFoundError:
        raise ReidaugError(f"{path}: no such image") from None
    except _UNREADABLE as error:
        reason = "empty file" if path.is_file() and not path.stat().st_size else _reason(error)
        raise ReidaugError(f"{path}: not a readable image ({reason})") from None


def as_seen(image: Image.Image) -> Image.Image:
    """Turn an image as it was stored into what `read_image` shows of it.

    Args:
        image: An image of `open_image`.

    Returns:
        Upright, in RGB bytes.
    """
    return _rgb(_upright(image))


def image_files(folder: Path) -> tuple[Path, ...]:
    """List the images that lie directly in a folder.

    Args:
        folder: The folder.

    Returns:
        Files whose name ends as in `SUFFIXES` and does not begin with a dot, in name order.
    """
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_file())
    return tuple(folder / name for name in names if Path(name).suffix.lower() in SUFFIXES)


def read_mask(path: Path) -> Bool[Tensor, "H W"]:
    """Read a person mask: bright is person.

    Args:
        path: Image file of a mask, 255 on the person and 0 elsewhere.

    Returns:
        Booleans (H, W), True where the file is at least half bright.

    Raises:
        ReidaugError: The file is missing, empty, cut off or no image.
    """
    return read_image(path).amax(0) >= 128


def encode_jpeg(image: UInt8[Tensor, "3 H W"], quality: int = 95) -> bytes:
    """Compress an image with full colour resolution (4:4:4); equal images give equal bytes.

    Args:
        image: RGB bytes (3, H, W).
        quality: 1 to 95.

    Returns:
        The content of a JPEG file.
    """
    return _encoded(image, "JPEG", quality=quality, subsampling=0)


def encode_png(image: UInt8[Tensor, "3 H W"] | Bool[Tensor, "H W"]) -> bytes:
    """Compress an image or a mask without loss; equal images give equal bytes.

    Args:
        image: RGB bytes (3, H, W), or a mask (H, W) written as 0 and 255.

    Returns:
        The content of a PNG file.
    """
    if image.dtype == torch.bool:
        image = image.to(torch.uint8) * 255
    return _encoded(image, "PNG")


def to_float(image: UInt8[Tensor, "*b H W"]) -> Float[Tensor, "*b H W"]:
    """Turn bytes into numbers from 0 to 1.

    Args:
        image: Bytes of any shape (..., H, W).

    Returns:
        float32 in [0, 1], the same shape.
    """
    return image.to(torch.float32) / 255


def to_bytes(image: Float[Tensor, "*b H W"]) -> UInt8[Tensor, "*b H W"]:
    """Turn numbers from 0 to 1 into the nearest bytes; what lies outside is clipped.

    Args:
        image: Numbers (..., H, W), meant to be in [0, 1].

    Returns:
        Bytes, the same shape.
    """
    return (image.float() * 255).round_().clamp_(0, 255).to(torch.uint8)


def resize(image: Float[Tensor, "*b H W"], size: Size) -> Float[Tensor, "*b h w"]:
    """Resize an image so that poses and flows in normalised coordinates still fit it.

    The centres of the edge pixels stay the centres of the edge pixels, as everywhere in
    `reidaug.geometry.flow`; a shrunk image is smoothed first, by a triangle as wide as the step.

    Args:
        image: Images (..., H, W), any range.
        size: (height, width) wanted.

    Returns:
        Images (..., *size).
    """
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    down = _triangles(image.shape[-2], size[0]).to(image)
    across = _triangles(image.shape[-1], size[1]).to(image)
    return down @ image @ across.mT


def resize_mask(mask: Bool[Tensor, "H W"], size: Size) -> Bool[Tensor, "h w"]:
    """Resize a mask by taking the nearest pixel; edge pixels stay edge pixels.

    Args:
        mask: Booleans (H, W).
        size: (height, width) wanted.

    Returns:
        Booleans (*size).
    """
    rows, columns = (
        torch.linspace(0, before - 1, after).round().long()
        for before, after in zip(mask.shape, size, strict=True)
    )
    return mask[rows[:, None], columns]


@lru_cache(maxsize=64)
def _triangles(before: int, after: int) -> Float[Tensor, "after before"]:
    centres = torch.linspace(0, before - 1, after) if after > 1 else torch.zeros(1)
    reach = max(1.0, (before - 1) / max(after - 1, 1))
    weights = (1 - (torch.arange(before) - centres[:, None]).abs() / reach).clamp_min(0)
    return weights / weights.sum(1, keepdim=True)


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """Tell how an image has to be turned to stand upright, by its EXIF note.

    Args:
        image: An image of `open_image`.

    Returns:
        The turn; None when it stands as it is stored.
    """
    try:
        return _TO_UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except _UNREADABLE:  # a damaged note about the picture does not damage the picture
        return None


def _upright(image: Image.Image) -> Image.Image:
    turn = turn_of(image)
    return image.transpose(turn) if turn is not None else image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray(((grey + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _encoded(image: Tensor, form: str, **options: int) -> bytes:
    pixels = image.cpu().numpy()
    if pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "unknown format"
    return (str(error) or type(error).__name__).splitlines()[0]
