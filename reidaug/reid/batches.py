"""Training batches: P people with K main crops each, and extra crops of the same people."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reidaug.jobs import torch_generator
from reidaug.reid.crop_transforms import transform_crops
from reidaug.reid.crops import Crops, normalise
from reidaug.reid.grounds import Grounds
from reidaug.reid.sampling import PeopleSampler, crop_pools, crops_by_person, draw_extra, draw_views
from reidaug.reid.training_options import TrainingOptions

# Purposes of the generators of one training; `build_network` of the experiments takes 5.
SAMPLING, TRANSFORMS, EXTRA_SAMPLING, EXTRA_TRANSFORMS, CALIBRATION = range(5)
GROUNDS = 6
SHOWN = 3


class Batch(NamedTuple):
    """Crops with identities."""

    images: Float[Tensor, "b 3 H W"]  # normalised crops (B, 3, H, W)
    labels: Int[Tensor, "b"]  # identities (B,)
    # Of extra crops: the row of the main crop that each is of; None where they are others.
    of: Int[Tensor, "b"] | None = None
    quality: Float[Tensor, "b"] | None = None  # of extra crops, in [0, 1]; None: not known
    files: tuple[Path, ...] = ()  # of the first crops, to name when a training stops


class TrainingBatches(NamedTuple):
    """The crops of a training, to draw batches from.

    Main crops are the real ones or, in an arm with ``only``, the arm's extra crops in their place.
    """

    real: Crops  # main crops
    labels: Sequence[int]  # their identities
    extra: Crops  # extra crops of the arm
    extra_labels: Sequence[int]  # their identities
    extra_roots: Sequence[int] = ()  # dataset index of each extra crop, where an arm mixes several
    extra_sources: Sequence[int] = ()  # number of the main crop each is of, for ``extra_of: crop``
    extra_quality: Sequence[float] = ()  # quality of each; empty: not known
    grounds: Grounds | None = None  # of the main crops; None: they keep their own
    calibration: Crops | None = None  # for batch norm's statistics; None: the main crops

    def batches(
        self, options: TrainingOptions, *, steps: int, seed: int, device: torch.device
    ) -> Iterator[tuple[Batch, Batch | None]]:
        """Draw batches of main crops, and of extra crops of the same people (None without any).

        Main crops, their order and their augmentation depend on the seed alone: arms that share a
        seed and these crops train on the same ones in the same order.

        Args:
            options: People, crops and their augmentation.
            steps: Number of batches.
            seed: Random seed.
            device: Device of the batches.
        """
        chance = [torch_generator(seed, purpose) for purpose in range(GROUNDS + 1)]
        sampler = PeopleSampler(
            self.labels, people=options.people, images=options.images, generator=chance[SAMPLING]
        )
        count = round(options.ratio * options.people * options.images)
        real_only_from = steps - round(options.real_only_share * steps)
        late, early = self._real_extra(options), self._extra(options)
        for step, drawn in zip(range(steps), sampler.forever(), strict=False):
            labels = torch.tensor([self.labels[i] for i in drawn], device=device)
            crops = self.real.batch(drawn)
            if self.grounds is not None and options.grounds:
                crops = self.grounds.exchange(
                    crops, drawn, share=options.grounds, light=options.light,
                    generator=chance[GROUNDS],
                )  # fmt: skip
            images = transform_crops(crops.to(device), chance[TRANSFORMS], options.transforms)
            real = Batch(images, labels, files=first_files(self.real, drawn))
            if not count:
                yield real, None
                continue
            extra = late if step >= real_only_from else early
            chosen, rows = extra.draw(drawn, self.labels, options, count, chance[EXTRA_SAMPLING])
            if not chosen:
                yield real, None
                continue
            images = transform_crops(
                extra.crops.batch(chosen).to(device),
                chance[EXTRA_TRANSFORMS],
                options.extra_transforms,
            )
            yield real, extra.batch(images, chosen, rows)

    def _extra(self, options: TrainingOptions) -> "ExtraCrops":
        by_crop = options.extra_of == "crop"
        pools = (
            [crops_by_person(self.extra_sources)]
            if by_crop
            else crop_pools(self.extra_labels, self.extra_roots)
        )
        return ExtraCrops(self.extra, self.extra_labels, pools, by_crop, self.extra_quality)

    def _real_extra(self, options: TrainingOptions) -> "ExtraCrops":
        """Real crops in the place of extra ones: of the same people, or the same ones again."""
        by_crop = options.extra_of == "crop"
        itself = {k: [k] for k in range(len(self.labels))}
        pools = [itself] if by_crop else crop_pools(self.labels, ())
        return ExtraCrops(self.real, self.labels, pools, by_crop, ())


class ExtraCrops(NamedTuple):
    """Crops that batches draw extra ones from."""

    crops: Crops
    labels: Sequence[int]  # identity of each
    pools: Sequence[Mapping[int, Sequence[int]]]  # crops by person, or by the main crop they are of
    by_crop: bool  # whether the pool is by main crop
    quality: Sequence[float]

    def draw(
        self,
        drawn: Sequence[int],
        labels: Sequence[int],
        options: TrainingOptions,
        count: int,
        generator: torch.Generator,
    ) -> tuple[list[int], list[int]]:
        """Draw extra crops for a batch of main crops: numbers, and rows of the crops they are of.

        Args:
            drawn: The main crops.
            labels: Identities of all main crops.
            options: People and crops of a batch.
            count: Number of extra crops.
            generator: Random generator.
        """
        if self.by_crop:
            return draw_views(self.pools[0], drawn, count, generator)
        people = [labels[i] for i in drawn[:: options.images]]
        return draw_extra(self.pools, people, count, generator), []

    def batch(
        self, images: Float[Tensor, "b 3 H W"], chosen: Sequence[int], rows: Sequence[int]
    ) -> Batch:
        """Make a batch of what `draw` chose."""
        device = images.device
        return Batch(
            images,
            torch.tensor([self.labels[i] for i in chosen], device=device),
            torch.tensor(rows, device=device) if self.by_crop else None,
            torch.tensor([self.quality[i] for i in chosen], device=device)
            if self.quality
            else None,
            first_files(self.crops, chosen),
        )


def first_files(crops: Crops, numbers: Sequence[int]) -> tuple[Path, ...]:
    """List the files of the first `SHOWN` of some crops."""
    return tuple(crops.paths[number] for number in numbers[:SHOWN])


def calibration_batches(
    crops: Crops, *, count: int, seed: int, device: torch.device, batches: int = 20
) -> Iterator[Float[Tensor, "b 3 H W"]]:
    """Draw normalised main crops without augmentation, to estimate batch-norm statistics.

    Args:
        crops: Main crops.
        count: Crops per batch; all of them when there are fewer.
        seed: Random seed.
        device: Device of the batches.
        batches: Number of batches.
    """
    chance = torch_generator(seed, CALIBRATION)
    for _ in range(batches):
        drawn = torch.randperm(len(crops), generator=chance)[:count].tolist()
        yield normalise(crops.batch(drawn).to(device))
