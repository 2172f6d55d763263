"""Crops: read once, varied in batches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded

from reidaug.data.images import IMAGENET_MEAN, IMAGENET_STD, encode_png, read_image
from reidaug.errors import ReidaugError
from reidaug.reid.crop_transforms import CropTransforms, erased_rectangles, transform_crops
from reidaug.reid.crops import Crops, normalise

STILL = CropTransforms(flip=0.0, shift=0.0, jitter=0.0, erase=0.0)


def some(count=5, size=(24, 12), seed=0):
    return torch.randint(0, 256, (count, 3, *size), generator=seeded(seed), dtype=torch.uint8)


@pytest.fixture
def files(tmp_path: Path):
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path, image in zip(paths, some(), strict=True):
        path.write_bytes(encode_png(image))
    return paths


@pytest.mark.parametrize("cache_mb", [0, 1])
def test_a_batch_is_the_files_in_order(files, cache_mb):
    crops = Crops(files, size=(24, 12), cache_mb=cache_mb)
    for _ in range(2):
        batch = crops.batch([3, 0, 3])
        assert torch.equal(batch, torch.stack([read_image(files[i]) for i in (3, 0, 3)]))


def test_the_cache_is_bounded_and_spares_decoding(files):
    crops = Crops(files, size=(24, 12), cache_mb=0)
    crops._capacity = 2
    crops.batch([0, 1, 2, 3])
    files[0].unlink(), files[3].unlink()
    assert torch.equal(crops.batch([0])[0], some()[0])
    with pytest.raises(ReidaugError, match="no such image"):
        crops.batch([3])


def test_crops_are_resized(files):
    assert Crops(files, size=(48, 24)).batch([1]).shape == (1, 3, 48, 24)


def test_normalising_puts_imagenets_mean_at_zero():
    grey = torch.tensor([round(255 * m) for m in IMAGENET_MEAN], dtype=torch.uint8)
    images = grey[None, :, None, None].expand(2, 3, 4, 4)
    assert float(normalise(images).abs().max()) < 0.5 / 255 / min(IMAGENET_STD)


def test_no_transforms_change_nothing():
    assert torch.equal(transform_crops(some(), seeded(), STILL), normalise(some()))


def test_a_flip_is_a_mirror_image():
    flipped = transform_crops(some(), seeded(), CropTransforms(flip=1.0, shift=0.0, erase=0.0))
    assert torch.equal(flipped, normalise(some().flip(-1)))


@given(st.integers(0, 1000))
def test_a_shift_moves_the_crop_and_repeats_its_edge(seed):
    images = some(3)
    moved = transform_crops(
        images, seeded(seed), CropTransforms(flip=0.0, shift=0.13, erase=0.0)
    )  # 3 pixels
    padded = torch.nn.functional.pad(images.float(), (3, 3, 3, 3), mode="replicate").byte()
    for one, whole in zip(moved, padded, strict=True):
        places = [whole[:, y : y + 24, x : x + 12] for y in range(7) for x in range(7)]
        assert any(torch.equal(one, normalise(place[None])[0]) for place in places)


def test_jitter_keeps_grey_grey_and_moves_by_its_share():
    grey = torch.full((64, 3, 4, 4), 100, dtype=torch.uint8)
    how = CropTransforms(flip=0.0, shift=0.0, jitter=0.2, erase=0.0)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    changed = transform_crops(grey, seeded(), how) * std * 255 + mean * 255
    assert float((changed.amax(1) - changed.amin(1)).max()) < 0.01
    assert 79 < float(changed.min()) < 90
    assert 110 < float(changed.max()) < 121


def test_erasing_follows_its_distribution():
    images = torch.empty(4000, 3, 128, 64)
    erased = erased_rectangles(images, seeded(), probability=0.5)
    shares = erased.float().mean((1, 2))
    assert float((shares > 0).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert float(shares[shares > 0].min()) > 0.018
    assert float(shares.max()) < 0.42
    for mask in erased[shares > 0][:200]:
        rows, columns = mask.any(1).sum(), mask.any(0).sum()
        assert int(mask.sum()) == int(rows * columns)  # a full rectangle


def test_erased_pixels_are_the_mean_colour():
    images = some(8, (64, 32))
    whole, erased = (
        transform_crops(images, seeded(), CropTransforms(0.0, 0.0, 0.0, p)) for p in (0.0, 1.0)
    )
    changed = (whole != erased).any(1)
    assert np.all(changed.flatten(1).any(1).numpy())
    assert float(erased.permute(0, 2, 3, 1)[changed].abs().max()) == 0


def dots(size=(41, 21)):
    """White pictures with two black dots: 10 pixels above the centre, and 5 right of it."""
    images = torch.full((200, 3, *size), 255, dtype=torch.uint8)
    images[:, :, 9:12, 9:12] = 0
    images[:, :, 19:22, 14:17] = 0
    return images


def places(**changes):
    """Mean (x, y) about the centre of both dots after a transform: above (N, 2), right (N, 2)."""
    how = CropTransforms(flip=0.0, shift=0.0, erase=0.0, **changes)
    black = transform_crops(dots(), seeded(0), how)[:, 0] < 0
    y, x = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(21.0) - 10, indexing="ij")
    found = []
    for half in (y < -x, y > -x):
        weight = (black & half).float()
        total = weight.sum((1, 2))
        found.append(torch.stack([(weight * axis).sum((1, 2)) / total for axis in (x, y)], 1))
    return found


def test_stretching_changes_height_and_width_each_by_itself():
    above, right = places(stretch=0.3)
    tall, wide = above[:, 1] / -10, right[:, 0] / 5
    for factors in (tall, wide):
        assert 0.65 < float(factors.min()) < 0.8 and 1.2 < float(factors.max()) < 1.35
    assert abs(float(torch.corrcoef(torch.stack((tall, wide)))[0, 1])) < 0.25


def test_turning_keeps_distances_and_right_angles():
    above, right = places(turn=20.0)
    assert torch.allclose(above.norm(dim=1), torch.tensor(10.0), atol=0.6)
    assert torch.allclose(right.norm(dim=1), torch.tensor(5.0), atol=0.6)
    angles = torch.rad2deg(torch.atan2(above[:, 0], -above[:, 1]))
    assert -23 < float(angles.min()) < -17 and 17 < float(angles.max()) < 23
    assert float((above * right).sum(1).abs().max()) < 8
