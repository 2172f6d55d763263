"""Training batches: P people with K main crops each, and extra crops of the same people."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reidaug.jobs import torch_generator
from reidaug.reid.crop_transforms import transform_crops
from reidaug.reid.crops import Crops, normalise
from reidaug.reid.sampling import PeopleSampler, crop_pools, draw_extra
from reidaug.reid.training_options import TrainingOptions

# Purposes of the generators of one training; `build_network` of the experiments takes 5.
SAMPLING, TRANSFORMS, EXTRA_SAMPLING, EXTRA_TRANSFORMS, CALIBRATION = range(5)


class Batch(NamedTuple):
    """Crops with identities."""

    images: Float[Tensor, "b 3 H W"]  # normalised crops (B, 3, H, W)
    labels: Int[Tensor, "b"]  # identities (B,)


class TrainingBatches(NamedTuple):
    """The crops of a training, to draw batches from.

    Main crops are the real ones or, in an arm with ``only``, the arm's extra crops in their place.
    """

    real: Crops  # main crops
    labels: Sequence[int]  # their identities
    extra: Crops  # extra crops of the arm
    extra_labels: Sequence[int]  # their identities
    extra_roots: Sequence[int] = ()  # dataset index of each extra crop, where an arm mixes several

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
        chance = [torch_generator(seed, purpose) for purpose in range(EXTRA_TRANSFORMS + 1)]
        sampler = PeopleSampler(
            self.labels, people=options.people, images=options.images, generator=chance[SAMPLING]
        )
        extra_count = round(options.ratio * options.people * options.images)
        real_only_from = steps - round(options.real_only_share * steps)
        real_pools = crop_pools(self.labels, ())
        extra_pools = crop_pools(self.extra_labels, self.extra_roots)
        for step, drawn in zip(range(steps), sampler.forever(), strict=False):
            labels = [self.labels[i] for i in drawn]
            images = transform_crops(
                self.real.batch(drawn).to(device), chance[TRANSFORMS], options.transforms
            )
            real = Batch(images, torch.tensor(labels, device=device))
            if not extra_count:
                yield real, None
                continue
            crops, of_crop, pools = self.extra, self.extra_labels, extra_pools
            if step >= real_only_from:
                crops, of_crop, pools = self.real, self.labels, real_pools
            chosen = draw_extra(
                pools, labels[:: options.images], extra_count, chance[EXTRA_SAMPLING]
            )
            images = transform_crops(
                crops.batch(chosen).to(device), chance[EXTRA_TRANSFORMS], options.extra_transforms
            )
            labels = [of_crop[i] for i in chosen]
            yield real, Batch(images, torch.tensor(labels, device=device))


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
