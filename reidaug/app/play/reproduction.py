"""Reproduction of a warp of the playground: Python lines, and the files that they read.

`reidaug.augment.PoseWarp` makes the same warp in a training; on the grounds of others, the
functions that `reidaug augment` calls.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import torch

from reidaug.app.play.playground import CROP, TARGET, Playground, Warped, Wish
from reidaug.app.play.rendered_people import rendered_people
from reidaug.augment.background import BACKGROUNDS
from reidaug.augment.target_poses import POSES, TargetPoses, poses_content
from reidaug.data.images import encode_png
from reidaug.geometry.pose import stack

SCRIPT, WARP, MASKS, GROUNDS = "reproduce.py", "warp.png", "masks", "grounds"
OLDEST = (1980, 1, 1, 0, 0, 0)  # time of every file of an archive: the same wish, the same bytes

_LINES = '''\
"""Makes {warp} again, byte for byte."""

from pathlib import Path

import torch

from reidaug.augment import PosedImage, PoseWarp, as_source
from reidaug.augment.target_poses import read_poses
from reidaug.data.images import encode_png, read_image
from reidaug.flow import load_flow
from reidaug.geometry.pose import select

torch.set_num_threads(1)  # sums are rounded as in the playground
poses = read_poses(Path("{poses}"))  # the target's, and the crop's own
source = as_source(select(poses.pose, 1), "{crop}")
warp = PoseWarp(
    load_flow({flow!r}),
    poses,
    masks={masks!r},
    background={background!r},
    turns={turns!r},
)
pixels = warp.warp(PosedImage.of(read_image(Path("{crop}")), source), 0)
Path("{warp}").write_bytes(encode_png(pixels))
'''

_LINES_WITH_GROUNDS = '''\
"""Makes {warp} again, byte for byte."""

from pathlib import Path

import torch

from reidaug.augment import AugmentOptions, as_source
from reidaug.augment.background import BackgroundPool
from reidaug.augment.outlines import target_outlines
from reidaug.augment.target_poses import read_poses
from reidaug.augment.warping import estimate_flows, put_on_canvas, warp_pixels
from reidaug.data.crop_names import warp_name
from reidaug.data.images import encode_png, read_image, read_mask, resize, to_float
from reidaug.flow import load_flow
from reidaug.geometry.pose import select
from reidaug.geometry.silhouette import resized

torch.set_num_threads(1)  # sums are rounded as in the playground
torch.set_grad_enabled(False)
masks = {masks!r} and Path({masks!r})
flow = load_flow({flow!r}).eval()
options = AugmentOptions(background={background!r}, turns={turns!r}).for_estimator(flow)
poses = read_poses(Path("{poses}"))  # the target's, and the crop's own
source = as_source(select(poses.pose, 1), "{crop}")
crop = put_on_canvas(source, read_image(Path("{crop}")), poses.size, masks)
target = target_outlines(poses, masks).part([0])
field = next(iter(estimate_flows(flow, [crop], target, options)))
others = sorted(Path("{grounds}").glob("*.png"))
pool = BackgroundPool.of(
    range(1, len(others) + 1),
    [resize(to_float(read_image(other)), poses.size) for other in others],
    [resized(read_mask(other.parent / "masks" / other.name), poses.size) for other in others],
)
names = [warp_name("{crop}", 0)]
pixels = warp_pixels(crop, field.flow, field.targets, names, options, pool)[0]
Path("{warp}").write_bytes(encode_png(pixels))
'''


def lines(wish: Wish) -> str:
    """Write the Python lines that make a warp again, in the folder of `archive`'s files."""
    text = _LINES_WITH_GROUNDS if BACKGROUNDS[wish.background].needs_pool else _LINES
    values: dict[str, Any] = {
        "warp": WARP, "poses": POSES, "crop": CROP, "grounds": GROUNDS, "flow": wish.flow,
        "masks": None if wish.crop.mask is None and wish.outline is None else MASKS,
        "background": wish.background, "turns": wish.turns,
    }  # fmt: skip
    return text.format(**values)


def archive(playground: Playground, wish: Wish) -> bytes:
    """Warp a crop, and pack all that makes the warp again; the same wish gives the same bytes.

    Returns:
        A ZIP file: ``warp.png``, the lines (``reproduce.py``), the crop, ``poses.json``, masks, and
        the grounds of others where they are needed.

    Raises:
        UsageError: As of `Playground.warp`.
    """
    warped = playground.warp(wish)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in _files(wish, warped):
            file.writestr(zipfile.ZipInfo(name, OLDEST), content)
    return stream.getvalue()


def _files(wish: Wish, warped: Warped) -> Iterator[tuple[str, bytes | str]]:
    yield WARP, encode_png(warped.pixels)
    yield SCRIPT, lines(wish)
    yield CROP, encode_png(wish.crop.image)
    yield POSES, _poses(wish)
    for name, mask in ((CROP, wish.crop.mask), (TARGET, wish.outline)):
        if mask is not None:
            yield f"{MASKS}/{name}", encode_png(mask)
    if BACKGROUNDS[wish.background].needs_pool:
        others = [person for person in rendered_people() if person.name != wish.crop.name]
        for number, person in enumerate(others):
            yield f"{GROUNDS}/{number}.png", encode_png(person.image)
            yield f"{GROUNDS}/masks/{number}.png", encode_png(person.mask)


def _poses(wish: Wish) -> bytes:
    pose = stack([wish.target, wish.source])
    pose = pose._replace(xy=torch.where(pose.visible[..., None], pose.xy, -1.0))
    return poses_content(TargetPoses(wish.crop.size, 0, (TARGET, CROP), pose))
