"""Second tries: what is shown, what comes back into the crop's pixels, and which try counts."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from drawn_person import drawn_person, half_person
from hypothesis import given
from hypothesis import strategies as st

from reidaug.geometry.pose import FLIP_18, OPENPOSE_18, Pose
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_estimator import PoseEstimate, shows_person
from reidaug.perception.second_tries import SECOND_TRIES, Try, find_person, try_again

RIGHT, LEFT = OPENPOSE_18.index("right_wrist"), OPENPOSE_18.index("left_wrist")


class ReadsColours:
    """An estimator of one joint and outline: the red pixel is the right wrist, green the person.

    It keeps what it was shown.
    """

    def __init__(self) -> None:
        self.shown: list[np.ndarray] = []

    def estimate(self, image: np.ndarray) -> PoseEstimate:
        self.shown.append(image)
        xy, visible = torch.full((18, 2), -1.0), torch.zeros(18, dtype=torch.bool)
        rows, columns = np.nonzero(image[..., 0] == 255)
        # A mirrored right hand looks like a left one.
        wrist = RIGHT if image[0, 0, 2] or not image[..., 2].any() else LEFT
        xy[wrist] = torch.tensor([float(columns[0]), float(rows[0])])
        visible[wrist] = True
        return PoseEstimate(Pose(xy, visible), torch.linspace(0, 1, 18), 0.5, image[..., 1] > 0)


@given(
    st.tuples(st.integers(3, 40), st.integers(3, 40)),
    st.integers(0, 10_000),
    st.sampled_from(SECOND_TRIES),
)
def test_joints_and_outline_come_back_to_the_pixels_they_were_on(
    size: tuple[int, int], seed: int, how: Try
) -> None:
    rng = np.random.default_rng(seed)
    image = np.zeros((*size, 3), dtype=np.uint8)
    image[..., 1] = rng.integers(0, 2, size)
    y, x = int(rng.integers(size[0])), int(rng.integers(size[1]))
    image[y, x, 0] = 255
    estimator = ReadsColours()
    estimate = try_again(estimator, image, how)
    assert np.array_equal(estimate.mask, image[..., 1] > 0)
    joint = LEFT if how.mirrored else RIGHT  # the estimator took it for a right one
    assert torch.nonzero(estimate.pose.visible).flatten().tolist() == [joint]
    assert estimate.pose.xy[joint].tolist() == [x, y]
    order = list(FLIP_18) if how.mirrored else list(range(18))
    assert torch.equal(estimate.certainty, torch.linspace(0, 1, 18)[order])
    room = round(how.room * max(size))
    (shown,) = estimator.shown
    assert shown.shape == (size[0] + 2 * room, size[1] + 2 * room, 3)
    assert int(shown.sum()) == int(image.sum())  # black around


class SaysSo(NamedTuple):
    """An estimator that gives prepared probabilities of a person, one a call."""

    person: list[float]
    sizes: list[tuple[int, ...]]

    def estimate(self, image: np.ndarray) -> PoseEstimate:
        self.sizes.append(image.shape[:2])
        pose = Pose(torch.full((18, 2), 30.0), torch.ones(18, dtype=torch.bool))
        mask = np.ones(image.shape[:2], dtype=bool)
        return PoseEstimate(pose, torch.full((18,), 0.9), self.person[len(self.sizes) - 1], mask)


@pytest.mark.parametrize(
    ("said", "attempt", "calls"),
    [
        ([0.2], 1, 1),  # good at once: nothing is tried again
        ([0.05, 0.6, 0.8], 3, 3),  # what is enough at first is not in a second try
        ([0.05, 0.9], 2, 2),
        ([0.01, 0.3, 0.1, 0.4, 0.2, 0.05], 0, 6),
    ],
)
def test_the_first_try_that_finds_somebody_counts(
    said: list[float], attempt: int, calls: int
) -> None:
    estimator = SaysSo(said, [])
    search = find_person(estimator, np.zeros((100, 50, 3), dtype=np.uint8))
    assert search.attempt == attempt
    assert search.estimate.person == (said[attempt - 1] if attempt else max(said))
    assert search.estimate.mask.shape == (100, 50)
    rooms = [0, *(round(how.room * 100) for how in SECOND_TRIES)]
    assert estimator.sizes == [(100 + 2 * room, 50 + 2 * room) for room in rooms[:calls]]


def test_tries_begin_with_the_least_room() -> None:
    assert [how.room for how in SECOND_TRIES] == sorted(how.room for how in SECOND_TRIES)


def test_a_try_puts_the_joints_of_a_drawn_person_where_they_are(estimator: BlazePose) -> None:
    picture, xy = drawn_person((128, 64))
    for how in SECOND_TRIES:
        estimate = try_again(estimator, np.asarray(picture), how)
        assert shows_person(estimate)
        off = np.linalg.norm(estimate.pose.xy.numpy() - xy, axis=1)[estimate.pose.visible.numpy()]
        assert np.median(off) < 0.05 * 128


def test_what_the_first_try_misses_a_second_one_finds(estimator: BlazePose) -> None:
    half = np.asarray(half_person())
    assert not shows_person(estimator.estimate(half))
    search = find_person(estimator, half)
    assert search.attempt > 1
    # From the left edge on: the middle of the person.
    assert search.estimate.mask[40:60, :8].all() and not search.estimate.mask[:, 50:].any()


@pytest.mark.parametrize("seed", range(3))
def test_empty_pictures_stay_nobody(estimator: BlazePose, seed: int) -> None:
    rng = np.random.default_rng(seed)
    top, bottom = rng.integers(0, 256, (2, 3))
    down = np.linspace(0, 1, 128)[:, None, None]
    for shade in (top + np.zeros((128, 64, 1)), down * bottom + (1 - down) * top):
        image = np.broadcast_to(shade, (128, 64, 3)).astype(np.uint8)
        assert find_person(estimator, image).attempt == 0
