"""Worlds: the people, cameras, backgrounds and views of a rendered dataset.

Everything is a function of a world, a seed and the number of a person or camera, so that any image
can be rendered again alone and in any order.

``few-poses`` and ``many-poses`` are for learning in one world; the parameters of ``few-poses`` were
chosen by what true views gain over the controls in worlds of other seeds.

``street`` looks as photographs of people on a campus do: its light, colours, cameras and wardrobes
were moved until figures of its crops met those of Market-1501's training crops, see
`benchmarks/world_statistics.py`: sharpness, size of files, saturation, how far crops of one person
and of two lie from each other. No training took part in that.

``A`` and ``B`` are two domains for domain adaptation: they differ in cameras, backgrounds, light,
bodies and clothes and share no identity. Render them with ``--train-crops 14`` or so: several views
by several cameras. Their parameters were fixed by `benchmarks/domains.py` with seed 11: a model
of one domain should reach in the other between a third and a half of the mAP of a model trained
there, and each domain should be learnable. Warps played no part in the choice. With
five or six cameras another seed gives another gap (no figures were kept).
"""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from numpy.random import Generator

from reidaug.errors import UsageError
from reidaug.jobs import numpy_generator
from reidaug.people3d.appearance import Palette
from reidaug.people3d.body import ORDINARY, Bodies
from reidaug.people3d.scene import PLACES

# Colours that most people wear, so that a colour alone does not identify anybody.
COMMON_TOPS = ((0.12, 0.12, 0.14), (0.80, 0.79, 0.77), (0.13, 0.18, 0.34))
COMMON_BOTTOMS = ((0.10, 0.10, 0.12), (0.16, 0.21, 0.34))
# What people wear on a campus in summer, by how often: black, white, grey, denim, and all else.
STREET_TOPS = (
    *3 * ((0.05, 0.05, 0.06),), *2 * ((0.12, 0.12, 0.14),), *4 * ((0.90, 0.90, 0.90),),
    (0.70, 0.70, 0.70), (0.40, 0.40, 0.42), *2 * ((0.13, 0.18, 0.36),), (0.65, 0.10, 0.12),
    (0.95, 0.40, 0.50), (0.90, 0.80, 0.20), (0.15, 0.50, 0.30), (0.35, 0.60, 0.85),
    (0.45, 0.20, 0.50), (0.60, 0.50, 0.35), (0.95, 0.75, 0.70), (0.10, 0.55, 0.60),
    (0.95, 0.50, 0.15),
)  # fmt: skip
STREET_BOTTOMS = (
    *4 * ((0.08, 0.08, 0.10),), *3 * ((0.15, 0.20, 0.36),), *2 * ((0.35, 0.45, 0.62),),
    *2 * ((0.45, 0.42, 0.36),), (0.85, 0.85, 0.85), (0.50, 0.12, 0.15),
)  # fmt: skip
# Further colours of world B.
B_COLOURS = ((0.45, 0.43, 0.40), (0.42, 0.16, 0.16), (0.20, 0.30, 0.22), (0.62, 0.50, 0.34))

APPEARANCES, CAMERAS, TRAINING, TEST, PAIRS, TRUNCATIONS, VIEWS, SURFACES = range(8)
"""Purposes of random numbers, each with generators of its own."""

LATER = frozenset(
    ("bodies", "rig", "stream", "worn", "carried", "exposure", "sharpen", "walks", "jpeg_quality")
)
"""Parameters that the first worlds did not have."""


class Rig(NamedTuple):
    """Positions and light of a world's cameras; each camera is drawn within the pairs (ranges)."""

    height: tuple[float, float] = (1.8, 4.0)  # height over the ground in metres
    distance: tuple[float, float] = (6.0, 14.0)  # mean distance to people in metres
    elevation: tuple[float, float] = (0.4, 1.3)  # elevation of the light in radians
    ambient: tuple[float, float] = (0.45, 0.75)  # share of ambient light
    strength: tuple[float, float] = (1.0, 1.3)  # brightness
    warmth: float = 0.0  # mean warmth of the light
    saturation: tuple[float, float] = (0.75, 1.1)  # saturation: 0 grey, 1 unchanged
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)  # gains (RGB) common to all cameras
    gamma: float = 1.0  # exponent of the tone curve common to all cameras
    places: tuple[str, ...] = PLACES  # which of `reidaug.people3d.scene.PLACES` occur


@dataclass(frozen=True)
class World:
    """Parameters of a rendered world."""

    name: str
    palette: Palette = field(default_factory=Palette)  # what people wear
    cameras: int = 6  # number of cameras
    cast: float = 0.08  # colour casts of the cameras: standard deviation of the gains' logarithms
    tone: float = 0.1  # tone curves of the cameras: standard deviation of the exponents' logarithms
    blur: tuple[float, float] = (0.3, 0.8)  # range of the blur in pixels of a crop of 128 rows
    shrink: tuple[float, float] = (0.55, 1.0)  # range of camera resolution over crop resolution
    noise: tuple[float, float] = (0.005, 0.02)  # range of the sensor noise
    places: int = 0  # number of positions of people in each camera's panorama; 0 for any
    train_sides: int = 0  # number of viewpoints of a training person; 0 for any view
    side_spread: float = 0.2  # standard deviation around a viewpoint in radians
    train_phases: int = 0  # number of phases of the walk of a training person; 0 for any
    train_cameras: int = 6  # number of cameras of a training person at most
    along: float = 0.7  # share of people who walk along the camera's path; the others walk anywhere
    relight: float = 0.5  # how much the light varies within one camera, 0 to 1
    occluders: float = 0.05  # share of images with an occluder
    # Share of each of `reidaug.people3d.motion.ACTIONS`.
    actions: tuple[float, ...] = (0.68, 0.12, 0.05, 0.1, 0.05)
    bodies: Bodies = ORDINARY  # distribution of body shapes
    rig: Rig = field(default_factory=Rig)  # positions and light of the cameras
    # Exposure of the cameras: standard deviation of the logarithm of a gain of all channels.
    exposure: float = 0.0
    sharpen: tuple[float, float] = (0.0, 0.0)  # range of the cameras' own sharpening
    # Whether a camera sees each person walk by once: images of one camera share side, light and
    # place but for small changes, as the crops of a tracked person do.
    walks: bool = False
    jpeg_quality: int = 95  # of the image files, 1 to 95
    # Further seed of people, cameras and plans: worlds of different streams share no identity,
    # whatever the seed of the dataset.
    stream: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters as plain values of a recipe file.

        Those of `LATER` are left out where they change nothing, so that folders of older versions
        can be continued.
        """
        parts = {name: getattr(self, name)._asdict() for name in ("palette", "bodies", "rig")}
        plain: dict[str, Any] = _plain(asdict(self) | parts)
        for values, usual in ((plain["palette"], Palette()._asdict()), (plain, _USUAL)):
            for name in LATER & values.keys():
                if values[name] == _plain(usual[name]):
                    del values[name]
        return plain

    def generator(self, seed: int, purpose: int, number: int) -> Generator:
        """Make the random generator of a person or camera for one of this module's purposes."""
        return numpy_generator(seed, purpose, number, *([self.stream] if self.stream else []))


_USUAL = {
    "bodies": ORDINARY._asdict(), "rig": Rig()._asdict(), "stream": 0, "exposure": 0.0,
    "sharpen": (0.0, 0.0), "walks": False, "jpeg_quality": 95,
}  # fmt: skip

FEW_POSES = World(
    name="few-poses",
    palette=Palette(
        tops=COMMON_TOPS, bottoms=COMMON_BOTTOMS, plain=0.05, prints=0.6, bags=0.45, two_sided=0.1,
        sleeves=0.6, patterned=0.6,
    ),
    cast=0.15,
    tone=0.15,
    places=8,
    train_sides=1,
    train_phases=2,
    train_cameras=2,
)  # fmt: skip
MANY_POSES = World(name="many-poses")
STREET = World(
    name="street",
    palette=Palette(
        tops=STREET_TOPS, bottoms=STREET_BOTTOMS, plain=0.85, prints=0.2, bags=0.45,
        two_sided=0.02, sleeves=0.08, patterned=0.05,
    ),
    cast=0.025,
    tone=0.08,
    exposure=0.05,
    blur=(0.0, 0.3),
    shrink=(0.6, 1.0),
    noise=(0.005, 0.015),
    sharpen=(0.5, 3.0),
    train_cameras=4,
    side_spread=0.4,
    relight=1.0,
    occluders=0.2,
    rig=Rig(
        ambient=(0.35, 0.65),
        strength=(2.3, 2.9),  # full sun: plans cut it to 1.6, the most that a light has
        saturation=(0.35, 0.5), tint=(0.93, 0.93, 0.93),
        places=("plaza", "street", "hall"),
    ),
    walks=True,
    jpeg_quality=75,
)  # fmt: skip
DOMAIN_A = World(
    name="A",
    palette=Palette(
        plain=0.5, prints=0.2, bags=0.3, two_sided=0.05, sleeves=0.2, patterned=0.1,
        worn=("tshirt", "tshirt", "shirt", "sweater", "dress"),
        carried=("backpack",),
    ),
    cast=0.1,
    bodies=Bodies(women=0.4, age=(0.66, 0.76), muscle=0.6, weight=0.38, height=0.42),
    rig=Rig(
        height=(3.0, 5.0), distance=(8.0, 15.0), strength=(1.1, 1.3), warmth=0.02,
        saturation=(0.6, 0.85),
        places=("park", "plaza", "street"),
    ),
    stream=1,
)  # fmt: skip
DOMAIN_B = World(
    name="B",
    palette=Palette(
        tops=COMMON_TOPS + B_COLOURS,
        bottoms=COMMON_BOTTOMS + B_COLOURS[:2],
        plain=0.2, prints=0.5, bags=0.6, two_sided=0.05, sleeves=0.5, patterned=0.4,
        worn=("shirt", "sweater", "jacket", "coat", "dress"),
        carried=("shoulder", "hand"),
    ),
    cameras=5,
    cast=0.1,
    blur=(0.4, 1.0),
    shrink=(0.5, 0.9),
    noise=(0.01, 0.03),
    occluders=0.1,
    bodies=Bodies(women=0.6, age=(0.74, 0.92), muscle=0.45, weight=0.6, height=0.35),
    rig=Rig(
        height=(1.4, 2.6), distance=(4.0, 9.0), ambient=(0.6, 0.85), strength=(0.9, 1.2),
        warmth=-0.02, saturation=(0.6, 0.95), tint=(0.97, 1.0, 1.05),
        places=("shop", "hall"),
    ),
    stream=2,
)  # fmt: skip
VARIED = World(
    name="varied",
    palette=Palette(plain=0.5, prints=0.35, bags=0.5, two_sided=0.15, sleeves=0.2, patterned=0.25),
    cameras=24,
    cast=0.12,
    tone=0.15,
    blur=(0.0, 0.9),
    shrink=(0.4, 1.0),
    noise=(0.005, 0.03),
    exposure=0.2,
    sharpen=(0.0, 2.5),
    relight=1.0,
    occluders=0.15,
    actions=(0.55, 0.15, 0.08, 0.12, 0.1),
    bodies=Bodies(weight=0.5, height=0.38),
    rig=Rig(
        height=(1.4, 3.5), distance=(6.0, 14.0), ambient=(0.35, 0.75), strength=(0.9, 1.6),
        saturation=(0.35, 1.1),
    ),
)  # fmt: skip
"""People, cameras and light of all kinds, to learn from what photographs may look like; not a world
to compare re-ID models in."""
WORLDS = {world.name: world for world in (FEW_POSES, MANY_POSES, STREET, DOMAIN_A, DOMAIN_B)}


def world_named(name: str) -> World:
    """Find a world by its name.

    Raises:
        UsageError: There is no such world.
    """
    if name not in WORLDS:
        raise UsageError(f"no world {name!r} (known: {', '.join(WORLDS)})")
    return WORLDS[name]


def world_from_dict(values: dict[str, Any]) -> World:
    """Read a world from the plain values of a recipe file; the inverse of `World.as_dict`."""
    kinds = {"palette": Palette, "bodies": Bodies, "rig": Rig}
    parts: dict[str, Any] = {}
    for name, value in values.items():
        part = _tuples(value)
        parts[name] = kinds[name](**part) if name in kinds else part
    return World(**parts)


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
