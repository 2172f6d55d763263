"""Edges along limbs tell joints of these images from those of others, where there are many."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from stick_market import figure, scattered

from reidaug.augment import limb_edges
from reidaug.augment.inputs import check_outlines
from reidaug.augment.limb_edges import (
    LEAST,
    OUTLIER,
    SLIPPED,
    _strength,
    doubtful_joints,
    edge_gains,
    exchanged_sides,
    joint_slip,
    look,
    slip_doubt,
)
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


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[Masked]:
    """Three times as many people."""
    drawn = scattered(tmp_path_factory.mktemp("many"), 3 * LEAST, SIZE)
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


@pytest.mark.parametrize(("rows", "where"), [(1, "1 image later"), (-2, "2 images earlier")])
def test_a_list_that_slipped_from_a_row_on_is_told(
    many: list[Masked], rows: int, where: str
) -> None:
    count, first = len(many), len(many) // 2
    wrong = [
        person._replace(pose=many[(k - rows) % count].pose) if k >= first else person
        for k, person in enumerate(many)
    ]
    looked = look(wrong)
    assert looked is not None
    slip = joint_slip(looked)
    assert slip is not None
    assert slip.rows == rows
    assert slip.last >= count - 3  # the last rows have none after them
    assert abs(slip.first - first) <= 2
    told = doubtful_joints(wrong)
    assert (
        f"from about {many[slip.first].key} to {many[slip.last].key}, in the order of names" in told
    )
    assert f"edges fit the joints listed {where} better than their own" in told
    assert slip_doubt(looked, slip._replace(likelihood=SLIPPED - 0.1)) == ""
    assert slip_doubt(looked._replace(numbers=looked.numbers[: LEAST - 1]), slip) == ""
    assert doubtful_joints(many) == ""


def test_the_likelihood_is_that_of_two_means(
    people: list[Masked], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow twin: every stretch, the best mean of both hypotheses by the sums of squares."""
    looked = look([p._replace(pose=q.pose) for p, q in pairwise(people[:17])])
    assert looked is not None
    monkeypatch.setattr(limb_edges, "SHIFTS", (1,))
    own, later = (_strength(looked.edges, looked.joints(k), 0).double() for k in (0, 1))
    x = ((later - own) / (later - own).std()).clamp(-OUTLIER, OUTLIER)

    def log_likelihood(sign: torch.Tensor) -> float:
        mean = (sign * x).mean().clamp_min(0)
        return float(-((x - sign * mean) ** 2).sum() / 2)

    stretches = [(a, b) for a in range(16) for b in range(a + 1, 17)]
    signs = [-torch.ones(16).double() for _ in stretches]
    for sign, (a, b) in zip(signs, stretches, strict=True):
        sign[a:b] = 1
    best = max(map(log_likelihood, signs)) - log_likelihood(-torch.ones(16).double())
    slip = joint_slip(looked)
    assert slip is not None
    assert slip.likelihood == pytest.approx(best, rel=1e-4)


def test_mirrored_joints_are_doubted(people: list[Masked]) -> None:
    turned = [person._replace(pose=mirrored(person.pose)) for person in people]
    assert "follow the mirrored joints better" in doubtful_joints(turned)


def test_images_that_cannot_be_read_or_show_no_limb_do_not_count(
    people: list[Masked], tmp_path: Path
) -> None:
    nobody = Pose(people[0].pose.xy, torch.zeros(18, dtype=torch.bool))
    odd = [people[0]._replace(image=tmp_path / "gone.png"), people[1]._replace(pose=nobody)]
    some, rest = look([*odd, *people[2:]]), look(people[2:])
    assert some is not None
    assert rest is not None
    assert edge_gains(some) == edge_gains(rest)
    assert look(odd) is None


def test_joints_that_are_alike_tell_nothing(people: list[Masked]) -> None:
    alike = [person._replace(pose=people[0].pose) for person in people]
    looked = look(alike)
    assert looked is not None
    assert edge_gains(looked) is joint_slip(looked) is None


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
