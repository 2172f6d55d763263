"""People of real crops on the grounds of other people's crops, in the light that is there."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from reidaug.data.colour import relight
from reidaug.data.compositing import composite, inpaint_people, soft_matte
from reidaug.data.images import read_mask, resize_mask, to_bytes, to_float
from reidaug.errors import ReidaugError
from reidaug.reid.crops import Crops

STEP = 4
"""Of the pixels whose colours tell the light of a scene, in rows and columns."""


class Grounds:
    """Exchanges the grounds of some crops of a batch.

    Masks are read, and grounds inpainted, when they are needed: nothing is kept.

    Args:
        crops: All crops.
        labels: Identity of each.
        masks: Mask file of each; a crop without one keeps its ground and lends none.

    Raises:
        ReidaugError: Masks show less than two people.
    """

    def __init__(self, crops: Crops, labels: Sequence[int], masks: Sequence[Path | None]) -> None:
        self.crops, self.masks = crops, tuple(masks)
        self.labels = torch.tensor(labels)
        self.known = torch.tensor([mask is not None for mask in masks])
        if len(self.labels[self.known].unique()) < 2:
            raise ReidaugError("grounds: fewer than two people have masks")

    def exchange(
        self,
        images: UInt8[Tensor, "b 3 H W"],
        numbers: Sequence[int],
        *,
        share: float,
        light: float,
        generator: torch.Generator,
    ) -> UInt8[Tensor, "b 3 H W"]:
        """Put some people on the ground of another person's crop.

        Args:
            images: Crops (B, 3, H, W).
            numbers: Their numbers among all crops.
            share: Probability of each.
            light: Share of the change of light, see `reidaug.data.colour.relight`.
            generator: Random generator on the CPU.

        Raises:
            ReidaugError: A file is no image.
        """
        chosen = torch.rand(len(images), generator=generator) < share
        draw = torch.rand(len(images), generator=generator)
        rows = [k for k, number in enumerate(numbers) if chosen[k] and self.known[number]]
        if not rows:
            return images
        lenders = [self._lender(numbers[k], float(draw[k])) for k in rows]
        own, other = to_float(images[rows].cpu()), to_float(self.crops.batch(lenders))
        masks = torch.stack([self._mask(numbers[k]) for k in rows])
        there = inpaint_people(other, torch.stack([self._mask(k) for k in lenders]))
        if light:
            here = inpaint_people(own, masks)[..., ::STEP, ::STEP]
            own = relight(own, here, there[..., ::STEP, ::STEP], light)
        laid = to_bytes(composite(own, soft_matte(masks), there))
        changed = images.clone()
        changed[rows] = laid.to(images.device)
        return changed

    def _lender(self, number: int, draw: float) -> int:
        """Choose a crop of somebody else by a random number in [0, 1)."""
        others = (self.known & (self.labels != self.labels[number])).nonzero()[:, 0]
        return int(others[int(draw * len(others))])

    def _mask(self, number: int) -> Bool[Tensor, "H W"]:
        path = self.masks[number]
        assert path is not None  # of known ones alone
        return resize_mask(read_mask(path), self.crops.size)
