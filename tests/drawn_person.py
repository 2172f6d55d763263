"""A person drawn with a few shapes, well enough for a pose network to see one."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from stick_market import STANDING

from reidaug.data.crop_names import market_name
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError
from reidaug.perception.weights import find_model

SKIN, HAIR = (224, 174, 144), (60, 40, 20)
TROUSERS, SHIRT, SLEEVES, SHOES = (45, 55, 130), (180, 40, 40), (165, 35, 35), (20, 20, 20)


def drawn_person(size: tuple[int, int], seed: int = 0) -> tuple[Image.Image, np.ndarray]:
    """The picture, and the true joints (18, 2) in its pixels."""
    height, width = size
    rng = np.random.default_rng(seed)
    xy = (STANDING + rng.normal(0, 0.01, STANDING.shape) * (seed > 0)) * height + [width / 2, 0]
    picture = Image.new("RGB", (width, height), (150, 170, 150))
    pen = ImageDraw.Draw(picture)

    def disc(centre: np.ndarray, across: float, colour: tuple[int, ...], tall: float = 1) -> None:
        (x, y), r = centre, across * height / 2
        pen.ellipse((x - r, y - r * tall, x + r, y + r * tall), fill=colour)

    def limb(joints: tuple[int, ...], across: float, colour: tuple[int, ...]) -> None:
        points = [tuple(xy[k]) for k in joints]
        pen.line(points, fill=colour, width=max(1, round(across * height)))
        for k in joints:
            disc(xy[k], across, colour)

    for k in (10, 13):
        disc(xy[k] + [0, 0.02 * height], 0.1, SHOES, 0.4)
    limb((8, 9, 10), 0.085, TROUSERS)
    limb((11, 12, 13), 0.085, TROUSERS)
    hips = (xy[11] + [0.03 * height, 0], xy[8] - [0.03 * height, 0])
    pen.polygon([tuple(p) for p in (xy[2], xy[5], *hips)], fill=SHIRT)
    limb((2, 5), 0.06, SHIRT)
    limb((0, 1), 0.045, SKIN)
    for arm in ((2, 3, 4), (5, 6, 7)):
        limb(arm, 0.05, SLEEVES)
        disc(xy[arm[-1]], 0.05, SKIN)
    disc(xy[0], 0.1, SKIN, 1.3)
    (x, y), r = xy[0], 0.052 * height
    pen.pieslice((x - r, y - 1.4 * r, x + r, y + 0.6 * r), 180, 360, fill=HAIR)
    for k in (14, 15):
        disc(xy[k], 0.012, SHOES)
    return picture, xy


def pixels(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.asarray(drawn_person(size, seed)[0])


def half_person() -> Image.Image:
    """Half a person, in which the network finds nobody at once, 128 x 64."""
    whole, _ = drawn_person((256, 128), 1)
    return whole.crop((64, 0, 128, 256)).resize((64, 128))


def legs_alone() -> Image.Image:
    """Legs, in which the network finds nobody but an outline, 128 x 64."""
    whole, _ = drawn_person((256, 128), 1)
    return whole.crop((0, 140, 128, 256)).resize((64, 128))


def drawn_market(root: Path, *, people: int = 2, images: int = 3) -> Path:
    """A Market-1501 root of drawn people, without keypoints."""
    (root / TRAIN).mkdir(parents=True)
    for pid in range(1, people + 1):
        for k in range(images):
            picture, _ = drawn_person((128, 64), 10 * pid + k)
            picture.save(root / TRAIN / market_name(pid, 1 + k, 1, 100 * pid + k, 1), quality=95)
    return root


def model_file() -> Path:
    """The network; where it cannot be had, the test is skipped."""
    pytest.importorskip("ai_edge_litert", reason="needs the extra [pose]")
    try:
        return find_model()
    except ReidaugError as error:
        pytest.skip(str(error))
