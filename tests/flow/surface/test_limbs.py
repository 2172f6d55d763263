import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.flow.surface.limbs import JOINTS, LIMBS, MIRRORED, SOFT, joint_places, limb_shares
from reidaug.geometry.pose import FLIP_18, OPENPOSE_18

body = pytest.importorskip("reidaug.people3d.body")

OF_BONE = {
    "root": 0, "pelvis": 0, "spine05": 0, "spine04": 0, "spine03": 1, "spine02": 1, "spine01": 1,
    "clavicle": 1, "shoulder01": 1, "neck01": 2, "neck02": 2, "neck03": 2, "head": 2,
    "upperarm01": 3, "upperarm02": 3, "lowerarm01": 4, "lowerarm02": 4, "wrist": 4,
    "upperleg01": 5, "upperleg02": 5, "lowerleg01": 6, "lowerleg02": 6, "foot": 6,
}  # fmt: skip


def places(seed, count=20):
    random = torch.Generator().manual_seed(seed)
    return (torch.rand(1, 3, count, generator=random) - 0.5) * 2


def test_the_shares_are_those_of_the_parametric_body():
    model = body.load_body()
    count = len(model.template) - 17
    weights = torch.zeros(count, len(LIMBS))
    for bone, column in zip(model.bones, torch.from_numpy(model.weights[:count]).mT, strict=True):
        name, _, side = bone.partition(".")
        limb = OF_BONE[name]
        weights[:, MIRRORED[limb] if side == "R" else limb] += column
    shares = limb_shares(torch.from_numpy(model.template[:count]).float().mT[None])[0][0].mT
    assert (shares - weights).abs().sum(1).mean() / 2 < 0.05
    assert (shares.argmax(1) == weights.argmax(1)).float().mean() > 0.95


def test_the_joints_are_those_of_the_parametric_body():
    model = body.load_body()
    found, numbers = joint_places()
    assert [OPENPOSE_18[k] for k in numbers] == [n for n in OPENPOSE_18 if n != "neck"]
    assert len(JOINTS) == 9
    # The model's joints come in the skeleton's order, without the neck.
    assert (found.mT - torch.from_numpy(model.template[-17:]).float()).abs().max() < 0.015
    order = [numbers.index(FLIP_18[k]) for k in numbers]
    assert torch.allclose(found[:, order] * torch.tensor([[-1.0], [1], [1]]), found)


@given(st.integers(0, 2**31))
def test_the_slow_twin_finds_the_same(seed):
    some = places(seed, 5)
    shares, axes = limb_shares(some)
    for k, place in enumerate(some[0].mT):
        gaps, depths = [], []
        for limb in LIMBS:
            start, end = torch.tensor(limb.start), torch.tensor(limb.end)
            part = ((place - start) @ (end - start) / (end - start).square().sum()).clamp(0, 1)
            nearest = start + part * (end - start)
            gaps.append((place - nearest).norm() - limb.radius)
            depths.append(nearest[1])
        expected = torch.softmax(-torch.stack(gaps) / SOFT, 0)
        assert torch.allclose(shares[0, :, k], expected, atol=1e-3)
        assert torch.isclose(axes[0, k], expected @ torch.stack(depths), atol=1e-3)


@given(st.integers(0, 2**31))
def test_left_and_right_are_mirror_images(seed):
    some = places(seed)
    shares, axes = limb_shares(some)
    mirrored, same = limb_shares(some * torch.tensor([-1.0, 1, 1])[:, None])
    assert torch.allclose(mirrored[:, MIRRORED], shares, atol=1e-4)
    assert torch.allclose(same, axes, atol=1e-4)
