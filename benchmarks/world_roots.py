"""Roots of benchmarks/world_tau.py: photographs and rendered worlds of the same sizes.

    python benchmarks/world_roots.py --market ROOT --keypoints FILE --masks FOLDER --out ROOTS

Every root holds training people with a few crops each, evaluated people (of photographs: tune
people), and training crops in their own pose on grey and on other people's ground. ROOTS is all
that the training needs beside Market-1501's own crops, which are linked; nothing else is written
there, so that it can be carried to another machine. Rendered crops are compressed as photographs.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from photograph_crops import link_crops, read_photographs

from reidaug.augment.augmented_dataset import augment_dataset
from reidaug.augment.options import AugmentOptions
from reidaug.data.market1501 import GALLERY, QUERY, SPLITS, TRAIN, Person, read_market1501
from reidaug.data.people_split import split_people
from reidaug.experiments.experiment_data import subset
from reidaug.flow.builtin import named_flow
from reidaug.people3d.market_dataset import MarketOptions, render_market
from reidaug.people3d.worlds import FEW_POSES, MANY_POSES, STREET

PHOTOGRAPHS = "market"  # name of the root of photographs
GREY, OTHER_GROUND = "identity_grey", "identity_other_ground"  # folders of a root
BACKGROUNDS = {GREY: "grey", OTHER_GROUND: "other"}
TRAIN_PEOPLE, TRAIN_CROPS = 150, 6
OWN_POSE_CROPS = 2  # of each training person's crops
TEST_PEOPLE, TEST_CROPS = 100, 6
JPEG_QUALITY = 75  # Market-1501's quantisation tables are those of this quality
SEED = 4  # of people, cameras and backgrounds of rendered worlds
# The mended world with knobs of the others: what people wear, what cameras do to colours, how few
# sides, phases and cameras a training person is seen from, how alike people are, and occluders.
_FEW_VIEWS = {
    name: getattr(FEW_POSES, name) for name in ("train_sides", "train_phases", "train_cameras")
}
VARIANTS = (
    replace(STREET, name="street-vivid", palette=MANY_POSES.palette),
    replace(
        STREET, name="street-casts", cast=MANY_POSES.cast, tone=MANY_POSES.tone,
        rig=STREET.rig._replace(saturation=MANY_POSES.rig.saturation),
    ),
    replace(STREET, name="street-few", **_FEW_VIEWS),
    replace(STREET, name="street-alike", palette=FEW_POSES.palette),
    replace(STREET, name="street-few-alike", palette=FEW_POSES.palette, **_FEW_VIEWS),
    replace(STREET, name="street-clear", occluders=FEW_POSES.occluders, **_FEW_VIEWS),
)  # fmt: skip
RENDERED = {world.name: world for world in (FEW_POSES, MANY_POSES, STREET, *VARIANTS)}


def main() -> None:
    """Prepare the roots that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--market", type=Path, required=True)
    parser.add_argument("--keypoints", type=Path, required=True, help="of its training crops")
    parser.add_argument("--masks", type=Path, required=True, help="of its training crops")
    parser.add_argument("--worlds", nargs="+", choices=RENDERED, default=list(RENDERED))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/world_roots"), help="scratch")
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    photographs = link_photographs(options.market, options.out)
    poses = AugmentOptions(keypoints=options.keypoints, masks=options.masks)
    add_own_poses(photographs, options.work / PHOTOGRAPHS, poses, options.workers)
    for name in options.worlds:
        rendered, root = options.work / name, options.out / name
        world = replace(RENDERED[name], jpeg_quality=JPEG_QUALITY)
        plan = MarketOptions(
            people=TRAIN_PEOPLE, train_crops=TRAIN_CROPS, seed=SEED, world=world,
            test_people=TEST_PEOPLE, test_crops=TEST_CROPS,
        )  # fmt: skip
        render_market(rendered, plan, workers=options.workers)
        for split in SPLITS:
            shutil.copytree(rendered / split, root / split, dirs_exist_ok=True)
        poses = AugmentOptions(
            keypoints=rendered / "market-annotation-train.csv", masks=rendered / "masks"
        )
        add_own_poses(root, rendered, poses, options.workers)


def link_photographs(market: Path, roots: Path) -> Path:
    """Link some training crops and the tune people's crops of Market-1501's training set.

    Args:
        market: Market-1501.
        roots: Folder of all roots.

    Returns:
        The root of photographs: of each of its people few enough crops that all worlds are alike.
    """
    root = roots / PHOTOGRAPHS
    split = split_people(read_photographs(market), "tune")
    train = choose(split.train, TRAIN_PEOPLE, TRAIN_CROPS)
    tested = {person.pid for person in choose(split.query, TEST_PEOPLE, None)}
    gallery = [person for person in split.gallery if person.pid in tested]
    link_crops(train, root / TRAIN)
    link_crops([person for person in split.query if person.pid in tested], root / QUERY)
    link_crops(subset(gallery, 1.0, TEST_CROPS, seed=SEED), root / GALLERY)
    return root


def choose(crops: tuple[Person, ...], people: int, each: int | None) -> tuple[Person, ...]:
    """Draw some people, or all where there are fewer, and some crops of each."""
    share = min(1.0, people / len({crop.pid for crop in crops}))
    return subset(crops, share, each, seed=SEED)


def add_own_poses(root: Path, work: Path, poses: AugmentOptions, workers: int | None) -> None:
    """Give a root some of its training crops in their own pose on grey and on other ground."""
    sources = work / "sources"
    train = read_market1501(root, splits=(TRAIN,)).train
    link_crops(subset(train, 1.0, OWN_POSE_CROPS, seed=SEED), sources / TRAIN)
    for folder, background in BACKGROUNDS.items():
        wanted = poses.model_copy(
            update={
                "background": background,
                "poses": 1,
                "jpeg_quality": JPEG_QUALITY,
                "min_quality": 0.0,
            }
        )
        augment_dataset(sources, work / folder, named_flow("identity"), wanted, workers=workers)
        shutil.copytree(work / folder / TRAIN, root / folder / TRAIN, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
