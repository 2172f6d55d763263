"""Training batches: people, extra crops, seeds."""

import pytest
import torch
from drawn_crops import LABELS, DrawnCrops

from reidaug.reid.batches import TrainingBatches, calibration_batches
from reidaug.reid.training_options import TrainingOptions

CPU = torch.device("cpu")


def drawn(steps: int = 10, seed: int = 0, **changes):
    """All batches, and the indices of the real and extra crops read for them."""
    real, extra = DrawnCrops(), DrawnCrops()
    options = TrainingOptions(people=2, images=2, **changes)
    batches = TrainingBatches(real, LABELS, extra, LABELS)
    return list(batches.batches(options, steps=steps, seed=seed, device=CPU)), real, extra


@pytest.mark.parametrize(("ratio", "count"), [(0.5, 2), (1.0, 4), (2.0, 8)])
def test_a_batch_has_p_times_k_real_crops_and_a_share_of_extra_ones(ratio, count) -> None:
    for real, extra in drawn(ratio=ratio)[0]:
        assert len(real.images) == len(real.labels) == 4
        assert len(set(real.labels.tolist())) == 2
        assert len(extra.images) == len(extra.labels) == count
        assert set(extra.labels.tolist()) <= set(real.labels.tolist())


def test_real_crops_depend_on_the_seed_alone() -> None:
    few, many = drawn(ratio=0.5)[0], drawn(ratio=2.0, real_only_share=1.0)[0]
    for (real, _), (same, _) in zip(few, many, strict=True):
        assert torch.equal(real.images, same.images)
    other = drawn(seed=1)[0]
    assert any(
        not torch.equal(real.images, changed.images)
        for (real, _), (changed, _) in zip(few, other, strict=True)
    )


def test_no_ratio_no_extra_crops() -> None:
    batches, _, extra = drawn(ratio=0.0)
    assert all(second is None for _, second in batches)
    assert not extra.read


@pytest.mark.parametrize(("share", "count"), [(0.0, 20), (0.3, 14), (1.0, 0)])
def test_extra_crops_of_the_last_steps_are_real(share, count) -> None:
    _, real, extra = drawn(ratio=0.5, real_only_share=share)
    assert len(extra.read) == count
    assert len(real.read) == 40 + 20 - count


def test_calibration_uses_plain_crops() -> None:
    crops = DrawnCrops()
    batches = list(calibration_batches(crops, count=4, seed=0, device=CPU, batches=3))
    assert [len(images) for images in batches] == [4, 4, 4]
    assert all(len(set(crops.read[k : k + 4])) == 4 for k in (0, 4, 8))
    assert torch.equal(batches[0].std((1, 2, 3)) > 0, torch.ones(4, dtype=torch.bool))
