import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reidaug.augment.painting import BINOMIAL, TEARS, blend_tears, paint, spread_person
from reidaug.geometry.flow import from_affine, identity, resize
from reidaug.geometry.strain import strain
from reidaug.geometry.warp import warp

SIZE = (24, 12)
WHOLE = torch.ones(1, *SIZE, dtype=torch.bool)


def random_image(seed: int) -> Tensor:
    return torch.rand((4, *SIZE), generator=torch.Generator().manual_seed(seed))


def random_mask(seed: int) -> Tensor:
    return torch.rand(SIZE, generator=torch.Generator().manual_seed(seed)) > 0.8


def slow_paint(image: Tensor, flow: Tensor, outline: Tensor, shrinks: float) -> Tensor:
    """Everything at twice the resolution, pixel by pixel."""
    painted = warp(image[None].expand(len(flow), -1, -1, -1), flow).clone()
    fine_size = (2 * SIZE[0] - 1, 2 * SIZE[1] - 1)
    fine = warp(image[None].expand(len(flow), -1, -1, -1), resize(flow, fine_size), size=fine_size)
    scale = strain(flow, SIZE).largest
    for t in range(len(flow)):
        for row in range(SIZE[0] - 1):
            for column in range(SIZE[1] - 1):
                if not outline[t, row, column] or not shrinks < scale[t, row, column] <= TEARS:
                    continue
                total = torch.zeros(image.shape[0])
                for r, wr in ((-1, 0.25), (0, 0.5), (1, 0.25)):
                    for c, wc in ((-1, 0.25), (0, 0.5), (1, 0.25)):
                        y, x = max(2 * row + r, 0), max(2 * column + c, 0)
                        total = total + wr * wc * fine[t, :, y, x]
                painted[t, :, row, column] = total
    return slow_blend(painted, scale > TEARS, outline)


def slow_blend(painted: Tensor, torn: Tensor, outline: Tensor) -> Tensor:
    """The mean of neighbours inside the outline, pixel by pixel."""
    blended = painted.clone()
    height, width = outline.shape[1:]
    for t, row, column in outline.nonzero().tolist():
        above, left = max(row - 1, 0), max(column - 1, 0)
        if not torn[t, above : row + 1, left : column + 1].any():
            continue
        total, weight = torch.zeros(painted.shape[1]), 0.0
        for r, wr in zip((-1, 0, 1), BINOMIAL, strict=True):
            for c, wc in zip((-1, 0, 1), BINOMIAL, strict=True):
                y, x = row + r, column + c
                if 0 <= y < height and 0 <= x < width and outline[t, y, x]:
                    total, weight = total + wr * wc * painted[t, :, y, x], weight + wr * wc
        blended[t, :, row, column] = total / weight
    return blended


@given(seed=st.integers(0, 99))
def test_samples_are_averaged_where_the_picture_shrinks(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    flow = identity(*SIZE)[None] + 0.1 * torch.randn((2, 2, *SIZE), generator=generator)
    outline = torch.rand((2, *SIZE), generator=generator) > 0.4
    image = random_image(seed)
    expected = slow_paint(image, flow, outline, 1.6)
    assert torch.allclose(paint(image, flow, outline), expected, atol=1e-5)


def test_the_two_sides_of_a_tear_are_blended_and_nothing_else() -> None:
    painted = torch.zeros(1, 1, *SIZE)
    painted[..., 6:] = 1.0
    torn = torch.zeros(1, SIZE[0] - 1, SIZE[1] - 1, dtype=torch.bool)
    torn[..., 5] = True
    blended = blend_tears(painted, torn, WHOLE)
    assert torch.allclose(blended[..., 5], torch.tensor(0.25))
    assert torch.allclose(blended[..., 6], torch.tensor(0.75))
    others = [column for column in range(SIZE[1]) if column not in (5, 6)]
    assert torch.equal(blended[..., others], painted[..., others])
    half = WHOLE.clone()
    half[..., 6:] = False
    assert torch.equal(blend_tears(painted, torn, half), painted)  # what is cut off does not bleed


def test_what_keeps_its_scale_is_sampled_once() -> None:
    image = random_image(0)
    matrix, offset = torch.tensor([[[-1.0, 0], [0, 1.3]]]), torch.zeros(1, 2)
    flow = from_affine(matrix, offset, SIZE)
    assert torch.equal(paint(image, flow, WHOLE), warp(image[None], flow))
    assert torch.allclose(paint(image, identity(*SIZE)[None], WHOLE)[0], image, atol=1e-5)


def test_nothing_is_made_on_another_device_than_the_flow() -> None:
    flow = torch.rand((1, 2, *SIZE), generator=torch.Generator().manual_seed(1)) * 2 - 1
    image = random_image(0)
    with torch.device("meta"):
        painted = paint(image, flow, WHOLE)
    assert torch.equal(painted, paint(image, flow, WHOLE))


def test_a_plain_picture_stays_plain_however_it_is_torn() -> None:
    flow = torch.rand((3, 2, *SIZE), generator=torch.Generator().manual_seed(1)) * 2 - 1
    plain = torch.full((3, *SIZE), 0.25)
    painted = paint(plain, flow, WHOLE.expand(3, -1, -1))
    assert torch.allclose(painted, torch.full_like(painted, 0.25), atol=1e-6)


@given(seed=st.integers(0, 999))
def test_spreading_takes_the_colour_of_a_nearest_pixel_of_the_person(seed: int) -> None:
    image, mask = random_image(seed)[:3], random_mask(seed)
    spread = spread_person(image, mask)
    person = mask.nonzero().tolist()
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            away = [math.dist((row, column), pixel) for pixel in person]
            near = [p for p, d in zip(person, away, strict=True) if d <= min(away) + 1e-9]
            colours = [image[:, r, c].tolist() for r, c in near]
            assert spread[:, row, column].tolist() in colours


def test_spreading_an_empty_mask_changes_nothing() -> None:
    image = random_image(0)[:3]
    assert torch.equal(spread_person(image, torch.zeros(SIZE, dtype=torch.bool)), image)
