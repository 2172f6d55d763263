"""Augmented datasets whose inputs changed since: what is told, and what is made again."""

import importlib
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from augmented import augmented, content
from stick_market import stick_market

from reidaug.augment import augmented_dataset, chunk_files, engine
from reidaug.augment.engine import RECORDS
from reidaug.augment.target_poses import read_poses
from reidaug.augment.training_pairs import make_pairs
from reidaug.augment.warp_inputs import IMAGES, KnownImages
from reidaug.data.images import encode_jpeg, encode_png, read_image
from reidaug.data.keypoints import read_keypoints, write_patn
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError
from reidaug.fingerprint import Inputs
from reidaug.flow.checkpoint import save_checkpoint
from reidaug.geometry.pose import Pose
from reidaug.jobs import Records

JOINTS = "market-annotation-train.csv"
Change = Callable[[Path, list[Path]], str]


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nine crops with masks, in chunks of two."""
    monkeypatch.setattr(engine, "PIXELS_AT_ONCE", 2 * 64 * 32)
    root = stick_market(tmp_path / "market", people=3, images=3)
    (root / "masks").mkdir()
    for path in (root / TRAIN).iterdir():
        write_mask(root / "masks" / f"{path.stem}.png", 6)
    return root


def write_mask(file: Path, left: int) -> None:
    mask = torch.zeros(64, 32, dtype=torch.bool)
    mask[5:60, left:26] = True  # whole, and around all joints
    file.write_bytes(encode_png(mask))


def warps(root: Path, out: Path, **options: object) -> None:
    pool = "good" if "poses_from" in options else "any"
    keys = {"flow": "torso-affine", "poses": 3, "pool": pool, "background": "grey"}
    augmented(root, out, **{**keys, "min_quality": 0.0, **options})


def times(out: Path) -> dict[str, int]:
    files = (path for path in out.rglob("*") if path.is_file() and path.parent.name != ".inputs")
    return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in files}


def no_targets(root: Path, out: Path) -> list[Path]:
    """Training images that give no target pose, in the order of their names."""
    targets = read_poses(out / "poses.json").images
    return [path for path in sorted((root / TRAIN).iterdir()) if path.name not in targets]


def without_former(files: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out the records, which remember files of before."""
    return {name: bytes for name, bytes in files.items() if not name.startswith(RECORDS)}


def image(root: Path, others: list[Path]) -> str:
    others[1].write_bytes(others[0].read_bytes())
    return f"training images: 1 changed ({others[1].name})"


def mask(root: Path, others: list[Path]) -> str:
    write_mask(root / "masks" / f"{others[1].stem}.png", 4)
    return f"masks: 1 changed ({others[1].stem}.png)"


def no_mask(root: Path, others: list[Path]) -> str:
    (root / "masks" / f"{others[1].stem}.png").unlink()
    return f"masks: 1 gone ({others[1].stem}.png)"


def joints(root: Path, others: list[Path]) -> str:
    poses = read_keypoints(root / JOINTS).poses
    pose = poses[others[1].name]
    poses[others[1].name] = Pose(pose.xy + 1, pose.visible)
    write_patn(root / JOINTS, poses)
    return f"joints: 1 changed ({others[1].name})"


@pytest.mark.parametrize("change", [image, mask, no_mask, joints])
def test_what_changed_is_told_and_made_again(
    market: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], change: Change
) -> None:
    out = tmp_path / "out"
    warps(market, out)
    before, others = times(out), no_targets(market, out)
    assert capfd.readouterr().err.count("made again") == 0
    told = change(market, others)
    warps(market, out)
    assert f"{out}: {told}; what depends on it is made again" in capfd.readouterr().err
    warps(market, tmp_path / "afresh")
    assert content(out) == content(tmp_path / "afresh")
    remade = {name for name, time in times(out).items() if time != before[name]}
    assert {name for name in remade if name.startswith(TRAIN)} == {
        f"{TRAIN}/{others[1].stem}_w{k:02d}.jpg" for k in range(3)
    }
    warps(market, out)
    assert "made again" not in capfd.readouterr().err


def test_untouched_inputs_redo_nothing(
    market: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    warps(market, out, keep_original=True)
    before = times(out)
    for path in (*(market / TRAIN).iterdir(), *(market / "masks").iterdir(), market / JOINTS):
        path.touch()
    warps(market, out, keep_original=True)
    after = times(out)
    assert {name for name in after if after[name] != before[name]} == {"log.jsonl"}
    assert "made again" not in capfd.readouterr().err


def test_a_mended_person_number_moves_the_warps(
    market: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    warps(market, out, poses_from="shipped")
    own = out / TRAIN / "mine.jpg"
    own.write_text("of the user's")
    wrong = min((market / TRAIN).iterdir())
    right = wrong.with_name(wrong.name.replace("0001", "0003", 1).replace("_000", "_009", 1))
    wrong.rename(right)
    table = (market / JOINTS).read_text().replace(wrong.name, right.name)
    (market / JOINTS).write_text(table)
    (market / "masks" / f"{wrong.stem}.png").rename(market / "masks" / f"{right.stem}.png")
    warps(market, out, poses_from="shipped")
    assert f"1 renamed ({wrong.name} to {right.name})" in capfd.readouterr().err
    assert not list((out / TRAIN).glob(f"{wrong.stem}*"))
    assert own.exists()
    own.unlink()
    warps(market, tmp_path / "afresh", poses_from="shipped")
    afresh = without_former(content(tmp_path / "afresh"))
    assert without_former(content(out)) == afresh


@pytest.mark.parametrize("keep", [True, False])
def test_removed_images_leave_no_warps(market: Path, tmp_path: Path, keep: bool) -> None:
    out = tmp_path / "out"
    options = {"poses_from": "shipped", "keep_original": keep}
    warps(market, out, **options)
    for path in sorted((market / TRAIN).iterdir())[-3:]:
        path.unlink()
    warps(market, out, **options)
    warps(market, tmp_path / "afresh", **options)
    assert without_former(content(out)) == without_former(content(tmp_path / "afresh"))


def test_a_person_added_half_way_and_a_kill_give_what_a_new_run_gives(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, count = tmp_path / "out", [0]
    warp = engine.warp_crops

    def killed(*args: object) -> object:
        count[0] += 1
        if count[0] == 3:
            raise KeyboardInterrupt
        return warp(*args)

    monkeypatch.setattr(engine, "warp_crops", killed)
    with pytest.raises(KeyboardInterrupt):
        warps(market, out)
    first = min((market / TRAIN).iterdir())
    poses = read_keypoints(market / JOINTS).poses
    for k in range(2):
        name = f"0000_c{k + 1}s1_00000{k}_01.jpg"
        (market / TRAIN / name).write_bytes(first.read_bytes())
        poses[name] = poses[first.name]
    write_patn(market / JOINTS, poses)
    count[0] = 1
    with pytest.raises(KeyboardInterrupt):
        warps(market, out)
    count[0] = 10
    warps(market, out)
    warps(market, tmp_path / "afresh")
    assert without_former(content(out)) == without_former(content(tmp_path / "afresh"))


def test_what_a_killed_run_overwrote_is_not_taken_for_the_old(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    warps(market, out)
    first, others = content(out), no_targets(market, out)
    kept, write = others[1].read_bytes(), Records.write
    image(market, others)

    def killed(self: Records, key: int | str, record: dict[str, object]) -> None:
        if record.get("of") not in (None, chunk_files.STALE):
            raise KeyboardInterrupt
        write(self, key, record)

    with monkeypatch.context() as patch:
        patch.setattr(Records, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            warps(market, out)
    others[1].write_bytes(kept)
    warps(market, out)
    assert content(out) == first


def test_other_backgrounds_of_a_changed_image_are_made_again(market: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    warps(market, out, background="other")
    path = no_targets(market, out)[0]
    path.write_bytes(encode_jpeg(255 - read_image(path)))
    warps(market, out, background="other")
    warps(market, tmp_path / "afresh", background="other")
    assert content(out) == content(tmp_path / "afresh")


def ground(root: Path, others: list[Path]) -> Path:
    return others[-1]  # of nobody in the first chunk


def source(root: Path, others: list[Path]) -> Path:
    return others[0]


def outline(root: Path, others: list[Path]) -> Path:
    return root / "masks" / f"{others[0].stem}.png"


def target(root: Path, others: list[Path]) -> Path:
    some = min(path for path in (root / TRAIN).iterdir() if path not in others)
    return root / "masks" / f"{some.stem}.png"


@pytest.mark.parametrize(
    ("which", "gone"), [(source, False), (ground, True), (outline, True), (target, True)]
)
def test_what_is_back_after_a_run_is_as_if_it_had_stayed(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    which: Callable[[Path, list[Path]], Path], gone: bool,
) -> None:  # fmt: skip
    afresh, out = tmp_path / "afresh", tmp_path / "out"
    warps(market, afresh, background="other")
    file = which(market, no_targets(market, afresh))
    before, run = file.read_bytes(), augmented_dataset.run_chunks
    engine.load_models.cache_clear()

    def strike(*given: Any, **options: Any) -> Any:
        if gone:
            file.unlink()
        else:
            file.write_bytes(encode_png(torch.full((3, 64, 32), 255, dtype=torch.uint8)))
        return run(*given, **options)

    with monkeypatch.context() as patch, suppress(ReidaugError):  # for a tenth is left out
        patch.setattr(augmented_dataset, "run_chunks", strike)
        warps(market, out, background="other")
    file.write_bytes(before)
    warps(market, out, background="other")
    assert content(out) == content(afresh)


def test_poses_that_are_rare_by_now_are_made(market: Path, tmp_path: Path) -> None:
    out, options = (
        tmp_path / "out",
        {"poses_each": 1, "poses_each_by": "rare", "poses_from": "shipped"},
    )
    warps(market, out, **options)
    poses = read_keypoints(market / JOINTS).poses
    first, second, *_ = sorted(poses)  # of one person
    poses[first] = poses[second]
    write_patn(market / JOINTS, poses)
    warps(market, out, **options)
    warps(market, tmp_path / "afresh", **options)
    assert without_former(content(out)) == without_former(content(tmp_path / "afresh"))


def test_a_run_of_an_earlier_version_goes_on(market: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    warps(market, out)
    recipe = out / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "inputs: 0123456789abcdef\n")
    before = content(tmp_path / "out")
    warps(market, out)
    assert content(out).keys() == before.keys()


def test_a_dataset_that_was_moved_is_the_same(
    market: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, pairs = tmp_path / "out", tmp_path / "pairs"
    warps(market, out)
    make_pairs(market, pairs)
    before = {name: time for name, time in times(out).items() if name.startswith(TRAIN)}
    moved = market.rename(tmp_path / "moved")
    warps(moved, out)
    make_pairs(moved, pairs)
    told = capfd.readouterr().err
    for run in (out, pairs):
        assert f"{run}: dataset was {market} and is {moved} now; " in told
    assert {name: time for name, time in times(out).items() if name.startswith(TRAIN)} == before
    # Links lead to where the dataset is.
    assert len(list((out / "query").iterdir())) == len(list((pairs / "train").iterdir())) == 9
    moved.rename(market)
    write_patn(market / JOINTS, {
        name: Pose(pose.xy * 0.9, pose.visible)
        for name, pose in read_keypoints(market / JOINTS).poses.items()
    })  # fmt: skip
    with pytest.raises(ReidaugError, match=r"dataset was .*, with other content \(joints: 9 ch"):
        warps(market, out)


def test_counts_follow_what_is_left_out_and_the_splits(market: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = augmented(market, out, flow="torso-affine", poses=2, pool="any")
    before, linked = times(out / TRAIN), [name for name in first.linked if name != "query"]
    (market / "query").rename(market / "away")
    (market / TRAIN / "0009_c1s1_000001_01.jpg").symlink_to("nowhere")
    with (market / JOINTS).open("a") as file:
        file.write("nobody.jpg:[1, 2]:[3]\n")
    second = augmented(market, out, flow="torso-affine", poses=2, pool="any")
    assert second == first._replace(linked=linked, left_out=first.left_out + 2, not_read=1)
    assert json.loads((out / "report.json").read_text()) == second._asdict()
    assert not (out / "query").is_symlink()
    (market / "away").rename(market / "query")
    (market / TRAIN / "0009_c1s1_000001_01.jpg").unlink()
    third = augmented(market, out, flow="torso-affine", poses=2, pool="any")
    assert third == first._replace(left_out=first.left_out + 1)
    assert (out / "query").is_symlink()
    assert times(out / TRAIN) == before


def test_images_of_equal_names_are_known_by_their_folders(tmp_path: Path) -> None:
    root, images = tmp_path / "root", tmp_path / "images"
    files = [images / person / "a.jpg" for person in ("p1", "p2")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text(str(file))
    root.mkdir()
    assert KnownImages.of(root, files) is None
    kept = Inputs(root)
    kept.add(IMAGES, files)
    kept.save()
    assert KnownImages.of(root, files) == (2, ())
    moved = images.rename(tmp_path / "moved")
    (moved / "p2" / "a.jpg").write_text("another")
    assert KnownImages.of(root, sorted(moved.rglob("*.jpg"))) == (2, ("a.jpg",))
    assert KnownImages.of(root, [moved / "p1" / "a.jpg"]) == (1, ())


def test_warps_of_other_code_are_made_again(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    head = "from reidaug.flow.closed_form import TorsoAffine\n\nclass Mine(TorsoAffine):\n"
    shift = "    def forward(self, *given):\n        return super().forward(*given) * "
    for code in ("    pass\n", f"{shift}0.5\n"):
        (tmp_path / "users_warps.py").write_text(head + code)
        sys.modules.pop("users_warps", None)
        importlib.invalidate_caches()
        mine = importlib.import_module("users_warps").Mine
        if not (tmp_path / "flow").exists():
            save_checkpoint(tmp_path / "flow", mine(), {"estimator": {"class": "users_warps:Mine"}})
        warps(market, tmp_path / "out", flow=str(tmp_path / "flow"))
    told = capsys.readouterr().err
    assert "the code of users_warps is not what it was trained by" in told
    assert "code: 1 changed (users_warps); what depends on it is made again" in told
    warps(market, tmp_path / "afresh", flow=str(tmp_path / "flow"))
    assert content(tmp_path / "out").keys() == content(tmp_path / "afresh").keys()
    name = next((tmp_path / "afresh" / TRAIN).iterdir()).name
    both = [(tmp_path / place / TRAIN / name).read_bytes() for place in ("out", "afresh")]
    assert both[0] == both[1]
    sys.modules.pop("users_warps")
