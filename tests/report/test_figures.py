import colorsys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.data.images import encode_png
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import Pose
from reidaug.report.figures import (
    LIMBS_18,
    UNSEEN,
    blank,
    colour_wheel,
    displacement,
    draw_skeleton,
    enlarge,
    flow_colours,
    hue,
    sheet,
    warp_sheet,
)

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


def test_patn_draws_its_limbs_in_these_colours() -> None:
    colours = (hue(torch.arange(0.0, 360.0, 20.0)) * 255).round().int().tolist()
    assert colours[:4] == [[255, 0, 0], [255, 85, 0], [255, 170, 0], [255, 255, 0]]
    assert len(LIMBS_18) < len(colours)


@given(st.floats(-9, 9), st.floats(-9, 9))
def test_displacement_is_in_pixels(dx: float, dy: float) -> None:
    reach = displacement(shifted(dx, dy), SIZE)
    torch.testing.assert_close(reach[0], torch.full(SIZE, dx), atol=1e-4, rtol=0)
    torch.testing.assert_close(reach[1], torch.full(SIZE, dy), atol=1e-4, rtol=0)


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


def test_what_means_nothing_is_grey_and_does_not_stretch_the_scale() -> None:
    flow = shifted(3, 0)
    flow[:, 0, 0] = 99.0
    visible = torch.ones(SIZE, dtype=torch.bool)
    visible[0, 0] = False
    drawn = flow_colours(flow, SIZE, visible=visible)
    assert tuple(drawn[:, 0, 0].tolist()) == UNSEEN
    assert drawn[1, 5, 5] <= 1


def test_a_flow_nobody_sees_is_all_grey() -> None:
    drawn = flow_colours(shifted(1, 1), SIZE, visible=torch.zeros(SIZE, dtype=torch.bool))
    assert (drawn == torch.tensor(UNSEEN, dtype=torch.uint8)[:, None, None]).all()


def test_the_wheel_agrees_with_the_flow_it_explains() -> None:
    wheel = colour_wheel(101)
    drawn = flow_colours(shifted(2, 2), SIZE, longest=4.0)[:, 3, 3].int()
    half = round(50 * 2 / 4)
    assert (wheel[:, 50 + half, 50 + half].int() - drawn).abs().max() <= 6
    assert (wheel[:, 0, 0] == 255).all()
    assert (wheel[:, 50, 50] == 255).all()


def figure_pose(visible: bool) -> Pose:
    xy = torch.stack((torch.linspace(2, 13, 18), torch.linspace(2, 29, 18)), -1)
    return Pose(xy, torch.full((18,), visible))


def test_a_pose_without_visible_joints_draws_nothing() -> None:
    ground = blank(SIZE, (10, 20, 30))
    assert (draw_skeleton(ground, figure_pose(False)) == ground).all()


def test_a_hidden_joint_takes_its_limbs_along_wherever_it_is() -> None:
    pose = figure_pose(True)
    pose.visible[4] = False
    pose.xy[4] = float("nan")
    without = draw_skeleton(blank(SIZE), pose)
    pose.xy[4] = torch.tensor((1e9, -1e9))
    assert (draw_skeleton(blank(SIZE), pose) == without).all()


def test_a_skeleton_is_drawn_at_its_joints_and_nowhere_else() -> None:
    xy = torch.zeros(18, 2)
    visible = torch.zeros(18, dtype=torch.bool)
    visible[[2, 3]] = True
    xy[2], xy[3] = torch.tensor((4.0, 8.0)), torch.tensor((4.0, 20.0))
    drawn = draw_skeleton(blank(SIZE), Pose(xy, visible), scale=4)
    changed = (drawn != 255).any(0)
    assert changed[4 * 14, 4 * 4 + 2]
    rows, columns = torch.nonzero(changed, as_tuple=True)
    assert 4 * 8 - 8 < int(rows.min()) < 4 * 8 + 2
    assert 4 * 20 + 2 < int(rows.max()) < 4 * 20 + 12
    assert abs(float(columns.float().mean()) - (4 * 4 + 1.5)) < 0.6


def test_pictures_are_the_same_bytes_every_time() -> None:
    first = draw_skeleton(blank(SIZE), figure_pose(True), scale=2)
    second = draw_skeleton(blank(SIZE), figure_pose(True), scale=2)
    assert encode_png(first) == encode_png(second)


def test_a_sheet_is_as_large_as_its_places() -> None:
    rows = [[blank((4, 3)), blank((2, 5))], [None, blank((6, 1), (0, 0, 0))]]
    page = sheet(rows, gap=2, ground=(9, 9, 9))
    assert page.shape == (3, 4 + 6 + 3 * 2, 3 + 5 + 3 * 2)
    assert (page[:, 8:14, 9] == 0).all()
    assert (page[:, 8:14, 2:5] == 9).all()


def test_a_warp_sheet_has_a_header_and_two_rows_a_person() -> None:
    poses = Pose(
        torch.stack([figure_pose(True).xy] * 3), torch.stack([figure_pose(True).visible] * 3)
    )
    crop, view = blank(SIZE, (200, 0, 0)), blank(SIZE, (0, 0, 200))
    page = warp_sheet(
        [crop, crop], poses, [[crop] * 3] * 2, truths=[[view] * 3, [view, None, view]], scale=2
    )
    assert page.shape == (3, 5 * 64 + 6 * 6, 4 * 32 + 5 * 6)
    assert (page[:, -40, 20] == 255).all()
    assert page[:, -40, 60].tolist() == [0, 0, 200]


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_enlarging_keeps_colours(scale: int) -> None:
    large = enlarge(blank((4, 5), (1, 2, 3)), scale)
    assert large.shape == (3, 4 * scale, 5 * scale)
    assert (large == torch.tensor((1, 2, 3), dtype=torch.uint8)[:, None, None]).all()
