"""Worlds: which people, cameras, places and views a rendered dataset is made of.

Everything is a pure function of a world, a seed and the number of a person, so that any picture
can be made again alone and in any order.

``few-poses`` and ``many-poses`` are for learning in one world; the knobs of ``few-poses`` were
chosen by what true views gain over the controls in worlds of other seeds.

``A`` and ``B`` are two domains, for learning in one and being tested in the other: other cameras,
places, light, bodies and clothes, and nobody in common. Render them with ``--train-crops 14`` or
so, several views by several cameras. Their knobs were fixed by what `benchmarks/domains.py`
measures, with seed 11: a model of the one domain should have in the other between a third and a
half of the mAP that a model of the other has there, and each should be learnt. It took two tries:
the first, with stronger casts and noise and with vivid colours in A alone, left a tenth to a fifth.
Warps had no say. Five or six cameras are few, so that another seed's are another gap: of the
supervised mAP, A's model had 34 % in B with seed 11 and 65 % with seed 21, B's model in A 43 % and
42 %.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from reidaug.errors import UsageError
from reidaug.people3d.body import ORDINARY, Bodies
from reidaug.people3d.camera import Optics
from reidaug.people3d.look_sampling import draw_look
from reidaug.people3d.scene import PLACES
from reidaug.people3d.wardrobe import Look, Palette

# A few colours that most people wear: a colour alone does not tell who it is.
COMMON_TOPS = ((0.12, 0.12, 0.14), (0.80, 0.79, 0.77), (0.13, 0.18, 0.34))
COMMON_BOTTOMS = ((0.10, 0.10, 0.12), (0.16, 0.21, 0.34))
# What people of world B wear beside them.
B_COLOURS = ((0.45, 0.43, 0.40), (0.42, 0.16, 0.16), (0.20, 0.30, 0.22), (0.62, 0.50, 0.34))

LOOKS, CAMERAS, TRAIN, TEST, PAIRS, CUTS = range(6)
"""Streams of random numbers that a seed opens."""

LATER = frozenset({"bodies", "rig", "stream", "worn", "carried"})
"""Knobs that the first worlds did not have."""


class Rig(NamedTuple):
    """Where a world's cameras hang, and in which light.

    Ranges are the least and the greatest value; each camera draws its own.

    Attributes:
        height: Over the ground in metres.
        distance: Mean distance to people in metres.
        elevation: How high the light stands in radians.
        ambient: Share of light from everywhere.
        strength: Brightness.
        warmth: Mean warmth of the light.
        saturation: Of the colours, 0 grey, 1 as they are.
        tint: Gains of red, green and blue that all cameras share.
        gamma: Exponent of the tone curve that all cameras share.
        places: Which of `reidaug.people3d.scene.PLACES` they look at.
    """

    height: tuple[float, float] = (1.8, 4.0)
    distance: tuple[float, float] = (6.0, 14.0)
    elevation: tuple[float, float] = (0.4, 1.3)
    ambient: tuple[float, float] = (0.45, 0.75)
    strength: tuple[float, float] = (1.0, 1.3)
    warmth: float = 0.0
    saturation: tuple[float, float] = (0.75, 1.1)
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    places: tuple[str, ...] = PLACES


@dataclass(frozen=True)
class World:
    """The knobs of a rendered world.

    Attributes:
        name: Its name.
        palette: What people wear.
        cameras: How many cameras.
        cast: Spread of the cameras' colour casts: standard deviation of the gains' logarithms.
        tone: Spread of their tone curves: standard deviation of the exponents' logarithms.
        blur: Least and greatest blur in pixels of a crop of 128 rows.
        shrink: Least and greatest share of resolution.
        noise: Least and greatest sensor noise.
        places: How many spots each camera sees people at; 0 for any.
        train_sides: From how many sides a training person is seen; 0 for any view.
        side_spread: Standard deviation of the view around a side in radians.
        train_phases: In how many phases of the walk a training person is seen; 0 for any.
        train_cameras: From how many cameras a training person is seen at most.
        along: Share of people who walk along the camera's path; the others walk anywhere.
        relight: How much the light varies within one camera, 0 to 1.
        occluders: Share of pictures with something before the person.
        actions: Share of each of `reidaug.people3d.motion.ACTIONS`.
        bodies: Which bodies people have.
        rig: Where the cameras hang, and in which light.
        stream: Further seed of people, cameras and shots: worlds of different streams share nobody,
            whatever the seed of the dataset.
    """

    name: str
    palette: Palette = field(default_factory=Palette)
    cameras: int = 6
    cast: float = 0.08
    tone: float = 0.1
    blur: tuple[float, float] = (0.3, 0.8)
    shrink: tuple[float, float] = (0.55, 1.0)
    noise: tuple[float, float] = (0.005, 0.02)
    places: int = 0
    train_sides: int = 0
    side_spread: float = 0.2
    train_phases: int = 0
    train_cameras: int = 6
    along: float = 0.7
    relight: float = 0.5
    occluders: float = 0.05
    actions: tuple[float, ...] = (0.68, 0.12, 0.05, 0.1, 0.05)
    bodies: Bodies = ORDINARY
    rig: Rig = field(default_factory=Rig)
    stream: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Give the knobs as plain values, as a recipe file holds them.

        Knobs of `LATER` are left out where they change nothing: folders of older worlds go on.
        """
        parts = {name: getattr(self, name)._asdict() for name in ("palette", "bodies", "rig")}
        plain: dict[str, Any] = _plain(asdict(self) | parts)
        for knobs, usual in ((plain["palette"], Palette()._asdict()), (plain, _USUAL)):
            for name in LATER & knobs.keys():
                if knobs[name] == _plain(usual[name]):
                    del knobs[name]
        return plain


_USUAL = {"bodies": ORDINARY._asdict(), "rig": Rig()._asdict(), "stream": 0}

FEW_POSES = World(
    name="few-poses",
    palette=Palette(
        tops=COMMON_TOPS,
        bottoms=COMMON_BOTTOMS,
        plain=0.05,
        prints=0.6,
        bags=0.45,
        two_sided=0.1,
        sleeves=0.6,
        patterned=0.6,
    ),
    cast=0.15,
    tone=0.15,
    places=8,
    train_sides=1,
    train_phases=2,
    train_cameras=2,
)
MANY_POSES = World(name="many-poses")
DOMAIN_A = World(
    name="A",
    palette=Palette(
        plain=0.5,
        prints=0.2,
        bags=0.3,
        two_sided=0.05,
        sleeves=0.2,
        patterned=0.1,
        worn=("tshirt", "tshirt", "shirt", "sweater", "dress"),
        carried=("backpack",),
    ),
    cameras=6,
    cast=0.1,
    tone=0.1,
    blur=(0.3, 0.8),
    shrink=(0.55, 1.0),
    noise=(0.005, 0.02),
    bodies=Bodies(women=0.4, age=(0.66, 0.76), muscle=0.6, weight=0.38, height=0.42),
    rig=Rig(
        height=(3.0, 5.0),
        distance=(8.0, 15.0),
        strength=(1.1, 1.3),
        warmth=0.02,
        saturation=(0.6, 0.85),
        places=("park", "plaza", "street"),
    ),
    stream=1,
)
DOMAIN_B = World(
    name="B",
    palette=Palette(
        tops=COMMON_TOPS + B_COLOURS,
        bottoms=COMMON_BOTTOMS + B_COLOURS[:2],
        plain=0.2,
        prints=0.5,
        bags=0.6,
        two_sided=0.05,
        sleeves=0.5,
        patterned=0.4,
        worn=("shirt", "sweater", "jacket", "coat", "dress"),
        carried=("shoulder", "hand"),
    ),
    cameras=5,
    cast=0.1,
    tone=0.1,
    blur=(0.4, 1.0),
    shrink=(0.5, 0.9),
    noise=(0.01, 0.03),
    occluders=0.1,
    bodies=Bodies(women=0.6, age=(0.74, 0.92), muscle=0.45, weight=0.6, height=0.35),
    rig=Rig(
        height=(1.4, 2.6),
        distance=(4.0, 9.0),
        ambient=(0.6, 0.85),
        strength=(0.9, 1.2),
        warmth=-0.02,
        saturation=(0.6, 0.95),
        tint=(0.97, 1.0, 1.05),
        places=("shop", "hall"),
    ),
    stream=2,
)
WORLDS = {world.name: world for world in (FEW_POSES, MANY_POSES, DOMAIN_A, DOMAIN_B)}


class Camera(NamedTuple):
    """One camera of a world.

    Attributes:
        height: Over the ground in metres.
        distance: Mean distance to people in metres.
        azimuth: Where the light comes from in radians.
        elevation: How high the light stands in radians.
        ambient: Share of light from everywhere.
        strength: Brightness.
        warmth: Of the light.
        place: What it looks at, with ``place_seed``.
        place_seed: See ``place``.
        optics: What it does to colours.
    """

    height: float
    distance: float
    azimuth: float
    elevation: float
    ambient: float
    strength: float
    warmth: float
    place: str
    place_seed: int
    optics: Optics


def world_named(name: str) -> World:
    """Find a world.

    Args:
        name: Its name.

    Returns:
        The world.

    Raises:
        UsageError: There is no such world.
    """
    if name not in WORLDS:
        raise UsageError(f"no world {name!r} (known: {', '.join(WORLDS)})")
    return WORLDS[name]


def world_from_dict(values: dict[str, Any]) -> World:
    """Read a world from the plain values of a recipe file; the inverse of `World.as_dict`.

    Args:
        values: What `World.as_dict` gave.

    Returns:
        The world.
    """
    kinds = {"palette": Palette, "bodies": Bodies, "rig": Rig}
    parts: dict[str, Any] = {}
    for name, value in values.items():
        part = _tuples(value)
        parts[name] = kinds[name](**part) if name in kinds else part
    return World(**parts)


def chance(world: World, seed: int, stream: int, number: int) -> Generator:
    """Open a source of chance.

    Args:
        world: The world, whose own stream sets it apart.
        seed: Of the dataset.
        stream: One of this module's streams, such as `LOOKS`.
        number: Of the person or camera.

    Returns:
        The source.
    """
    own = [world.stream] if world.stream else []
    return np.random.default_rng([seed, stream, number, *own])


def look_of(world: World, seed: int, person: int) -> Look:
    """Draw a person of a world.

    Args:
        world: The world.
        seed: Of the dataset.
        person: Number of the person.

    Returns:
        The person.
    """
    return draw_look(chance(world, seed, LOOKS, person), world.palette, world.bodies)


def camera_of(world: World, seed: int, number: int) -> Camera:
    """Draw a camera of a world.

    Args:
        world: The world.
        seed: Of the dataset.
        number: Number of the camera, counted from 1.

    Returns:
        The camera.
    """
    rng, rig = chance(world, seed, CAMERAS, number), world.rig
    gains = np.exp(rng.normal(0, world.cast, 3))
    gains /= gains.mean() ** 0.7
    gains *= rig.tint
    return Camera(
        height=rng.uniform(*rig.height),
        distance=rng.uniform(*rig.distance),
        azimuth=rng.uniform(-1.6, 1.6),
        elevation=rng.uniform(*rig.elevation),
        ambient=rng.uniform(*rig.ambient),
        strength=rng.uniform(*rig.strength),
        warmth=rng.normal(rig.warmth, 0.03),
        place=rig.places[(number + int(rng.integers(2))) % len(rig.places)],
        place_seed=int(rng.integers(2**31)),
        optics=Optics(
            red=float(gains[0]),
            green=float(gains[1]),
            blue=float(gains[2]),
            gamma=rig.gamma * float(np.exp(rng.normal(0, world.tone))),
            saturation=rng.uniform(*rig.saturation),
            blur=rng.uniform(*world.blur),
            shrink=rng.uniform(*world.shrink),
            noise=rng.uniform(*world.noise),
        ),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
