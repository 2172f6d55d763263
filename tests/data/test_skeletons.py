import torch
from PIL import Image

from reidaug.data.skeletons import BLUE, LIMBS, ORANGE, draw_skeleton
from reidaug.geometry.pose import OPENPOSE_18, Pose


def pose_of(*joints: str) -> Pose:
    """A pose whose named joints are visible, side by side at the same height."""
    xy = torch.stack((torch.arange(18.0) * 4, torch.full((18,), 5.0)), -1)
    return Pose(xy, torch.tensor([name in joints for name in OPENPOSE_18]))


def colours(pose: Pose) -> set[tuple[int, ...]]:
    picture = Image.new("RGB", (80, 10))
    draw_skeleton(picture, pose, 2)
    return {colour for _, colour in picture.getcolors()} - {(0, 0, 0)}


def test_limbs_are_coloured_by_side() -> None:
    sides = [{name[0] for name in (OPENPOSE_18[a], OPENPOSE_18[b])} for a, b in LIMBS]
    assert all(len(names) <= 2 for names in sides)
    assert colours(pose_of(OPENPOSE_18[2], OPENPOSE_18[3])) == {ORANGE}
    assert colours(pose_of(OPENPOSE_18[5], OPENPOSE_18[6])) == {BLUE}


def test_a_limb_needs_both_its_joints() -> None:
    assert colours(pose_of(OPENPOSE_18[2])) == set()


def test_every_joint_but_none_twice_is_in_a_tree_of_limbs() -> None:
    assert len({frozenset(limb) for limb in LIMBS}) == len(LIMBS) == 17
    assert {joint for limb in LIMBS for joint in limb} == set(range(18))
