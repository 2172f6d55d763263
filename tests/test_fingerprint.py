"""Tests of fingerprints of a run's inputs."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reidaug.fingerprint as module
from reidaug.errors import ReidaugError
from reidaug.fingerprint import (
    ABSENT,
    FOLDER,
    RECENT,
    UNREADABLE,
    Inputs,
    content_digest,
    kept_digests,
)

LONG_AGO = time.time_ns() - 10 * RECENT


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("0001_c1.jpg", "0002_c1.jpg", "0003_c2.jpg", "more/0004_c1.jpg"):
        (folder / name).write_text(f"content of {name}")
    return folder


def test_digests_that_a_run_keeps_are_read_by_name(tmp_path: Path, photos: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    assert kept_digests(run, "images") is None
    inputs = Inputs(run)
    found = inputs.each("images", photos.rglob("*.jpg"))
    inputs.save()
    named = {str(path.relative_to(photos)): digest for path, digest in found.items()}
    assert kept_digests(run, "images") == named
    file = inputs.file("images")
    file.write_bytes(file.read_bytes()[:-9])
    assert kept_digests(run, "images") is None


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose content was read; all files count as written long ago."""
    names: list[str] = []
    digest = module.content_digest

    def noting(file: Path) -> str:
        names.append(file.name)
        return digest(file)

    monkeypatch.setattr(module, "content_digest", noting)
    monkeypatch.setattr(module, "RECENT", -RECENT * 1_000_000)
    return names


def look(run: Path, folder: Path, *, save: bool = True) -> Inputs:
    inputs = Inputs(run)
    inputs.add("images", sorted(folder.rglob("*.jpg")))
    run.mkdir(exist_ok=True)
    if save:
        inputs.save()
    return inputs


def test_a_first_run_has_no_changes(photos: Path, tmp_path: Path) -> None:
    first = look(tmp_path / "run", photos)
    assert not first.changes()
    assert first.text() == ""
    first.check(advice="nothing to advise")


def test_files_are_read_once(photos: Path, tmp_path: Path, read: list[str]) -> None:
    look(tmp_path / "run", photos)
    assert len(read) == 4
    look(tmp_path / "run", photos)
    assert len(read) == 4


def test_touched_files_are_read_and_no_change(
    photos: Path, tmp_path: Path, read: list[str]
) -> None:
    look(tmp_path / "run", photos)
    read.clear()
    (photos / "0002_c1.jpg").touch()
    assert not look(tmp_path / "run", photos).changes()
    assert read == ["0002_c1.jpg"]
    look(tmp_path / "run", photos)
    assert read == ["0002_c1.jpg"]


def test_other_content_of_the_same_size_and_times_is_a_change(
    photos: Path, tmp_path: Path, read: list[str]
) -> None:
    path = photos / "0001_c1.jpg"
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    look(tmp_path / "run", photos)
    path.write_text(path.read_text()[::-1])
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    found = look(tmp_path / "run", photos)
    assert found.text() == "images: 1 changed (0001_c1.jpg)"


def test_a_file_written_just_before_it_was_read_is_read_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    digest = module.content_digest

    def noting(file: Path) -> str:
        read.append(file.name)
        return digest(file)

    monkeypatch.setattr(module, "content_digest", noting)
    look(tmp_path / "run", photos)
    look(tmp_path / "run", photos)
    assert len(read) == 8


def test_new_gone_and_renamed_files_are_named(photos: Path, tmp_path: Path) -> None:
    look(tmp_path / "run", photos)
    (photos / "0001_c1.jpg").rename(photos / "0009_c1.jpg")
    (photos / "0002_c1.jpg").unlink()
    (photos / "0000_c1.jpg").write_text("new")
    (photos / "more" / "0004_c1.jpg").write_text("other")
    found = look(tmp_path / "run", photos, save=False)
    assert found.changes()["images"] == (
        ("more/0004_c1.jpg",),
        ("0001_c1.jpg to 0009_c1.jpg",),
        ("0000_c1.jpg",),
        ("0002_c1.jpg",),
        (),
    )
    assert found.text() == (
        "images: 1 changed (more/0004_c1.jpg), 1 renamed (0001_c1.jpg to 0009_c1.jpg), "
        "1 new (0000_c1.jpg), 1 gone (0002_c1.jpg)"
    )
    with pytest.raises(ReidaugError, match=r"0004_c1\.jpg.*; name another folder, put them"):
        found.check(advice="name another folder")
    found.check("masks", advice="name another folder")


def test_what_changed_since_is_told_and_mixed_files_stay_changed(
    photos: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()

    def look() -> Inputs:
        inputs = Inputs(run)
        inputs.add("images", images)
        inputs.note("joints", {"0001_c1.jpg": "a"})
        return inputs

    images = sorted(photos.rglob("*.jpg"))
    before = look()
    before.save()
    assert before.since(look()) == ""
    kept, gone = images[0].read_bytes(), images[1].read_bytes()
    images[0].write_text("other")
    images[1].unlink()
    told = "images: 2 changed (0001_c1.jpg, 0002_c1.jpg)"
    assert before.since(look()) == before.since(look(), "images") == look().text() == told
    assert before.since(look(), "joints") == ""
    look().save_mixed()
    for content in (b"other", kept):
        images[0].write_bytes(content)
        images[1].write_bytes(gone)
        assert look().text() == "images: 1 changed (0001_c1.jpg)"


def test_three_names_are_shown(photos: Path, tmp_path: Path) -> None:
    look(tmp_path / "run", photos)
    for path in photos.rglob("*.jpg"):
        path.write_text("same")
    assert look(tmp_path / "run", photos).text() == (
        "images: 4 changed (0001_c1.jpg, 0002_c1.jpg, 0003_c2.jpg, ...)"
    )


def test_digests_do_not_depend_on_place_or_order(photos: Path, tmp_path: Path) -> None:
    files = sorted(photos.rglob("*.jpg"))
    first = Inputs(tmp_path / "run").add("images", files)
    photos.rename(tmp_path / "moved")
    moved = sorted((tmp_path / "moved").rglob("*.jpg"))
    assert Inputs(tmp_path / "run").add("images", moved[::-1] + moved) == first
    moved[0].rename(moved[0].with_name("0007.jpg"))
    assert Inputs(tmp_path / "run").add("images", (tmp_path / "moved").rglob("*.jpg")) != first


def test_what_is_no_file_has_a_digest_and_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    files = [tmp_path / "pipe", tmp_path / "missing", tmp_path]
    found = Inputs(tmp_path / "run").each("files", files)
    assert found == {files[0]: UNREADABLE, files[1]: ABSENT, tmp_path: UNREADABLE}


@pytest.mark.parametrize("damage", ["", "no number", "3\n", "4\nx y z\n", "\xff\n"])
def test_damaged_fingerprints_are_told_and_all_is_read_again(
    photos: Path, tmp_path: Path, damage: str
) -> None:
    look(tmp_path / "run", photos)
    kept = tmp_path / "run" / FOLDER / "images.txt"
    lines = kept.read_text().splitlines(keepends=True)
    kept.write_text(damage + "".join(lines[1:3]), encoding="latin-1")
    (photos / "0001_c1.jpg").write_text("other")
    damaged = Inputs(tmp_path / "run")
    damaged.add("images", photos.rglob("*.jpg"))
    way = rf"name another, put them back, or remove {damaged.folder} to go on with those that"
    with pytest.raises(ReidaugError, match=way):
        damaged.check(advice="name another")
    assert look(tmp_path / "run", photos).text() == "images: 1 unknown (images.txt is damaged)"
    assert not look(tmp_path / "run", photos).changes()
    (photos / "0001_c1.jpg").write_text("another")
    assert look(tmp_path / "run", photos).changes()


NAMES = st.sets(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=12)
    .map(lambda name: f"{name}.jpg")
    .filter(lambda name: len(name.encode()) < 200),
    max_size=8,
)


@given(NAMES, NAMES)
def test_every_name_is_known_again(
    tmp_path_factory: pytest.TempPathFactory, first: set[str], second: set[str]
) -> None:
    place = tmp_path_factory.mktemp("names")
    run, folder = place / "run", place / "photos"
    folder.mkdir()
    for name in first:
        (folder / name).write_text(name)
    look(run, folder)
    assert not look(run, folder).changes()
    for name in first - second:
        (folder / name).unlink()
    for name in second - first:
        (folder / name).write_text(name)
    found = look(run, folder).changes().get("images", ((), (), (), ()))
    assert set(found[2]) == second - first
    assert set(found[3]) == first - second


def test_paths_of_any_kind_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/one.pth", "a/b/two.pth", "three.pth"):
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    kinds = {
        "absolute": [tmp_path / "a" / "one.pth", tmp_path / "a" / "b" / "two.pth"],
        "relative": [Path("a/one.pth"), Path("a/b/two.pth")],
        "mixed": [tmp_path / "a" / "one.pth", Path("a/b/two.pth"), Path("three.pth")],
        "none": [],
    }
    first = Inputs(tmp_path)
    digests = {what: first.add(what, files) for what, files in kinds.items()}
    assert digests["absolute"] == digests["relative"]
    first.save()
    (tmp_path / "a" / "one.pth").write_text("other")
    second = Inputs(tmp_path)
    for what, files in kinds.items():
        second.add(what, files)
    assert second.text() == (
        "absolute: 1 changed (one.pth); relative: 1 changed (one.pth); "
        f"mixed: 1 changed ({tmp_path / 'a' / 'one.pth'})"
    )


def test_notes_have_names_and_perhaps_digests(tmp_path: Path) -> None:
    first = Inputs(tmp_path)
    whole = first.note("pairs", {"a > b": "", "c > d": ""})
    first.note("joints", {"a": "1", "b": "2"})
    first.save()
    second = Inputs(tmp_path)
    assert second.note("pairs", {"a > b": "", "c > e": ""}) != whole
    second.note("joints", {"a": "1", "c": "2"})
    assert second.text() == ("pairs: 1 new (c > e), 1 gone (c > d); joints: 1 renamed (b to c)")


def test_non_utf8_names_are_known_again(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / os.fsdecode(b"\xff.jpg")).write_text("x")
    look(tmp_path / "run", folder)
    assert not look(tmp_path / "run", folder).changes()


def test_known_files_are_not_read_again(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def noted(file: Path) -> str:
        read.append(file.name)
        return content_digest(file)

    monkeypatch.setattr(module, "RECENT", 0)
    monkeypatch.setattr(module, "content_digest", noted)
    look(tmp_path / "run", photos)
    assert len(read) == 4
    os.utime(photos / "0002_c1.jpg", ns=(LONG_AGO, LONG_AGO))
    assert not look(tmp_path / "run", photos, save=False).changes()
    assert read[4:] == ["0002_c1.jpg"]
