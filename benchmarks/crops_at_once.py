"""A folder of crops without keypoints or masks, warped by one command.

    python benchmarks/crops_at_once.py [--people 100] [--views 4] [--flow FLOW] [--seed 13]

Renders people from all sides, a quarter of the pictures with legs cut off, and leaves nothing
but the JPEG files in a folder bounding_box_train. `reidaug augment ROOT --out W` then finds joints
and masks itself. Tells its wall time and the rates of its two stages, and keeps the first people of
the contact sheet as docs/pictures/crops_at_once.png. Needs the extras [synth] and [pose].
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from provenance import write_result
from shipped import weights_of

from reidaug.data.contact_sheet import GAP
from reidaug.data.crop_names import market_name
from reidaug.data.image_folders import list_images
from reidaug.data.market1501 import TRAIN
from reidaug.machine import cores
from reidaug.people3d.pair_dataset import PairOptions, render_pairs

SIZE, CUT = (128, 64), 0.25
PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "crops_at_once.png"
PEOPLE_SHOWN = 4
MOST_BYTES = 250_000
COLOURS = 128
SHRUNK = 0.9  # of its sides, from one try to the next


def main() -> None:
    """Render, run the command, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--flow", help="by default the command has no such option")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "crops", Path(folder) / "warped"
        write_crops(root, options)
        arguments = ["augment", str(root), "--out", str(out)]
        arguments += ["--flow", options.flow] if options.flow else []
        arguments += ["--workers", str(options.workers)] if options.workers else []
        seconds, printed = run(arguments)
        result = {
            **stages(out, seconds),
            "workers": options.workers or cores(),
            "weights": weights_of(json.loads((out / "report.json").read_text())["flow"]),
            "printed": printed,
            "picture_bytes": keep_picture(out / "contact_sheet.png", SIZE[0]),
        }
    print(printed)
    print({name: result[name] for name in ("wall_s", "pose", "augment")}, f"look at {PICTURE}")
    command = (
        f"python benchmarks/crops_at_once.py --people {options.people} "
        f"--views {options.views} --seed {options.seed}"
        + (f" --flow {options.flow}" if options.flow else "")
    )
    write_result("crops_at_once", command, **result)


def write_crops(root: Path, options: argparse.Namespace) -> None:
    """Render people and leave nothing but their pictures, named as Market-1501 names crops."""
    with tempfile.TemporaryDirectory() as folder:
        rendered = Path(folder) / "pairs"
        render_pairs(
            rendered,
            PairOptions(
                people=options.people, test_people=0, views=options.views, pairs_each=1,
                cut=CUT, size=SIZE, seed=options.seed,
            ),
            workers=options.workers,
        )  # fmt: skip
        (root / TRAIN).mkdir(parents=True)
        for path in list_images(rendered / "train").images:
            person, view = (int(part) for part in path.stem.split("_"))
            name = market_name(person, view + 1, 1, person, 1)
            (root / TRAIN / name).write_bytes(path.read_bytes())


def run(arguments: list[str]) -> tuple[float, str]:
    """Run reidaug as a user does; wall seconds and the last line it says."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "reidaug", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    # What follows the last semicolon is where to look, in a folder that will be gone.
    return time.perf_counter() - began, done.stdout.strip().splitlines()[-1].rpartition(";")[0]


def stages(out: Path, seconds: float) -> dict[str, Any]:
    """What the two stages did and how fast; the rest of the time goes into starting."""
    pose = json.loads((out / "pose" / "keypoints.report.json").read_text())
    warped = json.loads((out / "report.json").read_text())
    return {
        "crops": pose["crops"],
        "size": warped["size"],
        "wall_s": round(seconds, 1),
        "pose": {name: pose[name] for name in ("people", "without_person", "crops_per_s")}
        | {"seconds": pose["seconds"]},
        "augment": {name: warped[name] for name in ("sources", "poses", "images")}
        | {name: warped[name] for name in ("images_per_s", "seconds", "quality", "precision")},
    }


def keep_picture(sheet: Path, height: int) -> int:
    """Shrink the first people of the contact sheet until they are small enough for a page."""
    with Image.open(sheet) as file:
        rows = 2 + PEOPLE_SHOWN  # above the people are the poses, as images and as skeletons
        picture = file.convert("RGB").crop((0, 0, file.width, rows * (height + GAP) + GAP))
    size, content = picture.size, _png(picture)
    while len(content) > MOST_BYTES:
        size = (round(size[0] * SHRUNK), round(size[1] * SHRUNK))
        content = _png(picture.resize(size, Image.Resampling.LANCZOS))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_bytes(content)
    return len(content)


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(stream, "PNG", optimize=True)
    return stream.getvalue()


if __name__ == "__main__":
    main()
