import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from augmented import EVERY, augmented, content
from commandline import reidaug
from drawn_person import drawn_market, half_person, legs_alone
from PIL import Image

from reidaug.augment.estimated_poses import find_keypoints, find_masks
from reidaug.augment.inputs import Source
from reidaug.augment.pose_pool import Refusal
from reidaug.augment.posed_crops import PosedCrops
from reidaug.augment.target_poses import read_poses
from reidaug.augment.warping import put_on_canvas
from reidaug.data.images import read_image
from reidaug.data.keypoints import read_keypoints, write_patn
from reidaug.data.market1501 import TRAIN, Person
from reidaug.errors import ReidaugError, UsageError
from reidaug.geometry.pose import FLIP_18, Pose
from reidaug.jobs import Records
from reidaug.perception.pose_sums import records_folder, sums_file
from reidaug.perception.provenance import provenance_file

pytestmark = pytest.mark.usefixtures("blazepose")


def only_text(drawn_root: Path) -> None:
    for path in (drawn_root / TRAIN).iterdir():
        path.write_text("text")


def test_poses_and_masks_are_estimated_first(drawn_root: Path, tmp_path: Path, capfd) -> None:
    out = tmp_path / "out"
    flags = (*EVERY, "--flow", "joint-blend", "--poses", 3, "--workers", 1)
    assert reidaug("augment", drawn_root, "--out", out, *flags) == 0
    printed = capfd.readouterr()
    assert "poses and masks of 6 images" in printed.err
    assert "18 images: 6 of 6 training images in 3 poses" in printed.out
    assert {p.stem for p in (out / "pose" / "masks").iterdir()} == {
        p.stem for p in (drawn_root / TRAIN).iterdir()
    }
    assert json.loads((out / "report.json").read_text())["pose_masks"] == 3
    before = content(out)
    assert reidaug("augment", drawn_root, "--out", out, *flags) == 0
    assert content(out) == before
    # Named, they give the same warps.
    named = {"keypoints": out / "pose/keypoints.csv", "masks": out / "pose/masks"}
    again = tmp_path / "again"
    augmented(drawn_root, again, flow="joint-blend", poses=3, workers=1, **named)
    for path in (out / TRAIN).iterdir():
        assert (again / TRAIN / path.name).read_bytes() == path.read_bytes()


def test_every_image_yields_its_warps(drawn_root: Path, tmp_path: Path, capfd) -> None:
    folder, out = drawn_root / TRAIN, tmp_path / "out"
    expected = dict.fromkeys((path.name for path in folder.iterdir()), "first")
    black = Image.new("RGB", (64, 128))
    for name, picture, kind in (
        ("0001_c1s1_000150_01.jpg", half_person(), "second"),
        ("0001_c2s1_000102_01.jpg", black, "nearest"),
        ("0001_c3s1_000103_01.jpg", legs_alone(), "nearest"),
        ("0001_c4s1_000100_01.jpg", legs_alone(), "mask"),
        ("0001_c5s1_000100_01.jpg", black, "crop"),
    ):
        picture.save(folder / name, quality=95)
        expected[name] = kind
    flags = (*EVERY, "--flow", "joint-blend", "--poses", 7, "--workers", 1, "--pool", "any")
    assert reidaug("augment", drawn_root, "--out", out, *flags) == 0
    printed = capfd.readouterr()
    assert (
        "11 training images: 6 poses found at once, 1 found at a second try, 2 taken from the "
        "person's nearest frame, 1 with a standing pose in the outline, "
        "1 with a standing pose in the whole crop"
    ) in printed.out
    assert "77 images: 11 of 11 training images" in printed.out
    assert "left out" not in printed.err
    table = pd.read_parquet(out / "manifest.parquet")
    assert table.groupby("source")["pose_from"].unique().map(list).to_dict() == {
        name: [kind] for name, kind in expected.items()
    }
    assert sorted(set(table["pose_image"])) == sorted(
        name for name, kind in expected.items() if kind in ("first", "second")
    )
    before = content(out)
    assert reidaug("augment", drawn_root, "--out", out, *flags) == 0
    assert content(out) == before
    # The estimated files, given, still tell where poses come from. Without the fall-back only the
    # found ones are warped, and the others told.
    given = ("--keypoints", out / "pose/keypoints.csv", "--masks", out / "pose/masks")
    few = tmp_path / "few"
    assert reidaug("augment", drawn_root, "--out", few, *flags, *given, "--missing", "skip") == 0
    printed = capfd.readouterr()
    assert "7 training images: 6 poses found at once, 1 found at a second try\n" in printed.out
    assert "49 images: 7 of 11 training images" in printed.out
    assert "4 of 11 entries left out" in printed.err
    # With fewer found poses than targets, stand-ins do not fill in.
    more = ("--poses", 8, "--flow", "joint-blend", *given)
    assert reidaug("augment", drawn_root, "--out", tmp_path / "more", *more) == 1
    assert "only 7 training images show shoulders and hips" in capfd.readouterr().err
    # Nor does the pose of a second try, where target poses are to be good.
    good = ("--poses", 7, "--flow", "joint-blend", *given)
    assert reidaug("augment", drawn_root, "--out", tmp_path / "good", *good) == 1
    assert "1 found in a second try only" in capfd.readouterr().err


def test_target_poses_agree_with_their_mirrored_crops(
    drawn_root: Path, tmp_path: Path, capfd
) -> None:
    poses = tmp_path / "joints.csv"
    assert reidaug("pose", drawn_root, "--out", poses, "--workers", 1) == 0
    found = read_keypoints(poses).poses
    wrong = min(found)  # left and right exchanged: they fit the outline, not the mirrored crop
    order = list(FLIP_18)
    found[wrong] = Pose(found[wrong].xy[order], found[wrong].visible[order])
    write_patn(poses, found)
    out = tmp_path / "out"
    flags = (*EVERY, "--flow", "joint-blend", "--poses", 5, "--workers", 1, "--keypoints", poses)
    assert reidaug("augment", drawn_root, "--out", out, *flags) == 0
    targets = read_poses(out / "poses.json")
    assert wrong not in targets.images
    assert set(targets.refused) <= {Refusal(wrong, "other joints in the mirrored crop")}
    assert reidaug("augment", drawn_root, "--out", tmp_path / "6", *flags, "--poses", 6) == 1
    assert "1 refused: 1 other joints in the mirrored crop" in capfd.readouterr().err
    # A network that is given has something to read; the joints of others are not compared.
    provenance_file(poses).unlink()
    assert reidaug("augment", drawn_root, "--out", tmp_path / "6", *flags, "--poses", 6) == 1
    assert "joints.provenance.parquet is missing" in capfd.readouterr().err
    sums_file(poses).unlink()
    assert reidaug("augment", drawn_root, "--out", tmp_path / "6", *flags, "--poses", 6) == 0
    assert read_poses(tmp_path / "6" / "poses.json").refused == ()


def test_a_mask_that_does_not_go_with_the_pose_is_not_used(drawn_root: Path) -> None:
    path = min((drawn_root / TRAIN).iterdir())
    masks = drawn_root / "masks"
    masks.mkdir()
    Image.new("L", (64, 128), 255).save(masks / f"{path.stem}.png")
    pose = Pose(torch.full((18, 2), 30.0), torch.ones(18, dtype=torch.bool))
    source, image = Source(Person(path, 1, 1), path.name, pose), read_image(path)
    assert bool(put_on_canvas(source, image, (128, 64), masks).mask.all())
    limbs = put_on_canvas(source._replace(mask_fits=False), image, (128, 64), masks).mask
    assert 0 < int(limbs.sum()) < 200


def test_other_runs_and_folders_stay_as_they_are(drawn_root: Path, tmp_path: Path) -> None:
    other, run = tmp_path / "other", tmp_path / "run"
    for folder, name in ((other, "thesis.tex"), (run, "recipe.yaml")):
        folder.mkdir()
        (folder / name).write_text("years of work")
        with pytest.raises(ReidaugError, match=r"holds no run|holds another run"):
            augmented(drawn_root, folder, flow="identity", workers=1)
        assert [p.name for p in folder.iterdir()] == [name]


def test_nothing_is_left_where_no_image_can_be_read(drawn_root: Path, tmp_path: Path) -> None:
    only_text(drawn_root)
    with pytest.raises(ReidaugError, match="6 of 6 images would be left out"):
        augmented(drawn_root, tmp_path / "out", flow="identity", workers=1)
    assert not (tmp_path / "out").exists()


def test_poses_of_other_crops_or_half_done_are_not_used(
    drawn_root: Path, tmp_path: Path, capfd
) -> None:
    """By no command that reads them, and `check` says so."""
    poses, masks = drawn_root / "market-annotation-train.csv", drawn_root / "masks"
    assert reidaug("pose", drawn_root, "--out", poses, "--masks", masks, "--workers", 1) == 0
    paths = sorted((drawn_root / TRAIN).iterdir())
    commands = (
        ("check", drawn_root, "--workers", 1),
        ("augment", drawn_root, "--out", tmp_path / "out", "--flow", "identity", "--workers", 1),
        ("pairs", drawn_root, "--out", tmp_path / "pairs"),
    )
    first = paths[0].read_bytes()
    paths[0].write_bytes(paths[-1].read_bytes())
    half = records_folder(poses)
    for told in (f"estimated their poses: 1 changed ({paths[0].name})", "has not finished them"):
        for command in commands:
            assert reidaug(*command) == 1
            printed = capfd.readouterr()
            assert told in printed.err + printed.out, command
        with pytest.raises(ReidaugError, match=re.escape(told)):
            PosedCrops(drawn_root)
        paths[0].write_bytes(first)
        half.mkdir(exist_ok=True)
    mine = tmp_path / "mine.csv"  # of another estimator, beside the same masks
    write_patn(mine, read_keypoints(poses).poses)
    Records(half).write("masks", str(masks.resolve()))
    for command in commands[:2]:
        assert reidaug(*command, "--keypoints", mine) == 1
        printed = capfd.readouterr()
        assert "has not finished them" in printed.err + printed.out, command
    with pytest.raises(ReidaugError, match="has not finished them"):
        PosedCrops(drawn_root, keypoints=mine)
    poses.unlink()  # the default, without it, would be to estimate poses beside half of the masks
    for command in commands:
        assert reidaug(*command) == 1
        printed = capfd.readouterr()
        assert "has not finished them" in printed.err + printed.out, command
    assert not (tmp_path / "out").exists()


def test_advice_fits_poses_that_augment_estimates(drawn_root: Path, tmp_path: Path, capfd) -> None:
    out, paths = tmp_path / "out", sorted((drawn_root / TRAIN).iterdir())
    command = ("augment", drawn_root, "--out", out, "--flow", "identity", "--workers", 1)
    first = [path.read_bytes() for path in paths]
    black = Image.new("RGB", (64, 128))
    for path in paths[1:]:
        black.save(path)
    assert reidaug(*command) == 1
    line = capfd.readouterr().err.splitlines()[-1]
    assert "poses of only 1 of 6 training images; it has nobody on 5 others, are they crops" in line
    assert line.endswith("? --missing skip warps these alone")
    black.save(paths[0])
    assert reidaug(*command) == 1
    line = capfd.readouterr().err.splitlines()[-1]
    assert "BlazePose found nobody in 6 training images of" in line
    for path, picture in zip(paths, first, strict=True):
        path.write_bytes(picture)
    shutil.rmtree(out)
    assert reidaug(*command, *EVERY) == 0
    for file in (out / "pose" / "masks" / f"{paths[0].stem}.png", out / "pose" / "keypoints.csv"):
        own = file.read_bytes()
        file.write_bytes(own + b"\n")
        for change in (False, True):  # nothing else, or a crop too
            if change:
                paths[1].write_bytes(first[2])
            assert reidaug(*command, *EVERY) == 1
            line = capfd.readouterr().err.splitlines()[-1]
            assert str(file) in line
            assert f"delete {out / 'pose'}, and it is made again, or keep joints of" in line
            paths[1].write_bytes(first[1])
        file.write_bytes(own)
    assert reidaug(*command, *EVERY) == 0


@pytest.mark.parametrize("find", [find_keypoints, find_masks])
def test_links_that_lead_nowhere_are_not_taken_for_nothing(
    tmp_path: Path, find: Callable[[Path], Path | None]
) -> None:
    assert find(tmp_path) is None
    name = "masks" if find is find_masks else "market-annotation-train.csv"
    (tmp_path / name).symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match=f"{name}: a link that leads nowhere$"):
        find(tmp_path)
    assert reidaug("check", drawn_market(tmp_path / "m")) == 1
    (tmp_path / "m" / name).symlink_to(tmp_path / "gone")
    assert reidaug("augment", tmp_path / "m", "--out", tmp_path / "o", "--poses", 2) == 2
    assert reidaug("check", tmp_path / "m") == (2 if find is find_masks else 1)


def test_masks_that_are_a_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "masks").touch()
    with pytest.raises(UsageError, match="masks: no such folder of masks"):
        find_masks(tmp_path)
