"""Placement of masks: are they outlines of these very people, white on black?

One test for every command that reads masks beside joints. It looks at many at once, so that a few
odd masks refuse nothing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Bool
from torch import Tensor

from reidaug.augment.pose_pool import covered
from reidaug.data.images import SUFFIXES, image_size, mask_path, read_image, read_mask
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, on_canvas
from reidaug.runs import notice

SAMPLED = 200  # masks that are read, evenly taken
FEW = 3  # masks that are no outlines; fewer are single ones
LEAST_COVERED = 0.5  # of the visible joints of a person; own masks cover 0.8 and more
USUAL = 0.85  # of the joints of the median person: below it masks and joints may be of others
SHAPES = 1.25  # greatest ratio of the aspects of an image and its mask
LABELS = 64  # brightest value of masks that hold numbers of classes or people instead of white


class Masked(NamedTuple):
    """An image whose joints are known, beside its mask."""

    image: Path
    key: str  # the name its mask has with another ending, see `reidaug.data.market1501.Person.key`
    pose: Pose  # its 18 joints (18, 2) in pixels


def check_masks(masks: Path | None, people: Sequence[Masked]) -> None:
    """Test that a folder of masks is of these people; say how many have none, or fit badly.

    Args:
        masks: The folder; None passes.
        people: The images whose joints are known.

    Raises:
        ReidaugError: It is not empty and none of them has a mask in it; or of those looked at more
            than half, or a quarter and one more, and at least `FEW` are no outline of their person.
    """
    if masks is None or not people:
        return
    found = [person for person in people if mask_path(masks, person.key).exists()]
    if not found and any(masks.iterdir()):
        raise ReidaugError(_none(masks, people))
    if len(found) < len(people):
        notice(
            f"{masks}: {len(people) - len(found):,} of {len(people):,} images have no mask in it; "
            "limbs drawn from their joints replace it"
        )
    step = max(1, len(found) // SAMPLED)
    judged = [_reading(masks, person) for person in found[::step]]
    if sum(reading.cause == "unreadable" for reading in judged) == 1:  # its image is left out
        judged = [reading for reading in judged if reading.cause != "unreadable"]
    wrong = [reading for reading in judged if reading.what]
    if len(wrong) >= FEW and len(wrong) > min(len(judged) / 2, len(judged) / 4 + 1):
        raise ReidaugError(
            f"{masks}: {len(wrong):,} of {len(judged):,} masks looked at are no outline of their "
            f"person, such as {wrong[0].name}: {wrong[0].what}; {_advice(wrong)}"
        )

    shares = sorted(reading.covered for reading in judged)
    if len(shares) >= FEW and shares[len(shares) // 2] < USUAL:
        notice(
            f"{masks}: half of the masks cover {shares[len(shares) // 2]:.0%} or less of their "
            "person's joints; are masks and joints of these very images?"
        )


class _Reading(NamedTuple):
    name: str
    what: str  # what is wrong with it; empty where nothing is
    cause: str = ""  # of `_ADVICE`
    covered: float = 0.0  # share of the visible joints


def _none(masks: Path, people: Sequence[Masked]) -> str:
    wanted = mask_path(masks, people[0].key).name
    other = (path.name for path in sorted(masks.iterdir()) if path.suffix.lower() in SUFFIXES)
    first = next(other, None)
    holds = f"; it holds, for instance, {first}" if first else ""
    return (
        f"{masks}: no mask of any of {len(people):,} images, such as {wanted}{holds}; a mask is "
        "called like its image, ending in .png: rename them, or give another folder with --masks "
        "(an empty one for limbs drawn from the joints)"
    )


def _reading(masks: Path, person: Masked) -> _Reading:
    """Compare a mask with the joints of its person."""
    path, size = mask_path(masks, person.key), image_size(person.image)
    try:
        mask = read_mask(path)
        brightest = int(read_image(path).max()) if not mask.any() else 255
    except ReidaugError as error:
        return _Reading(path.name, str(error).removeprefix(f"{path}: "), "unreadable")
    if size is None:  # the image is damaged, and told elsewhere
        return _Reading(path.name, "", covered=1.0)
    return _judge(path.name, mask, person.pose, size, brightest)


def _judge(
    name: str, mask: Bool[Tensor, "H W"], pose: Pose, size: Size, brightest: int
) -> _Reading:
    if not mask.any():
        what = f"its brightest value is {brightest} of 255"
        return _Reading(name, what, "labels" if 0 < brightest <= LABELS else "")
    if mask.all():
        return _Reading(name, "it is white everywhere")
    height, width = mask.shape
    stretch = width * size[0] / (height * size[1])
    if not 1 / SHAPES <= stretch <= SHAPES:
        turned = 1 / SHAPES <= height * size[0] / (width * size[1]) <= SHAPES
        shape = f"it has {height} x {width} pixels and its image {size[0]} x {size[1]}"
        return _Reading(name, shape, "turned" if turned else "")
    pose = on_canvas(pose, size, (height, width))
    share = covered(pose, mask)
    if share >= LEAST_COVERED:
        return _Reading(name, "", covered=share)
    inverted = float(mask.float().mean()) > 0.5 and covered(pose, ~mask) >= USUAL
    cause = "inverted" if inverted else ""
    return _Reading(name, f"it covers {share:.0%} of its person's joints", cause, share)


_ADVICE: Mapping[str, str] = {
    "labels": "a mask is 255 on the person and 0 off it, and no number of a class",
    "turned": "they lie on their side: make them of upright images",
    "inverted": "they are white off the person: invert them",
    "unreadable": "make them anew, with 8 bits",
    "": "a mask is white on its own image's person and black off it: are masks and joints theirs?",
}


def _advice(wrong: Sequence[_Reading]) -> str:
    """Advise on what most masks suffer from."""
    causes = [reading.cause for reading in wrong]
    return _ADVICE[max(_ADVICE, key=causes.count)]
