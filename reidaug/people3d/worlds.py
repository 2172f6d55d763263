"""Worlds: which people, cameras, places and views a rendered dataset is made of.

Everything is a pure function of a world, a seed and the number of a person, so that any picture
can be made again alone and in any order.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from reidaug.errors import UsageError
from reidaug.people3d.camera import PLAIN_OPTICS, Optics, View
from reidaug.people3d.motion import ACTIONS, Posture, act
from reidaug.people3d.render import Light, Shot
from reidaug.people3d.scene import PLACES, WHITE, Backdrop, Occluder
from reidaug.people3d.wardrobe import Look, Palette, draw_look

# A few colours that most people wear: a colour alone does not tell who it is.
COMMON_TOPS = (
    (0.10, 0.10, 0.12), (0.82, 0.81, 0.79), (0.42, 0.42, 0.44), (0.13, 0.18, 0.34),
    (0.55, 0.12, 0.14), (0.30, 0.36, 0.24),
)  # fmt: skip
COMMON_BOTTOMS = ((0.10, 0.10, 0.12), (0.16, 0.21, 0.34), (0.45, 0.40, 0.32), (0.33, 0.33, 0.35))

# How detectors cut people out, fitted once to the joints of Market-1501 (docs/joints.png): the
# share of the crop's height a person fills; sometimes the box is much too large; boxes are narrower
# than the crop's 1:2, so that people come out broad; where the middle lies.
ZOOM, ZOOM_SPREAD = 0.975, 0.04
LOOSE, LOOSE_ZOOM = 0.15, (0.72, 0.95)
STRETCH, STRETCH_SPREAD = 1.36, 0.12
SHIFT_X, SHIFT_Y = 0.06, (0.012, 0.02)
# People walk along a camera's path, towards it a little more often than away.
TOWARDS, ALONG_SPREAD = 0.57, 0.4

_LOOK, _CAMERA, _TRAIN, _TEST, _PAIR = range(5)
"""Streams of random numbers."""


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


FEW_POSES = World(
    name="few-poses",
    palette=Palette(
        tops=COMMON_TOPS, bottoms=COMMON_BOTTOMS, plain=0.3, prints=0.45, bags=0.45, two_sided=0.3
    ),
    cast=0.2,
    tone=0.2,
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
    return draw_look(np.random.default_rng([seed, _LOOK, person]), world.palette)


def camera_of(world: World, seed: int, number: int) -> Camera:
    """Draw a camera of a world.

    Args:
        world: The world.
        seed: Of the dataset.
        number: Number of the camera, counted from 1.

    Returns:
        The camera.
    """
    rng = np.random.default_rng([seed, _CAMERA, number])
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


def train_shots(world: World, seed: int, person: int, count: int) -> list[tuple[int, Shot]]:
    """Plan the pictures of a training person.

    Args:
        world: The world.
        seed: Of the dataset.
        person: Number of the person.
        count: How many pictures.

    Returns:
        Camera and plan of each.
    """
    rng = np.random.default_rng([seed, _TRAIN, person])
    cameras = rng.permutation(world.cameras)[: max(1, world.train_cameras)] + 1
    sides = rng.integers(4, size=max(1, world.train_sides)) * (np.pi / 2)
    phases = rng.random(max(1, world.train_phases))
    shots = []
    for k in range(count):
        yaw = rng.uniform(-np.pi, np.pi)
        if rng.random() < world.along:
            yaw = np.pi * (rng.random() > TOWARDS) + rng.normal(0, ALONG_SPREAD)
        if world.train_sides:
            yaw = sides[k % len(sides)] + rng.normal(0, world.side_spread)
        phase = phases[k % len(phases)] if world.train_phases else rng.random()
        number = int(cameras[k % len(cameras)])
        shots.append((number, _shot(world, seed, number, rng, float(yaw), float(phase))))
    return shots


def test_shots(world: World, seed: int, person: int, count: int) -> list[tuple[int, Shot]]:
    """Plan the pictures of a test person: all around, from as many cameras as there are.

    Args:
        world: The world.
        seed: Of the dataset.
        person: Number of the person.
        count: How many pictures.

    Returns:
        Camera and plan of each.
    """
    rng = np.random.default_rng([seed, _TEST, person])
    cameras = rng.permutation(world.cameras) + 1
    turns = rng.permutation(count) / count
    start = rng.uniform(-np.pi, np.pi)
    shots = []
    for k in range(count):
        yaw = start + 2 * np.pi * turns[k] + rng.normal(0, world.side_spread)
        number = int(cameras[k % len(cameras)])
        shots.append((number, _shot(world, seed, number, rng, float(yaw), rng.random())))
    return shots


def pair_shots(seed: int, person: int, count: int, *, white: bool) -> list[Shot]:
    """Plan pictures of a person for learning flow: any view and pose, one place, one light.

    Args:
        seed: Of the dataset.
        person: Number of the person.
        count: How many pictures.
        white: Whether the ground is white and the camera perfect, as in a catalogue.

    Returns:
        The plan of each.
    """
    rng = np.random.default_rng([seed, _PAIR, person])
    world = World(name="pairs", occluders=0.0, cast=0.05, relight=0.15, places=0)
    number = int(rng.integers(1, 25))
    start = rng.uniform(-np.pi, np.pi)
    shots = []
    for k in range(count):
        yaw = start + 2 * np.pi * k / count + rng.normal(0, 0.35)
        shot = _shot(world, seed, number, rng, float(yaw), rng.random())
        if white:
            optics = PLAIN_OPTICS._replace(noise=0.004)
            view = shot.view._replace(
                height=float(rng.uniform(1.1, 1.5)), distance=float(rng.uniform(4, 6)), roll=0.0,
                zoom=float(rng.uniform(0.86, 0.96)), stretch=1.0, shift_x=0.0, shift_y=0.0,
            )  # fmt: skip
            shot = shot._replace(backdrop=Backdrop(WHITE, 0, 0.0), optics=optics, view=view)
        shots.append(shot)
    return shots


def _shot(world: World, seed: int, number: int, rng: Generator, yaw: float, phase: float) -> Shot:
    camera = camera_of(world, seed, number)
    action = str(rng.choice(ACTIONS, p=np.asarray(world.actions) / sum(world.actions)))
    posture = act(action, phase, rng)
    along = rng.random()
    if world.places:
        along = (np.floor(along * world.places) + 0.5) / world.places
    kind = "none"
    if rng.random() < world.occluders:
        kind = str(rng.choice(["pole", "barrier", "bush"]))
    place = rng.uniform(-0.9, 0.9) if kind == "pole" else rng.uniform(0.35, 0.8)
    shot = Shot(
        posture=posture,
        view=_view(camera, yaw, rng),
        light=_light(camera, world.relight, rng),
        backdrop=Backdrop(camera.place, camera.place_seed, float(along)),
        occluder=Occluder(kind, float(place), int(rng.integers(2**31))),
        optics=camera.optics,
        seed=int(rng.integers(2**31)),
    )
    return shot


def _view(camera: Camera, yaw: float, rng: Generator) -> View:
    zoom = rng.normal(ZOOM, ZOOM_SPREAD)
    if rng.random() < LOOSE:
        zoom *= rng.uniform(*LOOSE_ZOOM)
    return View(
        yaw=float((yaw + np.pi) % (2 * np.pi) - np.pi),
        height=camera.height,
        distance=camera.distance * rng.uniform(0.7, 1.4),
        zoom=float(zoom),
        stretch=float(np.clip(rng.normal(STRETCH, STRETCH_SPREAD), 0.95, 1.8)),
        shift_x=float(rng.normal(0, SHIFT_X)),
        shift_y=float(rng.normal(*SHIFT_Y)),
        roll=float(rng.normal(0, 0.015)),
    )


def _light(camera: Camera, relight: float, rng: Generator) -> Light:
    return Light(
        azimuth=camera.azimuth + relight * rng.normal(0, 0.8),
        elevation=float(np.clip(camera.elevation + relight * rng.normal(0, 0.3), 0.2, 1.5)),
        ambient=float(np.clip(camera.ambient + relight * rng.normal(0, 0.15), 0.3, 0.9)),
        strength=float(np.clip(camera.strength * (1 + relight * rng.normal(0, 0.2)), 0.6, 1.6)),
        warmth=camera.warmth + relight * rng.normal(0, 0.02),
    )


def to_row(shot: Shot) -> dict[str, Any]:
    """Lay a plan out as columns of a table.

    Args:
        shot: The plan.

    Returns:
        One plain value a column, named such as ``view.yaw``.
    """
    row: dict[str, Any] = {"noise_seed": shot.seed}
    for name, part in shot._asdict().items():
        if name != "seed":
            row |= {f"{name}.{key}": _number(value) for key, value in part._asdict().items()}
    return row


def from_row(row: dict[str, Any]) -> Shot:
    """Read a plan back; the inverse of `to_row`.

    Args:
        row: The columns; others are passed over.

    Returns:
        The plan.
    """

    def part(name: str, kind: Any) -> Any:
        return kind(**{key: row[f"{name}.{key}"] for key in kind._fields})

    return Shot(
        posture=part("posture", Posture),
        view=part("view", View),
        light=part("light", Light),
        backdrop=part("backdrop", Backdrop),
        occluder=part("occluder", Occluder),
        optics=part("optics", Optics),
        seed=int(row["noise_seed"]),
    )


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, (float, np.floating)) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
