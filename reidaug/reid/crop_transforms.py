"""Augmentation of training crops: flip, shift, stretch, turn, colour jitter, random erasing."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Bool, Float, UInt8
from pydantic import Field
from torch import Tensor

from reidaug.data.images import to_bytes, to_float
from reidaug.geometry.flow import from_affine
from reidaug.geometry.warp import warp
from reidaug.recipes import Share
from reidaug.reid.crops import normalise

ERASING_TRIES = 20


@dataclass(frozen=True)
class CropTransforms:
    """Probabilities and ranges of the augmentation of training crops."""

    flip: Share = 0.5  # probability of a mirror image
    # Largest shift in either direction as a share of the height, padded by edge pixels; DG-Net's
    # pad of 10 at 256 x 128 is 0.04.
    shift: Share = 0.04
    jitter: Share = 0.0  # largest relative change of brightness, contrast and saturation
    erase: Share = 0.5  # probability of random erasing
    # Largest relative change of height and of width, each by itself, about the crop's centre.
    stretch: Annotated[float, Field(ge=0, le=0.9)] = 0.0
    turn: Annotated[float, Field(ge=0, le=180)] = 0.0  # largest rotation in degrees, either way

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error


def transform_crops(
    images: UInt8[Tensor, "b 3 H W"], generator: torch.Generator, how: CropTransforms
) -> Float[Tensor, "b 3 H W"]:
    """Augment each of some RGB training crops (B, 3, H, W) and normalise them; 0 where erased.

    Args:
        images: The crops.
        generator: Random generator on the CPU.
        how: Probabilities and ranges.
    """
    images = _shift_and_flip(images, generator, flip=how.flip, shift=how.shift)
    if how.stretch or how.turn:
        images = _stretch_and_turn(images, generator, stretch=how.stretch, turn=how.turn)
    if how.jitter:
        images = _jitter_colours(images, generator, how.jitter)
    erased = erased_rectangles(images, generator, probability=how.erase)
    return normalise(images).masked_fill_(erased[:, None].to(images.device), 0.0)


def _shift_and_flip(
    images: UInt8[Tensor, "b 3 H W"], generator: torch.Generator, *, flip: float, shift: float
) -> UInt8[Tensor, "b 3 H W"]:
    count, _, height, width = images.shape
    reach = round(shift * height)
    offsets = torch.randint(-reach, reach + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand(count, 1, generator=generator) < flip
    rows = (torch.arange(height) + offsets[0]).clamp(0, height - 1).to(images.device)
    columns = torch.arange(width).expand(count, width)
    columns = torch.where(mirrored, width - 1 - columns, columns) + offsets[1]
    columns = columns.clamp(0, width - 1).to(images.device)
    each = torch.arange(count, device=images.device)
    moved = images.permute(0, 2, 3, 1)[each[:, None, None], rows[:, :, None], columns[:, None]]
    return moved.permute(0, 3, 1, 2)


def _stretch_and_turn(
    images: UInt8[Tensor, "b 3 H W"], generator: torch.Generator, *, stretch: float, turn: float
) -> UInt8[Tensor, "b 3 H W"]:
    """Stretch and turn crops about their centres; edge pixels go on."""
    height, width = images.shape[-2:]
    draw = 2 * torch.rand(3, len(images), generator=generator) - 1
    wide, tall = 1 + stretch * draw[0], 1 + stretch * draw[1]
    angle = math.radians(turn) * draw[2]
    cos, sin, aspect = angle.cos(), angle.sin(), (height - 1) / max(width - 1, 1)
    rows = (cos / wide, sin * aspect / wide, -sin / aspect / tall, cos / tall)
    matrix = torch.stack(rows, 1).unflatten(1, (2, 2))
    flow = from_affine(matrix, torch.zeros(len(images), 2), (height, width))
    return to_bytes(warp(to_float(images), flow.to(images.device)))


def _jitter_colours(
    images: UInt8[Tensor, "b 3 H W"], generator: torch.Generator, jitter: float
) -> UInt8[Tensor, "b 3 H W"]:
    """Scale brightness, contrast about the mean grey, and saturation about each pixel's grey."""
    factors = 1 + jitter * (2 * torch.rand(3, len(images), 1, 1, 1, generator=generator) - 1)
    bright, contrast, saturation = factors.to(images.device)
    changed = images * bright
    weights = torch.tensor((0.299, 0.587, 0.114), device=images.device).view(3, 1, 1)
    grey = (changed * weights).sum(1, keepdim=True)
    changed = grey + saturation * (changed - grey)
    middle = grey.mean((2, 3), keepdim=True)
    changed = middle + contrast * (changed - middle)
    return changed.round().clamp(0, 255).to(torch.uint8)


def erased_rectangles(
    images: Tensor,
    generator: torch.Generator,
    *,
    probability: float = 0.5,
    area: tuple[float, float] = (0.02, 0.4),
    stretch: float = 0.3,
) -> Bool[Tensor, "b H W"]:
    """Draw the masks (B, H, W) of random erasing, True inside the rectangle, on the CPU.

    Args:
        images: Images (B, C, H, W), for their shape.
        generator: Random generator on the CPU.
        probability: Probability that an image loses a rectangle.
        area: Range of the area, as a share of the image.
        stretch: Height over width is uniform between this and its inverse.

    Source:
        Zhong et al., "Random erasing data augmentation". The first of 20 random rectangles that
        fits into the image is erased, or none.
    """
    count, height, width = len(images), *images.shape[-2:]
    chosen = torch.rand(count, 1, generator=generator) < probability
    draw = torch.rand(4, count, ERASING_TRIES, generator=generator)
    areas = (area[0] + (area[1] - area[0]) * draw[0]) * height * width
    ratio = stretch + (1 / stretch - stretch) * draw[1]
    tall, wide = (areas * ratio).sqrt().round(), (areas / ratio).sqrt().round()
    fits = (tall < height) & (wide < width)
    first = fits.to(torch.uint8).argmax(1, keepdim=True)
    tall, wide, y, x = (t.gather(1, first) for t in (tall, wide, draw[2], draw[3]))
    top, left = (y * (height - tall + 1)).floor(), (x * (width - wide + 1)).floor()
    rows, columns = torch.arange(height), torch.arange(width)
    inside_rows = (rows >= top) & (rows < top + tall)
    inside_columns = (columns >= left) & (columns < left + wide)
    erased = chosen & fits.any(1, keepdim=True)
    return erased[..., None] & inside_rows[:, :, None] & inside_columns[:, None]
