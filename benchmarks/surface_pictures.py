"""Draw rendered people in poses of others: warped by W-SA, by surface flow, and as they truly are.

    python benchmarks/surface_pictures.py [--out runs/surface_pictures] [--seed 31]

Writes docs/pictures/surface.png: the first people and poses of a dataset that no training has seen,
not chosen by looks. True views are framed as the target's own crop, warps by surface flow as the
source. Needs the extra [synth].
"""

import argparse
from pathlib import Path

from PIL import Image, ImageDraw

from reidaug.augment.augmented_dataset import augment_dataset
from reidaug.augment.options import AugmentOptions
from reidaug.augment.target_poses import POSES, read_poses
from reidaug.data.contact_sheet import ContactSheet
from reidaug.data.crop_names import warp_name
from reidaug.data.market1501 import TRAIN
from reidaug.experiments.true_views import render_views
from reidaug.flow.builtin import SHIPPED, SURFACE, named_flow
from reidaug.people3d.market_dataset import MarketOptions, render_market
from reidaug.people3d.worlds import MANY_POSES

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "surface.png"
PEOPLE, SHOWN = 12, 5
CELL, LINE = (176, 88), 13
COLUMNS = ("source", "pose of", "W-SA", "surface flow", "true view")
TWICE = 2  # poses of each person


def main() -> None:
    """Render, warp, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/surface_pictures"))
    parser.add_argument("--seed", type=int, default=31)
    options = parser.parse_args()
    market = options.out / "people"
    chosen = MarketOptions(
        people=PEOPLE, test_people=1, train_crops=1, test_crops=3, world=MANY_POSES,
        seed=options.seed,
    )  # fmt: skip
    render_market(market, chosen)
    folders = {}
    for flow in (SHIPPED, SURFACE):
        folders[flow] = options.out / flow
        settings = AugmentOptions(
            poses=PEOPLE, seed=options.seed, pool="any", background="grey", min_quality=0.0
        )
        augment_dataset(market, folders[flow], named_flow(flow), settings)
    views = options.out / "views"
    render_views(market, views, poses=folders[SHIPPED] / POSES)
    draw(market, folders[SHIPPED], folders[SURFACE], views)


def draw(market: Path, w: Path, surface: Path, views: Path) -> None:
    """Draw the first people, each in the poses of the two who come next."""
    crops = sorted((market / TRAIN).iterdir())
    images = pose_images(w / POSES)
    sheet = ContactSheet(SHOWN, TWICE * len(COLUMNS), (CELL[0] + LINE, CELL[1]))
    for row in range(SHOWN):
        for k in range(TWICE):
            target = crops[row + k + 1].name
            name = warp_name(crops[row].name, images.index(target))
            paths = [crops[row], market / TRAIN / target]
            paths += [root / TRAIN / name for root in (w, surface, views)]
            for column, (path, title) in enumerate(zip(paths, COLUMNS, strict=True)):
                sheet.place(cell(path, title if row == 0 else ""), row, k * len(COLUMNS) + column)
    PICTURE.write_bytes(sheet.png())
    print(f"drawn: {PICTURE.name}")


def pose_images(path: Path) -> list[str]:
    """Name the images the target poses come from, by number."""
    return list(read_poses(path).images)


def cell(path: Path, title: str) -> Image.Image:
    """Draw a picture below its title."""
    picture = Image.new("RGB", (CELL[1], CELL[0] + LINE), "white")
    with Image.open(path) as image:
        picture.paste(image.resize((CELL[1], CELL[0]), Image.Resampling.BICUBIC), (0, LINE))
    ImageDraw.Draw(picture).text((2, 0), title, fill="black")
    return picture


if __name__ == "__main__":
    main()
