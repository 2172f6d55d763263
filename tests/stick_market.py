"""A small Market-1501 root of stick figures, drawn in an instant."""

import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from reidaug.data.crop_names import market_name
from reidaug.data.keypoints import write_patn
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN
from reidaug.geometry.pose import Pose
from reidaug.geometry.silhouette import LIMBS

# A person standing: the 18 joints as shares of the height, x from the middle of the picture.
STANDING = np.array([
    (0, .12), (0, .2), (-.08, .21), (-.12, .34), (-.12, .47), (.08, .21), (.12, .34), (.12, .47),
    (-.05, .5), (-.06, .7), (-.06, .9), (.05, .5), (.06, .7), (.06, .9),
    (-.015, .105), (.015, .105), (-.035, .115), (.035, .115),
])  # fmt: skip


def figure(rng: np.random.Generator, size: tuple[int, int]) -> Pose:
    joints = STANDING + rng.normal(0, 0.012, STANDING.shape)
    joints[:, 0] *= rng.choice([-1, 1])
    xy = joints * size[0] + [size[1] / 2, 0]
    visible = rng.random(18) > 0.1
    visible[[1, 2, 5, 8, 11]] = True
    return Pose(torch.tensor(xy, dtype=torch.float32).round(), torch.from_numpy(visible))


def draw(rng: np.random.Generator, pose: Pose, size: tuple[int, int], shirt: int) -> Image.Image:
    noise = rng.integers(0, 255, (size[0] // 8, size[1] // 8, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((size[1], size[0]))
    pen = ImageDraw.Draw(picture)
    for k, (a, b) in enumerate(LIMBS):
        colour = tuple(int(c) for c in np.random.default_rng((shirt, k)).integers(0, 255, 3))
        ends = [(float(x), float(y)) for x, y in pose.xy[[a, b]].tolist()]
        pen.line(ends, fill=colour, width=max(2, size[0] // 20))
    return picture


def scattered(folder: Path, count: int, size: tuple[int, int]) -> list[tuple[Path, Pose]]:
    """Draw people into a folder, each where no other one is."""
    rng, drawn = np.random.default_rng(0), []
    corner = torch.tensor([size[1] - 1.0, size[0] - 1.0])
    for k in range(count):
        pose = figure(rng, size)
        moved = torch.tensor([rng.uniform(-6, 6), rng.uniform(-4, 4)])
        pose = Pose((pose.xy + moved).clamp(torch.zeros(2), corner), pose.visible)
        drawn.append((folder / f"{k:03d}.png", pose))
        draw(rng, pose, size, shirt=k).save(drawn[-1][0])
    return drawn


def stick_market(
    root: Path, *, people: int = 3, images: int = 2, size: tuple[int, int] = (64, 32)
) -> Path:
    """Draw ``people * images`` training crops with keypoints, and as many test crops."""
    rng = np.random.default_rng(7)
    poses = {}
    for split, first in ((TRAIN, 1), (QUERY, 901), (GALLERY, 901)):
        (root / split).mkdir(parents=True)
        for pid in range(first, first + people):
            for k in range(images):
                name = market_name(pid, 1 + k % 6, 1, 100 * pid + k, 1 + (split == GALLERY))
                pose = figure(rng, size)
                draw(rng, pose, size, pid).save(root / split / name, quality=95)
                if split == TRAIN:
                    poses[name] = pose
    write_patn(root / "market-annotation-train.csv", poses)
    return root


def copy_as_warps(market: Path, warps: Path) -> None:
    """Copy a root, its training crops named as their warps."""
    shutil.copytree(market, warps)
    for path in (warps / TRAIN).iterdir():
        path.rename(path.with_name(f"{path.stem}_w00.jpg"))
