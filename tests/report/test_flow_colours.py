import colorsys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.geometry.flow import identity
from reidaug.report.flow_colours import HIDDEN, colour_wheel, displacement, flow_colours, hue

SIZE = (32, 16)


def shifted(dx: float, dy: float) -> torch.Tensor:
    """A flow that samples (dx, dy) pixels away."""
    flow = identity(*SIZE)
    flow[0] += 2 * dx / (SIZE[1] - 1)
    flow[1] += 2 * dy / (SIZE[0] - 1)
    return flow


@given(st.floats(0, 359.9))
def test_a_hue_is_that_of_the_standard_library(degrees: float) -> None:
    expected = colorsys.hsv_to_rgb(degrees / 360, 1, 1)
    assert hue(torch.tensor([degrees]))[0].tolist() == pytest.approx(expected, abs=1e-4)


@given(st.floats(-9, 9), st.floats(-9, 9))
def test_displacement_is_in_pixels(dx: float, dy: float) -> None:
    moved = displacement(shifted(dx, dy), SIZE)
    torch.testing.assert_close(moved[0], torch.full(SIZE, dx), atol=1e-4, rtol=0)
    torch.testing.assert_close(moved[1], torch.full(SIZE, dy), atol=1e-4, rtol=0)


def test_no_displacement_is_white() -> None:
    assert (flow_colours(identity(*SIZE), SIZE, longest=5.0) == 255).all()


@pytest.mark.parametrize(
    ("dx", "dy", "colour"),
    [(4, 0, (255, 0, 0)), (0, 4, (128, 255, 0)), (-4, 0, (0, 255, 255)), (0, -4, (128, 0, 255))],
)
def test_hue_is_direction(dx: float, dy: float, colour: tuple[int, int, int]) -> None:
    drawn = flow_colours(shifted(dx, dy), SIZE, longest=4.0)[:, 5, 5].tolist()
    assert drawn == pytest.approx(colour, abs=2)


@given(st.floats(0.5, 8))
def test_saturation_is_length(length: float) -> None:
    drawn = flow_colours(shifted(length, 0), SIZE, longest=8.0)[:, 0, 0].tolist()
    assert drawn[0] == 255
    assert drawn[1] == pytest.approx(255 * (1 - length / 8), abs=1)


def test_hidden_cells_are_grey_and_does_not_stretch_the_scale() -> None:
    flow = shifted(3, 0)
    flow[:, 0, 0] = 99.0
    visible = torch.ones(SIZE, dtype=torch.bool)
    visible[0, 0] = False
    drawn = flow_colours(flow, SIZE, visible=visible)
    assert tuple(drawn[:, 0, 0].tolist()) == HIDDEN
    assert drawn[1, 5, 5] <= 1


def test_a_flow_without_visible_cells_is_all_grey() -> None:
    drawn = flow_colours(shifted(1, 1), SIZE, visible=torch.zeros(SIZE, dtype=torch.bool))
    assert (drawn == torch.tensor(HIDDEN, dtype=torch.uint8)[:, None, None]).all()


def test_the_wheel_agrees_with_the_flow_it_explains() -> None:
    wheel = colour_wheel(101)
    drawn = flow_colours(shifted(2, 2), SIZE, longest=4.0)[:, 3, 3].int()
    half = round(50 * 2 / 4)
    assert (wheel[:, 50 + half, 50 + half].int() - drawn).abs().max() <= 6
    assert (wheel[:, 0, 0] == 255).all()
    assert (wheel[:, 50, 50] == 255).all()
