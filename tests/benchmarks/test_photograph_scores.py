import numpy as np
import torch
from photograph_scores import (
    BINS,
    Found,
    Hits,
    by_quality,
    differences,
    identity_scores,
    pose_scores,
    quality_bin,
)

from reidaug.geometry.pck import match_joints
from reidaug.geometry.pose import OPENPOSE_18, Pose

PEOPLE = np.array([1, 1, 2, 2])
GOOD = Found(np.array([True, True, True, False]), np.array([1.0, 1.0, 0.5, 0.1]))
BAD = Found(np.array([True, False, False, False]), np.array([1.0, 0.2, 0.2, 0.2]))


def test_a_quality_belongs_to_the_bin_that_starts_at_or_below_it() -> None:
    assert list(BINS.values()) == [0, 0.35, 0.5, 0.7]
    assert quality_bin(np.array([0, 0.349, 0.35, 0.5, 0.699, 0.7, 1])).tolist() == [
        *(0, 0, 1, 2, 2, 3, 3)
    ]


def test_identity_is_in_percent_and_intervals_hold_it() -> None:
    scores = identity_scores(GOOD, PEOPLE)
    assert (scores["rank1"], scores["mAP"]) == (75, 65)
    assert scores["interval"] == [
        50,
        100,
    ]  # of two people, one is found always, one every other time
    empty = identity_scores(GOOD.at(np.zeros(4, dtype=bool)), PEOPLE[:0])
    assert empty == {"rank1": None, "interval": None, "mAP": None, "mAP_interval": None}


def test_a_row_has_over_another_what_it_finds_beside_it() -> None:
    over = differences({"good": GOOD, "bad": BAD}, PEOPLE, "bad")
    assert list(over) == ["good"]
    assert over["good"]["rank1"] == 50
    assert differences({"good": GOOD, "bad": BAD}, PEOPLE, "good")["bad"]["rank1"] == -50


def test_bins_of_quality_compare_the_same_pairs() -> None:
    rows = by_quality(BAD, GOOD, np.array([0.9, 0.9, 0.1, 0.4]), PEOPLE)
    assert [rows[name]["pairs"] for name in BINS] == [1, 1, 0, 2]
    best = rows[".7 and more"]
    assert (best["rank1"], best["own_pose_grey"], best["share"]) == (50, 100, 0.5)
    assert rows["below .35"]["share"] == 0
    assert rows[".35 to .5"]["share"] is None  # nothing to compare with
    assert rows[".5 to .7"]["rank1"] is None


def test_joints_count_where_they_are_asked_for() -> None:
    def joints(*names: str) -> torch.Tensor:
        return torch.tensor([name in names for name in OPENPOSE_18])

    places = torch.arange(18.0)[:, None].expand(18, 2) * 10
    asked = Pose(places[None], joints("nose", "neck", "left_hip", "left_knee")[None])
    moved = places.clone()
    moved[OPENPOSE_18.index("left_knee")] += 50
    found = Pose(moved[None], joints("nose", "neck", "left_knee", "left_ankle")[None])
    hits = Hits.of(match_joints(found, asked, 12.8), joints("nose", "left_hip")[None])
    assert {name: int(part[0]) for name, part in hits._asdict().items()} == {
        "asked": 4,  # the ankle is not
        "found": 3,
        "near": 2,
        "both": 2,
        "both_near": 1,
        "body": 3,  # without the nose
        "body_near": 1,
        "exchanged": 0,
    }
    scores = pose_scores(hits, PEOPLE[:1])
    assert (scores["asked"], scores["both"], scores["body"]) == (0.5, 0.5, 0.3333)
    assert (scores["found"], scores["pck"], scores["exchanged"]) == (0.75, 0.6667, 0)
