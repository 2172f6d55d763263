"""Files of a chunk of warps, which a killed run leaves half written."""

from pathlib import Path

import pytest

from reidaug.augment import chunk_files
from reidaug.augment.chunk_files import STALE, ChunkFiles, is_own
from reidaug.augment.warp_manifest import ChunkRecord
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError
from reidaug.files import checksum_of
from reidaug.jobs import Records


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / TRAIN).mkdir()
    return tmp_path


def files(out: Path) -> ChunkFiles:
    return ChunkFiles(out, Records(out / ".chunks"), 0, "of these")


@pytest.mark.parametrize("of", ["of these", "of a", "of z"])
def test_the_same_inputs_are_those_of_the_same_digest(out: Path, of: str) -> None:
    records = Records(out / ".chunks")
    assert not ChunkFiles(out, records, 0, of).same
    records.write(0, ChunkRecord([], [], {}, "of these")._asdict())
    assert ChunkFiles(out, records, 0, of).same == (of == "of these")


def test_what_is_written_next_is_recorded_first(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_files, "AT_ONCE", 3)
    mine = files(out)
    for name in ("a", "b", "c"):  # two of them are more than is held
        mine.add(name, name.encode() * 2)
    assert sorted(path.name for path in (out / TRAIN).iterdir()) == ["a", "b"]
    record = ChunkRecord.read(mine.records.read(0))
    assert record is not None
    assert record.of == STALE
    assert record.begun == (("a", checksum_of(b"aa")), ("b", checksum_of(b"bb")))
    (out / TRAIN / "b").write_bytes(b"mine")
    assert files(out).former(set()) == ("a",)  # of another content than was to be written
    assert files(out).former({"a"}) == ()


def test_without_a_record_no_other_content_is_overwritten(out: Path) -> None:
    (out / ".chunks").mkdir()
    (out / ".chunks" / "000000.json").write_text("{")
    (out / TRAIN / "a").write_bytes(b"a")
    mine = files(out)
    mine.add("a", b"a")
    mine.write()
    (out / ".chunks" / "000000.json").write_text("{")
    mine = files(out)
    mine.add("a", b"other")
    with pytest.raises(ReidaugError, match="a is not of this run and would be overwritten; move"):
        mine.write()


def test_a_file_of_no_content_is_nobodys(out: Path) -> None:
    (out / "a").touch()
    assert is_own(out / "a", {checksum_of(b"a")})
    assert not is_own(out / "b", {checksum_of(b"a")})
