"""Augmentation of surface samples: mirrored, other light, poor masks and joints."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Bool, Int
from pydantic import ConfigDict, Field
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from reidaug.flow.surface.places import mirrored_places
from reidaug.flow.surface.training.samples import Batch, Samples, take
from reidaug.flow.training.pair_augmentation import PairAugmentation
from reidaug.geometry.flow import Size, identity, size_of
from reidaug.geometry.pose import OPENPOSE_18, Pose, mirror
from reidaug.recipes import Share

WILD = 0.1  # of the height
ASIDE = 0.06  # of the height: shoulders nearer than that are seen from aside


@dataclass(frozen=True)
class SurfaceAugmentation:
    """Random changes of samples; all are probabilities but where told."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    found: Share = 0.5  # that joints, and that masks, are those of a network
    mirror: Share = 0.5  # that a sample is mirrored left to right
    unmasked: Share = 0.1  # that the mask is not known
    uneven: Share = 0.4  # that a mask grows or shrinks by a pixel
    erring: Share = 0.0  # that the joints asked for err as those of a network do on a crop
    light: Annotated[float, Field(ge=0, le=4)] = (
        0.25  # deviation of the logarithms of gain and exponent; of colours half of it
    )
    colours: Share = 0.0  # that the colour channels are mixed
    shading: Annotated[float, Field(ge=0, le=4)] = 0.0  # deviation of the logarithm of uneven light
    noise: Share = 0.0  # largest deviation of white noise, of which a crop has between 0 and this
    coarse: Share = 0.0  # that a crop has been half as large
    erased: Share = 0.15  # that a rectangle of one colour covers a part
    face: Share = 0.15  # that a pose loses its face joints
    joint: Share = 0.04  # that any joint is lost
    jitter: Share = 0.004  # joint noise, see `PairAugmentation`
    # that a sample becomes its crop in its own pose, so that what should not move does not
    still: Share = 0.0

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
        if self.erring:
            asked = erring(batch.asked, samples, size_of(image), random)
            batch = batch._replace(asked=_choose(chosen(self.erring), asked, batch.asked))
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
        image = torch.where(blurred[:, None, None, None], soft, image)
        return self._sensor(self._shade(image, random), random)

    def _shade(self, image: Tensor, random: torch.Generator) -> Tensor:
        """Mix the colour channels of some crops, and light all unevenly, coarse and fine."""
        count, size = len(image), image.shape[2:]
        if self.colours:
            mixed = torch.rand(count, 3, 3, generator=random)
            mixed = torch.einsum("bij,bjhw->bihw", mixed / mixed.sum(2, keepdim=True), image)
            mean = mixed.mean((1, 2, 3), keepdim=True)
            vivid = (mean + 2 * (mixed - mean)).clamp(0, 1)
            which = torch.rand(count, 1, 1, 1, generator=random) < self.colours
            image = torch.where(which, vivid, image)
        if self.shading:
            fields = [torch.randn(count, 1, k, k // 2, generator=random) for k in (4, 16)]
            coarse, fine = (interpolate(field, size=size, mode="bilinear") for field in fields)
            image = (image * (self.shading * (coarse + 0.5 * fine)).exp()).clamp(0, 1)
        return image

    def _sensor(self, image: Tensor, random: torch.Generator) -> Tensor:
        """Coarsen some crops, and add noise."""
        if not self.noise and not self.coarse:
            return image
        small = interpolate(avg_pool2d(image, 2), size=image.shape[2:], mode="bilinear")
        coarse = torch.rand(len(image), 1, 1, 1, generator=random) < self.coarse
        image = torch.where(coarse, small, image)
        level = self.noise * torch.rand(len(image), 1, 1, 1, generator=random)
        return (image + level * torch.randn(image.shape, generator=random)).clamp(0, 1)

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


def erring(pose: Pose, samples: Samples, size: Size, random: torch.Generator) -> Pose:
    """Move joints (B, 18, 2) as a network errs on crops of people seen from about the same side.

    Errors of more than `WILD` are none: a network that exchanges left and right errs otherwise.
    """
    true, found = samples.crops.poses[0], samples.crops.poses[-1]
    known = (true.visible & found.visible)[..., None]
    errors = torch.where(known, found.xy - true.xy, 0.0)
    wild = errors.norm(dim=-1, keepdim=True) > WILD * size[0]
    errors = torch.where(wild, 0.0, errors)
    sides, own = _side(true, size), _side(pose, size)
    moved = pose.xy.clone()
    for side in own.unique().tolist():
        crops = (sides == side).nonzero().flatten()
        these = (own == side).nonzero().flatten()
        if len(crops):
            drawn = crops[torch.randint(0, len(crops), (len(these),), generator=random)]
            moved[these] += errors[drawn]
    return Pose(moved, pose.visible)


def _side(pose: Pose, size: Size) -> Int[Tensor, "b"]:
    """Number the sides people are seen from: 1 front, -1 back, 0 aside or not known."""
    right, left = (OPENPOSE_18.index(f"{side}_shoulder") for side in ("right", "left"))
    across = (pose.xy[:, left, 0] - pose.xy[:, right, 0]) / size[0]
    known = pose.visible[:, [left, right]].all(1) & (across.abs() > ASIDE)
    return torch.where(known, across.sign(), torch.zeros_like(across)).long()


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
        ideal=torch.where(visible[:, None], identity(*size_of(batch.ideal)), torch.nan),
        origin=torch.zeros_like(batch.origin),
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
        ideal=batch.ideal.flip(-1) * torch.tensor((-1.0, 1.0))[:, None, None],
        origin=batch.origin.flip(-1),
    )


def _choose(which: Tensor, one: Any, other: Any) -> Any:
    """Take the tensors, or poses, of one batch where chosen (B,), else those of the other."""
    if isinstance(one, Pose):
        return Pose(*(_choose(which, a, b) for a, b in zip(one, other, strict=True)))
    return torch.where(which.view(-1, *[1] * (one.ndim - 1)), one, other)
