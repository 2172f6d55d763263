"""Random cameras of a world."""

from typing import NamedTuple

import numpy as np

from reidaug.people3d.camera import Optics
from reidaug.people3d.worlds import CAMERAS, World


class Camera(NamedTuple):
    """One camera of a world."""

    height: float  # height over the ground in metres
    distance: float  # mean distance to people in metres
    azimuth: float  # azimuth of the light in radians
    elevation: float  # elevation of the light in radians
    ambient: float  # share of ambient light
    strength: float  # brightness
    warmth: float  # warmth of the light
    place: str  # its background, of `reidaug.people3d.scene.PLACES`
    place_seed: int  # random seed of the background
    optics: Optics  # its lens and sensor


def sample_camera(world: World, seed: int, number: int) -> Camera:
    """Sample a camera, given its number from 1, in a dataset of a world and a seed."""
    rng, rig = world.generator(seed, CAMERAS, number), world.rig
    gains = np.exp(rng.normal(0, world.cast, 3))
    gains /= gains.mean() ** 0.7
    gains *= rig.tint
    if world.exposure:
        gains *= np.exp(rng.normal(0, world.exposure))
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
            sharpen=rng.uniform(*world.sharpen) if any(world.sharpen) else 0.0,
        ),
    )
