"""Options of `reidaug finetune-eval --eval-only` for averaging at test time."""

import click
from click.core import ParameterSource

from reidaug.commands.options import Command, FiniteRange, choice
from reidaug.errors import UsageError
from reidaug.experiments.pose_averaging import GROUNDS, Averaging


def chosen_averaging(
    poses: int | None, weight: float, flow: str, background: str
) -> Averaging | None:
    """Read the options of the command that runs; None where nothing is averaged.

    Raises:
        UsageError: There is one of them without --average-poses.
    """
    if poses is not None:
        return Averaging(poses, weight, flow, background)
    source = click.get_current_context().get_parameter_source
    for name in ("weight", "flow", "background"):
        if source(f"average_{name}") is ParameterSource.COMMANDLINE:
            raise UsageError(
                f"--average-{name} needs --average-poses K, without which it does nothing"
            )
    return None


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
