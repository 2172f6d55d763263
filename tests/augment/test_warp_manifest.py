from pathlib import Path

import pandas as pd
import pytest

from reidaug.augment.warp_manifest import ChunkRecord, WarpRow, write_warp_manifest
from reidaug.errors import ReidaugError


def row(source: str, pose: int, *, left_out: str = "", pck: float | None = None) -> WarpRow:
    return WarpRow(
        f"{source}_w{pose:02d}.jpg", f"{source}.jpg", pose, "b.jpg", 1, 2, "first",
        0.9, 0.8, 0.7, 0.1, 0.6, 0.2, 0.5, None, None, None, False, left_out == "turn", pck,
        0.5 + pose / 10, left_out, not left_out,
    )  # fmt: skip


def test_totals_are_of_the_warps_that_are_kept(tmp_path: Path) -> None:
    records = [
        ChunkRecord([row("a", 0, pck=0.5), row("a", 1, left_out="turn")], ["c.jpg: torn"]),
        ChunkRecord([row("b", 1, pck=1.0), row("b", 2, left_out="quality")], []),
    ]
    totals = write_warp_manifest(tmp_path / "manifest.parquet", records)
    assert (totals.sources, totals.images, totals.rejected, totals.dropped_half_turns) == (
        2,
        2,
        1,
        1,
    )
    assert (totals.quality, totals.pck) == (pytest.approx(0.55), pytest.approx(0.75))
    assert totals.left_out == ("c.jpg: torn",)
    table = pd.read_parquet(tmp_path / "manifest.parquet")
    assert tuple(table.columns) == WarpRow._fields
    assert list(table["pck"].isna()) == [False, True, False, True]
    assert table[["other_side", "other_face", "invented"]].isna().all(axis=None)


def test_poor_warps_of_flows_that_tell_are_counted(tmp_path: Path) -> None:
    told = row("a", 0)._replace(invented=0.4, quality=0.34)
    rows = [
        told,
        told._replace(file="a_w01.jpg", quality=0.36),
        told._replace(file="a_w02.jpg", invented=None),
        told._replace(file="a_w03.jpg", kept=False, left_out="quality"),
    ]
    assert write_warp_manifest(tmp_path / "manifest.parquet", [ChunkRecord(rows, [])]).poor == 1


def test_a_dataset_without_a_warp_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "manifest.parquet"
    with pytest.raises(ReidaugError, match=r"not one image could be warped: a\.jpg: gone"):
        write_warp_manifest(path, [ChunkRecord([], ["a.jpg: gone"])])
    with pytest.raises(ReidaugError, match=r"of 1 warps 1 are below --min-quality \(a lower"):
        write_warp_manifest(path, [ChunkRecord([row("a", 0, left_out="quality")], [])])


def test_damaged_records_count_as_none() -> None:
    good = ChunkRecord([row("a", 0)], [])
    assert ChunkRecord.read({"rows": [list(good.rows[0])], "left_out": []}) == good
    for damaged in (None, {}, {"rows": [[1, 2]], "left_out": []}, {"rows": []}):
        assert ChunkRecord.read(damaged) is None
