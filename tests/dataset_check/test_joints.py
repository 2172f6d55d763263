import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reidaug.data.keypoints import read_keypoints, write_patn
from reidaug.data.market1501 import TRAIN
from reidaug.dataset_check.checkup import check_dataset
from reidaug.dataset_check.findings import ADVICE, PROBLEM, REMARK
from reidaug.geometry.pose import Pose
from tests.dataset_check.conftest import KEYPOINTS, found


def poses(market: Path) -> dict[str, Pose]:
    return read_keypoints(market / KEYPOINTS).poses


def test_keypoints_are_matched_with_images(market: Path) -> None:
    known = poses(market)
    first, *others = known
    rest = {name: known[name] for name in others}
    write_patn(market / KEYPOINTS, rest | {"stranger.jpg": known[first]})
    checkup = check_dataset(market, keypoints=market / KEYPOINTS)
    without = found(checkup, "have no keypoints")
    assert (without.rank, without.examples) == (ADVICE, (first,))
    nobody = found(checkup, "that are not in bounding_box_train")
    assert (nobody.rank, nobody.examples) == (REMARK, ("stranger.jpg",))
    assert checkup.usable()["augment"]
    write_patn(market / KEYPOINTS, {f"a{name}": pose for name, pose in known.items()})
    checkup = check_dataset(market, keypoints=market / KEYPOINTS)
    assert found(checkup, "none of 6 training images").rank == PROBLEM
    assert not checkup.usable()["augment"]
    junk = "-1_c1s1_000001_01.jpg"
    (market / TRAIN / junk).write_bytes((market / TRAIN / first).read_bytes())
    write_patn(market / KEYPOINTS, {junk: known[first]})
    checkup = check_dataset(market, keypoints=market / KEYPOINTS)
    assert junk in found(checkup, "none of 6 training images").advice


def test_joints_seldom_visible_are_named(market: Path) -> None:
    known = poses(market)
    for pose in known.values():
        pose.visible[16:] = False
    write_patn(market / KEYPOINTS, known)
    finding = found(check_dataset(market, keypoints=market / KEYPOINTS), "fewer than half")
    assert finding.what.endswith("right_ear 0%, left_ear 0%")
    assert finding.rank == REMARK
    for pose in known.values():
        pose.visible[8] = False
    write_patn(market / KEYPOINTS, known)
    checkup = check_dataset(market, keypoints=market / KEYPOINTS)
    assert found(checkup, "fewer than half").rank == ADVICE
    assert found(checkup, "no image shows both shoulders").stops == ("augment",)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda xy: xy * 2 + 20, "images of another size"),
        (lambda xy: xy.flip(-1), "x and y are exchanged"),
    ],
)
def test_joints_outside_of_their_images_stop_augment(
    market: Path, change: Callable[[torch.Tensor], torch.Tensor], says: str
) -> None:
    moved = {name: Pose(change(p.xy), p.visible) for name, p in poses(market).items()}
    write_patn(market / KEYPOINTS, moved)
    checkup = check_dataset(market, keypoints=market / KEYPOINTS)
    finding = found(checkup, "outside their image")
    assert finding.stops == ("augment",)
    assert says in finding.advice


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("k.csv", "nonsense", "no column"),
        ("k.json", json.dumps({"images": [], "annotations": []}), "not one usable pose"),
        ("k.txt", "", "keypoints are .csv"),
    ],
)
def test_an_unusable_keypoint_file_is_a_finding(
    market: Path, name: str, content: str, says: str
) -> None:
    (market / name).write_text(content)
    checkup = check_dataset(market, keypoints=market / name)
    assert found(checkup, says).stops == ("augment",)
