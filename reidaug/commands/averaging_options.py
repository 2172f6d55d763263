"""Options of `reidaug finetune-eval --eval-only` for averaging at test time."""

import click

from reidaug.commands.options import Command, FiniteRange, choice
from reidaug.experiments.pose_averaging import GROUNDS, Averaging


def averaging(command: Command) -> Command:
    """Add --average-poses, --average-weight, --average-flow and --average-background."""
    weight, flow = (Averaging._field_defaults[name] for name in ("weight", "flow"))
    for add in (
        choice(
            "--average-background",
            tuple(GROUNDS),
            "Background of these warps: grey, or those of other crops.",
        ),
        click.option(
            "--average-flow",
            default=flow,
            show_default=True,
            help="Flow of these warps, as for augment; identity: each crop in its own pose, once "
            "on grey, or on K grounds.",
        ),
        click.option(
            "--average-weight",
            type=FiniteRange(0, 1000, min_open=True),
            default=weight,
            show_default=True,
            help="Weight of the mean warp, beside 1 for the crop itself.",
        ),
        click.option(
            "--average-poses",
            type=click.IntRange(1, 10_000),
            metavar="K",
            help="With --eval-only: also search by the mean of each crop and its warps into K "
            "poses.",
        ),
    ):
        command = add(command)
    return command
