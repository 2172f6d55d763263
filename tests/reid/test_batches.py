"""Training batches: people, extra crops, seeds."""

from pathlib import Path

import pytest
import torch
from drawn_crops import LABELS, DrawnCrops

from reidaug.reid.batches import TrainingBatches, calibration_batches
from reidaug.reid.crop_transforms import CropTransforms
from reidaug.reid.crops import normalise
from reidaug.reid.grounds import Grounds
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
    assert [second for _, second in batches] == [None] * 10
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


SOURCES = [0, 0, 2, 3, 3, 5]  # crops 1 and 4 have no views


def drawn_views(steps: int = 10, quality: tuple[float, ...] = (), **changes):
    real, extra = DrawnCrops(), DrawnCrops()
    options = TrainingOptions(people=2, images=2, extra_of="crop", **changes)
    labels = [LABELS[source] for source in SOURCES]
    batches = TrainingBatches(
        real, LABELS, extra, labels, extra_sources=SOURCES, extra_quality=quality
    )
    return list(batches.batches(options, steps=steps, seed=0, device=CPU)), real, extra


def test_views_are_of_the_very_crops_of_the_batch() -> None:
    quality = tuple(k / 10 for k in range(6))
    batches, real, extra = drawn_views(quality=quality, ratio=1.0, real_only_share=0.0)
    read = iter(extra.read)
    for step, (main, views) in enumerate(batches):
        crops = real.read[4 * step : 4 * step + 4]
        for row, label, worth in zip(views.of, views.labels, views.quality, strict=True):
            view = next(read)
            assert SOURCES[view] == crops[int(row)]
            assert int(label) == int(main.labels[int(row)])
            assert float(worth) == pytest.approx(quality[view])
        with_views = {k for k, crop in enumerate(crops) if crop not in (1, 4)}
        assert set(views.of.tolist()) == with_views
        assert len(views.images) == 4


def test_batches_none_of_whose_crops_has_a_view_go_on_without() -> None:
    options = TrainingOptions(people=2, images=1, extra_of="crop", real_only_share=0.0)
    real = DrawnCrops()
    batches = TrainingBatches(real, LABELS, DrawnCrops([0]), [0], extra_sources=[0])
    found = list(batches.batches(options, steps=20, seed=0, device=CPU))
    assert len(found) == 20
    with_views = [0 in real.read[2 * step : 2 * step + 2] for step in range(20)]
    assert [views is not None for _, views in found] == with_views
    assert set(with_views) == {True, False}


def test_crops_take_the_place_of_their_views_in_the_last_steps() -> None:
    batches, real, extra = drawn_views(ratio=0.5, real_only_share=1.0)
    assert not extra.read
    for step, (_, views) in enumerate(batches):
        crops, again = real.read[6 * step : 6 * step + 4], real.read[6 * step + 4 : 6 * step + 6]
        assert [crops[int(row)] for row in views.of] == again
        assert views.quality is None


class NoGrounds(Grounds):
    """Notes what it is asked for, and paints all black."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], float, float]] = []

    def exchange(self, images, numbers, *, share, light, generator):
        """Paint it black."""
        self.asked.append((list(numbers), share, light))
        return torch.zeros_like(images)


def test_grounds_are_those_of_main_crops_alone() -> None:
    crops, grounds = DrawnCrops(), NoGrounds()
    options = TrainingOptions(
        people=2, images=2, ratio=0.5, grounds=0.4, light=0.2, real_only_share=0.0,
        transforms=CropTransforms(erase=0.0), extra_transforms=CropTransforms(erase=0.0),
    )  # fmt: skip
    batches = TrainingBatches(crops, LABELS, DrawnCrops(), LABELS, grounds=grounds)
    for main, extra in batches.batches(options, steps=3, seed=0, device=CPU):
        assert float(main.images.max()) < -1.5  # black
        assert float(extra.images.min()) > -1.5
    assert [asked[1:] for asked in grounds.asked] == [(0.4, 0.2)] * 3
    assert [number for asked in grounds.asked for number in asked[0]] == crops.read


def test_batches_name_files_of_their_own_crops() -> None:
    batches, real, extra = drawn(steps=2, ratio=0.5, real_only_share=0.0)
    for step, (main, more) in enumerate(batches):
        assert main.files == tuple(Path(f"{k}.jpg") for k in real.read[4 * step : 4 * step + 3])
        assert more.files == tuple(Path(f"{k}.jpg") for k in extra.read[2 * step : 2 * step + 2])


EXTRA_LABELS = [2, 1, 0, 0, 1, 2, 2]
PLAIN = CropTransforms(erase=0.0, flip=0.0, shift=0.0)


def people_shown(images: torch.Tensor) -> list[int]:
    """Read off their greys who is on plain crops."""
    greys = normalise(torch.tensor([60, 100, 140], dtype=torch.uint8).expand(1, 3, 3, 3))
    return (images[:, 0, 5, 5][:, None] - greys[0, 0, 0]).abs().argmin(1).tolist()


@pytest.mark.parametrize("late", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("mixed", [False, True])
def test_every_label_is_the_person_on_the_crop(late: float, mixed: bool) -> None:
    """Extra crops are others, in another order and with labels of their own; late ones real."""
    real, extra = DrawnCrops(), DrawnCrops(EXTRA_LABELS)
    roots = (0, 0, 0, 1, 1, 1, 0) if mixed else ()
    options = TrainingOptions(
        people=2, images=2, ratio=1.0, real_only_share=late, transforms=PLAIN,
        extra_transforms=PLAIN,
    )  # fmt: skip
    batches = TrainingBatches(real, LABELS, extra, EXTRA_LABELS, roots)
    seen = list(batches.batches(options, steps=8, seed=0, device=CPU))
    for main, more in seen:
        assert people_shown(main.images) == main.labels.tolist()
        assert people_shown(more.images) == more.labels.tolist()
        assert set(more.labels.tolist()) == set(main.labels.tolist())
    assert len(extra.read) == 4 * (8 - round(8 * late))


def test_late_crops_of_single_views_are_those_of_the_batch() -> None:
    real, extra = DrawnCrops(), DrawnCrops([LABELS[source] for source in SOURCES])
    options = TrainingOptions(
        people=2, images=2, ratio=1.0, real_only_share=0.5, extra_of="crop", transforms=PLAIN,
        extra_transforms=PLAIN,
    )  # fmt: skip
    batches = TrainingBatches(real, LABELS, extra, extra.labels, extra_sources=SOURCES)
    for main, more in batches.batches(options, steps=4, seed=0, device=CPU):
        assert people_shown(more.images) == more.labels.tolist()
        assert torch.equal(main.labels[more.of], more.labels)


def test_each_kind_of_crop_has_its_own_augmentation() -> None:
    pale = CropTransforms(erase=1.0, flip=0.0, shift=0.0)
    for first, second in ((PLAIN, pale), (pale, PLAIN)):
        options = TrainingOptions(
            people=2, images=2, ratio=1.0, real_only_share=0.0, transforms=first,
            extra_transforms=second,
        )  # fmt: skip
        batches = TrainingBatches(DrawnCrops(), LABELS, DrawnCrops(), LABELS)
        for both in batches.batches(options, steps=2, seed=0, device=CPU):
            even = [bool((one.images.flatten(2).std(2) < 1e-6).all()) for one in both]
            assert even == [first is PLAIN, second is PLAIN]
