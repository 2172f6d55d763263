"""Options that several commands share, and options made from a recipe's fields."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from reidaug.commands.paths import SafePath
from reidaug.data.crop_names import PATTERN_HELP
from reidaug.data.image_folders import ALLOW_HELP
from reidaug.data.layouts import LAYOUT_HELP, LAYOUTS
from reidaug.files import summarise_left_out
from reidaug.recipes import LARGEST_SEED, Recipe

PATH = SafePath(path_type=Path)
MOST_WORKERS = 256


class FiniteRange(click.FloatRange):
    """Range of numbers; click's own takes ``nan``, which is in none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert an option's text."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number.", param, ctx)
        return number


overrides = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a recipe key."
)
workers = click.option(
    "--workers", type=click.IntRange(1, MOST_WORKERS), help="Processes. [default: one per core]"
)
_SEEDS = click.IntRange(0, LARGEST_SEED)
seed = click.option("--seed", type=_SEEDS, default=0, show_default=True, help="Random seed.")
model = click.option(
    "--model",
    type=PATH,
    help="BlazePose's pose_landmark_full.tflite (or lite, heavy); without it, it is fetched once.",
)
pattern = click.option("--pattern", help=PATTERN_HELP)
layout = click.option("--layout", type=click.Choice(list(LAYOUTS)), help=LAYOUT_HELP)
allow_left_out = click.option("--allow-left-out", is_flag=True, help=ALLOW_HELP)

Command = TypeVar("Command", bound=Callable[..., Any])


def choice(name: str, values: Sequence[str], text: str) -> Callable[[Command], Command]:
    """Make an option with a few values, by default the first of them."""
    kind = click.Choice(values)
    return click.option(name, type=kind, default=values[0], show_default=True, help=text)


def run_of_recipe(out: str, *, contents: str, resume: str) -> Callable[[Command], Command]:
    """Make the arguments of a command that runs a recipe: RECIPE, --set, --out and --resume.

    Args:
        out: Default run folder.
        contents: What the run folder holds, for its help.
        resume: Help of --resume.
    """

    def decorate(command: Command) -> Command:
        for add in (
            click.option("--resume", is_flag=True, help=resume),
            click.option("--out", type=PATH, default=Path(out), show_default=True, help=contents),
            overrides,
            click.argument("recipe", type=PATH),
        ):
            command = add(command)
        return command

    return decorate


def of_recipe(
    schema: type[Recipe],
    *,
    choices: Mapping[str, Collection[str]] | None = None,
    leave_out: Collection[str] = (),
) -> Callable[[Command], Command]:
    """Make a command's options from the fields of its recipe: name, type, range, default, help.

    Args:
        schema: The recipe; the description of a field is the help of its option.
        choices: Allowed values of fields whose type does not list them.
        leave_out: Fields without an option.
    """

    def decorate(command: Command) -> Command:
        for name, field in reversed(schema.model_fields.items()):
            if name not in leave_out:
                command = _option(name, field, (choices or {}).get(name))(command)
        return command

    return decorate


def _option(
    name: str, field: FieldInfo, choices: Collection[str] | None
) -> Callable[[Command], Command]:
    flag = f"--{name.replace('_', '-')}"
    if field.annotation is bool:
        both = f"{flag}/--no-{flag.removeprefix('--')}" if field.default else flag
        return click.option(
            both, is_flag=True, default=field.default, show_default=bool(field.default),
            help=field.description,
        )  # fmt: skip
    default: dict[str, Any] = {}
    if field.default is not None:
        default = {"default": field.default, "show_default": True}
    return click.option(flag, type=_type(field, choices), help=field.description, **default)


def _type(field: FieldInfo, choices: Collection[str] | None) -> Any:
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)]
    kind = kinds[0] if kinds and get_origin(field.annotation) is not Literal else field.annotation
    if choices or get_origin(kind) is Literal:
        return click.Choice(list(choices or get_args(kind)))
    limits = {"ge": None, "le": None}
    for bound in field.metadata:
        limits |= {key: getattr(bound, key) for key in limits if hasattr(bound, key)}
    ranges = {int: click.IntRange, float: FiniteRange}
    if kind in ranges:
        return ranges[kind](limits["ge"], limits["le"])
    return PATH if kind is Path else str


def show_left_out(path: Path, total: int, *, what: str) -> None:
    """Print how many entries were left out, and where the whole list is.

    Args:
        path: ``left_out.txt``: one line each.
        total: Number of entries, left out or not.
        what: Name of the entries, in the plural.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines:
        click.echo(summarise_left_out(lines, max(total, len(lines)), what=what), err=True)
        click.echo(f"  all of them: {path}", err=True)
