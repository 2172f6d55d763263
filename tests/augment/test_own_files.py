"""Augmented datasets among whose files are some of the user's."""

from pathlib import Path

import pytest
from augmented import augmented, content
from stick_market import stick_market

from reidaug.augment import chunk_files, engine, output_folder, own_files
from reidaug.augment.engine import RECORDS
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError
from reidaug.files import write_atomically


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six crops, in chunks of two."""
    monkeypatch.setattr(engine, "PIXELS_AT_ONCE", 2 * 64 * 32)
    return stick_market(tmp_path / "market", people=3, images=2)


def test_folders_without_a_file_alone_are_removed(tmp_path: Path) -> None:
    full, empty, gone = (tmp_path / name for name in ("full", "empty", "gone"))
    for folder in (full, empty):
        folder.mkdir()
    (full / "a.jpg").touch()
    own_files._remove_empty({full, empty, gone})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def warps(root: Path, out: Path, *, keep: bool = True) -> None:
    options = {"poses": 2, "poses_from": "shipped", "keep_original": keep}
    augmented(root, out, flow="torso-affine", **options)


def without_records(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: own for name, own in files.items() if not name.startswith(RECORDS)}


@pytest.mark.parametrize("ending", [".jpg", "_w01.jpg"])
def test_a_file_of_the_name_of_a_returning_image_stays(
    market: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / "out"
    warps(market, out)
    image = sorted((market / TRAIN).iterdir())[2]
    picture, own = image.read_bytes(), out / TRAIN / f"{image.stem}{ending}"
    image.unlink()
    warps(market, out)
    assert not own.exists()
    own.write_text("a year of work")
    warps(market, out)
    assert own.read_text() == "a year of work"
    image.write_bytes(picture)
    before = content(out)
    for _ in range(2):
        with pytest.raises(ReidaugError, match=f"{own.name} is not of this run and would be over"):
            warps(market, out)
        assert content(out) == before
    own.rename(tmp_path / "moved.jpg")
    warps(market, out)
    warps(market, tmp_path / "afresh")
    assert without_records(content(out)) == without_records(content(tmp_path / "afresh"))


def test_a_file_of_the_name_of_an_original_is_no_warp(market: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    warps(market, out, keep=False)
    own = out / TRAIN / min((market / TRAIN).iterdir()).name
    own.write_text("a year of work")
    warps(market, out, keep=False)
    assert own.read_text() == "a year of work"


@pytest.mark.parametrize("where", [chunk_files, output_folder])
def test_what_a_killed_run_wrote_is_its_own(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object
) -> None:
    out, count = tmp_path / "out", [0]
    if where is output_folder:
        warps(market, out)
        for path in (out / TRAIN).glob("*_01.jpg"):
            path.unlink()

    def killed(path: Path, content: bytes) -> None:
        count[0] += 1
        if count[0] == 4:
            raise KeyboardInterrupt  # in the midst of a chunk, or of the copies
        write_atomically(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(where, "write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            warps(market, out)
    first, second, *_, last = sorted((market / TRAIN).iterdir())
    first.write_bytes(last.read_bytes())
    second.unlink()
    warps(market, out)
    warps(market, tmp_path / "afresh")
    assert without_records(content(out)) == without_records(content(tmp_path / "afresh"))


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("where", [chunk_files, output_folder])
def test_a_file_put_among_those_of_a_killed_run_stays(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object, *, damaged: bool
) -> None:
    out, count = tmp_path / "out", [0]

    def killed(path: Path, content: bytes) -> None:
        count[0] += 1
        if count[0] == 3:
            raise KeyboardInterrupt
        write_atomically(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(where, "write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            warps(market, out)
    images = sorted((market / TRAIN).iterdir())
    second, third = (image.stem for image in images[1:3])
    # As it would be written next by the run that was killed.
    own = out / TRAIN / (f"{third}.jpg" if where is output_folder else f"{second}_w01.jpg")
    assert not own.exists()
    own.write_text("a year of work")
    if damaged:
        for record in (out / RECORDS).iterdir():
            record.write_text("{")
    for _ in range(2):
        with pytest.raises(ReidaugError, match=f"{own.name} is not of this run and would be over"):
            warps(market, out)
        assert own.read_text() == "a year of work"
    own.rename(tmp_path / "moved.jpg")
    warps(market, out)
    warps(market, tmp_path / "afresh")
    assert without_records(content(out)) == without_records(content(tmp_path / "afresh"))
