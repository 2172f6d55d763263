"""Placement of joints on their images: are they pixels of these very images, x before y?

One test for every command that reads keypoints. It looks at many people at once, so that a few odd
crops, hidden legs or people beside the middle refuse nothing. Where people are on photographs is
in benchmarks/results/placement.json.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import OPENPOSE_18, Pose, stack

OUTSIDE = 0.1  # tolerated share of visible joints outside their image
LEAST_JOINTS = 4  # visible joints of a person whose place and build are judged
LEAST_SIDE = 8  # pixels of an image on which they are: smaller ones are too coarse
LEAST_SPAN = 0.2  # of the image's height or width that a person's joints span
SPOT = 0.05  # of the image's height and width: joints of no person on a crop
LEAST_REPEATED = 5  # people with the same joints
UPPER_LEFT = 0.4  # middle of a person, as a share of the image, in both axes; above it is central
UPPER_LEFT_OF_FEW = 0.35  # the same of fewer than `FEW` people
UPPER_LEFT_OF_MOST = 0.42  # the same of the median person, of `MANY` or more
FEW, MANY = 4, 16
BESIDE = 0.25  # middle of a person from the left edge, or from the right one
SHARES = 1.5  # greatest coordinate of joints given as shares of the image, 0 to 1
ABOVE = 0.05  # of a person's height by which a part of the body may be above one it hangs from
THIN = 0.01  # of the image's width: joints so narrow are on one line
FAR = 1.0  # image sides that a joint may lie beyond the edge, by a network that guesses
_LYING = "lie on their side or stand on their head"
_UP = "have parts of the body above those they hang from"
_ORDER = "joints have another order: PATN's CSV has OpenPose's 18, COCO its own 17"
_EXPECTED = "keypoints count pixels of these very files"

# The joints from head to foot: of a person upright, those of a later group are below.
_LEVELS = tuple(
    [OPENPOSE_18.index(name) for name in names]
    for names in (
        ("nose", "right_eye", "left_eye", "right_ear", "left_ear"),
        ("neck", "right_shoulder", "left_shoulder"),
        ("right_hip", "left_hip"),
        ("right_knee", "left_knee"),
        ("right_ankle", "left_ankle"),
    )
)


class Misplacement(NamedTuple):
    """What is wrong with the joints of a whole file."""

    what: str  # what was found, one line
    advice: str  # what it comes from, and what is right


class Placed(NamedTuple):
    """Poses that lie on their images."""

    poses: dict[str, Pose]  # by the names they were given
    left_out: dict[str, str]  # one line for each pose that does not lie on its image, by name


def place(poses: Mapping[str, Pose], sizes: Mapping[str, Size | None], *, file: Path) -> Placed:
    """Test the poses of a keypoint file on their images, and leave out single ones that are off.

    Args:
        poses: The 18 joints (18, 2) by name.
        sizes: (height, width) of each pose's image by the same names; None where unknown.
        file: The keypoint file, for errors.

    Raises:
        ReidaugError: The joints as a whole are misplaced, see `misplacement`.
    """
    if not poses:
        return Placed({}, {})
    table = torch.tensor([sizes.get(name) or (0, 0) for name in poses], dtype=torch.float32)
    every = stack(list(poses.values()))
    wrong = misplacement(every, table)
    if wrong is not None:
        raise ReidaugError(f"{file}: {wrong.what}; {wrong.advice}")
    away = strays(every, table)
    lines = {name: f"{file}: {name}: {why}" for name, why in zip(poses, away, strict=True) if why}
    return Placed({name: pose for name, pose in poses.items() if name not in lines}, lines)


def misplacement(poses: Pose, sizes: Float[Tensor, "n 2"]) -> Misplacement | None:
    """Find what is wrong with the joints of many people as a whole; None where they are plausible.

    They are not where more than `OUTSIDE` of the visible joints are outside their image, or where
    more than half of the people, or a quarter and one more, lie on their side, span less than
    `LEAST_SPAN` of their image, have legs above their trunk or all joints on one upright line, or
    have their middle in its upper left or at its side; nor where
    the median of many is, or where more than half have the joints of one person. People with fewer
    than `LEAST_JOINTS` visible joints, or on images with a side below `LEAST_SIDE`, are judged by
    the first of these alone.

    Args:
        poses: Joints (N, 18, 2) in pixels.
        sizes: (height, width) of the images (N, 2); 0 where unknown, these are not judged.
    """
    known = sizes[:, 0] > 0
    poses, sizes = Pose(poses.xy[known], poses.visible[known]), sizes[known]
    what = _misplaced(poses, sizes)
    if what is None:
        same = _repeated(poses)
        own = "each image needs joints of its own: was one pose written for all?"
        return Misplacement(same, own) if same else None
    for change, advice in _CAUSES:
        if _misplaced(Pose(change(poses, sizes), poses.visible), sizes) is None:
            return Misplacement(what, advice)
    advice = f"were they made for images of another size? {_EXPECTED}"
    return Misplacement(what, _ORDER if _UP in what or _LYING in what else advice)


def _repeated(poses: Pose) -> str:
    """Say how many people have the same joints, where these are most; empty where not."""
    judged = poses.visible.sum(1) >= LEAST_JOINTS
    seen = poses.visible[judged, :, None]
    rows = torch.cat((poses.xy[judged].where(seen, torch.tensor(-1.0)), seen), -1).flatten(1)
    if len(rows) < LEAST_REPEATED:
        return ""
    most = int(torch.unique(rows, dim=0, return_counts=True)[1].max())
    if most < LEAST_REPEATED or most * 2 <= len(rows):
        return ""
    return f"{most:,} of {len(rows):,} people have one and the same joints"


def strays(poses: Pose, sizes: Float[Tensor, "n 2"]) -> list[str]:
    """Say of each of N poses why it does not lie on its image; empty where it does.

    It does not where more than half of its visible joints are outside, any of them is `FAR`
    beyond the edge, or all of several lie on a spot, as shares of the image do. Arguments as in
    `misplacement`.
    """
    sides = sizes.flip(-1)[:, None]
    known = poses.visible & (sizes[:, :1] > 0)
    finite = poses.xy.isfinite().all(-1)
    over = torch.maximum(-poses.xy, poses.xy - (sides - 1)) / sides.clamp_min(1)
    far = known & ~((over <= FAR).all(-1) & finite)
    outside = known & ~_inside(poses, sizes)
    most = outside.sum(1) * 2 > known.sum(1)
    reasons = _on_a_spot(poses, sizes)
    for k in (far.any(1) | most).nonzero().flatten().tolist():
        height, width = (int(side) for side in sizes[k].tolist())
        joints = far[k] if far[k].any() else outside[k]
        joint = int(joints.nonzero()[0])
        x, y = poses.xy[k, joint].tolist()
        reasons[k] = (
            f"{OPENPOSE_18[joint]} at ({x:g}, {y:g}) is outside its image of {height} x {width}, "
            f"as {int(outside[k].sum())} of {int(known[k].sum())} visible joints are"
        )
    return reasons


def _on_a_spot(poses: Pose, sizes: Float[Tensor, "n 2"]) -> list[str]:
    """Say of each of N poses that its joints lie on a spot of its image; empty where not."""
    count, (low, high) = poses.visible.sum(1), _box(poses)
    span = ((high - low) / sizes.flip(-1).clamp_min(1)).amax(1)
    tiny = (count >= LEAST_JOINTS) & (sizes.amin(1) >= LEAST_SIDE) & (span < SPOT)
    return [
        f"its {n} visible joints lie within {SPOT:.0%} of the image" if one else ""
        for one, n in zip(tiny.tolist(), count.tolist(), strict=True)
    ]


def outside_share(poses: Pose, sizes: Float[Tensor, "n 2"]) -> float:
    """Measure the share, 0 to 1, of visible joints (N, 18, 2) in pixels outside their images.

    ``sizes`` are (height, width), (N, 2); images with 0, unknown, do not count. Up to half a pixel
    beyond the edge pixels' centres is inside.
    """
    counted = poses.visible & (sizes[:, :1] > 0)
    return float((counted & ~_inside(poses, sizes)).sum() / counted.sum().clamp_min(1))


def _inside(poses: Pose, sizes: Float[Tensor, "n 2"]) -> Bool[Tensor, "n j"]:
    return ((poses.xy >= -0.5) & (poses.xy <= sizes.flip(-1)[:, None] - 0.5)).all(-1)


def _misplaced(poses: Pose, sizes: Float[Tensor, "n 2"]) -> str | None:
    """Say what is wrong with people on images of known sizes."""
    share = outside_share(poses, sizes)
    if share > OUTSIDE:
        return f"{share:.0%} of the visible joints are outside their image"
    judged = (poses.visible.sum(1) >= LEAST_JOINTS) & (sizes.amin(1) >= LEAST_SIDE)
    poses, sizes = Pose(poses.xy[judged], poses.visible[judged]), sizes[judged]
    for wrong, total, words in _odd_people(poses, sizes):
        if wrong > min(total / 2, total / 4 + 1):
            return f"{wrong:,} of {total:,} people {words}"
    return None


def _odd_people(poses: Pose, sizes: Float[Tensor, "n 2"]) -> Iterator[tuple[int, int, str]]:
    """Count the people with each kind of odd place or build, and those who were judged."""
    if not len(sizes):
        return
    low, high = _box(poses)
    sides, total = sizes.flip(-1), len(sizes)
    span = ((high - low) / sides).amax(1)
    yield int((span < LEAST_SPAN).sum()), total, f"span less than {LEAST_SPAN:.0%} of their image"
    down = _head_to_foot(poses)
    known = down.isfinite().all(1)
    lying = known & ~(down[:, 1] > down[:, 0].abs())
    yield int(lying.sum()), int(known.sum()), _LYING
    ordered = _out_of_order(poses)
    yield int(ordered.sum()), total, _UP
    line = ((high - low)[:, 0] / sides[:, 0] < THIN) & (poses.visible.sum(1) > LEAST_JOINTS)
    yield int(line.sum()), total, "have all their joints on one upright line"
    middle = (low + high + 1) / 2 / sides
    limit = UPPER_LEFT if total >= FEW else UPPER_LEFT_OF_FEW
    if total >= MANY and (middle.median(0).values < UPPER_LEFT_OF_MOST).all():
        limit = 0.5
    corner = (middle < limit).all(1)
    yield int(corner.sum()), total, "are in the upper left of their image"
    beside = (middle[:, 0] < BESIDE) | (middle[:, 0] > 1 - BESIDE)
    yield int(beside.sum()), total, "are at the left or right edge of their image"


def _box(poses: Pose) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 2"]]:
    """Box of the visible joints of each person: least and greatest (x, y)."""
    seen, endless = poses.visible[..., None], torch.tensor(torch.inf)
    low = torch.where(seen, poses.xy, endless).amin(1)
    return low, torch.where(seen, poses.xy, -endless).amax(1)


def _levels(poses: Pose) -> Iterator[Float[Tensor, "n 2"]]:
    """Middles of the visible joints of each part of the body, from head to foot; NaN without."""
    for joints in _LEVELS:
        seen = poses.visible[:, joints, None].float()
        mean = (poses.xy[:, joints] * seen).sum(1) / seen.sum(1).clamp_min(1)
        yield torch.where(seen.sum(1) > 0, mean, torch.nan)


def _out_of_order(poses: Pose) -> Bool[Tensor, " n"]:
    """Whether parts of the body are above those before them, as where joints have other names."""
    low, high = _box(poses)
    lowest = torch.full((len(poses.xy),), -torch.inf)
    wrong = torch.zeros(len(poses.xy), dtype=torch.bool)
    for y in (level[:, 1] for level in _levels(poses)):
        wrong |= y < lowest - ABOVE * (high - low)[:, 1]
        lowest = torch.where(y > lowest, y, lowest)
    return wrong


def _head_to_foot(poses: Pose) -> Float[Tensor, "n 2"]:
    """Way from the uppermost part of the body that is visible to the lowest one, NaN if one is."""
    first = last = torch.full((len(poses.xy), 2), torch.nan)
    for mean in _levels(poses):
        some = ~mean.isnan()
        first, last = torch.where(first.isnan(), mean, first), torch.where(some, mean, last)
    way = last - first
    return torch.where((way == 0).all(1, keepdim=True), torch.nan, way)


def _exchanged(poses: Pose, sizes: Float[Tensor, "n 2"]) -> Float[Tensor, "n j 2"]:
    return poses.xy.flip(-1)


def _upside_down(poses: Pose, sizes: Float[Tensor, "n 2"]) -> Float[Tensor, "n j 2"]:
    x, y = poses.xy.unbind(-1)
    return torch.stack((x, sizes[:, :1] - 1 - y), -1)


def _of_shares(poses: Pose, sizes: Float[Tensor, "n 2"]) -> Float[Tensor, "n j 2"]:
    low, high = _box(poses)
    xy = poses.xy * sizes.flip(-1)[:, None] - 0.5
    # Coordinates of a pixel or two are shares; larger ones make no person of the image's size.
    tiny = (high.amax(1) <= SHARES) & (low.amin(1) >= -SHARES)
    return torch.where(tiny[:, None, None], xy, torch.inf)


def _twice(poses: Pose, sizes: Float[Tensor, "n 2"]) -> Float[Tensor, "n j 2"]:
    return (poses.xy + 0.5) * 2 - 0.5


def _half(poses: Pose, sizes: Float[Tensor, "n 2"]) -> Float[Tensor, "n j 2"]:
    return (poses.xy + 0.5) / 2 - 0.5


def _from_frame(poses: Pose, sizes: Float[Tensor, "n 2"]) -> Float[Tensor, "n j 2"]:
    low, high = _box(poses)
    shift = (sizes.flip(-1) - 1) / 2 - (low + high) / 2
    away = ((low > sizes.flip(-1)) | (high < 0)).any(1)
    # People who are all within their image were not measured in a frame.
    return torch.where(away.float().mean() > 0.5, poses.xy + shift[:, None], torch.inf)


_Change = Callable[[Pose, Float[Tensor, "n 2"]], Float[Tensor, "n j 2"]]

# What makes the joints plausible again says where they come from.
_CAUSES: Sequence[tuple[_Change, str]] = (
    (_exchanged, "x and y are exchanged: PATN's CSV has y first, COCO and OpenPose x"),
    (_of_shares, f"they are shares of the image, 0 to 1; {_EXPECTED}"),
    (_twice, f"they were made for images of half the size; {_EXPECTED}"),
    (_half, f"they were made for images of twice the size; {_EXPECTED}"),
    (_upside_down, "y counts from the bottom; it counts from the top"),
    (_from_frame, f"they are of the frames that the images were cut from; {_EXPECTED}"),
)
