"""Random people: bodies, and clothes from a palette."""

import numpy as np
from numpy.random import Generator

from reidaug.people3d.appearance import (
    PRINTS,
    RGB,
    Appearance,
    Bag,
    Bottom,
    Fabric,
    Hair,
    Palette,
    Top,
)  # fmt: skip
from reidaug.people3d.body import ORDINARY, Bodies, Phenotype
from reidaug.people3d.worlds import APPEARANCES, World

SKINS = (
    (0.93, 0.78, 0.68), (0.87, 0.70, 0.57), (0.76, 0.58, 0.44), (0.58, 0.41, 0.30),
    (0.40, 0.27, 0.20),
)  # fmt: skip
HAIR_COLOURS = (
    (0.07, 0.06, 0.06), (0.13, 0.09, 0.07), (0.25, 0.16, 0.10), (0.42, 0.29, 0.17),
    (0.66, 0.52, 0.33), (0.55, 0.54, 0.53), (0.40, 0.17, 0.09),
)  # fmt: skip
LEATHER = (
    (0.08, 0.08, 0.09), (0.20, 0.14, 0.10), (0.35, 0.24, 0.15), (0.85, 0.85, 0.84),
    (0.25, 0.28, 0.36), (0.55, 0.12, 0.12),
)  # fmt: skip


THICKNESS = {"tshirt": 0.012, "shirt": 0.014, "sweater": 0.018, "dress": 0.01}


def sample_person(world: World, seed: int, person: int) -> Appearance:
    """Sample the appearance of a person, given its number, in a dataset of a world and a seed."""
    generator = world.generator(seed, APPEARANCES, person)
    return sample_appearance(generator, world.palette, world.bodies)


def sample_appearance(rng: Generator, palette: Palette, bodies: Bodies = ORDINARY) -> Appearance:
    """Sample an appearance from distributions of clothes and of body shapes."""
    woman = bool(rng.random() < bodies.women)
    phenotype = Phenotype(
        gender=float(np.clip((0.92 if woman else 0.06) + rng.normal(0, 0.06), 0, 1)),
        age=float(rng.uniform(*bodies.age)),
        muscle=float(np.clip(rng.normal(bodies.muscle, 0.15), 0.2, 0.9)),
        weight=float(np.clip(rng.normal(bodies.weight, 0.2), 0.1, 0.95)),
        height=float(np.clip(rng.normal(bodies.height, 0.065), 0.2, 0.6)),
        proportions=float(rng.uniform(0.2, 0.8)),
    )
    hair_colour = HAIR_COLOURS[rng.choice(7, p=(0.3, 0.25, 0.18, 0.1, 0.08, 0.06, 0.03))]
    top = _sample_top(rng, palette, woman)
    return Appearance(
        phenotype=phenotype,
        skin=_shade(rng, SKINS[rng.integers(len(SKINS))], 0.03),
        beard=0.0 if woman else float(rng.choice([0, 0, 0, 0.4, 0.9])),
        hair=_sample_hair(rng, palette, woman, hair_colour),
        top=top,
        inner=_fabric(rng, palette, "plain", palette.tops),
        bottom=_sample_bottom(rng, palette, woman, top),
        shoes=_shade(rng, LEATHER[rng.integers(len(LEATHER))], 0.05),
        soles=(0.85, 0.85, 0.83) if rng.random() < 0.4 else (0.1, 0.1, 0.1),
        boots=float(rng.choice([0.07, 0.07, 0.1, 0.16, 0.3])),
        socks=(0.9, 0.9, 0.9) if rng.random() < 0.5 else (0.15, 0.15, 0.17),
        bag=_sample_bag(rng, palette),
        seed=int(rng.integers(2**31)),
    )


def _sample_top(rng: Generator, palette: Palette, woman: bool) -> Top:
    kind = str(rng.choice([top if woman or top != "dress" else "tshirt" for top in palette.worn]))
    pattern = "plain" if rng.random() < palette.plain else str(rng.choice(palette.patterns))
    front = _fabric(rng, palette, pattern, palette.tops)
    back = sleeves = front
    if rng.random() < palette.two_sided:
        back = _fabric(rng, palette, str(rng.choice(palette.patterns)), palette.tops)
    if rng.random() < palette.sleeves:
        sleeves = _fabric(rng, palette, "plain", palette.tops)
    printed = rng.random() < palette.prints and kind != "coat"
    outer = kind in ("jacket", "coat")
    length = {"tshirt": rng.choice([0.0, 0.45, 0.6, 0.75]), "dress": rng.choice([0.0, 0.5, 1.9])}
    return Top(
        front=front,
        back=back,
        sleeves=sleeves,
        sleeve=float(length.get(kind, rng.choice([1.0, 1.5, 1.92, 1.92]))) if not outer else 1.95,
        hem=float(rng.uniform(0.06, 0.2)),
        neck=float(rng.choice([0.0, 0.03, 0.08])),
        thickness=THICKNESS.get(kind, 0.028),
        front_print=str(rng.choice(PRINTS[1:])) if printed else "none",
        back_print=str(rng.choice(PRINTS[1:])) if printed and rng.random() < 0.5 else "none",
        print_colour=_colour(rng, palette.tops),
        open=float(rng.choice([0.0, 0.035, 0.06])) if outer else 0.0,
        skirt={"coat": rng.uniform(0.45, 0.8), "dress": rng.uniform(0.5, 0.9)}.get(kind, 0.0),
        flare=float(rng.uniform(0.0, 0.25 if kind == "dress" else 0.06)),
    )


def _sample_bottom(rng: Generator, palette: Palette, woman: bool, top: Top) -> Bottom:
    plain = rng.random() < 1 - palette.patterned
    pattern = "plain" if plain else str(rng.choice(["vertical", "checked", "speckled", "gradient"]))
    skirt = rng.uniform(0.45, 0.85) if woman and top.skirt == 0 and rng.random() < 0.35 else 0.0
    bare = (woman and top.open == 0 and top.skirt > 0) or skirt > 0
    length = 0.25
    if not (bare and rng.random() < 0.6):
        length = float(rng.choice([0.6, 1.0, 1.5, 1.95, 1.95, 1.95, 1.95]))
    return Bottom(
        cloth=_fabric(rng, palette, pattern, palette.bottoms),
        length=length,
        thickness=float(rng.uniform(0.006, 0.022)),
        skirt=float(skirt),
        flare=float(rng.uniform(0.0, 0.3)),
        stripe=bool(rng.random() < 0.12),
    )


def _sample_hair(rng: Generator, palette: Palette, woman: bool, colour: RGB) -> Hair:
    styles = ("bob", "long", "long", "ponytail", "bun", "full", "cap", "hood") if woman else (
        "bald", "short", "short", "short", "full", "full", "cap", "hood")  # fmt: skip
    style = str(rng.choice(styles))
    worn = _colour(rng, palette.tops) if style in ("cap", "hood") else colour
    return Hair(style, worn, colour)


def _sample_bag(rng: Generator, palette: Palette) -> Bag:
    kind = str(rng.choice(palette.carried)) if rng.random() < palette.bags else "none"
    colour = _shade(rng, LEATHER[rng.integers(len(LEATHER))], 0.06)
    if rng.random() < 0.5:
        colour = _colour(rng, palette.tops)
    detail, left = _colour(rng, palette.tops), bool(rng.random() < 0.5)
    return Bag(kind, colour, detail, left, float(rng.uniform(0.8, 1.2)))


def _fabric(rng: Generator, palette: Palette, pattern: str, colours: tuple[RGB, ...]) -> Fabric:
    base = _colour(rng, colours)
    second = _contrast(rng, base, palette.tops)
    scale = {"horizontal": (0.04, 0.16), "vertical": (0.03, 0.1), "checked": (0.06, 0.16),
             "diagonal": (0.08, 0.2), "dots": (0.06, 0.14), "camouflage": (0.08, 0.2),
             "zigzag": (0.1, 0.2), "speckled": (0.02, 0.05)}.get(pattern, (0.1, 0.2))  # fmt: skip
    third = _contrast(rng, second, palette.tops)
    size, seed = float(rng.uniform(*scale)), int(rng.integers(2**31))
    return Fabric(pattern, base, second, third, size, seed)


def _colour(rng: Generator, colours: tuple[RGB, ...]) -> RGB:
    if colours:
        return _shade(rng, colours[rng.integers(len(colours))], 0.03)
    return _vivid(rng)


def _contrast(rng: Generator, base: RGB, colours: tuple[RGB, ...]) -> RGB:
    """Sample a colour that contrasts with another one."""
    for _ in range(6):
        colour = _colour(rng, colours)
        if np.abs(np.subtract(colour, base)).sum() > 0.45:
            return colour
    light = sum(base) > 1.5
    return (0.1, 0.1, 0.12) if light else (0.88, 0.87, 0.85)


def _vivid(rng: Generator) -> RGB:
    hue, saturation, value = rng.random(), rng.beta(1.3, 1.3), rng.uniform(0.08, 0.95)
    # Hue to RGB: each channel is a trapezoid shifted by a third of a turn.
    ramp = np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1
    rgb = value * (1 - saturation * (1 - np.clip(ramp, 0, 1)))
    return float(rgb[0]), float(rgb[1]), float(rgb[2])


def _shade(rng: Generator, colour: RGB, amount: float) -> RGB:
    shade = np.asarray(colour) + rng.normal(0, amount) + rng.normal(0, amount / 2, 3)
    rgb = np.clip(shade, 0.02, 1)
    return float(rgb[0]), float(rgb[1]), float(rgb[2])
