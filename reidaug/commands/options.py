"""The options several commands share, so that each is called and explained the same everywhere."""

from pathlib import Path

import click

PATH = click.Path(path_type=Path)

overrides = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a recipe key."
)
workers = click.option("--workers", type=click.IntRange(1), help="Processes. [default: one a core]")
seed = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all that is drawn."
)
model = click.option(
    "--model",
    type=PATH,
    help="BlazePose's pose_landmark_full.tflite (or lite, heavy); without it, it is fetched once.",
)
