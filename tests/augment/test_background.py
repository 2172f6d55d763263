import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import max_pool2d

from reidaug.augment.background import (
    BACKGROUNDS,
    colour_of,
    lay_over,
    person_mask,
    soft_edge,
    spread_person,
    without_person,
)
from reidaug.data.images import encode_png
from reidaug.errors import UsageError
from reidaug.geometry.pose import Pose
from reidaug.geometry.silhouette import silhouette

SIZE = (12, 8)


def random_mask(seed: int) -> torch.Tensor:
    return torch.rand(SIZE, generator=torch.Generator().manual_seed(seed)) > 0.8


def random_image(seed: int) -> torch.Tensor:
    return torch.rand((3, *SIZE), generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 999))
def test_spreading_takes_the_colour_of_a_nearest_pixel_of_the_person(seed: int) -> None:
    image, mask = random_image(seed), random_mask(seed)
    spread = spread_person(image, mask)
    person = mask.nonzero().tolist()
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            away = [math.dist((row, column), place) for place in person]
            near = [p for p, d in zip(person, away, strict=True) if d <= min(away) + 1e-9]
            colours = [image[:, r, c].tolist() for r, c in near]
            assert spread[:, row, column].tolist() in colours


def test_spreading_an_empty_mask_changes_nothing() -> None:
    image = random_image(0)
    assert torch.equal(spread_person(image, torch.zeros(SIZE, dtype=torch.bool)), image)


@given(seed=st.integers(0, 999))
def test_a_soft_edge_is_the_binomial_blur(seed: int) -> None:
    mask = random_mask(seed)
    soft = soft_edge(mask[None])[0, 0]
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            total = 0.0
            for dr, wr in ((-1, 1), (0, 2), (1, 1)):
                for dc, wc in ((-1, 1), (0, 2), (1, 1)):
                    r = min(max(row + dr, 0), SIZE[0] - 1)
                    c = min(max(column + dc, 0), SIZE[1] - 1)
                    total += wr * wc * float(mask[r, c])
            assert float(soft[row, column]) == pytest.approx(total / 16, abs=1e-6)


def test_a_person_is_laid_over_the_colour() -> None:
    image = random_image(1)[None]
    weights = torch.zeros(1, 1, *SIZE)
    weights[..., 4:, :] = 1
    laid = lay_over(image, weights, colour_of("imagenet-mean"))
    assert torch.equal(laid[..., 4:, :], image[..., 4:, :])
    assert laid[0, :, 0, 0].tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert torch.equal(lay_over(image, weights, colour_of("keep")), image)


def test_grey_is_the_middle_of_a_byte() -> None:
    colour = colour_of("grey")
    assert colour is not None
    assert (colour * 255).round().flatten().tolist() == [128, 128, 128]
    assert set(BACKGROUNDS) == {"grey", "imagenet-mean", "keep", "source", "other"}
    with pytest.raises(UsageError, match="known: grey"):
        colour_of("pink")


def test_the_mask_of_an_image_comes_before_its_limbs(tmp_path: Path) -> None:
    pose = Pose(torch.full((18, 2), 4.0), torch.ones(18, dtype=torch.bool))
    limbs = silhouette(Pose(pose.xy[None], pose.visible[None]), SIZE)[0]
    assert torch.equal(person_mask("a.jpg", pose, SIZE, None), limbs)
    assert torch.equal(person_mask("a.jpg", pose, SIZE, tmp_path), limbs)
    mask = random_mask(3)
    (tmp_path / "a.png").write_bytes(encode_png(mask))
    assert torch.equal(person_mask("a.jpg", pose, SIZE, tmp_path), mask)
    assert person_mask("a.jpg", pose, (24, 16), tmp_path).shape == (24, 16)
    (tmp_path / "a.png").write_bytes(encode_png(torch.zeros(SIZE, dtype=torch.bool)))
    assert torch.equal(person_mask("a.jpg", pose, SIZE, tmp_path), limbs)


@given(seed=st.integers(0, 99), height=st.integers(2, 30), width=st.integers(2, 20))
def test_a_person_is_painted_out_with_colours_from_around(
    seed: int, height: int, width: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = 0.2 + 0.3 * torch.rand((3, height, width), generator=generator)
    mask = torch.rand((height, width), generator=generator) > 0.9
    near = max_pool2d(mask[None].float(), 3, 1, 1)[0] > 0
    image[:, mask] = 1.0  # the person shines
    filled = without_person(image, mask)
    if near.all():
        assert torch.equal(filled, torch.full_like(image, 0.5))
    else:
        assert torch.allclose(filled[:, ~near], image[:, ~near], atol=1e-6)
        assert float(filled.max()) <= 0.5 + 1e-5
        assert float(filled.min()) >= 0.2 - 1e-5


def test_a_plain_wall_goes_on_behind_the_person() -> None:
    image = torch.full((3, 128, 64), 0.3)
    mask = torch.zeros(128, 64, dtype=torch.bool)
    mask[20:120, 15:50] = True
    image[:, mask] = 0.9
    assert torch.allclose(without_person(image, mask), torch.full_like(image, 0.3), atol=1e-5)
