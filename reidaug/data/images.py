"""Image files and tensors.

In memory an image is RGB, uint8 (3, H, W) or float (..., 3, H, W) in [0, 1].
"""

import hashlib
import io
import struct
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin, UnidentifiedImageError
from torch import Tensor

from reidaug.errors import ReidaugError
from reidaug.files import check_regular
from reidaug.geometry.flow import Size

FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
}
"""Endings of the image formats that are read, in lower case; no other format is opened.

The content decides, not the ending. Pillow knows more formats, some of which run other programs:
PostScript is executed by Ghostscript.
"""
JPEG = ("JPEG", "MPO")
"""Pillow's names of JPEG files, those of several pictures among them."""
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
"""Endings of image files, in lower case."""
KINDS = "JPEG, PNG, BMP, WebP, TIFF and GIF"
"""The formats in words."""

MOST_PIXELS = 25_000_000
LONGEST_SIDE = 2**14  # pixels
MOST_BYTES = 2**28  # of a file
LEAST_WHITE = 2**12  # brightest value of 16 bits; cameras of 12 bits stay below, nearly black
"""Limits of an image that is decoded: crops are far smaller, and some 20 kB can claim gigabytes."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's RGB in [0, 1]."""

# What Pillow raises on damaged files of any format; a part of one may claim to have gigabytes.
_UNREADABLE = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError,
    struct.error, MemoryError, Image.DecompressionBombError,
)  # fmt: skip


def read_image(path: Path) -> UInt8[Tensor, "3 H W"]:
    """Read an image file of any of `FORMATS` as RGB bytes (3, H, W).

    The EXIF orientation is applied; grey, palette, CMYK and 16-bit images become RGB bytes, grey
    ones of floating-point numbers in 0..1 or 0..255, too, and others are refused;
    transparent ones are composed with white; of an animation the first frame counts.

    Raises:
        ReidaugError: As of `open_image`.
    """
    with open_image(path) as file:
        return _as_tensor(upright_rgb(file))


def decode_image(content: bytes, name: str) -> UInt8[Tensor, "3 H W"]:
    """Decode the content of an image file, as `read_image` reads files: RGB bytes (3, H, W).

    Args:
        content: The bytes of the file.
        name: What errors call it.

    Raises:
        ReidaugError: As of `open_image`.
    """
    try:
        with _checked(io.BytesIO(content), name) as file:
            file.load()
            return _as_tensor(upright_rgb(file))
    except _UNREADABLE as error:
        raise _unreadable(name, error, empty=not content) from None


def is_jpeg(path: Path) -> bool:
    """Decide by its content whether an image file is JPEG; `ReidaugError` as of `open_image`."""
    with open_image(path, decode=False) as image:
        return image.format in JPEG


def pixel_digest(image: Image.Image) -> int:
    """Digest the pixels of an upright RGB image into 64 bits, never 0.

    Copies in another lossless format, or with other metadata, have the same digest.
    """
    digest = hashlib.blake2b(repr(image.size).encode(), digest_size=8)
    digest.update(image.tobytes())
    return int.from_bytes(digest.digest()) or 1


def image_size(path: Path) -> Size | None:
    """Read the (height, width) of an image, upright; None where it cannot be read.

    Its pixels are not decoded: a damaged file may have a size.
    """
    try:
        with open_image(path, decode=False) as file:
            across, down = file.size
            turned = file.getexif().get(ExifTags.Base.Orientation) in range(5, 9)
    except (ReidaugError, *_UNREADABLE):
        return None
    return (across, down) if turned else (down, across)


@contextmanager
def open_image(path: Path, *, decode: bool = True) -> Iterator[Image.Image]:
    """Open and decode an image file of any of `FORMATS`, in its own mode and orientation.

    Args:
        path: The file.
        decode: Whether its pixels are read; without them it has a size and metadata.

    Raises:
        ReidaugError: The file is missing, empty, cut off, no image, of another format, no regular
            file, or larger than `MOST_PIXELS`, `LONGEST_SIDE` or `MOST_BYTES`.
    """
    try:
        if check_regular(path, what="image") > MOST_BYTES:
            raise ReidaugError(
                f"{path}: not read, for it is a file of more than {MOST_BYTES >> 20} MiB; crop the "
                "person"
            )
        with _checked(path, path) as file:
            if decode:
                file.load()
            yield file
    except _UNREADABLE as error:
        empty = path.is_file() and not path.stat().st_size
        raise _unreadable(path, error, empty=empty) from None


def _checked(file: Path | io.BytesIO, name: Path | str) -> Image.Image:
    """Open an image of the closed list of formats and of a tolerable size; nothing is decoded."""
    with warnings.catch_warnings():
        # Our own limit is lower than the one that Pillow warns of.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = Image.open(file, formats=tuple(FORMATS))
    try:
        _check_area(name, image)
    except BaseException:
        image.close()
        raise
    return image


def _unreadable(name: Path | str, error: Exception, *, empty: bool) -> ReidaugError:
    reason = "empty file" if empty else _reason(error)
    return ReidaugError(f"{name}: not a readable image ({reason})")


def _check_area(name: Path | str, image: Image.Image) -> None:
    """Check the size of an image, and of the tiles of a TIFF, before any pixel is decoded."""
    tags = getattr(image, "tag_v2", {})
    tile = tuple(
        tags.get(key, 1) for key in (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH)
    )
    for width, height in (image.size, tile):
        if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
            raise ReidaugError(
                f"{name}: not decoded, for it has {width:,} x {height:,} pixels; at most "
                f"{MOST_PIXELS // 10**6} million, and {LONGEST_SIDE:,} on a side, are read: crop "
                "the person"
            )


def upright_rgb(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation of an image of `open_image` and convert it to RGB bytes."""
    if is_turned(image):
        with suppress(*_UNREADABLE):  # damaged metadata must not hide the image
            image = ImageOps.exif_transpose(image)
    return _rgb(image)


def is_turned(image: Image.Image) -> bool:
    """Decide whether an image of `open_image` is upright only after its EXIF orientation."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in range(2, 9)
    except _UNREADABLE:
        return False


def mask_path(masks: Path, name: str) -> Path:
    """Name the mask of an image in a folder: the image's name, or FOLDER/NAME, ending in .png.

    Where accents in names can be spelled in two ways, the one that is there counts.
    """
    path = masks / Path(name).parent / f"{Path(name).stem}.png"
    if not name.isascii() and not path.exists():
        for form in ("NFC", "NFD"):
            other = masks / unicodedata.normalize(form, str(path.relative_to(masks)))
            if other.exists():
                return other
    return path


def read_mask(path: Path) -> Bool[Tensor, "H W"]:
    """Read a person mask (H, W) from an image file (255 on the person, 0 off it); True from 128.

    Of an image that is transparent somewhere, such as a person cut out, what is not counts.

    Raises:
        ReidaugError: As of `open_image`.
    """
    with open_image(path) as file:
        if file.has_transparency_data:
            upright = ImageOps.exif_transpose(file) if is_turned(file) else file
            solid = torch.from_numpy(np.array(upright.convert("RGBA").getchannel("A")) >= 128)
            if not solid.all():
                return solid
        return torch.from_numpy(np.array(upright_rgb(file)).max(-1) >= 128)


def encode_jpeg(image: UInt8[Tensor, "3 H W"], quality: int = 95) -> bytes:
    """Encode RGB bytes (3, H, W) as JPEG, quality 1 to 95, no chroma subsampling; deterministic."""
    return _encoded(image, "JPEG", quality=quality, subsampling=0)


def encode_png(image: UInt8[Tensor, "3 H W"] | Bool[Tensor, "H W"]) -> bytes:
    """Encode RGB bytes (3, H, W), or a mask (H, W) as 0 and 255, as PNG; deterministic."""
    if image.dtype == torch.bool:
        image = image.to(torch.uint8) * 255
    return _encoded(image, "PNG")


def to_float(image: UInt8[Tensor, "*b H W"]) -> Float[Tensor, "*b H W"]:
    """Convert bytes to float32 in [0, 1]."""
    return image.to(torch.float32) / 255


def to_bytes(image: Float[Tensor, "*b H W"]) -> UInt8[Tensor, "*b H W"]:
    """Convert numbers in [0, 1] to the nearest bytes; others are clipped."""
    return (image.float() * 255).round_().clamp_(0, 255).to(torch.uint8)


def channels_last(image: UInt8[Tensor, "3 H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """Convert RGB bytes (3, H, W) to a contiguous array (H, W, 3), as Pillow and networks take."""
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def resize(image: Float[Tensor, "*b H W"], size: Size) -> Float[Tensor, "*b h w"]:
    """Resize images (..., H, W) of any range to ``size`` (height, width), as poses and flows are.

    Bilinear with aligned corners, as everywhere in `reidaug.geometry.flow`; where the image
    shrinks, the triangular kernel is as wide as the step.
    """
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    down = _triangles(image.shape[-2], size[0]).to(image)
    across = _triangles(image.shape[-1], size[1]).to(image)
    return down @ image @ across.mT


def resize_mask(mask: Bool[Tensor, "H W"], size: Size) -> Bool[Tensor, "h w"]:
    """Resize a mask (H, W) by the nearest pixel, with aligned corners."""
    return resize_masks(mask[None], size)[0]


def resize_masks(mask: Bool[Tensor, "b H W"], size: Size) -> Bool[Tensor, "b h w"]:
    """Resize masks (B, H, W) by the nearest pixel, with aligned corners."""
    rows, columns = (
        torch.linspace(0, before - 1, after).round().long()
        for before, after in zip(mask.shape[1:], size, strict=True)
    )
    return mask[:, rows[:, None], columns]


@lru_cache(maxsize=64)
def _triangles(before: int, after: int) -> Float[Tensor, "after before"]:
    centres = torch.linspace(0, before - 1, after) if after > 1 else torch.zeros(1)
    reach = max(1.0, (before - 1) / max(after - 1, 1))
    weights = (1 - (torch.arange(before) - centres[:, None]).abs() / reach).clamp_min(0)
    return weights / weights.sum(1, keepdim=True)


def _as_tensor(image: Image.Image) -> UInt8[Tensor, "3 H W"]:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_grey_bytes(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _grey_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert grey values of more than 8 bits; `ValueError` where nobody knows which is white."""
    low, high = float(values.min()), float(values.max())
    if np.issubdtype(values.dtype, np.floating):
        if not 0 <= low <= high <= 255:
            raise ValueError(f"grey values from {low:g} to {high:g}; save it with 8 bits")
        return np.round(values * (255 if high <= 1 else 1)).astype(np.uint8)
    if low < 0 or high > 65535 or 0 < high < LEAST_WHITE:
        raise ValueError(
            f"grey values from {low:g} to {high:g}, where 65535 is white; save it with 8 bits"
        )
    return ((values.astype(np.int64) + 128) // 257).astype(np.uint8)


def _encoded(image: Tensor, form: str, **options: int) -> bytes:
    pixels = image.cpu().numpy()
    if pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"unknown format; {KINDS} are read"
    return (str(error) or type(error).__name__).splitlines()[0]
