"""Grounds of real crops, exchanged."""

from pathlib import Path

import pytest
import torch
from drawn_crops import LABELS, DrawnCrops

from reidaug.data.images import encode_png
from reidaug.errors import ReidaugError
from reidaug.files import write_atomically
from reidaug.reid.grounds import Grounds

GREYS = [40 * label + 60 for label in LABELS]


class PaintedCrops(DrawnCrops):
    """A white person, a rectangle of 20 x 6 pixels, on the ground of `DrawnCrops`."""

    def batch(self, indices: list[int]) -> torch.Tensor:
        """Paint people."""
        images = super().batch(indices)
        images[:, :, 6:26, 5:11] = 255
        return images


@pytest.fixture
def masks(tmp_path: Path) -> list[Path | None]:
    mask = torch.zeros(32, 16, dtype=torch.bool)
    mask[6:26, 5:11] = True
    files: list[Path | None] = []
    for k in range(len(LABELS)):
        path = tmp_path / f"{k}.png"
        write_atomically(path, encode_png(mask))
        files.append(path)
    return files


def exchanged(masks, numbers, *, share=1.0, light=0.0, seed=0):
    crops = PaintedCrops()
    grounds = Grounds(crops, LABELS, masks)
    images = crops.batch(numbers)
    chance = torch.Generator().manual_seed(seed)
    return images, grounds.exchange(images, numbers, share=share, light=light, generator=chance)


@pytest.mark.parametrize("seed", range(5))
def test_the_person_stays_and_the_ground_is_that_of_somebody_else(masks, seed) -> None:
    numbers = [0, 2, 3, 5, 1]
    before, after = exchanged(masks, numbers, seed=seed)
    assert torch.equal(after[:, :, 8:24, 7:9], before[:, :, 8:24, 7:9])
    corner = after[:, 0, 0, 0].tolist()
    for number, grey in zip(numbers, corner, strict=True):
        assert min(abs(grey - other) for other in GREYS) <= 1
        assert abs(grey - GREYS[number]) > 1


def test_a_share_of_crops_and_none(masks) -> None:
    before, after = exchanged(masks, [0, 1, 2, 3] * 50, share=0.3)
    changed = (after != before).flatten(1).any(1).float().mean()
    assert 0.2 < float(changed) < 0.4
    before, same = exchanged(masks, [0, 1, 2, 3], share=0.0)
    assert same is before


def test_the_person_takes_the_light_of_the_place(masks) -> None:
    crops = PaintedCrops()
    grounds = Grounds(crops, [0, 0, 1, 1, 1, 1], [masks[0], None, None, None, masks[4], None])
    images = crops.batch([4, 0])
    images[:, :, 6:26, 5:11] = 120
    chance = torch.Generator().manual_seed(0)
    after = grounds.exchange(images, [4, 0], share=1.0, light=0.5, generator=chance)
    dark, light = after[:, 0, 15, 8].tolist()
    assert dark < 110  # from a ground of 140 to one of 60
    assert light > 130


def test_crops_without_masks_keep_their_ground_and_lend_none(masks) -> None:
    some = [masks[0], None, masks[2], None, None, None]
    before, after = exchanged(some, [1, 3, 0, 2])
    assert torch.equal(after[:2], before[:2])
    assert abs(int(after[2, 0, 0, 0]) - GREYS[2]) <= 1
    assert abs(int(after[3, 0, 0, 0]) - GREYS[0]) <= 1


def test_one_person_has_nobody_to_borrow_from(masks) -> None:
    with pytest.raises(ReidaugError, match="fewer than two people have masks"):
        Grounds(PaintedCrops(), LABELS, [masks[0], masks[1], None, None, None, None])
