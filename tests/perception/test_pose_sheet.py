from pathlib import Path

import numpy as np

from reidaug.data.contact_sheet import GAP
from reidaug.data.images import read_image
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_sheet import CELL, edge, pose_sheet


def test_the_edge_of_a_mask_is_one_pixel_wide() -> None:
    mask = np.zeros((7, 6), dtype=bool)
    mask[1:6, :4] = True
    expected = mask.copy()
    expected[2:5, :3] = False
    assert np.array_equal(edge(mask), expected)
    assert not edge(np.ones((3, 3), dtype=bool)).any()


def test_the_sheet_shows_skeleton_and_outline(
    estimator: BlazePose, crops: list[Path], tmp_path: Path
) -> None:
    sheet = pose_sheet(estimator, crops, [path.stem for path in crops])
    assert sheet == pose_sheet(estimator, crops, [path.stem for path in crops])
    (tmp_path / "sheet.png").write_bytes(sheet)
    pixels = read_image(tmp_path / "sheet.png").permute(1, 2, 0).numpy()
    cells = [
        pixels[GAP : GAP + CELL[0], GAP + k * (CELL[1] + GAP) :][:, : CELL[1]] for k in range(5)
    ]
    orange = [int((cell == (230, 97, 1)).all(-1).sum()) for cell in cells]
    green = [int((cell == (80, 230, 120)).all(-1).sum()) for cell in cells]
    assert min(orange[:3]) > 50 and min(green[:3]) > 100
    assert orange[3:] == green[3:] == [0, 0]
    assert (cells[4] == 255).all()
