"""Lab colours, and changes of light."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.data.colour import lab_of, relight, rgb_of


def random_image(seed: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand((1, 3, 6, 5), generator=chance)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1, 1, 1), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((0.5, 0.5, 0.5), (53.39, 0.0, 0.0)),
    ],
)
def test_known_colours(rgb, lab) -> None:
    found = lab_of(torch.tensor(rgb, dtype=torch.float32)[:, None, None])[:, 0, 0]
    torch.testing.assert_close(found, torch.tensor(lab), atol=0.05, rtol=0)


@given(seed=st.integers(0, 999))
def test_lab_and_back(seed: int) -> None:
    image = random_image(seed)
    torch.testing.assert_close(rgb_of(lab_of(image)), image, atol=1e-4, rtol=0)


@given(seed=st.integers(0, 999), strength=st.floats(0, 1))
def test_nothing_changes_between_equal_scenes_or_without_strength(seed, strength) -> None:
    image, scene, other = (random_image(seed + k, 0.2, 0.8) for k in range(3))
    torch.testing.assert_close(relight(image, scene, scene, strength), image, atol=1e-3, rtol=0)
    torch.testing.assert_close(relight(image, scene, other, 0.0), image, atol=1e-3, rtol=0)


@given(seed=st.integers(0, 999), strength=st.floats(0.1, 1))
def test_the_mean_moves_as_between_the_scenes(seed, strength) -> None:
    image, here = (random_image(seed + k, 0.45, 0.55) for k in range(2))
    there = (here * torch.tensor((1.05, 1.0, 0.9))[:, None, None]).clamp(0, 1)
    changed = relight(image, here, there, strength)

    def mean(part: torch.Tensor) -> torch.Tensor:
        return lab_of(part).mean((2, 3))

    expected = mean(image) + strength * (mean(there) - mean(here))
    torch.testing.assert_close(mean(changed), expected, atol=0.1, rtol=0)


def test_contrast_follows_the_scene() -> None:
    image = random_image(0, 0.45, 0.55)
    flat, busy = random_image(1, 0.48, 0.52), random_image(1, 0.2, 0.8)

    def spread(part: torch.Tensor) -> float:
        return float(lab_of(part)[:, 0].std())

    assert spread(relight(image, flat, busy, 1.0)) > 1.5 * spread(image)
    assert spread(relight(image, busy, flat, 1.0)) < 0.7 * spread(image)
