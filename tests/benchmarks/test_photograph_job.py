"""The paper's job on drawn crops: every one into 25 poses, and what it cost."""

from pathlib import Path

import pytest
from photograph_job import POSES, reasons, warp_everything
from stick_market import stick_market

from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError


def test_every_crop_is_warped_into_every_pose_and_the_cost_measured(tmp_path: Path) -> None:
    market = stick_market(tmp_path / "market", people=5, images=5)
    crops = len(list((market / TRAIN).iterdir()))
    measured = warp_everything(market, tmp_path / "job", 1)
    files = list((tmp_path / "job" / TRAIN).iterdir())
    assert measured["images"] == measured["expected"] == crops * POSES == len(files)
    assert measured["bytes"] == sum(path.stat().st_size for path in files)
    assert (measured["pose_from"], measured["left_out"]) == ({"given": crops}, {})
    assert measured["peak_memory_gib"] > 0.1
    with pytest.raises(ReidaugError, match="remove it to measure the job again"):
        warp_everything(market, tmp_path / "job", 1)


def test_reasons_name_no_file() -> None:
    lines = ["a/b.jpg: not a readable image", "a/c.jpg: not a readable image"]
    lines += [f"a/{k}.jpg: warps of a/{k}0.jpg have its name" for k in range(3)]
    assert reasons(lines) == {"not a readable image": 2, "warps of ... have its name": 3}
