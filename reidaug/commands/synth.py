"""`reidaug synth`: rendered people: pairs with exact flow, surface maps, a re-ID dataset, views."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from reidaug.commands import options
from reidaug.experiments.true_views import Background, render_views
from reidaug.people3d.market_dataset import MarketOptions, render_market
from reidaug.people3d.pair_dataset import PairOptions, render_pairs
from reidaug.people3d.render_run import parse_size
from reidaug.people3d.surface_dataset import SurfaceOptions, render_surfaces
from reidaug.people3d.worlds import WORLDS, world_named

F = TypeVar("F", bound=Callable[..., Any])


@click.group(name="synth")
def command() -> None:
    """Render people: pairs with exact flow, or a re-ID dataset."""


_out = click.option("--out", type=options.PATH, required=True, help="Folder to make.")
_cut = click.option(
    "--cut",
    type=options.FiniteRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of the images that cut off legs.",
)
_size = click.option("--size", default="128x64", show_default=True, help="Height x width.")


def _count(name: str, default: int, text: str) -> Callable[[F], F]:
    return click.option(name, default=default, show_default=True, help=text)


@command.command()
@_out
@click.option("--people", type=int, required=True, help="Training people.")
@_count("--test-people", 40, "Test people.")
@_count("--views", 8, "Images of each person.")
@_count("--pairs-each", 24, "Pairs of each person at most.")
@_cut
@_size
@options.seed
@options.workers
def pairs(out: Path, size: str, workers: int | None, **chosen: Any) -> None:
    """Render pairs with exact flow, in DeepFashion's form.

    Writes train/ and test/, fasion-pairs-*.csv, fasion-annotation-*.csv, masks/, and for each pair
    flows/{train,test}/SOURCE___TARGET.npz. 256x256 has a white background, as DeepFashion has.
    """
    report = render_pairs(out, PairOptions(size=parse_size(size), **chosen), workers=workers)
    click.echo(f"{report['crops']} crops, {report['train_pairs']} training pairs in {out}")


@command.command()
@_out
@click.option("--people", type=int, required=True, help="Training people.")
@_count("--test-people", 40, "Test people.")
@_count("--views", 6, "Crops of each person.")
@_count("--poses", 12, "Target poses of each person.")
@_cut
@_size
@options.seed
@options.workers
def surfaces(out: Path, size: str, workers: int | None, **chosen: Any) -> None:
    """Render people with the place on the body of every pixel, to train surface flow.

    Writes train/ and test/, fasion-annotation-*.csv, masks/, and for each person
    surfaces/{train,test}/PERSON.npz: maps of the crops and of the same person in poses of others.
    """
    report = render_surfaces(out, SurfaceOptions(size=parse_size(size), **chosen), workers=workers)
    click.echo(f"{report['crops']} crops in {out}")


@command.command()
@_out
@click.option("--people", type=int, required=True, help="Training people.")
@_count("--test-people", 60, "Test people.")
@click.option("--world", default="few-poses", show_default=True, help=f"{', '.join(WORLDS)}.")
@_count("--train-crops", 2, "Images of a training person.")
@_count("--test-crops", 6, "Images of a test person.")
@_count("--distractors", 0, "Gallery images of nobody.")
@_count("--junk", 0, "Gallery images to be ignored.")
@_size
@options.seed
@options.workers
def market(out: Path, size: str, world: str, workers: int | None, **chosen: Any) -> None:
    """Render a re-ID dataset in Market-1501's form.

    Beside the three folders: market-annotation-{train,test}.csv, masks/, and renders.parquet with
    the parameters of every image.
    """
    chosen |= {"size": parse_size(size), "world": world_named(world)}
    report = render_market(out, MarketOptions(**chosen), workers=workers)
    click.echo(f"{report['crops']} crops in {out}")


@command.command()
@click.argument("dataset", type=options.PATH)
@click.option("--poses", type=options.PATH, required=True, help="poses.json of augment.")
@options.choice(
    "--background",
    get_args(Background),
    "grey, or other: the background of another person's image.",
)
@_out
@options.workers
def views(
    dataset: Path, poses: Path, background: Background, out: Path, workers: int | None
) -> None:
    """Render the true other views of DATASET's training people: what perfect warping would give."""
    report = render_views(dataset, out, poses=poses, background=background, workers=workers)
    click.echo(f"{report['images']} images in {out}")
