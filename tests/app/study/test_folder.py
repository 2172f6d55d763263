"""The folder of a study."""

import json
from pathlib import Path

import pytest
from small_study import write_study

from reidaug.app.study.folder import ANSWERS, image_name, read_study
from reidaug.checksums import SUMS, Checksums
from reidaug.errors import ReidaugError
from reidaug.files import checksum


def test_a_study_is_read_back(tmp_path: Path) -> None:
    made = write_study(tmp_path / "study")
    assert read_study(made.path) == made
    assert made.design.reference == "unwarpme"
    assert made.design.rivals == ("fomm", "tpsmm")
    assert made.sample_name(4) == "practice 0"
    assert made.image(3, "tpsmm").name == "result_tpsmm.png"
    assert (made.path / ANSWERS).stat().st_mode & 0o077 == 0


def test_a_method_of_any_name_has_a_file_of_its_own() -> None:
    names = {image_name(0, name) for name in ("source", "target", "result_source", "theirs")}
    assert len(names) == 4


def test_another_folder_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(ReidaugError, match="reidaug study new"):
        read_study(tmp_path)
    for content in ("{", "[]", '{"rows": {}}', "[" * 100_000, json.dumps({"title": 1})):
        (tmp_path / "report.json").write_text(content)
        with pytest.raises(ReidaugError, match="no study"):
            read_study(tmp_path)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    made = write_study(tmp_path / "study")
    image = made.image(0, "fomm")
    name = image.relative_to(made.path).as_posix()
    Checksums(made.path / SUMS).write({name: checksum(image)})
    read_study(made.path)
    image.write_bytes(b"other")
    with pytest.raises(ReidaugError, match="result_fomm"):
        read_study(made.path)
