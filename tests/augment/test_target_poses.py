import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.augment.options import AugmentOptions
from reidaug.augment.pose_pool import Refusal
from reidaug.augment.target_poses import (
    DEFAULT_POSES,
    TargetPoses,
    choose,
    medoids,
    on_common_canvas,
    pose_distances,
    read_poses,
    write_poses,
)
from reidaug.errors import ReidaugError, UsageError
from reidaug.geometry.pose import TORSO, Pose, select, shows_torso

REFUSED = '{"size": [2, 2], "seed": 0, "poses": [], "refused": [3]}'
NOWHERE = json.dumps(
    {
        "size": [2, 2],
        "seed": 0,
        "poses": [{"image": "a.jpg", "xy": [[math.nan, 1]] * 18, "visible": [True] * 18}],
    }
)


def random_poses(seed: int, count: int) -> Pose:
    g = torch.Generator().manual_seed(seed)
    xy = torch.rand((count, 18, 2), generator=g) * torch.tensor([63.0, 127.0])
    xy[:, TORSO[0] : TORSO[0] + 1, 1] -= 40
    visible = torch.rand((count, 18), generator=g) > 0.3
    visible[:, list(TORSO)] = True
    return Pose(xy, visible)


def named(poses: Pose) -> dict[str, Pose]:
    return {f"{k:04d}_c1s1_000000_00.jpg": select(poses, k) for k in range(len(poses.xy))}


@given(
    seed=st.integers(0, 99), count=st.integers(1, 12), how=st.sampled_from(["random", "medoids"])
)
def test_choosing_does_not_depend_on_the_order_given(seed: int, count: int, how: str) -> None:
    poses = named(random_poses(seed, 12))
    chosen = choose(poses, count, how=how, seed=seed)
    backwards = dict(reversed(poses.items()))
    assert choose(backwards, count, how=how, seed=seed) == chosen
    assert len(set(chosen.images)) == count
    assert set(chosen.images) <= set(poses)
    assert chosen.refused == ()
    # To examine all and refuse none changes nothing.
    assert choose(poses, count, how=how, seed=seed, flaw=lambda name: None) == chosen


@given(
    seed=st.integers(0, 99), count=st.integers(1, 6), bad=st.sets(st.integers(0, 11), max_size=6)
)
def test_refused_poses_are_skipped_in_the_order_drawn(seed: int, count: int, bad: set[int]) -> None:
    poses = named(random_poses(seed, 12))
    names = sorted(poses)
    examined: list[str] = []

    def flaw(name: str) -> str | None:
        examined.append(name)
        return "torn" if names.index(name) in bad else None

    chosen = choose(poses, count, how="random", seed=seed, flaw=flaw)
    everyone = choose(poses, 12, how="random", seed=seed).images
    good = [name for name in everyone if names.index(name) not in bad]
    assert list(chosen.images) == good[:count]
    # No more are examined than are needed, and each of them is either chosen or refused.
    assert examined == list(everyone[: everyone.index(good[count - 1]) + 1])
    assert chosen.refused == tuple(
        Refusal(name, "torn") for name in examined if names.index(name) in bad
    )
    # Refused ones are gone before similar poses are clustered.
    clustered = choose(poses, count, how="medoids", seed=seed, flaw=flaw)
    remaining = {name: poses[name] for name in good}
    assert clustered.images == choose(remaining, count, how="medoids", seed=seed).images
    assert len(clustered.refused) == len(bad)


def test_too_few_good_poses_say_why_and_what_to_do() -> None:
    poses = named(random_poses(0, 6))
    flaws = dict(zip(sorted(poses), ["torn", None, "half", None, "torn", None], strict=True))
    with pytest.raises(ReidaugError) as raised:
        choose(poses, 4, how="random", seed=0, flaw=flaws.__getitem__)
    text = str(raised.value)
    assert "only 3 of 6 training images" in text
    assert "3 refused: 2 torn, 1 half" in text
    assert "too few for 4 target poses; choose at most 3 with --poses, or take those" in text
    assert all(option in text for option in ("--poses-from shipped", "--pool any"))
    assert "\n" not in text
    with pytest.raises(ReidaugError, match="for 1 target poses; take those that come"):
        choose(poses, 1, how="random", seed=0, flaw=lambda _: "torn")
    assert len(choose(poses, 3, how="random", seed=0, flaw=flaws.__getitem__).images) == 3


def test_another_seed_draws_other_poses() -> None:
    poses = named(random_poses(0, 40))
    assert len({choose(poses, 5, how="random", seed=seed).images for seed in range(10)}) == 10


def test_too_few_poses_and_unknown_ways_are_refused() -> None:
    poses = named(random_poses(0, 3))
    with pytest.raises(ReidaugError, match=r"only 3 training images .* choose at most 3 with --p"):
        choose(poses, 4, how="random", seed=0)
    told = r"25 target poses, the default of --poses; choose at most 2 with --poses, or take those"
    flaws = dict(zip(sorted(poses), ["torn", None, None], strict=True))
    with pytest.raises(ReidaugError, match=told):
        choose(poses, DEFAULT_POSES, how="random", seed=0, flaw=flaws.__getitem__)
    with pytest.raises(ReidaugError, match="the default of --poses; take those that come with"):
        choose({}, AugmentOptions().poses, how="random", seed=0)
    with pytest.raises(UsageError, match="random or medoids"):
        choose(poses, 2, how="best", seed=0)
    for count, seed in ((0, 0), (-1, 0), (2, -1)):
        with pytest.raises(UsageError, match="whole number of poses from 1 and a seed from 0"):
            choose(poses, count, how="random", seed=seed)


def test_a_pose_without_a_hip_is_no_candidate() -> None:
    pose = select(random_poses(0, 1), 0)
    assert shows_torso(pose)
    hidden = pose.visible.clone()
    hidden[11] = False
    assert not shows_torso(Pose(pose.xy, hidden))


@given(
    seed=st.integers(0, 999), scale=st.floats(0.5, 3), x=st.floats(-30, 30), y=st.floats(-30, 30)
)
def test_distance_ignores_place_and_size_of_a_person(
    seed: int, scale: float, x: float, y: float
) -> None:
    poses = random_poses(seed, 4)
    moved = Pose(poses.xy * scale + torch.tensor([x, y]), poses.visible)
    both = Pose(torch.cat((poses.xy, moved.xy)), torch.cat((poses.visible, moved.visible)))
    table = pose_distances(both)
    assert torch.equal(table, table.T)
    height = (poses.xy[:, [2, 5], 1].mean(1) - poses.xy[:, [8, 11], 1].mean(1)).abs()
    if float(height.min()) * min(scale, 1) > 2:  # a torso of no height has no size to ignore
        torch.testing.assert_close(table[:4, :4], table[4:, 4:], atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(table[:4, 4:].diagonal(), torch.zeros(4), atol=1e-3, rtol=0)


def test_distance_is_the_loop_over_shared_joints() -> None:
    poses = random_poses(3, 3)
    moved = []
    for k in range(3):
        xy = poses.xy[k].double()
        torso = xy[list(TORSO)]
        height = max(1.0, float((torso[:2].mean(0) - torso[2:].mean(0)).norm()))
        moved.append((xy - torso.mean(0)) / height)
    for a, b in itertools.product(range(3), repeat=2):
        shared = [j for j in range(18) if poses.visible[a, j] and poses.visible[b, j]]
        squares = [float((moved[a][j] - moved[b][j]).square().sum()) for j in shared]
        expected = (sum(squares) / len(squares)) ** 0.5
        assert float(pose_distances(poses)[a, b]) == pytest.approx(expected, rel=1e-5)


@given(seed=st.integers(0, 999), count=st.integers(1, 3))
def test_medoids_are_the_best_of_their_clusters_and_near_the_best_of_all(
    seed: int, count: int
) -> None:
    points = np.random.default_rng(seed).normal(size=(9, 2))
    distances = np.linalg.norm(points[:, None] - points, axis=-1).astype(np.float32)
    found = medoids(distances, count)
    assert found == sorted(set(found))
    groups = distances[found].argmin(0)
    cost = distances[found].min(0).sum()
    for k in range(count):
        members = np.flatnonzero(groups == k)
        inside = distances[np.ix_(members, members)].sum(1)
        assert inside[list(members).index(found[k])] <= inside.min() + 1e-4
    best = min(distances[list(c)].min(0).sum() for c in itertools.combinations(range(9), count))
    assert best - 1e-4 <= cost <= 1.5 * best + 1e-4


def test_medoids_find_well_separated_clusters() -> None:
    places = np.array([0.0, 0.1, 0.2, 10.0, 10.1, 20.0], dtype=np.float32)
    assert medoids(np.abs(places[:, None] - places), 3) == [1, 3, 5]


def test_the_canvas_is_the_most_common_size() -> None:
    poses = named(random_poses(0, 3))
    names = list(poses)
    sizes = dict(zip(names, [(128, 64), (256, 128), (128, 64)], strict=True))
    targets = on_common_canvas(names, poses, sizes, seed=4)
    assert targets.size == (128, 64)
    assert torch.equal(targets.pose.xy[0], poses[names[0]].xy)
    corner = targets.pose.xy[1] / torch.tensor([63.0, 127.0])
    torch.testing.assert_close(corner, poses[names[1]].xy / torch.tensor([127.0, 255.0]))


@given(seed=st.integers(0, 999), count=st.integers(0, 4))
def test_poses_json_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int
) -> None:
    path = tmp_path_factory.mktemp("poses") / "poses.json"
    pose = random_poses(seed, count)
    refused = tuple(Refusal(f"{k}.png", "half a person") for k in range(seed % 3))
    images = tuple(f"{k}.jpg" for k in range(count))
    written = TargetPoses((128, 64), seed, images, pose, refused)
    write_poses(path, written)
    read = read_poses(path)
    assert (read.size, read.seed, read.images) == (written.size, written.seed, written.images)
    assert read.refused == refused
    content = json.loads(path.read_text())
    named = [{"image": one.image, "why": one.why} for one in refused]
    assert content.pop("refused") == named
    path.write_text(json.dumps(content))  # as older versions wrote it
    assert read_poses(path).refused == ()
    assert torch.equal(read.pose.xy, pose.xy)
    assert torch.equal(read.pose.visible, pose.visible)


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", '{"size": [2], "poses": []}', '{"poses": 3}', REFUSED, "[" * 100_000,
        '{"size": [0, 2], "seed": 0, "poses": []}', '{"size": [1e9, 2], "seed": 0, "poses": []}',
        '{"size": [2, 2], "seed": Infinity, "poses": []}', NOWHERE,
        '{"size": [2, 2], "seed": 0, "poses": [], "refused": [[]]}',
    ],
)  # fmt: skip
def test_a_damaged_poses_json_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "poses.json"
    path.write_text(content)
    with pytest.raises(ReidaugError, match=r"poses\.json"):
        read_poses(path)
