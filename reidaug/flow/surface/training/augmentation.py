"""Augmentation of surface samples: mirrored, other light, poor masks and joints."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool
from pydantic import ConfigDict
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from reidaug.flow.surface.places import mirrored_places
from reidaug.flow.surface.training.samples import Batch, Samples, take
from reidaug.flow.training.pair_augmentation import PairAugmentation
from reidaug.geometry.pose import Pose, mirror


@dataclass(frozen=True)
class SurfaceAugmentation:
    """Random changes of samples; all are probabilities but where told."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    found: float = 0.5  # that joints, and that masks, are those of a network
    mirror: float = 0.5  # that a sample is mirrored left to right
    unmasked: float = 0.1  # that the mask is not known
    uneven: float = 0.4  # that a mask grows or shrinks by a pixel
    grey: float = 0.25  # that all outside the mask is grey
    light: float = 0.25  # deviation of the logarithms of gain and exponent; of colours half of it
    erased: float = 0.15  # that a rectangle of one colour covers a part
    face: float = 0.15  # that a pose loses its face joints
    joint: float = 0.04  # that any joint is lost
    jitter: float = 0.004  # joint noise, see `PairAugmentation`
    # that a sample becomes its crop in its own pose, so that what should not move does not
    still: float = 0.0

    def draw(self, samples: Samples, numbers: Tensor, random: torch.Generator) -> Batch:
        """Take samples and change them at random."""
        count = len(numbers)

        def chosen(share: float) -> Tensor:
            return torch.rand(count, generator=random) < share

        kinds = len(samples.crops.poses), len(samples.crops.masks)
        batch = take(samples, numbers)
        other = take(samples, numbers, pose=kinds[0] - 1, mask=kinds[1] - 1)
        poor, rough = chosen(self.found), chosen(self.found)
        pose = _choose(poor, other.pose, batch.pose)
        mask = torch.where(rough[:, None, None], other.mask, batch.mask)
        batch = batch._replace(pose=pose, mask=mask)
        flipped = mirrored(batch)
        flags = chosen(self.mirror)
        batch = Batch(*(_choose(flags, one, two) for one, two in zip(flipped, batch, strict=True)))
        mask = self._uneven(batch.mask, chosen)
        image = self._light(batch.image, random)
        grey = chosen(self.grey)[:, None, None, None]
        image = torch.where(grey & (mask[:, None] < 0.5), torch.full_like(image, 0.5), image)
        image = self._erase(image, chosen(self.erased), random)
        joints = PairAugmentation(face=self.face, joint=self.joint, jitter=self.jitter)
        height = image.shape[-2]
        batch = batch._replace(
            image=image,
            mask=mask,
            known=~chosen(self.unmasked),
            pose=joints.drop(joints.move(batch.pose, height, random), random),
            asked=joints.drop(joints.move(batch.asked, height, random), random),
        )
        return keep_still(batch, chosen(self.still)) if self.still else batch

    def _uneven(self, mask: Tensor, chosen: Callable[[float], Tensor]) -> Tensor:
        grown = max_pool2d(mask[:, None], 3, 1, 1)[:, 0]
        shrunk = -max_pool2d(-mask[:, None], 3, 1, 1)[:, 0]
        uneven, grows = chosen(self.uneven), chosen(0.5)
        changed = torch.where(grows[:, None, None], grown, shrunk)
        return torch.where(uneven[:, None, None], changed, mask)

    def _light(self, image: Tensor, random: torch.Generator) -> Tensor:
        count = len(image)
        gain = torch.randn(count, 1, generator=random) * self.light
        gains = (gain + torch.randn(count, 3, generator=random) * self.light / 2).exp()
        power = (torch.randn(count, 1, 1, 1, generator=random) * self.light).exp()
        image = (image.clamp_min(1e-4) ** power * gains[:, :, None, None]).clamp(0, 1)
        soft = avg_pool2d(image, 3, 1, 1, count_include_pad=False)
        blurred = torch.rand(count, generator=random) < 0.2
        return torch.where(blurred[:, None, None, None], soft, image)

    def _erase(self, image: Tensor, which: Tensor, random: torch.Generator) -> Tensor:
        height, width = image.shape[-2:]
        image = image.clone()
        for k in which.nonzero().flatten().tolist():
            share = torch.rand(4, generator=random)
            tall, wide = int(height * (0.1 + 0.3 * share[0])), int(width * (0.1 + 0.4 * share[1]))
            top, left = int((height - tall) * share[2]), int((width - wide) * share[3])
            colour = torch.rand(3, 1, 1, generator=random)
            image[k, :, top : top + tall, left : left + wide] = colour
        return image


def keep_still(batch: Batch, which: Bool[Tensor, "b"]) -> Batch:
    """Ask the samples chosen (B,) for the crop itself: its joints as given, its surface as seen."""
    visible = batch.seen.isfinite().all(1)
    whole = interpolate(visible[:, None].float(), batch.outline.shape[1:], mode="bilinear")
    own = batch._replace(
        asked=batch.pose,
        retargeted=torch.zeros_like(batch.retargeted),
        target_pose=batch.pose,
        surface=batch.seen,
        outline=whole[:, 0] > 0.5,
    )
    return Batch(*(_choose(which, one, two) for one, two in zip(own, batch, strict=True)))


def mirrored(batch: Batch) -> Batch:
    """Mirror all samples left to right, joints and places with their names."""
    width = batch.image.shape[-1]

    def flip_places(surface: Tensor) -> Tensor:
        return mirrored_places(surface.flip(-1).flatten(2)).unflatten(2, surface.shape[2:])

    return batch._replace(
        image=batch.image.flip(-1),
        mask=batch.mask.flip(-1),
        pose=mirror(batch.pose, width),
        asked=mirror(batch.asked, width),
        seen=flip_places(batch.seen),
        target_pose=mirror(batch.target_pose, width),
        surface=flip_places(batch.surface),
        outline=batch.outline.flip(-1),
    )


def _choose(which: Tensor, one: Any, other: Any) -> Any:
    """Take the tensors, or poses, of one batch where chosen (B,), else those of the other."""
    if isinstance(one, Pose):
        return Pose(*(_choose(which, a, b) for a, b in zip(one, other, strict=True)))
    return torch.where(which.view(-1, *[1] * (one.ndim - 1)), one, other)
