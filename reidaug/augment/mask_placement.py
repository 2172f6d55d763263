"""Placement of masks: are they outlines of these very people, white on black?

One test for every command that reads masks beside joints. It looks at many at once, so that a few
odd masks refuse nothing. What own masks and those of others cover on photographs, and so the room
that its limits leave, is in benchmarks/results/placement.json.
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
LEAST_COVERED = 0.5  # of the visible joints of a person; below it a mask is no outline of it
USUAL = 0.85  # of the joints of the median person: below it masks and joints may be of others
MANY = 16  # masks and joints that are compared with each other's; fewer tell too little
OWN = 0.95  # of the joints of the median person: masks that cover as many are not doubted
BETTER = 0.06  # by which own masks cover more of the joints than those of other people, at least
BOX, BOX_PIXELS = 0.97, 64  # share of its box that a mask fills, people half of it; least box
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
            than half, or a quarter and one more, and at least `FEW` are no outline of their person
            (boxes count among `MANY`); or they cover few joints, and those of others about as well
            as their own.
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
    _check_outlines(masks, judged)
    shares = sorted(reading.covered for reading in judged)
    if len(shares) >= MANY and shares[len(shares) // 2] < OWN and _of_others(judged):
        raise ReidaugError(
            f"{masks}: its masks cover the joints of other people as well as their own, "
            f"{shares[len(shares) // 2]:.0%} of them; masks or joints are of other images, "
            "mirrored or turned: are both of these very images?"
        )
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
    mask: Bool[Tensor, "h w"] | None = None  # where it is an outline
    pose: Pose | None = None  # the joints in its pixels


def _check_outlines(masks: Path, judged: Sequence[_Reading]) -> None:
    """Stop where too many of some masks are no outlines, and tell of some."""
    many = len(judged) >= MANY  # a few people may fill their boxes
    wrong = [reading for reading in judged if reading.what and (many or reading.cause != "box")]
    if len(wrong) >= FEW:
        line = (
            f"{masks}: {len(wrong):,} of {len(judged):,} masks looked at are no outline of their "
            f"person, such as {wrong[0].name}: {wrong[0].what}; {_advice(wrong)}"
        )
        if len(wrong) > min(len(judged) / 2, len(judged) / 4 + 1):
            raise ReidaugError(line)
        notice(line)


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
    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    box = mask[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]
    if box.numel() > BOX_PIXELS and float(box.float().mean()) >= BOX:
        return _Reading(name, "it is a box", "box", 1.0)
    pose = on_canvas(pose, size, (height, width))
    share = covered(pose, mask)
    if share >= LEAST_COVERED:
        return _Reading(name, "", "", share, mask, pose)
    inverted = float(mask.float().mean()) > 0.5 and covered(pose, ~mask) >= USUAL
    cause = "inverted" if inverted else ""
    return _Reading(name, f"it covers {share:.0%} of its person's joints", cause, share)


def _of_others(readings: Sequence[_Reading]) -> bool:
    """Whether masks cover the joints of other people about as well as those of their own."""
    known = [(r.mask, r.pose) for r in readings if r.mask is not None and r.pose is not None]
    gains = []
    for k, (mask, pose) in enumerate(known):
        # Of another one of the same shape, some steps away: neighbours may be of one person.
        others = (p for m, p in (*known[k + 5 :], *known[:k]) if m.shape == mask.shape)
        other = next(others, None)
        if other is not None:
            gains.append(covered(pose, mask) - covered(other, mask))
    return len(gains) >= MANY and sum(gains) / len(gains) < BETTER


_ADVICE: Mapping[str, str] = {
    "box": "an outline is white on the person alone; an empty folder draws limbs from the joints",
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
