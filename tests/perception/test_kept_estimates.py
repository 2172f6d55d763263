"""Estimated poses whose crops changed since: only these are estimated again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from augmented import content
from damage import spoil
from drawn_person import drawn_person
from PIL import Image

from reidaug.errors import ReidaugError
from reidaug.perception import dataset_poses, pose_records
from reidaug.perception.dataset_poses import crops_of, estimate_poses
from reidaug.perception.pose_sums import read_sums

pytestmark = pytest.mark.usefixtures("blazepose")


@pytest.fixture
def crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of five crops, in chunks of two."""
    monkeypatch.setattr(pose_records, "CHUNK", 2)
    folder = tmp_path / "crops"
    folder.mkdir()
    for k in range(1, 6):
        draw(folder / f"{k:03d}.png", k)
    return folder


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the crops whose pose is estimated from here on."""
    read, names = pose_records.read_image, []

    def noting(path: Path) -> object:
        names.append(path.name)
        return read(path)

    monkeypatch.setattr(pose_records, "read_image", noting)
    return names


def draw(path: Path, k: int) -> None:
    drawn_person((64, 32), k)[0].save(path)


def poses(crops: Path, place: Path) -> None:
    place.mkdir(exist_ok=True)
    found, left_out, _ = crops_of(crops, allow_left_out=True)
    estimate_poses(found, place / "k.csv", masks=place / "masks", workers=1, left_out=left_out)


def report(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "k.report.json").read_text())
    return found


def times(place: Path) -> dict[str, int]:
    files = (path for path in place.rglob("*") if path.is_file() and path.parent.name != ".inputs")
    return {str(path.relative_to(place)): path.stat().st_mtime_ns for path in files}


def test_untouched_crops_redo_nothing(
    crops: Path, tmp_path: Path, estimated: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    poses(crops, tmp_path / "out")
    assert len(estimated) == 5
    before = times(tmp_path / "out")
    for path in crops.iterdir():
        path.touch()
    poses(crops, tmp_path / "out")
    assert times(tmp_path / "out") == before
    assert len(estimated) == 5
    assert "again" not in capfd.readouterr().err


def test_only_changed_new_and_renamed_crops_are_estimated(
    crops: Path, tmp_path: Path, estimated: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    poses(crops, out)
    before = times(out)
    draw(crops / "003.png", 13)
    draw(crops / "000.png", 14)
    (crops / "005.png").rename(crops / "006.png")
    estimated.clear()
    poses(crops, out)
    assert (
        f"{out / 'k.csv'}: crops: 1 changed (003.png), 1 renamed (005.png to 006.png), "
        "1 new (000.png); only these are estimated again"
    ) in capfd.readouterr().err
    assert estimated == ["000.png", "003.png", "006.png"]
    poses(crops, tmp_path / "afresh")
    assert content(out) == content(tmp_path / "afresh")
    after = times(out)
    assert {n for n in after if n.startswith("masks") and after[n] == before.get(n)} == {
        "masks/001.png", "masks/002.png", "masks/004.png"
    }  # fmt: skip


def test_a_kill_and_another_change_give_what_a_new_run_gives(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, estimated: list[str]
) -> None:
    out = tmp_path / "out"
    poses(crops, out)
    first = content(out)
    kept, noting = (crops / "001.png").read_bytes(), pose_records.read_image
    draw(crops / "001.png", 11)
    draw(crops / "005.png", 15)

    def killed(path: Path) -> object:
        if path.name == "005.png":
            raise KeyboardInterrupt
        return noting(path)

    with monkeypatch.context() as patch:
        patch.setattr(pose_records, "read_image", killed)
        with pytest.raises(KeyboardInterrupt):
            poses(crops, out)
    (crops / "001.png").write_bytes(kept)
    draw(crops / "005.png", 5)
    estimated.clear()
    poses(crops, out)
    assert estimated == ["001.png", "005.png"]
    assert content(out).keys() == first.keys()
    assert content(out)["k.csv"] == first["k.csv"]
    poses(crops, tmp_path / "afresh")
    assert content(out)["masks/001.png"] == content(tmp_path / "afresh")["masks/001.png"]


def test_joints_mended_by_hand_are_not_overwritten(crops: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    poses(crops, out)
    file = out / "k.csv"
    file.write_text(file.read_text().replace("001.png", "001.PNG"))
    before = content(out)
    draw(crops / "003.png", 13)
    with pytest.raises(ReidaugError, match=r"k\.csv was changed since, and would be overwritten: "
                       r"crops: 1 changed \(003\.png\); name another file with --out"):  # fmt: skip
        poses(crops, out)
    assert content(out) == before


def test_a_mask_of_the_users_for_a_new_crop_is_not_overwritten(crops: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    poses(crops, out)
    draw(crops / "007.png", 17)
    (out / "masks" / "007.png").write_text("cut out by hand")
    before = content(out)
    with pytest.raises(ReidaugError, match=r"masks/007\.png is there already; name another folder"):
        poses(crops, out)
    assert content(out) == before


@pytest.mark.parametrize(("how", "changed"), [("garbage", "another"), ("bit", "the same")])
def test_a_mask_mended_by_hand_is_not_overwritten_when_a_crop_changes(
    crops: Path, tmp_path: Path, how: str, changed: str
) -> None:
    out = tmp_path / "out"
    poses(crops, out)
    spoil(out / "masks" / "003.png", how)
    draw(crops / ("003.png" if changed == "the same" else "007.png"), 17)
    before = content(out)
    told = r"masks/003\.png was changed since, and would be overwritten; delete it, and it is made"
    for _ in range(2):
        with pytest.raises(ReidaugError, match=told):
            poses(crops, out)
        assert content(out) == before
    (out / "masks" / "003.png").unlink()
    poses(crops, out)
    poses(crops, tmp_path / "afresh")
    assert content(out) == content(tmp_path / "afresh")


def test_a_mask_of_the_users_stays_when_its_crop_is_gone(crops: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    poses(crops, out)
    own = out / "masks" / "005.png"
    own.write_text("cut out by hand")
    for name in ("004.png", "005.png"):
        (crops / name).unlink()
    poses(crops, out)
    assert own.read_text() == "cut out by hand"
    assert not (out / "masks" / "004.png").exists()


def test_masks_of_crops_without_an_outline_are_the_users(crops: Path, tmp_path: Path) -> None:
    Image.new("RGB", (32, 64)).save(crops / "000.png")  # nobody
    out = tmp_path / "out"
    poses(crops, out)
    own = out / "masks" / "000.png"
    assert not own.exists()
    own.write_text("cut out by hand")
    poses(crops, out)  # has nothing to do with it
    (out / "k.sheet.png").unlink()
    with pytest.raises(ReidaugError, match=r"000\.png is there already"):
        poses(crops, out)
    assert own.read_text() == "cut out by hand"
    sums = read_sums(out / "k.csv")
    assert sums is not None
    assert "masks/000.png" not in sums.files


@contextmanager
def away(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """Let a crop be unreadable for a while, its file as it is."""
    before = pose_records.read_image

    def read(path: Path) -> object:
        if path.name == name:
            raise ReidaugError(f"{path}: Input/output error")
        return before(path)

    with monkeypatch.context() as patch:
        patch.setattr(pose_records, "read_image", read)
        yield


def test_a_crop_that_can_be_read_again_is_estimated(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, estimated: list[str], capfd
) -> None:
    out = tmp_path / "out"
    for broken in ("003.png", "005.png"):
        (crops / broken).write_text("half a download")

    with away(monkeypatch, "001.png"):
        poses(crops, out)
        assert report(out)["not_readable"] == 3
        before = times(out)
        poses(crops, out)
        assert times(out) == before
    draw(crops / "005.png", 5)
    for told, done in (
        ("1 changed (005.png)", ["005.png", "001.png"]), ("", []),
    ):  # fmt: skip
        capfd.readouterr()
        estimated.clear()
        poses(crops, out)
        assert told in capfd.readouterr().err
        assert set(done) <= set(estimated)
        assert report(out)["not_readable"] == 1
    poses(crops, tmp_path / "afresh")
    assert content(out) == content(tmp_path / "afresh")


def test_a_crop_that_only_could_not_be_read_is_named(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    out = tmp_path / "out"
    with away(monkeypatch, "002.png"):
        poses(crops, out)
    poses(crops, out)
    told = "k.csv: 1 readable by now (002.png); only these are estimated again"
    assert told in capfd.readouterr().err
    assert report(out)["people"] == 5
    assert (out / "k.left_out.txt").read_text() == ""


@pytest.mark.parametrize("at", ["estimate", "sheet"])
@pytest.mark.parametrize("how", ["gone", "another"])
def test_a_crop_that_is_back_after_a_run_is_as_if_it_had_stayed(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, how: str
) -> None:
    crop, out = crops / "003.png", tmp_path / "out"
    before, (module, name) = crop.read_bytes(), {
        "estimate": (pose_records, "find_person"), "sheet": (dataset_poses, "BlazePose")
    }[at]  # fmt: skip
    work = getattr(module, name)

    def strike(*given: Any) -> Any:
        draw(crop, 99) if how == "another" else crop.unlink(missing_ok=True)
        return work(*given)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, strike)
        told = message(crops, out)
    assert ("003.png was changed or removed while" in told) == (at == "sheet")
    if at == "estimate":
        assert "003.png" in (out / "k.left_out.txt").read_text()
    crop.write_bytes(before)
    poses(crops, out)
    poses(crops, tmp_path / "afresh")
    assert content(out) == content(tmp_path / "afresh")


def test_images_left_out_before_are_counted_as_they_are(crops: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    Image.new("RGB", (32, 64)).save(crops / "000.png")  # nobody
    for more in (0, 2, 1):
        for k in range(3):
            path = crops / f"broken{k}.jpg"
            path.unlink(missing_ok=True)
            if k < more:
                path.symlink_to("nowhere")
        poses(crops, out)
        assert report(out)["left_out"] == more + 1
        lines = (out / "k.left_out.txt").read_text().splitlines()
        assert [line.partition(": ")[2][:12] for line in lines] == [
            *["a link that "] * more, "nobody found"
        ]  # fmt: skip
        before = times(out)
        poses(crops, out)
        assert times(out) == before


def test_most_crops_may_be_mended_but_not_be_of_another_dataset(
    crops: Path, tmp_path: Path, capfd
) -> None:
    out = tmp_path / "out"
    for k in range(1, 5):
        (crops / f"{k:03d}.png").write_text("half a download")
    poses(crops, out)
    assert report(out)["people"] == 1
    for k in range(1, 5):
        draw(crops / f"{k:03d}.png", k)
    poses(crops, out)
    assert "4 changed (001.png, 002.png, 003.png, ...); only these" in capfd.readouterr().err
    poses(crops, tmp_path / "afresh")
    assert content(out) == content(tmp_path / "afresh")
    before = content(out)
    for k in range(1, 4):
        draw(crops / f"{k:03d}.png", 20 + k)
    with pytest.raises(ReidaugError, match=r"k\.csv is there already, and not of these crops"):
        poses(crops, out)
    assert content(out) == before


@pytest.mark.parametrize("how", ["garbage", "removed"])
def test_what_lies_beside_is_made_again_when_a_crop_changes(
    crops: Path, tmp_path: Path, how: str
) -> None:
    out = tmp_path / "out"
    poses(crops, out)
    for name in (
        "k.left_out.txt", "k.provenance.parquet", "k.sheet.png", ".k.csv.estimates/written.json",
    ):  # fmt: skip
        spoil(out / name, how)
    draw(crops / "003.png", 13)
    poses(crops, out)
    poses(crops, tmp_path / "afresh")
    assert content(out) == content(tmp_path / "afresh")


@pytest.mark.parametrize(
    ("names", "changed"),
    [
        (["k.report.json"], True),
        (["k.report.json", "k.checksums.json"], True),
        (["k.checksums.json", "k.sheet.png", "k.left_out.txt"], False),
        (["k.checksums.json", ".k.csv.estimates/masks.json"], False),
    ],
)
def test_two_faults_at_once_heal(
    crops: Path, tmp_path: Path, names: list[str], *, changed: bool
) -> None:
    out, before = tmp_path / "out", (crops / "002.png").read_bytes()
    poses(crops, out)
    whole = shown(out)
    if changed:
        draw(crops / "002.png", 77)
    for name in names:
        spoil(out / name, "garbage")
    poses(crops, out)
    assert (shown(out) != whole) == changed
    if changed:
        (crops / "002.png").write_bytes(before)
        poses(crops, out)
        assert shown(out) == whole


def shown(place: Path) -> dict[str, bytes]:
    """What a user sees of a run."""
    return {name: own for name, own in content(place).items() if not name.startswith(".")}


def test_poses_damaged_with_their_checksums_are_told_and_made_again(
    crops: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    poses(crops, out)
    before = (out / "k.csv").read_bytes()
    for name in ("k.csv", "k.checksums.json", "k.report.json"):
        spoil(out / name, "garbage")
    with pytest.raises(ReidaugError, match=r"k.csv was changed since.*, or delete it"):
        poses(crops, out)
    (out / "k.csv").unlink()
    for name in ("k.report.json", "k.checksums.json"):
        assert "move it" in (told := message(crops, out)), told
        (out / name).unlink()
    while "move it" in (told := message(crops, out)):
        Path(told.split()[0]).unlink()
    assert told == ""
    assert (out / "k.csv").read_bytes() == before


def message(crops: Path, out: Path) -> str:
    """What a run ends with; nothing where it ends well."""
    try:
        poses(crops, out)
    except ReidaugError as error:
        return str(error)
    return ""
