"""`reidaug synth`: rendered people as pairs with exact flow, as a re-ID dataset, as true views."""

from pathlib import Path
from typing import Any, get_args

import click
from joblib import delayed

from reidaug.commands import options
from reidaug.commands.synth_swaps import SWAPS, render_swaps
from reidaug.data.deepfashion import write_pairs_csv
from reidaug.data.keypoints import write_patn
from reidaug.data.manifest import write_manifest
from reidaug.data.market1501 import SPLITS, TRAIN
from reidaug.errors import UsageError
from reidaug.experiments.true_views import Background, render_views
from reidaug.geometry.flow import Size
from reidaug.people3d.rendering import (
    market_person,
    pair_person,
    parse_size,
    plan_crops,
    poses_of,
    run,
)
from reidaug.people3d.worlds import WORLDS, World, world_named


def render_pairs(
    out: Path, *, people: int, test_people: int = 40, views: int = 8, pairs_each: int = 24,
    cut: float = 0.0, size: Size = (128, 64), seed: int = 0, workers: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Render people from several sides, with the exact flow between the views of each.

    Args:
        out: Folder to write; an unfinished run of the same settings is continued.
        people: Training people.
        test_people: Test people.
        views: Pictures of each.
        pairs_each: Ordered pairs of each person's pictures at most, drawn at random.
        cut: Share of the pictures whose lower edge runs through the legs.
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
        seed=(seed, 0),
    )
    recipe = {
        "command": "synth pairs", "people": people, "test_people": test_people, "views": views,
        "pairs_each": pairs_each, "cut": cut, "size": f"{size[0]}x{size[1]}", "seed": seed,
    }  # fmt: skip
    splits = {"train": range(1, people + 1), "test": range(people + 1, people + test_people + 1)}

    def tasks(out: Path) -> dict[int, Any]:
        for split in splits:
            for folder in (out / split, out / "flows" / split, out / "masks"):
                folder.mkdir(parents=True, exist_ok=True)
        return {
            person: delayed(pair_person)(out, split, person, (views, pairs_each), cut, size, seed)
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
           test_crops=(test_crops, 2), distractors=(distractors, 0), junk=(junk, 0),
           seed=(seed, 0))  # fmt: skip
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


def _check(**numbers: tuple[int, int]) -> None:
    for name, (value, least) in numbers.items():
        if value < least:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} {value}: at least {least} needed")


@click.group(name="synth")
def command() -> None:
    """Render people: pairs with exact flow, or a re-ID dataset."""


_out = click.option("--out", type=options.PATH, required=True, help="Folder to make.")
_size = click.option("--size", default="128x64", show_default=True, help="Height x width.")


@command.command()
@_out
@click.option("--people", type=int, required=True, help="Training people.")
@click.option("--test-people", default=40, show_default=True, help="Test people.")
@click.option("--views", default=8, show_default=True, help="Pictures of each person.")
@click.option("--pairs-each", default=24, show_default=True, help="Pairs of each person at most.")
@click.option(
    "--cut",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of the pictures that cut off legs.",
)
@_size
@options.seed
@options.workers
def pairs(out: Path, size: str, **chosen: Any) -> None:
    """Render pairs with exact flow, in DeepFashion's form.

    Writes train/ and test/, fasion-pairs-*.csv, fasion-annotation-*.csv, masks/, and for each pair
    flows/{train,test}/SOURCE___TARGET.npz. 256x256 has white ground, as DeepFashion has.
    """
    report = render_pairs(out, size=parse_size(size), **chosen)
    click.echo(f"{report['crops']} crops, {report['train_pairs']} training pairs in {out}")


@command.command()
@_out
@click.option("--people", type=int, required=True, help="Training people.")
@click.option("--test-people", default=60, show_default=True, help="Test people.")
@click.option("--world", default="few-poses", show_default=True, help=f"{', '.join(WORLDS)}.")
@click.option("--train-crops", default=2, show_default=True, help="Pictures of a training person.")
@click.option("--test-crops", default=6, show_default=True, help="Pictures of a test person.")
@click.option("--distractors", default=0, show_default=True, help="Gallery pictures of nobody.")
@click.option("--junk", default=0, show_default=True, help="Gallery pictures to be ignored.")
@_size
@options.seed
@options.workers
def market(out: Path, size: str, **chosen: Any) -> None:
    """Render a re-ID dataset in Market-1501's form.

    Beside the three folders: market-annotation-{train,test}.csv, masks/, and renders.parquet with
    the parameters of every picture.
    """
    report = render_market(out, size=parse_size(size), **chosen)
    click.echo(f"{report['crops']} crops in {out}")


@command.command()
@click.argument("dataset", type=options.PATH)
@click.option("--poses", type=options.PATH, required=True, help="poses.json of augment.")
@click.option(
    "--background",
    type=click.Choice(get_args(Background)),
    default="grey",
    show_default=True,
    help="What is behind them; other: what is behind another person.",
)
@_out
@options.workers
def views(
    dataset: Path, poses: Path, background: Background, out: Path, workers: int | None
) -> None:
    """Render the true other views of DATASET's training people: what perfect warping would give."""
    report = render_views(dataset, out, poses=poses, background=background, workers=workers)
    click.echo(f"{report['images']} images in {out}")


@command.command()
@click.argument("dataset", type=options.PATH)
@click.option("--warps", type=options.PATH, required=True, help="What augment made of DATASET.")
@_out
@options.workers
def swaps(dataset: Path, warps: Path, out: Path, workers: int | None) -> None:
    """Make WARPS again with one thing true: which ingredient of warps costs most.

    OUT/true_flow_grey has the exact flow and outline, OUT/true_mask_grey the person's true outline,
    OUT/true_texture_grey true pixels where the source does not show what is seen. Each is a
    Market-1501 root with the names and the manifest of WARPS, an arm for finetune-eval.
    """
    report = render_swaps(dataset, out, warps=warps, workers=workers)
    click.echo(f"{report['images']} images in each of {', '.join(SWAPS)} in {out}")
