"""Rendered re-ID datasets in Market-1501's form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from joblib import delayed

from reidaug.data.crop_names import JUNK, market_name
from reidaug.data.keypoints import write_patn
from reidaug.data.manifest import read_manifest, write_manifest
from reidaug.data.market1501 import GALLERY, QUERY, SPLITS, TRAIN
from reidaug.geometry.flow import Size
from reidaug.jobs import Task
from reidaug.people3d.appearance_sampling import sample_person
from reidaug.people3d.mesh import build_mesh
from reidaug.people3d.render import render
from reidaug.people3d.render_plans import (
    PlannedImage,
    plan_test_images,
    plan_training_images,
    to_row,
)  # fmt: skip
from reidaug.people3d.render_run import (
    PersonRecord,
    Row,
    check_counts,
    parse_size,
    poses_of,
    read_recipe,
    render_people,
    size_text,
    write_render,
)  # fmt: skip
from reidaug.people3d.worlds import FEW_POSES, World, world_from_dict

TABLE = "renders.parquet"


@dataclass(frozen=True)
class MarketOptions:
    """What `render_market` renders.

    Raises:
        UsageError: A number is too small.
    """

    people: int  # training people
    test_people: int = 60  # test people
    train_crops: int = 2  # images of each training person
    test_crops: int = 6  # images of each test person; a third of them become queries
    distractors: int = 0  # gallery images of pid 0, each of another person
    junk: int = 0  # gallery images to be ignored (pid -1)
    size: Size = (128, 64)  # (height, width) in pixels
    seed: int = 0  # random seed
    world: World = FEW_POSES  # appearance, cameras, poses and views

    def __post_init__(self) -> None:
        check_counts(self, people=1, train_crops=1, test_crops=2)
        check_counts(self, test_people=0, distractors=0, junk=0, seed=0)

    @property
    def crops(self) -> int:
        """Number of images in all."""
        own = self.people * self.train_crops + self.test_people * self.test_crops
        return own + self.distractors + self.junk


class PlannedCrop(NamedTuple):
    """An image with its file name before it is rendered."""

    split: str  # folder
    name: str  # file name
    image: PlannedImage  # camera and plan


def render_market(
    out: Path, options: MarketOptions, *, workers: int | None = None
) -> dict[str, int]:
    """Render a re-ID dataset in Market-1501's form.

    Args:
        out: Folder to write; an unfinished run of the same options is continued.
        options: What to render.
        workers: Processes; by default one per core.

    Returns:
        The report: number of ``crops``, in all and by split.

    Raises:
        ReidaugError: The folder holds something else, or a worker was killed.
        UsageError: The extra ``synth`` is not installed.
    """

    def make_tasks() -> dict[int, Task]:
        for folder in (*SPLITS, "masks"):
            (out / folder).mkdir(exist_ok=True)
        return {
            person: delayed(render_person)(out, person, list(crops), options)
            for person, crops in enumerate(_plan_people(options), 1)
        }

    def write_tables(records: list[PersonRecord]) -> dict[str, int]:
        rows = [row for record in records for row in record.rows]
        training = {row["name"] for row in rows if row["split"] == TRAIN}
        poses = poses_of(records)
        for part, wanted in (("train", True), ("test", False)):
            own = {name: pose for name, pose in poses.items() if (name in training) == wanted}
            write_patn(out / f"market-annotation-{part}.csv", own, decimals=2)
        write_manifest(out / TABLE, rows)
        return {split: sum(row["split"] == split for row in rows) for split in SPLITS}

    recipe = {
        "command": "synth market",
        **vars(options),
        "size": size_text(options.size),
        "world": options.world.as_dict(),
    }
    return render_people(
        out, recipe, make_tasks, write_tables, crops=options.crops, workers=workers
    )


def _plan_people(options: MarketOptions) -> Iterator[Iterator[PlannedCrop]]:
    """Plan the crops of all people: training and test people, then distractors and junk."""
    tested = options.people + options.test_people
    for person in range(1, tested + options.distractors + options.junk + 1):
        if person <= options.people:
            yield _plan_training_person(person, options)
        elif person <= tested:
            yield _plan_test_person(person, options)
        else:
            yield _plan_nobody(person, options, junk=person > tested + options.distractors)


def _plan_training_person(person: int, options: MarketOptions) -> Iterator[PlannedCrop]:
    images = plan_training_images(options.world, options.seed, person, options.train_crops)
    for k, image in enumerate(images, 1):
        yield PlannedCrop(TRAIN, market_name(person, image.camera, 1, person, k), image)


def _plan_test_person(person: int, options: MarketOptions) -> Iterator[PlannedCrop]:
    queries = max(1, options.test_crops // 3)
    images = plan_test_images(options.world, options.seed, person, options.test_crops)
    for k, image in enumerate(images, 1):
        split = QUERY if k <= queries else GALLERY
        yield PlannedCrop(split, market_name(person, image.camera, 1, person, k), image)


def _plan_nobody(person: int, options: MarketOptions, *, junk: bool) -> Iterator[PlannedCrop]:
    """Plan a distractor, or junk: a box that misses most of the person."""
    camera, plan = plan_test_images(options.world, options.seed, person, 1)[0]
    pid = JUNK if junk else 0
    if junk:
        shift = 0.4 * np.sign(plan.view.shift_x)
        plan = plan._replace(view=plan.view._replace(zoom=1.9, shift_x=shift, shift_y=0.35))
    image = PlannedImage(camera, plan)
    yield PlannedCrop(GALLERY, market_name(pid, camera, 1, person, 1), image)


def render_person(
    out: Path, person: int, crops: Sequence[PlannedCrop], options: MarketOptions
) -> PersonRecord:
    """Render the planned images and masks of one person; return joints and rows of the table."""
    world = options.world
    mesh = build_mesh(sample_person(world, options.seed, person))
    rows: list[Row] = []
    joints = {}
    for split, name, (camera, plan) in crops:
        image = render(mesh, plan, options.size)
        joints[name] = write_render(out, split, name, image, world.jpeg_quality)
        row = {"name": name, "split": split, "person": person, "camera": camera}
        rows.append(row | to_row(plan))
    return PersonRecord(len(crops), joints, rows=rows)


class RenderedMarket(NamedTuple):
    """How a dataset was rendered."""

    root: Path  # folder
    world: World
    seed: int  # random seed
    size: Size  # (height, width) of its images in pixels
    training: dict[str, Row]  # rows of the table of renders of the training images, by file name


def read_rendered_market(root: Path) -> RenderedMarket:
    """Read the world and the training plans of a folder written by `render_market`.

    Raises:
        ReidaugError: It was not written by `render_market`, or a file is damaged.
    """
    recipe = read_recipe(root, "synth market", "nobody to render")
    rows = read_manifest(root / TABLE, {"name": str, "split": str})
    training = {row["name"]: row for row in rows if row["split"] == TRAIN}
    world = world_from_dict(recipe["world"])
    return RenderedMarket(root, world, recipe["seed"], parse_size(recipe["size"]), training)
