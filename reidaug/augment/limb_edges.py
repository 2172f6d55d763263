"""Edges along limbs: do the joints fit these very images, or others, or mirror images?

Clothes and skin have edges beside a limb. Over many images there are more of them beside the limbs
of an image's own joints than beside those of another image's, though no single image tells. Where a
list of joints slipped by a row, edges follow the joints of the next image better, from there on.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from reidaug.augment.mask_placement import Masked
from reidaug.data.images import read_image, resize, to_float
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import Size, to_normalised
from reidaug.geometry.pose import OPENPOSE_18, Pose, on_canvas, select, stack
from reidaug.geometry.warp import warp

SAMPLED, LEAST = 600, 64  # images that are looked at, evenly taken; fewer tell too little
CANVAS: Size = (64, 32)
OTHERS = 8  # images whose joints each is compared with
OWN = 0.2  # gain by own joints, in standard deviations over images: benchmarks/placement.py
MIRRORED, TURNED = -0.1, 0.3  # gain over the joints' mirror image, and by it, likewise
SHIFTS = (1, -1, 2, -2, 3, -3)  # rows by which joints may have slipped
SLIPPED = 16.0  # log likelihood ratio of a slip over a stretch of images: benchmarks/placement.py
OUTLIER = 2.0  # standard deviations: an image tells no more
LEAST_LIMBS = 3  # visible limbs of an image that counts
ALIKE = 1.5  # pixels of the canvas: joints of people that are so near tell nothing
BESIDE = (-5.0, -4.0, -3.0, -2.0, 2.0, 3.0, 4.0, 5.0)  # pixels of the canvas beside a limb
ALONG = 8  # places along a limb
SHORTEST = 2.0  # pixels of a limb
WIDE = 0.08  # of a person's height: shoulders nearer to each other tell no side
SIDED, MOST = 16, 0.75  # people with and without a face; share of each that decides

_LIMBS = tuple(
    (OPENPOSE_18.index(a), OPENPOSE_18.index(b))
    for a, b in (
        ("neck", "right_hip"), ("neck", "left_hip"),
        ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
        ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("right_shoulder", "right_hip"), ("left_shoulder", "left_hip"),
    )
)  # fmt: skip
_FACE = [OPENPOSE_18.index(name) for name in ("nose", "right_eye", "left_eye")]
_SHOULDERS = [OPENPOSE_18.index(name) for name in ("right_shoulder", "left_shoulder")]


class EdgeGains(NamedTuple):
    """How much more edge is beside the limbs of an image's joints, in standard deviations."""

    own: float  # than beside those of other images' joints
    mirrored: float  # than beside those of the joints' mirror image
    turned: float  # of the mirror image, than beside those of other images' mirror images
    images: int  # that tell


class Slip(NamedTuple):
    """A stretch of images whose edges follow joints of other rows better than their own."""

    likelihood: float  # log of its ratio to that of no such stretch
    rows: int  # by which the joints that fit are further on; below 0: before
    first: int  # image of the stretch, and the last one, among all
    last: int


class Looked(NamedTuple):
    """The images that are looked at, of many."""

    people: Sequence[Masked]  # all, in the dataset's order
    numbers: list[int]  # of those that are looked at
    sizes: list[Size]  # theirs, in pixels
    edges: Float[Tensor, "n 6 h w"]  # theirs, of mean square 1

    def joints(self, away: int = 0) -> Pose:
        """Give each image the joints so many rows further on, (n, 18, 2), on the canvas."""
        rows = [self.people[(k + away) % len(self.people)].pose for k in self.numbers]
        pairs = zip(rows, self.sizes, strict=True)
        return stack([on_canvas(pose, size, CANVAS) for pose, size in pairs])


def doubtful_joints(people: Sequence[Masked]) -> str:
    """Say what seems wrong with the joints of many images; empty where nothing does.

    Args:
        people: The images, in the dataset's order, with their joints.
    """
    if people and exchanged_sides(stack([person.pose for person in people])):
        return (
            "people who show their face have the left shoulder at the left of the image, and those "
            "who turn their back at the right: are left and right of the joints exchanged?"
        )
    if len(people) < LEAST or (looked := look(people)) is None:
        return ""
    return edge_doubt(edge_gains(looked)) or slip_doubt(looked, joint_slip(looked))


def look(people: Sequence[Masked]) -> Looked | None:
    """Read images, evenly taken; None where too few can be read and show `LEAST_LIMBS` limbs."""
    numbers, sizes, images = list[int](), list[Size](), list[Tensor]()
    for k in range(0, len(people), max(1, len(people) // SAMPLED)):
        try:
            image = read_image(people[k].image)
        except ReidaugError:  # told elsewhere
            continue
        size = (image.shape[1], image.shape[2])
        if int(_limbs(stack([on_canvas(people[k].pose, size, CANVAS)])).known.sum()) >= LEAST_LIMBS:
            numbers.append(k)
            sizes.append(size)
            images.append(resize(to_float(image), CANVAS))
    if len(images) <= OTHERS:
        return None
    edges = _gradients(torch.stack(images))
    edges = edges / edges.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)
    return Looked(people, numbers, sizes, edges)


def edge_doubt(gains: EdgeGains | None) -> str:
    """Say what the edges of images speak against; empty where nothing, or where too few tell."""
    if gains is None or gains.images < LEAST:
        return ""
    if gains.mirrored < MIRRORED and gains.turned > TURNED:
        return (
            f"edges of {gains.images} images follow the mirrored joints better than the joints: "
            "are images or joints mirrored?"
        )
    if gains.own < OWN:
        return (
            f"edges of {gains.images} images follow their joints no better than those of other "
            "images: are the joints of these very images, in this order?"
        )
    return ""


def slip_doubt(looked: Looked, slip: Slip | None) -> str:
    """Say where joints slipped by some rows; empty where they did not, or too few images tell."""
    if slip is None or slip.likelihood < SLIPPED or len(looked.numbers) < LEAST:
        return ""
    count, people = abs(slip.rows), looked.people
    away = f"{count} image{'s' if count > 1 else ''} {'later' if slip.rows > 0 else 'earlier'}"
    return (
        f"from about {people[slip.first].key} to {people[slip.last].key}, in the order of names, "
        f"edges fit the joints listed {away} better than their own: did the list of joints slip "
        "there?"
    )


def edge_gains(looked: Looked) -> EdgeGains | None:
    """Measure how well joints follow the edges of their images; None where all joints are alike."""
    edges, joints = looked.edges, looked.joints()
    steps = [len(edges) // (OTHERS + 1) * k for k in range(1, OTHERS + 1)]
    if _distance(joints, steps) < ALIKE:
        return None
    own = _gain(edges, joints, steps)
    flipped = joints.xy.clone()
    flipped[..., 0] = CANVAS[1] - 1 - flipped[..., 0]
    turned = _gain(edges, Pose(flipped, joints.visible), steps)
    return EdgeGains(_effect(own), _effect(own - turned), _effect(turned), len(edges))


def joint_slip(looked: Looked) -> Slip | None:
    """Find the stretch of images that joints of another row fit best; None where none does.

    Of every row of `SHIFTS` and every stretch, the likelihood of edges that follow the joints of
    that row there, and their own elsewhere, by as much, is compared with that of edges that follow
    their own everywhere. What an image tells is taken as normal, of one variance.
    """
    own, found = _strength(looked.edges, looked.joints(), 0), list[Slip]()
    for rows in SHIFTS:
        better = _strength(looked.edges, looked.joints(rows), 0) - own
        better = (better / better.std().clamp_min(1e-9)).clamp(-OUTLIER, OUTLIER)
        sums = torch.cat((torch.zeros(1), better.cumsum(0)))
        stretches = (sums - sums[:, None]).triu()  # from each image to each later one
        slipped = (2 * stretches - sums[-1]).clamp_min(0).square()
        ratios = (slipped - (-sums[-1]).clamp_min(0).square()) / (2 * len(better))
        first, last = divmod(int(ratios.argmax()), len(sums))
        if ratios[first, last] > 0:
            ends = looked.numbers[first], looked.numbers[last - 1]
            found.append(Slip(float(ratios[first, last]), rows, *ends))
    return max(found, default=None)


def exchanged_sides(poses: Pose) -> bool:
    """Whether joints (N, 18, 2) of left and right have each other's names.

    It is known only where joints of the face are missing for people who turn their back, as those
    of rendered people and of OpenPose; networks that place a face on every head tell nothing.
    """
    right, left = (poses.xy[:, k, 0] for k in _SHOULDERS)
    y, seen = poses.xy[..., 1], poses.visible
    height = y.where(seen, torch.tensor(-torch.inf)).amax(1)
    height = height - y.where(seen, torch.tensor(torch.inf)).amin(1)
    known = seen[:, _SHOULDERS].all(1) & ((left - right).abs() > WIDE * height)
    face, back = known & seen[:, _FACE].all(1), known & ~seen[:, _FACE].any(1)
    if min(int(face.sum()), int(back.sum())) < SIDED:
        return False
    backwards = (left < right).float()
    return bool(backwards[face].mean() > MOST) and bool(1 - backwards[back].mean() > MOST)


class _Limbs(NamedTuple):
    places: Float[Tensor, "n o l p 2"]  # in pixels, beside each limb and along it
    across: Float[Tensor, "n l 2"]  # directions across the limbs, of length 1
    known: Bool[Tensor, "n l"]


def _limbs(poses: Pose) -> _Limbs:
    first, second = ([limb[k] for limb in _LIMBS] for k in (0, 1))
    start, way = poses.xy[:, first], poses.xy[:, second] - poses.xy[:, first]
    length = way.norm(dim=-1)
    known = poses.visible[:, first] & poses.visible[:, second] & (length > SHORTEST)
    across = torch.stack((-way[..., 1], way[..., 0]), -1) / length.clamp_min(1e-6)[..., None]
    share = torch.linspace(0.15, 0.85, ALONG)[:, None]
    along = start[:, :, None] + share * way[:, :, None]
    beside = torch.tensor(BESIDE)[:, None, None, None] * across[:, None, :, None]
    return _Limbs(along[:, None] + beside, across, known)


def _gradients(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 6 h w"]:
    """Change of smoothed colours, across the columns and down the rows."""
    smooth = avg_pool2d(pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    across = pad(smooth[..., 2:] - smooth[..., :-2], (1, 1))
    down = pad(smooth[..., 2:, :] - smooth[..., :-2, :], (0, 0, 1, 1))
    return torch.cat((across, down), 1)


def _gain(edges: Float[Tensor, "n 6 h w"], joints: Pose, steps: Sequence[int]) -> Tensor:
    """Edge beside the limbs of each image's joints, above that of other images' and in others."""
    strengths = [_strength(edges, joints, step) for step in (0, *steps)]
    # Each pose counts as often with its own image as with others: what poses, and images, have in
    # common is taken out.
    pairs = zip(strengths[1:], steps, strict=True)
    others = sum((s + s.roll(step) for s, step in pairs), torch.zeros(len(edges)))
    return strengths[0] - others / (2 * len(steps))


def _strength(edges: Float[Tensor, "n 6 h w"], joints: Pose, step: int) -> Float[Tensor, "n"]:
    """Mean edge of each image beside the limbs of the joints so many images later."""
    limbs = _limbs(select(joints, torch.arange(len(joints.xy)).roll(-step)))
    count, rows = limbs.places.shape[:2]
    flow = to_normalised(limbs.places, CANVAS).reshape(count, rows, -1, 2).movedim(-1, 1)
    found = warp(edges, flow, size=(flow.shape[2], flow.shape[3]))
    found = found.reshape(count, 2, 3, *limbs.places.shape[1:4])
    across = limbs.across.movedim(-1, 1)[:, :, None, None, :, None]
    strength = (found * across).sum(1).abs().sum(1).mean((1, 3))
    return (strength * limbs.known).sum(1) / limbs.known.sum(1).clamp_min(1)


def _distance(joints: Pose, steps: Sequence[int]) -> float:
    """Median distance, in pixels, of joints of one image and another."""
    apart = []
    for step in steps:
        both = joints.visible & joints.visible.roll(step, 0)
        apart.append((joints.xy - joints.xy.roll(step, 0)).norm(dim=-1)[both])
    found = torch.cat(apart)
    return float(found.median()) if len(found) else 0.0


def _effect(gains: Float[Tensor, "n"]) -> float:
    return float(gains.mean() / gains.std().clamp_min(1e-9))
