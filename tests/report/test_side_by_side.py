import pytest
import torch

from reidaug.report.figures import blank
from reidaug.report.side_by_side import READABLE_HEIGHT, label, side_by_side

RED, BLUE = (200, 0, 0), (0, 0, 200)


def test_pictures_stand_in_columns_under_their_names() -> None:
    columns = {
        "source": [blank((64, 32), RED)] * 2,
        "a name far wider than the pictures below it": [blank((64, 32), BLUE)] * 2,
    }
    page = side_by_side(columns)
    text = label("source").shape[1]
    assert page.shape[1] == text + 2 * READABLE_HEIGHT + 4 * 8
    red = (page == torch.tensor(RED, dtype=torch.uint8)[:, None, None]).all(0)
    blue = (page == torch.tensor(BLUE, dtype=torch.uint8)[:, None, None]).all(0)
    assert red.sum() == blue.sum() == 2 * READABLE_HEIGHT * READABLE_HEIGHT // 2
    assert red.nonzero()[:, 1].max() < blue.nonzero()[:, 1].min()
    assert (page[:, :text].amin(0) < 128).any()  # something is written on top


def test_big_pictures_keep_their_size() -> None:
    page = side_by_side({"a": [blank((256, 256), RED)]})
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
        side_by_side(columns)
