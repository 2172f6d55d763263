"""Playground: one crop, its pose and mask, warped into poses that somebody draws.

Nothing here knows of HTTP, and nothing is computed in another way than `reidaug augment` and
`reidaug.augment.PoseWarp` do: the same crop, poses, masks and options give the same bytes.
"""

import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, get_args

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from reidaug.app.play.rendered_people import rendered_people
from reidaug.augment.background import BACKGROUNDS, BackgroundPool
from reidaug.augment.missing_poses import PoseFrom, standing
from reidaug.augment.options import AugmentOptions
from reidaug.augment.outlines import Targets, person_mask
from reidaug.augment.posed_crops import as_source
from reidaug.augment.quality import WarpQuality, sampled_places
from reidaug.augment.shipped_poses import COUNT, PREFIX, is_shipped, shipped_outline
from reidaug.augment.viewpoint import Turns
from reidaug.augment.warping import Crop, WarpField, estimate_flows, field_quality, warp_pixels
from reidaug.data.crop_names import warp_name
from reidaug.data.images import channels_last, decode_image, resize, to_bytes, to_float
from reidaug.errors import ReidaugError, UsageError
from reidaug.flow.builtin import named_flow
from reidaug.flow.estimator import FlowEstimator, Origin
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import OPENPOSE_18, Pose, on_canvas, shows_torso, stack
from reidaug.geometry.silhouette import resized
from reidaug.geometry.upsampling import upsample_flow
from reidaug.perception.pose_estimator import PoseEstimator, shows_outline
from reidaug.perception.second_tries import find_person
from reidaug.recipes import resolve

CROP, TARGET = "crop.png", "target.png"
"""File names of the crop and of the person whose pose is the target."""
LONGEST = 256  # pixels of a crop's longer side; larger ones are shrunk
LEAST = 8  # pixels of its shorter side
CROPS_KEPT = 32
DECIMALS = 2  # of joints, in pixels
TURNS: tuple[Turns, ...] = get_args(Turns)
SHOWN_TURNS = tuple(turns for turns in TURNS if turns != "drop")
BESIDE, OUTSIDE = len(Origin), len(Origin) + 1
"""Numbers of places that show no person, and of those beyond the picture, beside `Origin`."""


class PlayedCrop(NamedTuple):
    """A crop in the playground."""

    token: str  # its unguessable name
    name: str  # of its file
    image: UInt8[Tensor, "3 H W"]
    pose: Pose  # 18 joints (18, 2) in pixels, rounded; (-1, -1) where missing
    mask: Bool[Tensor, "H W"] | None  # true on the person; None: limbs are drawn from the joints
    pose_from: PoseFrom  # see `reidaug.augment.missing_poses.WORDS`

    @property
    def size(self) -> Size:
        """Its (height, width), that of its warps."""
        return self.image.shape[1], self.image.shape[2]


class Wish(NamedTuple):
    """A warp that somebody asks for."""

    crop: PlayedCrop
    source: Pose  # the crop's joints (18, 2), perhaps corrected
    target: Pose  # the wanted joints (18, 2) in pixels of the crop
    outline: Bool[Tensor, "H W"] | None  # of the target; None: limbs are drawn from the joints
    flow: str  # name of the estimator
    background: str = "grey"
    turns: str = "auto"


class Warped(NamedTuple):
    """A warp, and what is to be known of it."""

    pixels: UInt8[Tensor, "3 H W"]
    flow: Float[Tensor, "2 H W"]  # as it was sampled
    outline: Bool[Tensor, "H W"]  # that cut it; a person's own, by flows that see the person
    asked: Bool[Tensor, "H W"]  # outline of the target
    places: UInt8[Tensor, "H W"]  # where each pixel's texture comes from: `Origin` and the others
    tells_origin: bool  # whether the estimator says so; otherwise what is no person counts
    joints: float  # share of the target's joints that the crop shows
    quality: WarpQuality  # of one warp
    half_turn: bool


class Playground:
    """Crops by their tokens, and warps of them by several flow estimators.

    Not for several threads at once.

    Args:
        flows: Names of estimators, see `reidaug.flow.load_flow`.
        pose_estimator: Finds joints and masks; None: each crop gets those of a person standing.

    Attributes:
        flows: The estimators by their names, in evaluation mode.

    Raises:
        ReidaugError: A checkpoint cannot be read.
        UsageError: There is no such estimator, or two have one name.
    """

    def __init__(self, flows: Sequence[str], pose_estimator: PoseEstimator | None = None) -> None:
        named = [named_flow(flow) for flow in flows]
        if len({one.name for one in named}) < len(named) or not named:
            raise UsageError("--flow: name each flow estimator once")
        self.flows: Mapping[str, FlowEstimator] = {o.name: o.estimator().eval() for o in named}
        self._pose_estimator = pose_estimator
        self._crops: OrderedDict[str, PlayedCrop] = OrderedDict()

    def load(self, content: bytes, name: str) -> PlayedCrop:
        """Decode an image file, find the person in it, and keep it.

        Raises:
            ReidaugError: It is no readable image, or tiny.
        """
        return self.add(decode_image(content, name), name)

    def add(
        self,
        image: UInt8[Tensor, "3 H W"],
        name: str,
        *,
        pose: Pose | None = None,
        mask: Bool[Tensor, "H W"] | None = None,
    ) -> PlayedCrop:
        """Make a crop of an image, and keep it, see `keep`.

        Args:
            image: RGB bytes.
            name: File name.
            pose: Its joints (18, 2) in pixels; None: they are found.
            mask: The person; None: it is found with the joints, or unknown with given ones.

        Raises:
            ReidaugError: The image is tiny.
        """
        before = (image.shape[1], image.shape[2])
        size = _canvas(before, name)
        small = image if size == before else to_bytes(resize(to_float(image), size))
        own = None if mask is None or not mask.any() else resized(mask, size)
        pose_from: PoseFrom = "given"
        if pose is not None:
            pose = on_canvas(pose, before, size)
        else:
            pose, found, pose_from = self._find(small)
            own = found if own is None else own
        token = secrets.token_urlsafe(12)
        return self.keep(PlayedCrop(token, name, small, _rounded(pose), own, pose_from))

    def keep(self, crop: PlayedCrop) -> PlayedCrop:
        """Keep a crop; beyond `CROPS_KEPT` the one that was not used for longest is forgotten."""
        self._crops[crop.token] = crop
        self._crops.move_to_end(crop.token)
        while len(self._crops) > CROPS_KEPT:
            self._crops.popitem(last=False)
        return crop

    def crop(self, token: str) -> PlayedCrop:
        """Find a crop by its token.

        Raises:
            KeyError: It is unknown, or forgotten.
        """
        self._crops.move_to_end(token)
        return self._crops[token]

    def warp(self, wish: Wish) -> Warped:
        """Warp a crop; one thread and no gradients, as `reidaug augment` does.

        Raises:
            UsageError: A name is unknown, a joint is far from the picture, or the target does not
                show shoulders and hips.
        """
        options = self._options(wish)
        with torch.inference_mode():
            crop, targets = _crop(wish), _targets(wish)
            estimator = self.flows[wish.flow]
            field = next(iter(estimate_flows(estimator, [crop], targets, options)))
            names = [warp_name(CROP, 0)]
            needs_pool = BACKGROUNDS[wish.background].needs_pool
            pool = other_grounds(wish.crop.size, wish.crop.name) if needs_pool else None
            pixels = warp_pixels(crop, field.flow, field.targets, names, options, pool)
            joints, quality = field_quality(field)
            flow = upsample_flow(field.flow, wish.crop.size, where=field.targets.outline)
            return Warped(
                pixels=pixels[0],
                flow=flow[0],
                outline=field.targets.outline[0],
                asked=targets.outline[0],
                places=_places(field, flow),
                tells_origin=field.origin is not None,
                joints=float(joints),
                quality=quality,
                half_turn=bool(field.half_turn[0]),
            )

    def outline(
        self, name: str, size: Size, *, mirrored: bool = False
    ) -> Bool[Tensor, "height width"] | None:
        """Give the outline of a shipped pose or of a crop by its token, in a (height, width).

        None where a crop has no mask.

        Raises:
            KeyError: There is no such pose or crop.
        """
        if is_shipped(name):
            if not 0 <= int(name.removeprefix(PREFIX)) < COUNT:
                raise KeyError(name)
            mask = shipped_outline(name, size)
        else:
            mask = self.crop(name).mask
            mask = None if mask is None else resized(mask, size)
        return mask.flip(1) if mirrored and mask is not None else mask

    def _options(self, wish: Wish) -> AugmentOptions:
        for what, name, known in (
            ("flow", wish.flow, self.flows),
            ("background", wish.background, BACKGROUNDS),
            ("turns", wish.turns, SHOWN_TURNS),
        ):
            if name not in known:
                raise UsageError(f"{what}: {name!r} is none of {', '.join(known)}")
        check_joints(wish.source, wish.crop.size, "the crop")
        check_joints(wish.target, wish.crop.size, "the target")
        if not shows_torso(wish.target):
            raise UsageError("the target: show both shoulders and both hips")
        if not wish.source.visible.any():
            raise UsageError("the crop: show at least one joint")
        chosen = {"background": wish.background, "turns": wish.turns}
        options = resolve(chosen, AugmentOptions, where="play")
        return options.for_estimator(self.flows[wish.flow])

    def _find(
        self, image: UInt8[Tensor, "3 H W"]
    ) -> tuple[Pose, Bool[Tensor, "H W"] | None, PoseFrom]:
        """Find the joints and the mask in a crop, as `reidaug pose` and `reidaug augment` do."""
        everywhere = torch.ones(image.shape[1:], dtype=torch.bool)
        if self._pose_estimator is None:
            return standing(everywhere), None, "crop"
        found = find_person(self._pose_estimator, channels_last(image))
        mask = None
        if shows_outline(found.estimate):
            mask = torch.from_numpy(found.estimate.mask)
        if found.attempt:
            return found.estimate.pose, mask, "first" if found.attempt == 1 else "second"
        if mask is not None:
            return standing(mask), mask, "mask"
        return standing(everywhere), None, "crop"


def check_joints(pose: Pose, size: Size, whose: str) -> None:
    """Check that visible joints lie on a picture of (height, width) or not far beside it.

    Raises:
        UsageError: One lies more than the picture's side away, or nowhere.
    """
    sides = torch.tensor([size[1], size[0]])
    near = ((pose.xy >= -sides) & (pose.xy <= 2 * sides)).all(-1)  # not of what is no number
    for joint in (pose.visible & ~near).nonzero().flatten().tolist():
        x, y = pose.xy[joint].tolist()
        name = OPENPOSE_18[joint].replace("_", " ")
        raise UsageError(f"{whose}: {name} at ({x:g}, {y:g}) is far from the picture")


@lru_cache(maxsize=8)
def other_grounds(size: Size, name: str) -> BackgroundPool:
    """Make the backgrounds of the rendered people, without the one of a file name."""
    people = [person for person in rendered_people() if person.name != name]
    return BackgroundPool.of(
        range(1, len(people) + 1),
        [resize(to_float(person.image), size) for person in people],
        [resized(person.mask, size) for person in people],
    )


def _canvas(size: Size, name: str) -> Size:
    """Choose the (height, width) of a crop: its own, unless that is larger than `LONGEST`."""
    shrink = min(1.0, LONGEST / max(size))
    height, width = (round(side * shrink) for side in size)
    if min(height, width) < LEAST:
        raise ReidaugError(
            f"{name}: {size[1]} x {size[0]} pixels are too few, or too narrow, to show a person"
        )
    return height, width


def _rounded(pose: Pose) -> Pose:
    xy = torch.where(pose.visible[:, None], pose.xy.double(), torch.tensor(-1.0).double())
    return Pose(xy.round(decimals=DECIMALS).float(), pose.visible)


def _crop(wish: Wish) -> Crop:
    mask = wish.crop.mask
    if mask is None:
        mask = _limbs(wish.source, wish.crop.size)
    source = as_source(wish.source, Path(CROP))
    return Crop(source, to_float(wish.crop.image), wish.source, mask)


def _targets(wish: Wish) -> Targets:
    outline = wish.outline
    if outline is None or not outline.any():
        outline = _limbs(wish.target, wish.crop.size)
    return Targets.cut((TARGET,), stack([wish.target]), outline[None])


def _limbs(pose: Pose, size: Size) -> Bool[Tensor, "height width"]:
    """Draw the limbs of a pose (18, 2); those of the last poses are kept for other estimators."""
    return _drawn(pose.xy.numpy().tobytes(), pose.visible.numpy().tobytes(), size)


@lru_cache(maxsize=8)
def _drawn(xy: bytes, visible: bytes, size: Size) -> Bool[Tensor, "height width"]:
    joints = torch.frombuffer(bytearray(xy), dtype=torch.float32).view(-1, 2)
    pose = Pose(joints, torch.frombuffer(bytearray(visible), dtype=torch.bool))
    return person_mask(TARGET, pose, size, None)


def _places(field: WarpField, flow: Float[Tensor, "1 2 H W"]) -> UInt8[Tensor, "H W"]:
    """Say of each pixel where its texture comes from, as `measure_quality` counts it."""
    person, inside = sampled_places(flow, field.crop.mask)
    if field.origin is None:
        places = torch.where(person[0] >= 0.5, int(Origin.SEEN), BESIDE)
        return torch.where(inside[0] > 0, places, OUTSIDE).to(torch.uint8)
    rows, columns = (
        torch.linspace(0, cells - 1, side).round().long()
        for cells, side in zip(field.origin.shape[1:], flow.shape[2:], strict=True)
    )
    return field.origin[0][rows[:, None], columns]
