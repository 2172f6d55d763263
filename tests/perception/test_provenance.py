from pathlib import Path

import pytest

from reidaug.data.manifest import read_manifest, write_manifest
from reidaug.errors import ReidaugError
from reidaug.perception.pose_records import PoseRecord
from reidaug.perception.provenance import provenance_file, read_provenance, write_provenance


def record(name: str, attempt: int) -> PoseRecord:
    return PoseRecord(name, [[1.0, 2.0, 1]] * 18, [0.9] * 18, 1, 0.4, attempt, True)


def test_the_table_tells_which_try_found_a_person(tmp_path: Path) -> None:
    keypoints = tmp_path / "poses.csv"
    assert read_provenance(keypoints) == {}
    tries = {"a.jpg": 1, "b.jpg": 0, "c.jpg": 2, "d.jpg": 6}
    write_provenance(keypoints, (record(name, attempt) for name, attempt in tries.items()))
    assert provenance_file(keypoints) == tmp_path / "poses.provenance.parquet"
    assert read_provenance(keypoints) == {"a.jpg": "first", "c.jpg": "second", "d.jpg": "second"}
    rows = read_manifest(provenance_file(keypoints))
    assert [row["pose_from"] for row in rows] == ["first", "none", "second", "second"]
    assert {row["name"]: row["attempt"] for row in rows} == tries


def test_another_table_is_named(tmp_path: Path) -> None:
    write_manifest(tmp_path / "poses.provenance.parquet", [{"file": "a.jpg"}])
    with pytest.raises(ReidaugError, match=r"poses\.provenance\.parquet: .* no table of `reidaug"):
        read_provenance(tmp_path / "poses.csv")
