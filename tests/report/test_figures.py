import pytest
import torch

from reidaug.data.images import encode_png
from reidaug.geometry.pose import Pose
from reidaug.report.figures import (
    READABLE_HEIGHT,
    blank,
    broken,
    draw_skeleton,
    enlarge,
    label,
    labelled_columns,
    sheet,
    warp_sheet,
)

SIZE = (32, 16)
RED, BLUE = (200, 0, 0), (0, 0, 200)


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
    page = sheet(rows, gap=2, background=(9, 9, 9))
    assert page.shape == (3, 4 + 6 + 3 * 2, 3 + 5 + 3 * 2)
    assert (page[:, 8:14, 9] == 0).all()
    assert (page[:, 8:14, 2:5] == 9).all()


def test_a_warp_sheet_has_a_header_and_a_row_a_person() -> None:
    poses = Pose(
        torch.stack([figure_pose(True).xy] * 3), torch.stack([figure_pose(True).visible] * 3)
    )
    crop, warp = blank(SIZE, RED), blank(SIZE, BLUE)
    page = warp_sheet([crop, crop], poses, [[warp] * 3] * 2, scale=2)
    assert page.shape == (3, 3 * 64 + 4 * 6, 4 * 32 + 5 * 6)
    assert page[:, -40, 20].tolist() == list(RED)
    assert page[:, -40, 60].tolist() == list(BLUE)


def test_limbs_have_the_colours_of_patn() -> None:
    xy = torch.zeros(18, 2)
    visible = torch.zeros(18, dtype=torch.bool)
    visible[[2, 3]] = True  # right upper arm: PATN's third limb, hue 40
    xy[2], xy[3] = torch.tensor((8.0, 4.0)), torch.tensor((8.0, 28.0))
    drawn = draw_skeleton(blank(SIZE), Pose(xy, visible), scale=8)
    assert drawn[:, 8 * 16, 8 * 8 + 4].tolist() == pytest.approx([255, 170, 0], abs=8)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_enlarging_keeps_colours(scale: int) -> None:
    large = enlarge(blank((4, 5), (1, 2, 3)), scale)
    assert large.shape == (3, 4 * scale, 5 * scale)
    assert (large == torch.tensor((1, 2, 3), dtype=torch.uint8)[:, None, None]).all()


def test_pictures_stand_in_columns_under_their_names() -> None:
    columns = {
        "source": [blank((64, 32), RED)] * 2,
        "a name far wider than the pictures below it": [blank((64, 32), BLUE)] * 2,
    }
    page = labelled_columns(columns)
    text = 5 * label("source").shape[1]  # the name beside it is broken into five lines
    assert page.shape[1] == text + 2 * READABLE_HEIGHT + 4 * 8
    red = (page == torch.tensor(RED, dtype=torch.uint8)[:, None, None]).all(0)
    blue = (page == torch.tensor(BLUE, dtype=torch.uint8)[:, None, None]).all(0)
    assert red.sum() == blue.sum() == 2 * READABLE_HEIGHT * READABLE_HEIGHT // 2
    assert red.nonzero()[:, 1].max() < blue.nonzero()[:, 1].min()
    assert (page[:, :text].amin(0) < 128).any()  # the name


def test_more_columns_than_fit_go_on_below_beside_the_first_ones() -> None:
    pictures = {str(k): [blank((192, 96), (k, 0, 0))] * 2 for k in range(8)}
    page = labelled_columns(pictures, repeated=2, most=5)
    assert page.shape[2] == 5 * 96 + 6 * 8
    for k in range(8):
        shown = (page == torch.tensor((k, 0, 0), dtype=torch.uint8)[:, None, None]).all(0)
        assert shown.sum() == (2 if k < 2 else 1) * 2 * 192 * 96
    assert (page[:, :, 3 * 8 + 2 * 96 :].amax() == 255).all()
    half = page.shape[1] // 2
    assert [int(page[0, half - 60, 8 + k * 104 + 40]) for k in range(5)] == [0, 1, 2, 3, 4]
    assert [int(page[0, -60, 8 + k * 104 + 40]) for k in range(5)] == [0, 1, 5, 6, 7]


def test_names_wider_than_their_column_are_broken() -> None:
    name = "unwarpme_sa_exact_perceptual"
    lines = broken(name, 120)
    assert "".join(lines) == name and len(lines) == 3
    assert broken("fomm", 10) == ["fomm"] and broken("two words", 1000) == ["two words"]
    two = label(*lines[:2])
    assert two.shape[1] == label("a", lines=2).shape[1] == 2 * label("a").shape[1]


def test_big_pictures_keep_their_size() -> None:
    page = labelled_columns({"a": [blank((256, 256), RED)]})
    assert page.shape[2] == 256 + 2 * 8


def test_names_are_written_on_one_line_dark_on_white() -> None:
    short, long = label("l"), label("joint_blend_q")
    assert short.shape[1] == long.shape[1]
    assert long.shape[2] > short.shape[2]
    assert long[:, 0].eq(255).all()
    assert long.amin() < 90


@pytest.mark.parametrize("columns", [{}, {"a": []}, {"a": [blank((2, 2))], "b": []}])
def test_columns_of_unequal_length_are_refused(columns: dict[str, list[torch.Tensor]]) -> None:
    with pytest.raises(ValueError, match="equal length"):
        labelled_columns(columns)
