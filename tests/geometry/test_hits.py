import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.augment.quality import NEAR, agreement
from reidaug.geometry.hits import Hits, joint_hits
from reidaug.geometry.pose import FLIP_18, Pose, select

SIZE = (128, 64)
REACH = NEAR * SIZE[0]


def poses(count: int, seed: int) -> Pose:
    chance = torch.Generator().manual_seed(seed)
    xy = torch.rand(count, 18, 2, generator=chance) * torch.tensor([64.0, 128.0])
    return Pose(xy, torch.rand(count, 18, generator=chance) < 0.8)


def share(hits: Hits, k: int) -> float:
    found = int(hits.found[k].sum())
    return int(hits.near[k].sum()) / found if found else 0.0


@given(seed=st.integers(0, 10_000), off=st.floats(0, 20))
def test_the_share_of_near_joints_is_what_a_single_warp_is_told(seed: int, off: float) -> None:
    asked, seen = poses(4, seed), poses(4, seed + 1)
    step = torch.randn(4, 18, 2, generator=torch.Generator().manual_seed(seed)) * off
    found = Pose(asked.xy + step, seen.visible)
    hits = joint_hits(found, asked, REACH)
    for k in range(4):
        alone = agreement(select(found, k), select(asked, k), SIZE)
        assert share(hits, k) == pytest.approx(alone)
    assert not (hits.near & ~hits.found).any()
    assert not (hits.found & ~hits.asked).any()


def test_a_pose_agrees_with_itself_and_its_mirror_names_are_told() -> None:
    asked = poses(3, 0)._replace(visible=torch.ones(3, 18, dtype=torch.bool))
    hits = joint_hits(asked, asked, REACH)
    assert hits.near.all()
    assert not hits.exchanged.any()
    order = list(FLIP_18)
    turned = Pose(asked.xy[:, order], asked.visible[:, order])
    assert joint_hits(turned, asked, REACH).exchanged.all()


def test_what_is_missing_is_not_near() -> None:
    asked = poses(1, 0)
    nobody = Pose(torch.full((1, 18, 2), torch.nan), torch.zeros(1, 18, dtype=torch.bool))
    hits = joint_hits(nobody, asked, REACH)
    assert torch.equal(hits.asked, asked.visible)
    assert not hits.found.any()
    assert not hits.near.any()
    assert not hits.exchanged.any()
