"""Pairs of drawn crops and target poses, and the search for their people."""

from pathlib import Path

import numpy as np
import pytest
import torch
from augmented import ON_GREY
from photograph_pairs import Draw, Pairs, seen_twice
from photograph_round_trips import ROWS, found_by, pictures_of
from stick_market import stick_market

from reidaug.augment.augmented_dataset import augment_dataset
from reidaug.augment.options import AugmentOptions
from reidaug.augment.target_poses import POSES, read_poses
from reidaug.augment.viewpoint import exchange_left_right
from reidaug.data.keypoints import read_keypoints
from reidaug.data.market1501 import TRAIN, Person, read_market1501
from reidaug.flow.builtin import named_flow
from reidaug.geometry.pose import stack


def at(pid: int, camid: int) -> Person:
    return Person(Path(f"{pid}_{camid}.jpg"), pid, camid)


def test_neither_the_source_nor_its_camera_is_ever_found() -> None:
    gallery = [at(1, 1), at(1, 1), at(1, 2), at(2, 1), at(2, 2), at(9, 1)]
    features = torch.tensor([[1.0, 0], [0.9, 0.1], [0.1, 1], [0.8, 0.2], [0, 1], [-1, 0]])
    # A picture that looks like its source: what is left is person 2 first, then the right person.
    found = found_by(features[:1], gallery[:1], features, gallery, np.array([0, 0]))
    assert found.first.tolist() == [False, False]
    assert found.ap.tolist() == [0.5, 0.5]
    # The same by camera 2: both crops of camera 1 match, and come first.
    found = found_by(features[:1], [at(1, 2)], features, gallery, np.array([0]))
    assert (found.first.tolist(), found.ap.tolist()) == ([True], [1.0])


def test_people_of_one_camera_have_no_match_and_are_no_sources() -> None:
    crops = [at(1, 1), at(1, 1), at(2, 1), at(2, 3)]
    assert seen_twice(crops) == crops[2:]


@pytest.fixture(scope="module")
def warped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Draw, Path]:
    folder = tmp_path_factory.mktemp("trips")
    market = stick_market(folder / "market", people=3, images=2)
    keypoints = market / "market-annotation-train.csv"
    people, poses = read_market1501(market, splits=(TRAIN,)).train, read_keypoints(keypoints).poses
    pose = stack([poses[person.path.name] for person in people])
    draw = Draw(people, pose, people, 0, len(people), keypoints, folder / "masks")
    crops = draw.link_sources(folder / "crops")
    for name in ("own_pose_grey", "torso_affine"):
        options = AugmentOptions(keypoints=keypoints, poses=3, **ON_GREY)
        augment_dataset(crops, folder / name, named_flow(ROWS[name].flow or ""), options, workers=1)
    return draw, folder


def test_every_row_shows_the_same_pairs_without_those_into_ones_own_pose(
    warped: tuple[Draw, Path],
) -> None:
    draw, folder = warped
    targets = read_poses(folder / "torso_affine" / POSES)
    pairs = Pairs.of(draw, targets)
    assert len(pairs.people) == 6 * 3 - 3
    for source, target, pose in zip(
        pairs.source_number, pairs.target_number, pairs.pose, strict=True
    ):
        assert source != target
        assert draw.sources[target].path.name == targets.images[pose]
    assert torch.equal(pairs.target.xy, targets.pose.xy[pairs.pose])
    assert torch.equal(pairs.source.xy, draw.pose.xy[pairs.source_number])
    for name in ("raw", "own_pose_grey", "torso_affine"):
        root = folder / ("crops" if name == "raw" else name)
        row = pictures_of(ROWS[name], root, pairs)
        assert len(row.people) == (15 if name == "torso_affine" else 6)
        asked = pairs.target if name == "torso_affine" else pairs.source
        assert torch.equal(row.asked.xy, asked.xy)
        for pair, number in enumerate(row.of):
            picture, source = row.people[number], pairs.sources[pair]
            ending = {"raw": ".jpg", "own_pose_grey": "_w00.jpg"}
            stem = picture.path.name.removesuffix(ending.get(name, f"_w{pairs.pose[pair]:02d}.jpg"))
            assert stem == source.path.stem
            assert picture[1:] == source[1:]
            assert picture.path.is_file()


def test_a_mirrored_half_turn_is_asked_for_with_left_and_right_exchanged(
    warped: tuple[Draw, Path],
) -> None:
    draw, folder = warped
    pairs = Pairs.of(draw, read_poses(folder / "torso_affine" / POSES))
    row = pictures_of(ROWS["torso_affine"]._replace(turns="mirror"), folder / "torso_affine", pairs)
    half = torch.from_numpy(pairs.turn == 4)
    assert half.any() and not half.all()
    expected = exchange_left_right(pairs.target, half)
    assert torch.equal(row.asked.xy[row.asked.visible], expected.xy[expected.visible])
    assert torch.equal(row.asked.visible, expected.visible)
