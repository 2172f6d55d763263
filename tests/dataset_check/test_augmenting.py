"""What stops augment though every image, name and joint is fine by itself."""

from pathlib import Path

from PIL import Image

from reidaug.dataset_check.checkup import check_dataset
from tests.dataset_check.conftest import KEYPOINTS, found, images


def keep(market: Path, count: int) -> None:
    lines = (market / KEYPOINTS).read_text().splitlines()
    (market / KEYPOINTS).write_text("\n".join(lines[: 1 + count]) + "\n")


def test_half_of_the_poses_do_and_a_third_does_not(market: Path) -> None:
    keep(market, 3)
    assert check_dataset(market, keypoints=market / KEYPOINTS).usable()["augment"]
    keep(market, 2)
    finding = found(check_dataset(market, keypoints=market / KEYPOINTS), "poses of only 2 of 6")
    assert finding.stops == ("augment",)
    assert finding.advice == "is it theirs? --missing skip warps these alone"


def test_images_that_were_converted_are_told_from_others(market: Path) -> None:
    for path in images(market):
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()
    first = images(market)[0].name
    finding = found(check_dataset(market, keypoints=market / KEYPOINTS), "none of 6 training")
    assert f"{first} is called {Path(first).stem}.jpg in it: give both one ending" in finding.advice


def test_names_that_no_keypoint_file_holds(market: Path) -> None:
    path = images(market)[0]
    path.rename(path.with_name(path.name.replace("_01.", ":01.")))
    finding = found(check_dataset(market), "such a name cannot stand in a keypoint file")
    assert finding.stops == ("augment",)


def test_warps_of_one_name(market: Path) -> None:
    path = images(market)[0]
    Image.open(path).save(path.with_suffix(".png"))
    finding = found(check_dataset(market, keypoints=market / KEYPOINTS), "would be left out")
    assert finding.stops == ("augment",)


def test_one_person_has_nobody_elses_ground(market: Path) -> None:
    for path in images(market):
        path.rename(path.with_name(f"0001_{path.name.partition('_')[2]}"))
    checkup = check_dataset(market)
    assert found(checkup, "takes others' grounds").advice == "augment with --background grey"
    assert checkup.usable()["augment"]


def test_fewer_good_target_poses_than_show_a_torso(market: Path) -> None:
    masks = market / "masks"
    masks.mkdir(exist_ok=True)
    for path in images(market)[:2]:
        with Image.open(path) as image:
            Image.new("L", image.size, 0).save(masks / f"{Path(path).stem}.png")
    checkup = check_dataset(market, keypoints=market / KEYPOINTS, masks=masks)
    finding = found(checkup, "only 4 of 6 training images that show shoulders and hips are good")
    assert finding.advice.startswith("choose at most 4 with --poses, or take")
