"""Person masks, and the outlines that cut warps."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.augment.shipped_poses import shipped_outline
from reidaug.augment.target_poses import TargetPoses
from reidaug.data.compositing import soft_matte
from reidaug.data.images import mask_path, read_mask
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, select, stack
from reidaug.geometry.silhouette import resized, silhouette
from reidaug.geometry.upsampling import upsample_flow
from reidaug.geometry.warp import warp


class Targets(NamedTuple):
    """Target poses with the outlines that cut their warps."""

    images: tuple[str, ...]  # file names of the T images the poses come from
    pose: Pose  # joints (T, 18, 2) in pixels of the warps
    outline: Bool[Tensor, "t H W"]  # person masks (T, H, W)
    matte: Float[Tensor, "t 1 H W"]  # the outlines with a soft edge

    @classmethod
    def cut(cls, images: tuple[str, ...], pose: Pose, outline: Bool[Tensor, "t H W"]) -> "Targets":
        """Soften the edge of the outlines."""
        return cls(images, pose, outline, soft_matte(outline))

    def part(self, which: Sequence[int]) -> "Targets":
        """Take some of the targets, by number."""
        rows = list(which)
        images = tuple(self.images[row] for row in rows)
        return Targets(images, select(self.pose, rows), self.outline[rows], self.matte[rows])


def mask_file(image: str, masks: Path | None) -> Path | None:
    """Find the mask of an image, its ``key`` with the ending .png; None where there is none.

    What has that name and is no file is found too: reading it says what it is.
    """
    path = mask_path(masks, image) if masks is not None else None
    return path if path is not None and path.exists() else None


def check_mask_names(images: Iterable[Path], masks: Path | None) -> None:
    """Check that no mask file may be of two images, such as ``x/a.jpg`` and ``y/a.jpg``.

    Raises:
        ReidaugError: One may.
    """
    known: dict[str, Path] = {}
    for image in images:
        first = known.setdefault(image.stem, image)
        if first != image and mask_file(image.name, masks) is not None:
            raise ReidaugError(
                f"{masks}: {image.stem}.png may be of {first} or {image}; rename one of them"
            )


def person_mask(
    image: str, pose: Pose, size: Size, masks: Path | None
) -> Bool[Tensor, "height width"]:
    """Find the mask of one person: its file if there is one, else the limb mask of the joints.

    Args:
        image: File name of the image.
        pose: Its 18 joints in pixels of an image of ``size``.
        size: (height, width) of the mask.
        masks: Folder of masks, see `mask_file`; an empty mask counts as none.

    Raises:
        ReidaugError: The mask file is no image.
    """
    path = mask_file(image, masks)
    mask = read_mask(path) if path is not None else None
    if mask is None or not mask.any():
        return silhouette(stack([pose]), size)[0]
    return resized(mask, size)


def target_outlines(poses: TargetPoses, masks: Path | None) -> Targets:
    """Find the outlines of the people whose poses are the targets; shipped ones have their own.

    Raises:
        ReidaugError: A mask is no image.
    """
    outlines = []
    for k, image in enumerate(poses.images):
        shipped = shipped_outline(image, poses.size)
        if shipped is None:
            shipped = person_mask(image, select(poses.pose, k), poses.size, masks)
        outlines.append(shipped)
    outline = torch.stack(outlines) if outlines else torch.zeros(0, *poses.size, dtype=torch.bool)
    return Targets.cut(poses.images, poses.pose, outline)


def carry_outline(
    mask: Bool[Tensor, "H W"], pose: Pose, flow: Float[Tensor, "t 2 h w"], images: tuple[str, ...]
) -> Targets:
    """Carry a person's mask (H, W) along flows (T, 2, h, w) that do not lead into target poses.

    The targets have the source's own pose, the warped outlines and the given image names.
    """
    size = (mask.shape[0], mask.shape[1])
    whole = mask[None, None].float().expand(len(flow), -1, -1, -1)
    full = upsample_flow(flow, size)
    inside = (full.abs() <= 1).all(1)  # beyond the picture its border would be smeared out
    outline = (warp(whole, full)[:, 0] >= 0.5) & inside
    return Targets.cut(images, stack([pose] * len(flow)), outline)
