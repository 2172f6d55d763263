import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded
from torch import Tensor

from reidaug.flow.rivals.mraa_regions import (
    HEAD,
    REGIONS,
    TORSO,
    known_regions,
    moments,
    oriented_matrices,
    person_scale,
    region_maps,
    svd_matrices,
)

seeds = st.integers(0, 10_000)
ALL = torch.ones(1, 18) > 0


def standing() -> Tensor:
    """A person from the front, in square units."""
    right = [(0.1, -0.45), (0.15, -0.2), (0.16, 0.05)]
    legs = [(0.06, 0.1), (0.07, 0.4), (0.08, 0.7)]
    points = [(0.0, -0.65), (0.0, -0.48)]
    points += [(-x, y) for x, y in right] + right
    points += [(-x, y) for x, y in legs] + legs
    points += [(-0.02, -0.68), (0.02, -0.68), (-0.05, -0.66), (0.05, -0.66)]
    return torch.tensor([points])


def turned(angle: float, scale: float) -> Tensor:
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return torch.tensor([[c, -s], [s, c]])


@given(st.floats(-3.1, 3.1), st.floats(0.3, 3.5), seeds)
def test_oriented_axes_find_any_similarity_exactly(angle: float, scale: float, seed: int) -> None:
    visible = torch.rand(1, 18, generator=seeded(seed)) < 0.8
    visible[0, [1, 2, 8]] = True  # something tells how large the person is
    source = standing() @ turned(angle, scale).mT + 0.3
    found = oriented_matrices(source, standing(), visible)[known_regions(visible)]
    torch.testing.assert_close(
        found, turned(angle, scale).expand_as(found), atol=2e-3 * scale, rtol=0
    )


@given(st.floats(-0.7, 0.7), st.floats(0.3, 3.5))
def test_principal_axes_find_moderate_similarities(angle: float, scale: float) -> None:
    source = standing() @ turned(angle, scale).mT
    found = svd_matrices(source, standing(), ALL)
    torch.testing.assert_close(found, turned(angle, scale).expand_as(found), atol=1e-3, rtol=1e-3)


def test_principal_axes_do_not_determine_half_turns() -> None:
    flipped = -standing()
    oriented, svd = (m(flipped, standing(), ALL) for m in (oriented_matrices, svd_matrices))
    torch.testing.assert_close(oriented, -torch.eye(2).expand_as(oriented), atol=1e-3, rtol=0)
    torch.testing.assert_close(svd, torch.eye(2).expand_as(svd), atol=1e-3, rtol=0)


def test_moments_as_a_loop() -> None:
    points, visible = torch.rand(1, 18, 2, generator=seeded(0)), ALL.clone()
    visible[0, [0, 5]] = False
    centre, covariance = moments(points, visible)
    width = 0.15 * float((points[0, 1] - points[0, [8, 11]].mean(0)).norm())
    for region, joints in enumerate(REGIONS):
        seen = [points[0, j] for j in joints if visible[0, j]]
        mean = sum(seen[1:], seen[0]) / len(seen)
        spread = torch.zeros(2, 2)
        for point in seen:
            spread += torch.outer(point - mean, point - mean) / len(seen)
        torch.testing.assert_close(centre[0, region], mean)
        torch.testing.assert_close(covariance[0, region], spread + width**2 * torch.eye(2))


def test_a_limb_needs_both_ends_a_torso_three_joints_and_a_head_one() -> None:
    visible = torch.zeros(1, 18) > 0
    visible[0, [2, 3, 4, 1, 14]] = True
    assert known_regions(visible)[0].nonzero().flatten().tolist() == [HEAD, 2, 3]
    visible[0, 8] = True
    assert known_regions(visible)[0, TORSO]


def test_a_head_of_one_joint_turns_with_the_torso() -> None:
    visible = ALL.clone()
    visible[0, [0, 14, 15, 16]] = False
    source = standing() @ turned(0.5, 1.0).mT
    for matrices in (oriented_matrices, svd_matrices):
        found = matrices(source, standing(), visible)
        torch.testing.assert_close(found[:, HEAD], found[:, TORSO])


def test_a_head_turns_with_its_nose() -> None:
    source, target = standing(), standing()
    along = target[0, 0] - target[0, 1]
    source[0, 0] = source[0, 1] + turned(0.4, 1.0) @ along  # the nose alone, about the neck
    found = oriented_matrices(source, target, ALL)[0, HEAD] @ along
    torch.testing.assert_close(found, turned(0.4, 1.0) @ along, atol=0.01, rtol=0)


def test_a_foreshortened_limb_shrinks_along_itself_alone() -> None:
    source = standing()
    source[0, 7] = source[0, 6] + 0.3 * (source[0, 7] - source[0, 6])
    found = oriented_matrices(source, standing(), ALL)[0, 5]
    along = standing()[0, 7] - standing()[0, 6]
    along = along / along.norm()
    across = torch.stack((-along[1], along[0]))
    torch.testing.assert_close(found @ across, across, atol=1e-4, rtol=0)
    assert 0.3 < float((found @ along).norm()) < 0.8


def test_scale_falls_back_to_the_median_limb_and_then_to_a_number() -> None:
    points, visible = standing(), ALL.clone()
    torch.testing.assert_close(person_scale(points, visible), torch.tensor([0.58]))
    visible[0, 1] = False
    limbs = sorted(float((points[0, a] - points[0, b]).norm()) for a, b in REGIONS[2:])
    assert float(person_scale(points, visible)) == pytest.approx(limbs[3])
    assert float(person_scale(points, ~ALL)) == 0.5


@given(seeds, st.floats(0, 1))
def test_every_pattern_of_joints_and_coinciding_ones_stay_finite(seed: int, share: float) -> None:
    generator = seeded(seed)
    visible = torch.rand(3, 18, generator=generator) < share
    points = torch.rand(2, 3, 18, 2, generator=generator)
    points[:, 1] = points[:, 1, :1]
    for matrices in (oriented_matrices, svd_matrices):
        assert matrices(points[0], points[1], visible).isfinite().all()
    cells = torch.rand(5, 2, generator=generator)
    assert region_maps(points[0], visible, cells).isfinite().all()


def test_region_maps_peak_at_the_region_and_are_empty_when_unknown() -> None:
    visible = ALL.clone()
    visible[0, 13] = False
    centre, _ = moments(standing(), visible)
    cells = centre[0]
    drawn = region_maps(standing(), visible, cells)[0]
    known = known_regions(visible)[0].float()
    torch.testing.assert_close(drawn.diagonal(), known)
    assert (drawn[-1] == 0).all()
