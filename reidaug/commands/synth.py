"""`reidaug synth`: rendered people as pairs with exact flow, as a re-ID dataset, as true views."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from joblib import delayed

from reidaug.commands.synth_people import (
    market_person,
    pair_person,
    plan_crops,
    poses_of,
    run,
    view_person,
)
from reidaug.data.deepfashion import write_pairs_csv
from reidaug.data.keypoints import write_patn
from reidaug.data.manifest import read_manifest, write_manifest
from reidaug.data.market1501 import GALLERY, QUERY, SPLITS, TRAIN
from reidaug.errors import ReidaugError, UsageError
from reidaug.people3d.shots import from_row
from reidaug.people3d.worlds import World, world_from_dict, world_named

Size = tuple[int, int]


def render_pairs(
    out: Path, *, people: int, test_people: int = 40, views: int = 8, pairs_each: int = 24,
    size: Size = (128, 64), seed: int = 0, workers: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Render people from several sides, with the exact flow between the views of each.

    Args:
        out: Folder to write; an unfinished run of the same settings is continued.
        people: Training people.
        test_people: Test people.
        views: Pictures of each.
        pairs_each: Ordered pairs of each person's pictures at most, drawn at random.
        size: (height, width) in pixels; 256x256 has white ground, other sizes have places.
        seed: Of everything.
        workers: Processes; one a core by default.

    Returns:
        The report.

    Raises:
        ReidaugError: The folder holds something else.
        UsageError: A number is too small, or the extra ``synth`` is missing.
    """
    _check(
        people=(people, 1),
        test_people=(test_people, 0),
        views=(views, 2),
        pairs_each=(pairs_each, 1),
    )
    recipe = {
        "command": "synth pairs", "people": people, "test_people": test_people, "views": views,
        "pairs_each": pairs_each, "size": f"{size[0]}x{size[1]}", "seed": seed,
    }  # fmt: skip
    splits = {"train": range(1, people + 1), "test": range(people + 1, people + test_people + 1)}

    def tasks(out: Path) -> dict[int, Any]:
        for split in splits:
            for folder in (out / split, out / "flows" / split, out / "masks"):
                folder.mkdir(parents=True, exist_ok=True)
        return {
            person: delayed(pair_person)(out, split, person, (views, pairs_each), size, seed)
            for split, persons in splits.items()
            for person in persons
        }

    def finish(out: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
        counts = {}
        for split, persons in splits.items():
            mine = [r for r in records if r["person"] in persons]
            pairs = [tuple(pair) for r in mine for pair in r["pairs"]]
            write_pairs_csv(out / f"fasion-pairs-{split}.csv", pairs)
            write_patn(out / f"fasion-annotation-{split}.csv", poses_of(mine), decimals=2)
            counts[f"{split}_pairs"] = len(pairs)
        return counts

    return run(out, recipe, tasks, finish, crops=views * (people + test_people), workers=workers)


def render_market(
    out: Path, *, people: int, test_people: int = 60, world: World | str = "few-poses",
    train_crops: int = 2, test_crops: int = 6, distractors: int = 0, junk: int = 0,
    size: Size = (128, 64), seed: int = 0, workers: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Render a re-ID dataset in Market-1501's form.

    Args:
        out: Folder to write; an unfinished run of the same settings is continued.
        people: Training people.
        test_people: Test people.
        world: A world or its name.
        train_crops: Pictures of each training person.
        test_crops: Pictures of each test person; a third of them become queries.
        distractors: Gallery pictures of nobody (pid 0), each of another person.
        junk: Gallery pictures to be ignored (pid -1).
        size: (height, width) in pixels.
        seed: Of everything.
        workers: Processes; one a core by default.

    Returns:
        The report.

    Raises:
        ReidaugError: The folder holds something else.
        UsageError: A number is too small, the world is unknown, or the extra is missing.
    """
    world = world_named(world) if isinstance(world, str) else world
    _check(people=(people, 1), test_people=(test_people, 0), train_crops=(train_crops, 1),
           test_crops=(test_crops, 2), distractors=(distractors, 0), junk=(junk, 0))  # fmt: skip
    recipe = {
        "command": "synth market", "people": people, "test_people": test_people,
        "train_crops": train_crops, "test_crops": test_crops, "distractors": distractors,
        "junk": junk, "size": f"{size[0]}x{size[1]}", "seed": seed, "world": world.as_dict(),
    }  # fmt: skip
    counts = (people, test_people, distractors, junk)

    def tasks(out: Path) -> dict[int, Any]:
        for folder in (*SPLITS, "masks"):
            (out / folder).mkdir(exist_ok=True)
        plans = {
            person: plan_crops(world, seed, person, counts, (train_crops, test_crops))
            for person in range(1, sum(counts) + 1)
        }
        return {
            person: delayed(market_person)(out, world, person, crops, size, seed)
            for person, crops in plans.items()
        }

    def finish(out: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
        rows = [row for record in records for row in record["rows"]]
        for split, name in ((TRAIN, "train"), ("", "test")):
            mine = [r for r in rows if (r["split"] == TRAIN) == bool(split)]
            images = {r["name"] for r in mine}
            poses = {n: p for n, p in poses_of(records).items() if n in images}
            write_patn(out / f"market-annotation-{name}.csv", poses, decimals=2)
        write_manifest(out / "renders.parquet", rows)
        return {split: sum(r["split"] == split for r in rows) for split in SPLITS}

    total = people * train_crops + test_people * test_crops + distractors + junk
    return run(out, recipe, tasks, finish, crops=total, workers=workers)


def render_views(
    dataset: Path, out: Path, *, poses: Path, workers: int | None = None
) -> dict[str, Any]:
    """Render the true other views of a rendered dataset's training people, on grey.

    Each pose of ``poses.json`` was drawn from a training image. Every training picture is rendered
    in every pose, with its own camera and light: for each warp of ``reidaug augment`` the picture
    that a perfect warp would be, under the same name.

    Args:
        dataset: A root made by `render_market`.
        out: Folder to write, a Market-1501 root; an unfinished run is continued.
        poses: The ``poses.json`` of ``reidaug augment``.
        workers: Processes; one a core by default.

    Returns:
        The report.

    Raises:
        ReidaugError: A file is missing or does not fit, or the folder holds something else.
        UsageError: The extra ``synth`` is missing.
    """
    world, seed, size, rows = _rendered(dataset)
    models = _pose_models(poses, rows)
    recipe = {"command": "synth views", "dataset": str(dataset.resolve()), "poses": models}
    train = sorted((row for row in rows if row["split"] == TRAIN), key=lambda row: row["name"])
    by_person: dict[int, list[dict[str, Any]]] = {}
    for row in train:
        by_person.setdefault(row["person"], []).append(row)
    shots = {row["name"]: from_row(row) for row in train}
    targets = [shots[name] for name in models]

    def tasks(out: Path) -> dict[int, Any]:
        (out / TRAIN).mkdir(exist_ok=True)
        for split in (QUERY, GALLERY):
            if not (out / split).exists():
                (out / split).symlink_to((dataset / split).resolve(), target_is_directory=True)
        return {
            person: delayed(view_person)(out, world, person, mine, targets, size, seed)
            for person, mine in by_person.items()
        }

    def finish(out: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
        return {"images": sum(len(record["rows"]) for record in records)}

    crops = sum(map(len, by_person.values())) * len(models)
    return run(out, recipe, tasks, finish, crops=crops, workers=workers)


def _rendered(dataset: Path) -> tuple[World, int, Size, list[dict[str, Any]]]:
    """Read back how a dataset was rendered."""
    import yaml

    written = dataset / "recipe.yaml"
    recipe = yaml.safe_load(written.read_text()) if written.is_file() else {}
    if not isinstance(recipe, dict) or recipe.get("command") != "synth market":
        raise ReidaugError(f"{dataset}: not made by 'reidaug synth market', so nobody to render")
    table = read_manifest(dataset / "renders.parquet")
    rows = [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
    return world_from_dict(recipe["world"]), recipe["seed"], parse_size(recipe["size"]), rows


def _pose_models(poses: Path, rows: Iterable[dict[str, Any]]) -> list[str]:
    """Name the training image each target pose was drawn from."""
    try:
        entries = json.loads(poses.read_text(encoding="utf-8"))["poses"]
        names = [str(entry["image"]) for entry in entries]
    except FileNotFoundError:
        raise ReidaugError(f"{poses}: no such file; 'reidaug augment' writes it") from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        raise ReidaugError(f"{poses}: not a poses.json of 'reidaug augment'") from None
    known = {row["name"] for row in rows if row["split"] == TRAIN}
    for name in names:
        if name not in known:
            raise ReidaugError(f"{poses}: {name} is no training image of this dataset")
    return names


def _check(**numbers: tuple[int, int]) -> None:
    for name, (value, least) in numbers.items():
        if value < least:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} {value}: at least {least} needed")


def parse_size(text: str) -> Size:
    """Read a size such as ``128x64``.

    Args:
        text: Height, an x, width.

    Returns:
        (height, width).

    Raises:
        UsageError: It is no such text, or smaller than 32.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) >= 32 for part in parts):
        raise UsageError(f"--size {text}: give height x width, at least 32, such as 128x64")
    return int(parts[0]), int(parts[1])


@click.group(name="synth")
def command() -> None:
    """Render people: pairs with exact flow, or a re-ID dataset."""


_out = click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make.")
_seed = click.option("--seed", default=0, show_default=True, help="Of everything that is drawn.")
_size = click.option("--size", default="128x64", show_default=True, help="Height x width.")
_workers = click.option("--workers", type=int, help="Processes; one a core by default.")


@command.command()
@_out
@click.option("--people", type=int, required=True, help="Training people.")
@click.option("--test-people", default=40, show_default=True, help="Test people.")
@click.option("--views", default=8, show_default=True, help="Pictures of each person.")
@click.option("--pairs-each", default=24, show_default=True, help="Pairs of each person at most.")
@_size
@_seed
@_workers
def pairs(out: Path, size: str, **options: Any) -> None:
    """Render pairs with exact flow, in DeepFashion's form.

    Writes train/ and test/, fasion-pairs-*.csv, fasion-annotation-*.csv, masks/, and for each pair
    flows/{train,test}/SOURCE___TARGET.npz. 256x256 has white ground, as DeepFashion has.
    """
    report = render_pairs(out, size=parse_size(size), **options)
    click.echo(f"{report['crops']} crops, {report['train_pairs']} training pairs in {out}")


@command.command()
@_out
@click.option("--people", type=int, required=True, help="Training people.")
@click.option("--test-people", default=60, show_default=True, help="Test people.")
@click.option("--world", default="few-poses", show_default=True, help="few-poses or many-poses.")
@click.option("--train-crops", default=2, show_default=True, help="Pictures of a training person.")
@click.option("--test-crops", default=6, show_default=True, help="Pictures of a test person.")
@click.option("--distractors", default=0, show_default=True, help="Gallery pictures of nobody.")
@click.option("--junk", default=0, show_default=True, help="Gallery pictures to be ignored.")
@_size
@_seed
@_workers
def market(out: Path, size: str, **options: Any) -> None:
    """Render a re-ID dataset in Market-1501's form.

    Beside the three folders: market-annotation-{train,test}.csv, masks/, and renders.parquet with
    the parameters of every picture.
    """
    report = render_market(out, size=parse_size(size), **options)
    click.echo(f"{report['crops']} crops in {out}")


@command.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--poses", type=click.Path(path_type=Path), required=True, help="poses.json of augment."
)
@_out
@_workers
def views(dataset: Path, poses: Path, out: Path, workers: int | None) -> None:
    """Render the true other views of DATASET's training people: what perfect warping would give."""
    report = render_views(dataset, out, poses=poses, workers=workers)
    click.echo(f"{report['images']} images in {out}")
