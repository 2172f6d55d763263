"""Second tries at crops whose first estimate shows nobody: mirrored, and with room around.

The network expects a whole person in the middle of its square. Of a person who is bent, hidden or
cut off it is often sure only in the mirror image, or where the crop has black room around it.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from reidaug.geometry.flow import Size
from reidaug.geometry.pose import FLIP_18, Pose, mirror
from reidaug.perception.pose_estimator import PoseEstimate, PoseEstimator, shows_person
from reidaug.perception.unseen_legs import without_unseen_legs


class Try(NamedTuple):
    """Another look at a crop."""

    room: float  # black room on each side, in longer sides of the crop
    mirrored: bool  # whether left and right of the picture are exchanged


# The more room, the more people are found and the less exact their joints are: the first that
# finds somebody counts. `benchmarks/second_tries.py` measures what each finds and how far it errs.
# Stretched contrast is no try: it finds hardly more people, but somebody in many empty places.
SECOND_TRIES = (
    Try(0.0, True), Try(0.12, False), Try(0.12, True), Try(0.25, False), Try(0.25, True),
)  # fmt: skip
MIN_PERSON_AGAIN = 0.7  # of a person: many tries would find somebody anywhere


class PersonSearch(NamedTuple):
    """What the tries at a crop came to."""

    # Of the try that found a person; where none did, of the one that gave it the most probability.
    estimate: PoseEstimate
    attempt: int  # number of the try that found a person, the first estimate being 1; 0: none


def find_person(estimator: PoseEstimator, image: UInt8[np.ndarray, "h w 3"]) -> PersonSearch:
    """Estimate the pose of one person, in `SECOND_TRIES` too where the first estimate shows nobody.

    A second try counts where `shows_person` holds and the network gives a person more than
    `MIN_PERSON_AGAIN`. Legs that are not on the crop are missing, see
    `reidaug.perception.unseen_legs`.

    Args:
        estimator: The pose estimator.
        image: RGB bytes (h, w, 3) of a crop, upright; any size.
    """
    first = estimator.estimate(image)
    if shows_person(first):
        return PersonSearch(without_unseen_legs(first), 1)
    likeliest = first
    for attempt, how in enumerate(SECOND_TRIES, 2):
        estimate = try_again(estimator, image, how)
        if shows_person(estimate) and estimate.person > MIN_PERSON_AGAIN:
            return PersonSearch(without_unseen_legs(estimate), attempt)
        likeliest = max(likeliest, estimate, key=lambda one: one.person)
    return PersonSearch(likeliest, 0)


def try_again(
    estimator: PoseEstimator, image: UInt8[np.ndarray, "h w 3"], how: Try
) -> PoseEstimate:
    """Estimate the pose on a crop, RGB bytes (h, w, 3), as a try shows it, in the crop's pixels.

    Room is whole pixels, so that joints and outline come back by a shift. A joint beyond the crop
    is missing.
    """
    size = (image.shape[0], image.shape[1])
    room = round(how.room * max(size))
    shown = np.pad(image, ((room, room), (room, room), (0, 0)))
    if how.mirrored:
        estimate = _mirrored(estimator.estimate(np.ascontiguousarray(shown[:, ::-1])))
    else:
        estimate = estimator.estimate(shown)
    inside = slice(room, room + size[0]), slice(room, room + size[1])
    mask: Bool[np.ndarray, "h w"] = np.ascontiguousarray(estimate.mask[inside])
    return estimate._replace(pose=_shifted(estimate.pose, room, size), mask=mask)


def _mirrored(estimate: PoseEstimate) -> PoseEstimate:
    """Turn the estimate of a mirrored crop into that of the crop."""
    pose = mirror(estimate.pose, estimate.mask.shape[1])
    mask = estimate.mask[:, ::-1]
    return estimate._replace(pose=pose, certainty=estimate.certainty[list(FLIP_18)], mask=mask)


def _shifted(pose: Pose, room: int, size: Size) -> Pose:
    """Move joints from a crop with room around it into the crop; those beyond it are missing."""
    xy = pose.xy - room
    edge = torch.tensor([size[1], size[0]]) - 0.5
    visible = pose.visible & ((xy >= -0.5) & (xy <= edge)).all(-1)
    return Pose(torch.where(visible[:, None], xy, torch.full_like(xy, -1.0)), visible)
