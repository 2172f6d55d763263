import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reidaug.geometry.pose import Pose, mirror
from reidaug.geometry.silhouette import LIMBS, closing, resized, silhouette, without_edge

SIZE = (48, 24)


def random_pose(seed: int, people: int = 1, *, missing: float = 0.3) -> Pose:
    g = torch.Generator().manual_seed(seed)
    scale = torch.tensor([SIZE[1] + 8.0, SIZE[0] + 8.0], dtype=torch.float64)
    xy = torch.rand((people, 18, 2), generator=g, dtype=torch.float64) * scale - 4
    return Pose(xy, torch.rand((people, 18), generator=g) >= missing)


def lone_joints(*where: tuple[int, float, float]) -> Pose:
    xy = torch.full((1, 18, 2), math.nan)
    visible = torch.zeros(1, 18, dtype=torch.bool)
    for joint, x, y in where:
        xy[0, joint] = torch.tensor([x, y])
        visible[0, joint] = True
    return Pose(xy, visible)


def slow_silhouette(xy: Tensor, visible: Tensor, radius: float) -> Tensor:
    """PATN's mask word for word: rectangles, then discs, then dilation and erosion."""
    drawn = torch.zeros(SIZE, dtype=torch.bool)
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            drawn[row, column] = any(
                in_rectangle(xy[a].tolist(), xy[b].tolist(), column, row, radius)
                for a, b in LIMBS
                if visible[a] and visible[b]
            ) or any(
                math.hypot(column - xy[j, 0], row - xy[j, 1]) <= radius
                for j in range(18)
                if visible[j]
            )
    reach = (2 * round(radius / 2) + 1) // 2
    return slow_morphology(slow_morphology(drawn, reach, any), reach, all)


def in_rectangle(start: list[float], end: list[float], x: float, y: float, radius: float) -> bool:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    if length == 0:
        return False
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / length
    across = ((x - start[0]) * dy - (y - start[1]) * dx) / length
    return 0 <= along <= length and abs(across) <= radius


def slow_morphology(mask: Tensor, reach: int, decide) -> Tensor:
    out = torch.zeros_like(mask)
    for r in range(SIZE[0]):
        for c in range(SIZE[1]):
            window = mask[max(r - reach, 0) : r + reach + 1, max(c - reach, 0) : c + reach + 1]
            out[r, c] = decide(window.flatten().tolist())
    return out


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000), radius=st.sampled_from([1.5, 2.0, 4.0]))
def test_equals_rectangles_discs_and_closing(seed: int, radius: float):
    pose = random_pose(seed, 2)
    fast = silhouette(pose, SIZE, radius=radius)
    for k in range(2):
        assert torch.equal(fast[k], slow_silhouette(pose.xy[k], pose.visible[k], radius))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_missing_joint_means_nothing(seed: int):
    pose = random_pose(seed)
    noise = torch.full_like(pose.xy, math.nan)
    moved = Pose(torch.where(pose.visible[..., None], pose.xy, noise), pose.visible)
    assert torch.equal(silhouette(pose, SIZE), silhouette(moved, SIZE))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_mirroring_the_person_mirrors_the_mask(seed: int):
    pose = random_pose(seed)
    assert torch.equal(silhouette(mirror(pose, SIZE[1]), SIZE), silhouette(pose, SIZE).flip(-1))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_wider_limb_covers_a_narrower_one_and_one_person_is_as_in_a_batch(seed: int):
    pose = random_pose(seed, 3)
    narrow, wide = silhouette(pose, SIZE, radius=2.0), silhouette(pose, SIZE, radius=4.0)
    assert (wide | ~narrow).all()
    assert torch.equal(
        silhouette(Pose(pose.xy[1:2], pose.visible[1:2]), SIZE, radius=2.0), narrow[1:2]
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), side=st.sampled_from([1, 3, 5]))
def test_closing_contains_its_input_and_twice_is_once(seed: int, side: int):
    mask = torch.rand((2, *SIZE), generator=torch.Generator().manual_seed(seed)) > 0.7
    closed = closing(mask, side)
    assert (closed | ~mask).all()
    assert torch.equal(closing(closed, side), closed)


def test_nobody_is_an_empty_mask():
    assert not silhouette(lone_joints(), SIZE).any()


def test_one_joint_is_a_disc_of_four_pixels_at_128_rows():
    mask = silhouette(lone_joints((0, 30.0, 60.0)), (128, 64))[0]
    rows, columns = mask.nonzero().unbind(-1)
    assert (int(rows.min()), int(rows.max())) == (56, 64)
    assert (int(columns.min()), int(columns.max())) == (26, 34)


def test_coincident_joints_are_one_disc():
    together = silhouette(lone_joints((1, 12.0, 20.0), (2, 12.0, 20.0)), SIZE)
    assert torch.equal(together, silhouette(lone_joints((1, 12.0, 20.0)), SIZE))


def test_the_radius_grows_with_the_image():
    small = silhouette(lone_joints((1, 32.0, 40.0), (8, 32.0, 80.0)), (128, 64)).sum()
    large = silhouette(lone_joints((1, 64.0, 80.0), (8, 64.0, 160.0)), (256, 128)).sum()
    assert float(large / small) == pytest.approx(4, rel=0.06)


def test_another_number_of_joints_is_refused():
    with pytest.raises(ValueError, match="18 joints expected, got 17"):
        silhouette(Pose(torch.zeros(1, 17, 2), torch.ones(1, 17, dtype=torch.bool)), SIZE)


def test_without_its_edge_a_mask_keeps_its_inside_and_thin_parts() -> None:
    mask = torch.zeros(1, 20, 12, dtype=torch.bool)
    mask[0, 3:15, 1:7] = True  # a trunk
    mask[0, 8:10, 7:12] = True  # an arm two pixels thin
    found = without_edge(mask)
    assert not (found & ~mask).any()
    assert found[0, 4:14, 2:6].all() and not found[0, 3].any() and not found[0, :8, 1].any()
    assert found[0, 8:10, 9:].all()


def test_a_resized_mask_keeps_its_halves() -> None:
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[:, 2:] = True
    assert torch.equal(resized(mask, (4, 4)), mask)
    large = resized(mask, (7, 7))
    assert large[:, 4:].all() and not large[:, :3].any()
