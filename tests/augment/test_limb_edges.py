"""Edges along limbs tell joints of these images from those of others, where there are many."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from stick_market import figure, scattered

from reidaug.augment.inputs import check_outlines
from reidaug.augment.limb_edges import LEAST, doubtful_joints, edge_gains, exchanged_sides
from reidaug.augment.mask_placement import Masked
from reidaug.augment.warping import Source
from reidaug.data.market1501 import Person
from reidaug.geometry.pose import FLIP_18, Pose, stack

SIZE = (64, 32)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Masked]:
    """People drawn as sticks on noise, each where no other one is."""
    drawn = scattered(tmp_path_factory.mktemp("people"), LEAST, SIZE)
    return [Masked(path, path.name, pose) for path, pose in drawn]


def mirrored(pose: Pose) -> Pose:
    return Pose(torch.stack((SIZE[1] - 1 - pose.xy[:, 0], pose.xy[:, 1]), -1), pose.visible)


def test_joints_of_their_own_images_pass(people: list[Masked]) -> None:
    assert doubtful_joints(people) == doubtful_joints([]) == ""


@pytest.mark.parametrize("step", [1, 20])
def test_joints_of_other_images_are_doubted(people: list[Masked], step: int) -> None:
    poses = [person.pose for person in (*people[step:], *people[:step])]
    others = [p._replace(pose=pose) for p, pose in zip(people, poses, strict=True)]
    assert f"edges of {LEAST} images follow their joints no better" in doubtful_joints(others)
    assert doubtful_joints(others[:-1]) == ""  # too few tell nothing


def test_mirrored_joints_are_doubted(people: list[Masked]) -> None:
    turned = [person._replace(pose=mirrored(person.pose)) for person in people]
    assert "follow the mirrored joints better" in doubtful_joints(turned)


def test_images_that_cannot_be_read_or_show_no_limb_do_not_count(
    people: list[Masked], tmp_path: Path
) -> None:
    nobody = Pose(people[0].pose.xy, torch.zeros(18, dtype=torch.bool))
    odd = [people[0]._replace(image=tmp_path / "gone.png"), people[1]._replace(pose=nobody)]
    assert edge_gains([*odd, *people[2:]]) == edge_gains(people[2:])
    assert edge_gains(odd) is None


def test_joints_that_are_alike_tell_nothing(people: list[Masked]) -> None:
    alike = [person._replace(pose=people[0].pose) for person in people]
    assert edge_gains(alike) is None


def exchanged(pose: Pose) -> Pose:
    return Pose(pose.xy[list(FLIP_18)], pose.visible[list(FLIP_18)])


def one_sided(pose: Pose) -> Pose:
    return Pose(pose.xy, torch.ones(18, dtype=torch.bool))


@pytest.mark.parametrize(
    ("change", "told"),
    [(lambda p: p, False), (exchanged, True), (lambda p: one_sided(exchanged(p)), False)],
    ids=["right", "exchanged", "a face on every head"],
)
def test_exchanged_sides_are_known_where_backs_have_no_face(
    change: Callable[[Pose], Pose], told: bool
) -> None:
    rng, poses = np.random.default_rng(0), list[Pose]()
    face = torch.tensor([k in (0, 14, 15, 16, 17) for k in range(18)])
    for k in range(40):
        pose = figure(rng, SIZE)
        seen = torch.ones(18, dtype=torch.bool)
        if pose.xy[5, 0] < pose.xy[2, 0]:
            pose = mirrored(pose)  # facing: the left shoulder is at the right
        if k % 2:
            pose, seen = mirrored(pose), seen & ~face
        poses.append(change(Pose(pose.xy, seen)))
    assert exchanged_sides(stack(poses)) == told
    people = [Masked(Path("none"), "", pose) for pose in poses]
    assert ("left and right of the joints exchanged" in doubtful_joints(people)) == told


def test_what_is_doubted_is_told_before_the_work(
    people: list[Masked], capsys: pytest.CaptureFixture[str]
) -> None:
    shuffled = [*people[1:], people[0]]
    own, others = (
        [Source(Person(p.image, 1, 1), p.key, q.pose) for p, q in zip(people, poses, strict=True)]
        for poses in (people, shuffled)
    )
    check_outlines(own, None)
    assert capsys.readouterr().err == ""
    check_outlines(others, None)
    assert "are the joints of these very images" in capsys.readouterr().err
