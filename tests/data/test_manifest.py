import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reidaug.data.manifest
from reidaug.data.manifest import manifest_parts, read_manifest, write_manifest
from reidaug.errors import ReidaugError

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "file": st.text(max_size=12),
            "pid": st.integers(-(2**40), 2**40),
            "fold": st.floats(allow_nan=False),
            "kept": st.booleans(),
        }
    ),
    max_size=20,
)


@given(ROWS)
def test_rows_come_back_and_equal_rows_are_equal_bytes(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    write_manifest(folder / "a.parquet", rows)
    write_manifest(folder / "b.parquet", iter(rows))
    assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()
    assert read_manifest(folder / "a.parquet") == rows


def test_a_long_table_is_written_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reidaug.data.manifest, "ROWS_AT_ONCE", 10)
    rows = [{"file": f"{k}.jpg", "score": None if k == 3 else k / 2} for k in range(35)]
    write_manifest(tmp_path / "a.parquet", iter(rows))
    assert read_manifest(tmp_path / "a.parquet") == rows


@pytest.mark.parametrize("odd", [{"a": "text"}, {"b": 1}, {"a": 1, "b": 2}])
def test_rows_of_another_kind_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: dict[str, object]
) -> None:
    monkeypatch.setattr(reidaug.data.manifest, "ROWS_AT_ONCE", 2)
    with pytest.raises(ValueError, match=r"columns|types"):
        write_manifest(tmp_path / "a.parquet", [{"a": 1}, {"a": 2}, odd])
    assert not list(tmp_path.iterdir())


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ReidaugError, match=r"a\.parquet: not readable"):
        read_manifest(tmp_path / "a.parquet")
    with pytest.raises(ReidaugError, match=r"b\.parquet: no such"):
        read_manifest(tmp_path / "b.parquet")


def test_rows_packed_into_nothing_are_refused_unread(tmp_path: Path) -> None:
    table = pa.table({"file": pa.array(["a.jpg"] * 3_000_000).dictionary_encode()})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    with pytest.raises(ReidaugError, match="bytes claim 3,000,000 rows"):
        read_manifest(tmp_path / "a.parquet")


def test_a_pipe_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.parquet")
    with pytest.raises(ReidaugError, match="is a named pipe; only regular files are read"):
        read_manifest(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([float("nan")]), pa.array([float("inf")]), pa.array(["0.5"]), pa.array([None]),
        pa.array([True]), pa.array([2**62], pa.duration("ns")), pa.array([[1]]),
        pa.array([{"a": 1}]),
    ],
)  # fmt: skip
def test_a_column_that_holds_something_else_is_named(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"file": ["a"], "quality": column}), tmp_path / "a.parquet")
    with pytest.raises(
        ReidaugError, match=r"a\.parquet: its column 'quality' .* no finite numbers"
    ):
        read_manifest(tmp_path / "a.parquet", {"file": str, "quality": float})
    with pytest.raises(ReidaugError, match=r"a\.parquet: its column 'x' is missing"):
        read_manifest(tmp_path / "a.parquet", {"x": int})


def test_a_date_that_no_calendar_has_is_a_damaged_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([2**60], pa.date64())}), tmp_path / "a.parquet")
    with pytest.raises(ReidaugError, match="not readable as a Parquet table"):
        read_manifest(tmp_path / "a.parquet")


def test_some_columns_are_read_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reidaug.data.manifest, "ROWS_AT_ONCE", 4)
    rows = [{"file": f"{k}.jpg", "pid": k, "kept": k % 2 == 0} for k in range(10)]
    path = tmp_path / "a.parquet"
    write_manifest(path, rows)
    parts = list(manifest_parts(path, ("pid", "kept")))
    assert all(part.keys() == {"pid", "kept"} and len(part["pid"]) <= 4 for part in parts)
    assert [pid for part in parts for pid in part["pid"]] == list(range(10))
    with pytest.raises(ReidaugError, match="column 'camid' is missing"):
        list(manifest_parts(path, ("camid",)))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ReidaugError, match="not readable as a Parquet table"):
        list(manifest_parts(path, ("pid",)))
