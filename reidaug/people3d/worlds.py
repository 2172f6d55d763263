"""Worlds: which people, cameras, places and views a rendered dataset is made of.

Everything is a pure function of a world, a seed and the number of a person, so that any picture
can be made again alone and in any order.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from reidaug.errors import UsageError
from reidaug.people3d.camera import Optics
from reidaug.people3d.scene import PLACES
from reidaug.people3d.shop import draw_look
from reidaug.people3d.wardrobe import Look, Palette

# A few colours that most people wear: a colour alone does not tell who it is.
COMMON_TOPS = ((0.12, 0.12, 0.14), (0.80, 0.79, 0.77), (0.13, 0.18, 0.34))
COMMON_BOTTOMS = ((0.10, 0.10, 0.12), (0.16, 0.21, 0.34))

LOOKS, CAMERAS, TRAIN, TEST, PAIRS, CUTS = range(6)
"""Streams of random numbers that a seed opens."""


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

    def as_dict(self) -> dict[str, Any]:
        """Give the knobs as plain values, as a recipe file holds them."""
        plain: dict[str, Any] = _plain(asdict(self) | {"palette": self.palette._asdict()})
        return plain


# Its knobs were chosen by what true views gain over the controls in worlds of other seeds.
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
WORLDS = {world.name: world for world in (FEW_POSES, MANY_POSES)}


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
    palette = {k: _tuples(v) for k, v in values["palette"].items()}
    rest = {k: _tuples(v) for k, v in values.items() if k != "palette"}
    return World(palette=Palette(**palette), **rest)


def look_of(world: World, seed: int, person: int) -> Look:
    """Draw a person of a world.

    Args:
        world: The world.
        seed: Of the dataset.
        person: Number of the person.

    Returns:
        The person.
    """
    return draw_look(np.random.default_rng([seed, LOOKS, person]), world.palette)


def camera_of(world: World, seed: int, number: int) -> Camera:
    """Draw a camera of a world.

    Args:
        world: The world.
        seed: Of the dataset.
        number: Number of the camera, counted from 1.

    Returns:
        The camera.
    """
    rng = np.random.default_rng([seed, CAMERAS, number])
    gains = np.exp(rng.normal(0, world.cast, 3))
    gains /= gains.mean() ** 0.7
    return Camera(
        height=rng.uniform(1.8, 4.0),
        distance=rng.uniform(6, 14),
        azimuth=rng.uniform(-1.6, 1.6),
        elevation=rng.uniform(0.4, 1.3),
        ambient=rng.uniform(0.45, 0.75),
        strength=rng.uniform(1.0, 1.3),
        warmth=rng.normal(0, 0.03),
        place=PLACES[(number + int(rng.integers(2))) % len(PLACES)],
        place_seed=int(rng.integers(2**31)),
        optics=Optics(
            red=float(gains[0]),
            green=float(gains[1]),
            blue=float(gains[2]),
            gamma=float(np.exp(rng.normal(0, world.tone))),
            saturation=rng.uniform(0.75, 1.1),
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
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
