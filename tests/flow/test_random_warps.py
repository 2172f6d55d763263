import pytest
import torch
from flow_figures import SIZE, images, poses
from hypothesis import given
from hypothesis import strategies as st

from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.random_warps import RandomAffine, RandomTPS
from reidaug.flow.unwarpme.affine_task import random_upright_affine
from reidaug.geometry.flow import from_affine, identity, to_pixels
from reidaug.geometry.pose import Pose, select
from reidaug.geometry.strain import strain
from reidaug.testing import check_flow_estimator

BOTH = [RandomAffine(), RandomTPS()]
each = pytest.mark.parametrize("estimator", BOTH, ids=lambda e: type(e).__name__)


@each
def test_they_keep_the_contract_of_a_flow_estimator(estimator: FlowEstimator) -> None:
    check_flow_estimator(estimator, size=SIZE, autocast=True)
    with pytest.raises(AssertionError, match="misses the identity"):
        check_flow_estimator(estimator, size=SIZE, identity_within=0.5)


@each
def test_the_warp_depends_on_the_pair_alone(estimator: FlowEstimator) -> None:
    source, target = poses(4, 0), poses(4, 1)
    flow = estimator(images(4, 0), source, target)
    order = [2, 0, 3, 1]
    again = estimator(images(4, 9), select(source, order), select(target, order))
    assert torch.equal(again, flow[order])
    before = torch.get_rng_state()
    table = estimator.flow_table(images(4, 0), source, target)
    assert torch.equal(torch.get_rng_state(), before)  # torch's own chance is left alone
    assert torch.equal(table[range(4), range(4)], flow)


@each
def test_another_pose_or_seed_gives_another_warp(estimator: FlowEstimator) -> None:
    source, target, image = poses(1, 0), poses(1, 1), images(1, 0)
    flow = estimator(image, source, target)
    nudged = Pose(source.xy.clone(), source.visible)
    nudged.xy[0, 0, 0] += 0.01
    hidden = Pose(source.xy, source.visible.clone())
    hidden.visible[0, 0] = ~hidden.visible[0, 0]
    others = [
        estimator(image, nudged, target),
        estimator(image, hidden, target),
        estimator(image, target, source),
        type(estimator)(seed=1)(image, source, target),
        type(estimator)(seed=-1)(image, source, target),
    ]
    for k, other in enumerate(others):
        for different in (flow, *others[:k]):
            assert (other - different).abs().max() > 1e-3


@given(st.integers(0, 10_000))
def test_random_affine_is_upright_and_the_spline_tears_nothing(seed: int) -> None:
    source, target = poses(2, seed), poses(2, seed + 1)
    grid = identity(*SIZE).flatten(1).T
    plane = torch.cat((torch.ones(len(grid), 1), grid), 1)
    for flow in RandomAffine(seed=seed)(images(2, 0), source, target):
        fit = torch.linalg.lstsq(plane, flow.flatten(1).T)
        torch.testing.assert_close(plane @ fit.solution, flow.flatten(1).T, atol=1e-5, rtol=0)
        assert fit.solution[1:].det() >= 0.39
        assert fit.solution[0].abs().max() <= 0.251
    bent = RandomTPS(seed=seed)(images(2, 0), source, target)
    assert not strain(bent, SIZE).reversed.float().mean() > 0.02


def test_a_spline_without_bend_is_an_affine_map_of_the_same_draw() -> None:
    source, target = poses(3, 0), poses(3, 1)
    flow = RandomTPS(bend=0.0)(images(3, 0), source, target)
    plane = torch.cat((torch.ones(SIZE[0] * SIZE[1], 1), identity(*SIZE).flatten(1).T), 1)
    for one in flow:
        fit = torch.linalg.lstsq(plane, one.flatten(1).T)
        assert (plane @ fit.solution - one.flatten(1).T).abs().max() < 1e-3


def test_the_size_of_movement_is_as_documented() -> None:
    size, count = (128, 64), 200
    generator = torch.Generator().manual_seed(0)
    xy = torch.rand(2, count, 18, 2, generator=generator) * 60
    seen = torch.ones(count, 18, dtype=torch.bool)
    source, target = Pose(xy[0], seen), Pose(xy[1], seen)
    still = to_pixels(identity(*size).movedim(0, -1), size)[8:120, 16:48]
    for estimator, least, most in ((RandomAffine(), 9.5, 12.0), (RandomTPS(), 11.5, 14.5)):
        flow = estimator(torch.zeros(count, 3, *size), source, target)
        moved = to_pixels(flow.movedim(1, -1), size)[:, 8:120, 16:48] - still
        rms = moved.square().sum(-1).mean((1, 2)).sqrt()
        assert least < float(rms.median()) < most


def test_maps_of_many_pairs_have_the_distribution_of_single_draws() -> None:
    count = 400
    xy = torch.arange(count * 36.0).reshape(count, 18, 2)
    pose = Pose(xy, torch.ones(count, 18, dtype=torch.bool))
    flow = RandomAffine()(torch.zeros(count, 3, 3, 3), pose, pose)
    drawn = random_upright_affine(count, torch.Generator().manual_seed(0), flip=False)
    expected = from_affine(*drawn, (3, 3))
    torch.testing.assert_close(flow.std(0), expected.std(0), atol=0.03, rtol=0)
    torch.testing.assert_close(flow.mean(0), expected.mean(0), atol=0.04, rtol=0)
