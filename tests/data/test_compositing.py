"""Soft edges, and grounds without their people."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import max_pool2d

from reidaug.data.compositing import inpaint_people, soft_matte

SIZE = (12, 8)


def random_mask(seed: int) -> torch.Tensor:
    return torch.rand(SIZE, generator=torch.Generator().manual_seed(seed)) > 0.8


@given(seed=st.integers(0, 99), height=st.integers(2, 30), width=st.integers(2, 20))
def test_a_person_is_inpainted_with_colours_from_around(seed: int, height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = 0.2 + 0.3 * torch.rand((3, height, width), generator=generator)
    mask = torch.rand((height, width), generator=generator) > 0.9
    near = max_pool2d(mask[None].float(), 3, 1, 1)[0] > 0
    image[:, mask] = 1.0  # the person shines
    filled = inpaint_people(image[None], mask[None])[0]
    if near.all():
        assert torch.equal(filled, torch.full_like(image, 0.5))
    else:
        assert torch.allclose(filled[:, ~near], image[:, ~near], atol=1e-6)
        assert float(filled.max()) <= 0.5 + 1e-5
        assert float(filled.min()) >= 0.2 - 1e-5


def test_a_plain_wall_continues_where_the_person_was() -> None:
    image = torch.full((3, 128, 64), 0.3)
    mask = torch.zeros(128, 64, dtype=torch.bool)
    mask[20:120, 15:50] = True
    image[:, mask] = 0.9
    filled = inpaint_people(image[None], mask[None])[0]
    assert torch.allclose(filled, torch.full_like(image, 0.3), atol=1e-5)


@given(seed=st.integers(0, 999))
def test_a_soft_matte_is_the_binomial_blur(seed: int) -> None:
    mask = random_mask(seed)
    soft = soft_matte(mask[None])[0, 0]
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            total = 0.0
            for dr, wr in ((-1, 1), (0, 2), (1, 1)):
                for dc, wc in ((-1, 1), (0, 2), (1, 1)):
                    r = min(max(row + dr, 0), SIZE[0] - 1)
                    c = min(max(column + dc, 0), SIZE[1] - 1)
                    total += wr * wc * float(mask[r, c])
            assert float(soft[row, column]) == pytest.approx(total / 16, abs=1e-6)


def test_images_are_inpainted_each_by_itself() -> None:
    images = torch.rand((4, 3, 21, 10), generator=torch.Generator().manual_seed(0))
    masks = torch.rand((4, 21, 10), generator=torch.Generator().manual_seed(1)) > 0.95
    masks[2] = True
    together = inpaint_people(images, masks)
    for k in range(4):
        alone = inpaint_people(images[k : k + 1], masks[k : k + 1])[0]
        torch.testing.assert_close(together[k], alone)
    assert torch.equal(together[2], torch.full_like(together[2], 0.5))
