import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import yaml
from augmented import EVERY, augmented, content
from commandline import reidaug
from page_reader import check_self_contained
from PIL import Image
from stick_market import stick_market

from reidaug.augment.inputs import read_inputs
from reidaug.augment.options import AugmentOptions
from reidaug.augment.rare_poses import with_rare_poses
from reidaug.augment.target_poses import draw_order
from reidaug.data.images import read_image
from reidaug.data.keypoints import read_keypoints, write_patn
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, read_market1501
from reidaug.flow.checkpoint import build_estimator, save_checkpoint
from reidaug.geometry.pose import on_canvas

KEYPOINTS = "market-annotation-train.csv"

run = partial(reidaug, "augment", *EVERY)


@pytest.fixture
def market(tmp_path: Path) -> Path:
    return stick_market(tmp_path / "market")


def test_quiet_says_results_alone_and_work_done_before_has_no_rate(
    market: Path, tmp_path: Path, capfd
) -> None:
    names = ("--pattern", r"^(?P<pid>\d+)_c(?P<camid>\d+)", "--flow", "identity", "--workers", 1)
    assert run(market, "--out", tmp_path / "out", *names, "-q") == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    assert "6 images: " in printed.out and "/s" not in printed.out  # progress tells the rate
    (tmp_path / "out" / "report.json").unlink()
    assert run(market, "--out", tmp_path / "out", *names) == 0
    printed = capfd.readouterr()
    assert printed.err.splitlines()[-1] == "warp: 6/6 (done before)"
    assert "/s" not in printed.out + printed.err
    assert run(market, "--out", tmp_path / "other", *names) == 0
    printed = capfd.readouterr()
    assert "names are read so: " in printed.err
    assert " warps/s" in printed.err


def test_a_run_makes_a_market_root_with_report_log_and_page(
    market: Path, tmp_path: Path, capfd, left_pages
) -> None:
    out = tmp_path / "out"
    flags = ("--flow", "torso-affine", "--poses", 3, "--workers", 1, "--keep-original")
    assert run(market, "--out", out, *flags) == 0
    report = json.loads((out / "report.json").read_text())
    expected = {"sources": 6, "poses": 3, "images": 18, "left_out": 0, "originals": 6}
    assert {key: report[key] for key in expected} == expected
    assert report["images_per_s"] > 0
    printed = capfd.readouterr()
    assert "18 images: 6 of 6 training images in 3 poses" in printed.out
    assert "warp: 18/18" in printed.err
    assert printed.out.endswith(f"page: {out / 'report.html'}\n")
    check_self_contained((out / "report.html").read_text())

    dataset = read_market1501(out)
    assert Counter(p.pid for p in dataset.train) == {1: 8, 2: 8, 3: 8}
    for split in (QUERY, GALLERY):
        assert (out / split).resolve() == (market / split).resolve()
    for image in (market / TRAIN).iterdir():
        assert (out / TRAIN / image.name).read_bytes() == image.read_bytes()
    poses = json.loads((out / "poses.json").read_text())
    assert (poses["size"], poses["seed"], len(poses["poses"])) == ([64, 32], 0, 3)
    assert [pose["index"] for pose in poses["poses"]] == [0, 1, 2]
    assert {len(pose["xy"]) for pose in poses["poses"]} == {18}
    assert len(pd.read_parquet(out / "manifest.parquet")) == 18
    assert read_image(out / "contact_sheet.png").shape[2] == 4 * 36 + 4
    assert "flow: torso-affine" in (out / "recipe.yaml").read_text()
    assert {json.loads(x)["event"] for x in (out / "log.jsonl").read_text().splitlines()} == {
        "start",
        "done",
    }


def test_refused_target_poses_are_counted_and_named(market: Path, tmp_path: Path, capfd) -> None:
    masks, names = tmp_path / "masks", sorted(p.name for p in (market / TRAIN).iterdir())
    masks.mkdir()
    order = draw_order(names, 0)
    bad = [order[1], order[-1]]
    for name in bad:
        Image.new("L", (32, 64)).save(masks / name.replace(".jpg", ".png"))
    out, flags = tmp_path / "out", ("--flow", "torso-affine", "--masks", masks, "--workers", 1)
    assert run(market, "--out", out, *flags, "--poses", 4) == 0
    poses = json.loads((out / "poses.json").read_text())
    # The last one is not examined: there are enough before it.
    assert poses["refused"] == [{"image": bad[0], "why": "no outline"}]
    assert sorted(one["image"] for one in poses["poses"]) == sorted(set(names) - set(bad))
    line = "1 drawn target pose refused: 1 no outline\n"
    assert line in capfd.readouterr().out
    assert json.loads((out / "report.json").read_text())["refused"] == {"no outline": 1}
    before = content(out)
    assert run(market, "--out", out, *flags, "--poses", 4) == 0
    assert line in capfd.readouterr().out
    assert content(out) == before
    # One more than there are good ones: nothing is made, and the line says what to do.
    assert run(market, "--out", tmp_path / "more", *flags, "--poses", 5) == 1
    error = capfd.readouterr().err
    assert "only 4 of 6 training images" in error and "2 refused: 2 no outline" in error
    assert "--pool any" in error and error.count("\n") == 2
    assert error.splitlines()[0].endswith(
        "have no mask in it; limbs drawn from their joints replace it"
    )
    assert not (tmp_path / "more").exists()
    assert run(market, "--out", tmp_path / "more", *flags, "--poses", 5, "--pool", "any") == 0
    assert "refused:" not in capfd.readouterr().out


def test_poses_of_the_package_are_refused_where_they_have_no_effect(
    market: Path, tmp_path: Path, capfd
) -> None:
    for flags, why in (
        (("--poses", 51), "only 50 poses come with the package"),
        (("--pool", "any"), "pool: without effect"),
        (("--flow", "identity"), "keeps each image's own pose"),
        (("--flow", "random-tps"), "leads to no target pose"),
    ):
        shipped = ("--poses-from", "shipped", "--workers", 1)
        assert run(market, "--out", tmp_path / "out", *shipped, *flags) == 2
        assert why in capfd.readouterr().err
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flow", ["random-affine", "random-tps"])
def test_random_warps_carry_the_persons_own_outline(
    market: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], flow: str
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert augmented(market, first, flow=flow, poses=5, workers=1).images == 30
    augmented(market, second, flow=flow, poses=5, workers=2)
    assert content(first) == content(second)
    table = pd.read_parquet(first / "manifest.parquet")
    # The outline is the person's, so that it samples nothing else, and no pose is missed.
    assert (table["foreground"] > 0.9).all()
    assert (table["joints"] == 1).all()
    assert not table["turned"].any()
    for flags in (("--turns", "drop"), ("--turns", "mirror"), ("--check-poses",)):
        assert run(market, "--out", tmp_path / "third", "--flow", flow, *flags) == 2
        assert "no target pose" in capfd.readouterr().err


def test_poses_for_each_image_are_refused_where_there_is_no_choice(
    market: Path, tmp_path: Path, capfd
) -> None:
    for flags, why in (
        (("--poses", 5, "--poses-each", 6), "6 cannot be drawn from 5 poses"),
        (("--flow", "identity", "--poses-each", 2), "--poses-each: without effect"),
        (("--poses", 5, "--poses-each-by", "rare"), "without effect where each image is warped"),
        (
            ("--flow", "random-tps", "--poses", 5, "--poses-each", 2, "--poses-each-by", "rare"),
            "--poses-each-by: without effect, --flow random-tps leads to no target pose",
        ),
    ):
        assert run(market, "--out", tmp_path / "out", "--workers", 1, *flags) == 2
        assert why in capfd.readouterr().err
        assert not (tmp_path / "out").exists()


def test_each_image_is_warped_into_the_poses_that_are_rare_for_its_person(
    market: Path, tmp_path: Path
) -> None:
    flags = ("--flow", "torso-affine", "--poses", 6, "--poses-each", 2, "--poses-each-by", "rare")
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(market, "--out", first, *flags, "--workers", 1) == 0
    table = pd.read_parquet(first / "manifest.parquet")
    dataset = read_market1501(market, splits=(TRAIN,))
    inputs = read_inputs(dataset, market / KEYPOINTS, AugmentOptions(poses=6))
    expected = {s.name: s.into for s in with_rare_poses(inputs, 2).sources}
    assert table.groupby("source")["pose"].apply(tuple).to_dict() == expected
    # Two images of a person: four poses, none of them one that they show.
    assert (table.groupby("pid")["pose"].nunique() == 4).all()
    own = {(row.source[:4], row.pose_image[:4]) for row in table.itertuples()}
    assert len(own) == 6 and all(person != shown for person, shown in own)
    # The same bytes by two processes, and where the work was interrupted.
    assert run(market, "--out", second, *flags, "--workers", 2) == 0
    assert content(second) == content(first)
    for path in [*(second / ".chunks").iterdir(), *list((second / TRAIN).iterdir())[:3]]:
        path.unlink()
    assert run(market, "--out", second, *flags, "--workers", 1) == 0
    assert content(second) == content(first)
    assert run(market, "--out", second, *flags[:-1], "random", "--workers", 1) == 1


def test_a_folder_of_crops_of_any_names_is_enough(market: Path, tmp_path: Path, capfd) -> None:
    crops, out = tmp_path / "crops", tmp_path / "out"
    crops.mkdir()
    text = (market / KEYPOINTS).read_text()
    for number, path in enumerate(sorted((market / TRAIN).iterdir())):
        path.rename(crops / f"visitor-{number}.jpg")
        text = text.replace(path.name, f"visitor-{number}.jpg")
    (tmp_path / "joints.csv").write_text(text)
    flags = ("--flow", "joint-blend", "--poses", 2, "--keypoints", tmp_path / "joints.csv")
    assert run(crops, "--out", out, *flags, "--workers", 1) == 0
    printed = capfd.readouterr()
    assert "12 images: 6 of 6 training images in 2 poses" in printed.out
    assert "each crop counts as a person of its own" in printed.err
    names = sorted(p.name for p in (out / TRAIN).iterdir())
    assert names[:3] == [
        f"000{k}_c1_visitor-{k - 1}_w0{w}.jpg" for k, w in ((1, 0), (1, 1), (2, 0))
    ]
    assert [p.pid for p in read_market1501(out, splits=(TRAIN,)).train][::2] == [1, 2, 3, 4, 5, 6]


def test_killed_and_run_again_equals_an_uninterrupted_run(tmp_path: Path) -> None:
    market = stick_market(tmp_path / "market", people=12, images=8)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "reidaug", "augment", str(market), "--flow", "torso-affine"]
    command += [*EVERY, "--workers", "2", "--out"]
    with subprocess.Popen(
        [*command, str(killed)], start_new_session=True, stderr=subprocess.DEVNULL
    ) as process:
        wait_for_a_record(killed, process)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (killed / "report.json").exists()
    assert 0 < len(list((killed / TRAIN).glob("*.jpg"))) < 96 * 25
    subprocess.run([*command, str(killed)], check=True, capture_output=True)
    report = augmented(market, whole, flow="torso-affine", workers=1)
    assert report.images == 96 * 25
    assert content(killed) == content(whole)


def wait_for_a_record(out: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(6000):
        if len(list((out / ".chunks").glob("*.json"))) > 2:  # of two workers one has finished one
            return
        assert process.poll() is None
        time.sleep(0.01)
    raise AssertionError("no chunk was finished")


def test_the_dask_backend_gives_the_same_bytes(market: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra [cluster]")
    near, far = tmp_path / "near", tmp_path / "far"
    command = [sys.executable, "-m", "reidaug", "augment", str(market), "--flow", "torso-affine"]
    command += [*EVERY, "--poses", "2", "--workers", "1", "--backend", "dask", "--out", str(far)]
    subprocess.run(command, check=True, capture_output=True)
    augmented(market, near, flow="torso-affine", poses=2, workers=1)
    assert content(far) == content(near)


def test_keypoints_for_half_of_the_images_work_for_that_half(
    market: Path, tmp_path: Path, capfd
) -> None:
    lines = (market / KEYPOINTS).read_text().splitlines()
    (tmp_path / "half.csv").write_text("\n".join(lines[:4]) + "\n")
    out = tmp_path / "out"
    flags = ("--flow", "torso-affine", "--poses", 2, "--workers", 1, "--missing", "skip")
    assert run(market, "--out", out, *flags, "--keypoints", tmp_path / "half.csv") == 0
    printed = capfd.readouterr()
    assert "6 images: 3 of 6 training images" in printed.out
    assert "3 of 6 entries left out:" in printed.err
    assert "no usable keypoints in half.csv" in printed.err
    assert len((out / "left_out.txt").read_text().splitlines()) == 3


def test_images_that_the_keypoints_lack_get_a_pose_all_the_same(tmp_path: Path, capfd) -> None:
    market = stick_market(tmp_path / "market", people=2, images=7)  # six cameras
    lines = (market / KEYPOINTS).read_text().splitlines()
    first, second = (lines[k].partition(":")[0] for k in (1, 2))
    lines[1] = f"{first}: {[-1] * 18}: {[-1] * 18}"  # the seventh image has its camera
    del lines[2]  # the only image of its camera
    lines[-1] = f"{lines[-1].partition(':')[0]}: broken: line"
    (tmp_path / "some.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    flags = ("--flow", "torso-affine", "--poses", 9, "--workers", 1)
    assert run(market, "--out", out, *flags, "--keypoints", tmp_path / "some.csv") == 0
    printed = capfd.readouterr()
    assert (
        "14 training images: 11 poses given, 2 taken from the person's nearest frame, "
        "1 with a standing pose in the whole crop\n126 images: 14 of 14 training images in 9 poses"
    ) in printed.out
    # That nobody is in an image is no loss; that a line is damaged is told.
    assert "1 of 14 entries left out:" in printed.err and "broken JSON" in printed.err
    table = pd.read_parquet(out / "manifest.parquet")
    kinds = table.groupby("source")["pose_from"].unique().map(list).to_dict()
    assert kinds.pop(first) == kinds.pop(lines[-1].partition(":")[0]) == ["nearest"]
    assert kinds.pop(second) == ["crop"]
    assert list(kinds.values()) == [["given"]] * 11
    assert set(table["pose_image"]) <= kinds.keys()  # made-up poses are no targets
    report = json.loads((out / "report.json").read_text())
    assert report["pose_from"] == {"given": 11, "nearest": 2, "crop": 1}
    flags = ("--flow", "torso-affine", "--poses", 12, "--keypoints", tmp_path / "some.csv")
    assert run(market, "--out", tmp_path / "more", *flags) == 1
    assert "only 11 training images" in capfd.readouterr().err


def test_keypoints_of_other_images_are_refused_before_the_work(
    market: Path, tmp_path: Path, capfd
) -> None:
    lines = (market / KEYPOINTS).read_text().splitlines()
    (tmp_path / "some.csv").write_text("\n".join(lines[:3]) + "\n")
    flags = ("--flow", "torso-affine", "--poses", 2, "--keypoints", tmp_path / "some.csv")
    assert run(market, "--out", tmp_path / "out", *flags) == 1
    assert "poses of only 2 of 6 training images" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("size", "flow", "says"),
    [
        ((1, 1), "identity", "images of 1x1, as most of the poses' are, are too small"),
        ((33, 17), "fomm", "the flow does not suit images of 33x17: 5 halvings need a height"),
    ],
)
def test_sizes_that_do_not_suit_a_flow_are_refused_before_the_work(
    market: Path, tmp_path: Path, capfd, size: tuple[int, int], flow: str, says: str
) -> None:
    if flow == "fomm":
        description = {"class": "reidaug.flow.rivals.fomm:FOMM", "preset": "small"}
        flow = str(tmp_path / "fomm")
        save_checkpoint(Path(flow), build_estimator(description), {"estimator": description})
    for path in (market / TRAIN).iterdir():
        Image.new("RGB", size[::-1]).save(path)
    poses = read_keypoints(market / KEYPOINTS).poses
    small = {name: on_canvas(pose, (64, 32), size) for name, pose in poses.items()}
    write_patn(market / KEYPOINTS, small, decimals=2)
    assert run(market, "--out", tmp_path / "out", "--flow", flow, "--poses", 2) == 2
    assert says in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_image_is_left_out_in_one_line(market: Path, tmp_path: Path, capfd) -> None:
    lines = (market / KEYPOINTS).read_text().splitlines()
    name = lines[1].partition(":")[0]
    lines[1] = f"{name}: {[-1] * 18}: {[-1] * 18}"  # nobody was found in it
    (tmp_path / "some.csv").write_text("\n".join(lines[:-1]) + "\n")
    out = tmp_path / "out"
    flags = ("--flow", "torso-affine", "--poses", 2, "--workers", 1, "--missing", "skip")
    assert run(market, "--out", out, *flags, "--keypoints", tmp_path / "some.csv") == 0
    assert "2 of 6 entries left out:" in capfd.readouterr().err
    printed = (out / "left_out.txt").read_text().splitlines()
    assert len(printed) == 2
    assert f"{name} has no visible joint" in "".join(printed)
    assert "no usable keypoints in some.csv" in "".join(printed)


def test_warps_that_are_not_kept_are_counted_and_printed(
    market: Path, tmp_path: Path, capfd
) -> None:
    out = tmp_path / "out"
    flags = ("--flow", "joint-blend", "--poses", 6, "--workers", 1)
    assert run(market, "--out", out, *flags, "--turns", "drop", "--min-quality", 0.75) == 0
    printed = capfd.readouterr().out
    reasons = Counter(pd.read_parquet(out / "manifest.parquet")["left_out"])
    assert min(reasons["quality"], reasons["turn"]) > 0
    quality = f"{reasons['quality']} of 36 warps not kept: below --min-quality 0.75 (a lower one"
    assert f"{quality} keeps more, 0 all)\n" in printed
    assert f"{reasons['turn']} of 36 warps not kept: half turns (--turns allow keeps" in printed
    assert f"{reasons['']} images of 36 warps: 6 of 6" in printed
    report = json.loads((out / "report.json").read_text())
    assert (report["images"], report["rejected"], report["turned"]) == (
        reasons[""],
        reasons["quality"],
        reasons["turn"],
    )


def test_poses_can_only_be_checked_where_they_can_be_read(
    market: Path, tmp_path: Path, capfd, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    flags = ("--flow", "torso-affine", "--poses", 2, "--check-poses")
    assert run(market, "--out", tmp_path / "out", *flags) == 2
    assert "run pip install 'reidaug[pose]'" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("keypoints", [True, False])
def test_one_person_has_no_other_background(tmp_path: Path, capfd, keypoints: bool) -> None:
    """Which is told before poses are estimated."""
    market = stick_market(tmp_path / "market", people=1, images=4)
    if not keypoints:
        (market / KEYPOINTS).unlink()
    flags = ("--flow", "torso-affine", "--poses", 2, "--out", tmp_path / "out", "--workers", 1)
    assert reidaug("augment", market, *flags) == 2
    printed = capfd.readouterr().err
    assert "at least two people" in printed and "--background grey" in printed
    assert not (tmp_path / "out").exists()
    if keypoints:
        assert run(market, *flags) == 0


def test_the_papers_setting_is_one_switch(market: Path, tmp_path: Path) -> None:
    def recipe(*flags: object) -> dict[str, object]:
        out = tmp_path / "-".join(("run", *map(str, flags)))
        few = ("--poses", 2, "--workers", 1)
        assert reidaug("augment", market, "--out", out, *few, *flags) == 0
        return yaml.safe_load((out / "recipe.yaml").read_text())

    paper = {
        "flow": "market", "pool": "any", "turns": "allow", "background": "grey", "min_quality": 0,
    }  # fmt: skip
    ours = {
        "flow": "surface", "pool": "good", "turns": "mirror", "background": "other",
        "min_quality": 0.35,
    }  # fmt: skip
    assert paper.items() <= recipe("--paper").items()
    assert ours.items() <= recipe().items()
    # What is given counts, before the switch and after it.
    given = {"flow": "torso-affine", "background": "source", "min_quality": 0.1}
    flags = [word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", value)]
    assert (paper | given).items() <= recipe("--paper", *flags).items()
    assert (paper | given).items() <= recipe(*flags, "--paper").items()


def test_damaged_images_are_counted_and_named(market: Path, tmp_path: Path, capfd) -> None:
    images = sorted((market / TRAIN).iterdir())
    images[0].write_text("text")
    images[1].write_bytes(images[1].read_bytes()[:200])
    images[2].write_bytes(b"")
    flags = ("--flow", "torso-affine", "--poses", 2, "--workers", 1)
    assert run(market, "--out", tmp_path / "out", *flags) == 1
    assert "3 of 6 images would be left out" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run(market, "--out", tmp_path / "out", *flags, "--allow-left-out") == 0
    printed = capfd.readouterr()
    assert "6 images: 3 of 6 training images" in printed.out
    for image in images[:3]:
        assert f"{image}: not a readable image" in printed.err


def folder_of_text(market: Path) -> None:
    for image in (market / TRAIN).iterdir():
        image.write_text("text")


def empty_folder(market: Path) -> None:
    for image in (market / TRAIN).iterdir():
        image.unlink()


def no_keypoints(market: Path) -> None:
    (market / KEYPOINTS).unlink()


def missing_column(market: Path) -> None:
    (market / KEYPOINTS).write_text("name:keypoints_y\n0001_c1s1_000100_01.jpg: [1]\n")


def others_keypoints(market: Path) -> None:
    text = (market / KEYPOINTS).read_text()
    (market / KEYPOINTS).write_text(text.replace("_c", "_d"))


@pytest.mark.parametrize(
    ("spoil", "flags", "code", "says"),
    [
        (None, ["--flow", "nowhere"], 2, "reidaug: flow 'nowhere': neither a flow of the package"),
        (None, ["--flow", "."], 1, "no flow checkpoint here"),
        (None, ["--flow", "identity", "--masks", "nowhere"], 2, "nowhere: no such folder"),
        (None, ["--flow", "identity", "--keypoints", "no.csv"], 2, "no.csv: no such keypoint file"),
        (None, ["--flow", "identity", "--poses", "0"], 2, "'--poses'"),
        (None, ["--flow", "identity", "--min-quality", "2"], 2, "'--min-quality'"),
        (None, ["--flow", "identity", "--background", "pink"], 2, "pink"),
        (None, ["--flow", "torso-affine"], 1, "only 6 training images"),
        (None, ["--flow", "identity", "--model", "no"], 2, "--model has nothing to read"),
        (no_keypoints, ["--flow", "identity", "--model", "no"], 1, "no: no pose model to read"),
        (missing_column, ["--flow", "identity"], 1, "no column 'keypoints_x'"),
        (others_keypoints, ["--flow", "identity"], 1, "names none of the 6 training images"),
        (others_keypoints, ["--flow", "identity"], 1, "; it has 0001_d1s1"),
        (folder_of_text, ["--flow", "identity"], 1, "not a readable image"),
        (empty_folder, ["--flow", "identity"], 1, "bounding_box_train"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    market: Path, tmp_path: Path, capfd, spoil, flags: list[str], code: int, says: str
) -> None:
    if spoil is not None:
        spoil(market)
    out = tmp_path / "out"
    assert run(market, "--out", out, "--workers", 1, *flags) == code
    printed = capfd.readouterr()
    assert says in printed.err
    assert "Traceback" not in printed.err
    assert not out.exists()


def test_the_result_may_not_be_in_the_dataset(market: Path, tmp_path: Path, capfd) -> None:
    before = sorted(tmp_path.rglob("*"))
    for out in (market, market / TRAIN, market / QUERY / "warps"):
        assert run(market, "--out", out, "--flow", "identity") == 2
    assert "is the dataset itself" in capfd.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_another_run_is_never_overwritten(market: Path, tmp_path: Path, capfd) -> None:
    out = tmp_path / "out"
    assert run(market, "--out", out, "--flow", "identity", "--workers", 1) == 0
    before = content(out)
    assert run(market, "--out", out, "--flow", "identity", "--workers", 1, "--seed", 1) == 1
    assert "holds another run" in capfd.readouterr().err
    assert content(out) == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    assert run(market, "--out", other, "--flow", "identity") == 1
    assert [p.name for p in other.iterdir()] == ["thesis.tex"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(market: Path, tmp_path: Path, capfd) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert run(market, "--out", closed / "out", "--flow", "identity") == 1
    assert "Permission denied" in capfd.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(market: Path, capfd) -> None:
    assert run(market, "--out", market / KEYPOINTS / "out", "--flow", "identity") == 1
    assert f"{KEYPOINTS}/out: Not a directory" in capfd.readouterr().err


def renamed(market: Path, name: Callable[[Path, int], str]) -> Path:
    """Give the training crops other names, in the keypoint file too."""
    keypoints = market / KEYPOINTS
    text = keypoints.read_text()
    for k, path in enumerate(sorted((market / TRAIN).iterdir())):
        new = path.with_name(name(path, k))
        text = text.replace(path.name, new.name)
        path.rename(new)
    keypoints.write_text(text)
    return market


def test_three_names_show_who_is_read(market: Path, tmp_path: Path, capfd) -> None:
    clothes = renamed(market, lambda path, k: f"{path.name[:4]}_{k % 2}_c{path.name[6]}_{k}.jpg")
    out = tmp_path / "out"
    flags = ("--out", out, "--flow", "torso-affine", "--poses", 2, "--workers", 1)
    assert run(clothes, *flags) == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    pattern = error.split("'")[1]
    assert "6 images, 0 of them junk (pid -1), and none that counts" in error
    assert not out.exists()
    assert run(clothes, *flags, "--pattern", pattern) == 0
    assert (
        "names are read so: 0001_0_c1_0.jpg: person 1, camera 1; 0002_1_c2_3.jpg: person 2, "
        "camera 2; 0003_1_c2_5.jpg: person 3, camera 2"
    ) in capfd.readouterr().err
    assert {p.pid for p in read_market1501(out, splits=(TRAIN,)).train} == {1, 2, 3}


def test_a_tenth_left_out_stops_before_the_work(market: Path, tmp_path: Path, capfd) -> None:
    (market / TRAIN / "poster.jpg").write_bytes(b"")
    out = tmp_path / "out"
    flags = ("--out", out, "--flow", "torso-affine", "--poses", 2, "--workers", 1)
    assert run(market, *flags) == 1
    error = capfd.readouterr().err
    assert "1 of 7 images would be left out, such as" in error and "--allow-left-out" in error
    assert error.count("\n") == 1
    assert not out.exists()
    assert run(market, *flags, "--allow-left-out") == 0
    assert "1 of 7 entries left out:" in capfd.readouterr().err
    assert json.loads((out / "report.json").read_text())["left_out"] == 1


def test_warps_that_would_have_one_name_are_told_beforehand(
    market: Path, tmp_path: Path, capfd
) -> None:
    first = min((market / TRAIN).iterdir())
    Image.open(first).save(first.with_suffix(".png"))
    assert run(market, "--out", tmp_path / "out", "--flow", "identity", "--workers", 1) == 1
    error = capfd.readouterr().err
    assert f"whose warps would have the names of those of {first.name}; rename them apart" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["0009_c1s1_{}.jpg", "12345678901234567890_c1s1_{}.jpg"])
def test_the_longest_names_and_ids_are_warped(market: Path, tmp_path: Path, name: str) -> None:
    fill = 255 - len(name) + 2
    renamed(market, lambda path, k: name.format(f"{k}" * fill))
    out = tmp_path / "out"
    flags = ("--flow", "torso-affine", "--poses", 2, "--workers", 1, "--keep-original")
    assert run(market, "--out", out, *flags) == 0
    people = read_market1501(out, splits=(TRAIN,)).train
    assert len(people) == 6 * 3
    assert {p.pid for p in people} == {p.pid for p in read_market1501(market).train}


def test_a_folder_for_each_person_is_warped(market: Path, tmp_path: Path, capfd) -> None:
    people, text = tmp_path / "people", (market / KEYPOINTS).read_text()
    for path in sorted((market / TRAIN).iterdir()):
        folder = people / ("anna", "bert", "cleo")[int(path.name[:4]) - 1]
        folder.mkdir(parents=True, exist_ok=True)
        name = f"img_{len(list(folder.iterdir()))}.jpg"
        path.rename(folder / name)
        text = text.replace(path.name, f"{folder.name}/{name}")
    (people / KEYPOINTS).write_text(text)
    out = tmp_path / "out"
    flags = ("--flow", "torso-affine", "--poses", 6, "--workers", 1, "--keep-original")
    assert run(people, "--out", out, *flags) == 0
    assert "anna/img_0.jpg: person anna, camera 1" in capfd.readouterr().err
    counts = Counter(p.pid for p in read_market1501(out, splits=(TRAIN,)).train)
    assert list(counts.values()) == [14, 14, 14]
    table = pd.read_parquet(out / "manifest.parquet")
    assert set(table["source"]) == set(table["pose_image"])
    assert len(set(table["source"])) == 6


def test_originals_of_an_augmented_root_are_not_lost_under_new_warps(
    market: Path, tmp_path: Path, capfd
) -> None:
    first, second, copy = (tmp_path / name for name in ("first", "second", "copy"))
    flags = ("--flow", "torso-affine", "--poses", 2, "--workers", 1)
    assert run(market, "--out", first, *flags, "--keep-original") == 0
    again = ("--out", second, *flags, "--keypoints", market / KEYPOINTS, "--keep-original")
    assert run(first, *again) == 1
    assert "are warps that `reidaug augment` made" in capfd.readouterr().err
    shutil.copytree(first / TRAIN, copy / TRAIN)  # nobody knows any more who made them
    assert run(copy, *again) == 2
    error = capfd.readouterr().err.splitlines()[-1]
    assert "--keep-original: 12 of the 18 images of" in error and "_w00.jpg, which" in error
    assert not second.exists()
