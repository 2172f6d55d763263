"""Known answers on made-up people: whole, torn, cut in half, headless, of the wrong size."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stick_market import STANDING
from torch import Tensor

from reidaug.augment.pose_pool import (
    Refusal,
    count_flaws,
    covered,
    describe_flaws,
    mirror_flaw,
    outline_flaw,
)
from reidaug.augment.shipped_poses import SIZE, load_shipped
from reidaug.geometry.pose import Pose, on_canvas, select, stack
from reidaug.geometry.silhouette import silhouette
from reidaug.perception.mirror_agreement import MirrorAgreement


def person(height: int = 128, radius: float = 0.05) -> tuple[Pose, Tensor]:
    """Somebody standing, joints and outline, in a crop half as wide as it is high."""
    xy = torch.tensor(STANDING, dtype=torch.float32) * height
    xy[:, 0] += height / 4
    pose = Pose(xy, torch.ones(18, dtype=torch.bool))
    return pose, silhouette(stack([pose]), (height, height // 2), radius=radius * height)[0]


@pytest.mark.parametrize("height", [64, 128, 256])
def test_a_whole_person_is_good_at_any_size(height: int) -> None:
    assert outline_flaw(*person(height)) is None


def test_nearly_all_poses_of_the_package_are_good() -> None:
    shipped = load_shipped()
    flaws = [outline_flaw(select(shipped.pose, k), mask) for k, mask in enumerate(shipped.outline)]
    assert flaws == [None] * len(flaws)
    # A person who is smaller in the crop is as good.
    for k in range(0, len(flaws), 10):
        small = on_canvas(select(shipped.pose, k), SIZE, (64, 32))
        around = torch.zeros(SIZE, dtype=torch.bool)
        around[40:104, 16:48] = shipped.outline[k][::2, ::2]
        moved = Pose(small.xy + torch.tensor([16.0, 40.0]), small.visible)
        assert outline_flaw(moved, around) is None


def cut(mask: Tensor, rows: slice, columns: slice = slice(None)) -> Tensor:
    mask[rows, columns] = False
    return mask


def crowd(mask: Tensor) -> Tensor:
    mask[12:118, 2:62] = True
    return mask


DAMAGE: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "empty": (lambda mask: cut(mask, slice(None)), "no outline"),
    "neck missing": (lambda mask: cut(mask, slice(22, 25)), "outline in pieces"),
    "belly missing": (lambda mask: cut(mask, slice(40, 58), slice(26, 38)), "hole in the outline"),
    "legs missing": (lambda mask: cut(mask, slice(80, None)), "half a person"),
    "headless": (lambda mask: cut(mask, slice(0, 21)), "joints outside the outline"),
    "a crowd": (crowd, "outline too large for the joints"),
}


@pytest.mark.parametrize(("damage", "why"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_outline_is_refused(damage: Callable[[Tensor], Tensor], why: str) -> None:
    pose, mask = person()
    assert outline_flaw(pose, damage(mask)) == why


def test_a_thin_outline_is_refused() -> None:
    pose, _ = person()
    pose.xy[:, 0] = 32.0  # from the side, no gap between arms and trunk
    mask = silhouette(stack([pose]), (128, 64), radius=2.0)[0]
    assert outline_flaw(pose, mask) == "outline too small for the joints"


def test_small_specks_and_gaps_are_no_flaw() -> None:
    pose, mask = person()
    mask[2:4, 2:4] = True  # a speck beside the person
    mask[60, 30:33] = False  # a gap
    assert outline_flaw(pose, mask) is None


def test_a_person_cut_off_by_the_crop_is_no_half_person() -> None:
    pose, mask = person()
    height = 80  # the crop ends at the thighs, where the joints end too
    visible = pose.visible & (pose.xy[:, 1] < height)
    assert outline_flaw(Pose(pose.xy, visible), mask[:height]) is None
    ends = mask[: height + 20].clone()  # the same with the crop going on below
    ends[height:] = False
    assert outline_flaw(Pose(pose.xy, visible), ends) == "half a person"


def test_legs_without_feet_are_refused() -> None:
    pose, mask = person()
    pose.visible[[10, 13]] = False
    assert outline_flaw(pose, mask) == "no foot in sight"
    pose.visible[13] = True
    assert outline_flaw(pose, mask) is None


@given(seed=st.integers(0, 999), share=st.floats(0.05, 0.95))
def test_covered_joints_are_counted_one_by_one(seed: int, share: float) -> None:
    g = torch.Generator().manual_seed(seed)
    mask = torch.rand((40, 20), generator=g) < share * 0.2
    mask[0, 0] = True
    xy = torch.randint(0, 20, (18, 2), generator=g).float()
    visible = torch.rand(18, generator=g) < 0.7
    visible[0] = True
    reach = 2 / 128 * 40
    on_mask = mask.nonzero().flip(1).float()
    near = [bool(((on_mask - xy[k]).norm(dim=1) <= reach).any()) for k in range(18) if visible[k]]
    assert covered(Pose(xy, visible), mask) == pytest.approx(sum(near) / len(near))


def test_what_the_mirrored_crop_shows_to_be_wrong() -> None:
    assert mirror_flaw(MirrorAgreement(0.8, 0.75)) is None
    assert mirror_flaw(MirrorAgreement(0.9, None)) is None
    assert mirror_flaw(MirrorAgreement(0.79, 1.0)) == "other joints in the mirrored crop"
    assert mirror_flaw(MirrorAgreement(1.0, 0.74)) == "another outline in the mirrored crop"


def test_flaws_are_counted_the_most_frequent_first() -> None:
    refused = [Refusal(str(k), why) for k, why in enumerate(["torn", "half", "small", "half"])]
    assert list(count_flaws(refused).items()) == [("half", 2), ("small", 1), ("torn", 1)]
    assert describe_flaws(count_flaws(refused)) == "2 half, 1 small, 1 torn"
