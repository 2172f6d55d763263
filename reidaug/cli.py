"""The command line: `reidaug COMMAND --help` is the manual."""

import signal
import sys
import traceback
from importlib import import_module
from typing import NamedTuple

import click

from reidaug import __version__
from reidaug.children import safe_children
from reidaug.errors import ReidaugError, require_extra
from reidaug.interruptions import (
    Terminated,
    interruptible,
    interruption_in,
    line_of,
    raise_from_now_on,
)
from reidaug.locks import locks_of_a_command


class Entry(NamedTuple):
    """A command: its module, its one-line help, and the extra without which it cannot start."""

    module: str
    help: str
    extra: str = ""


COMMANDS = {
    "augment": Entry("augment", "Warp every training image of a dataset into poses."),
    "pose": Entry("pose", "Find joints and outlines of the people on crops."),
    "check": Entry("check", "Say what is wrong with a dataset, and what to do."),
    "finetune-eval": Entry(
        "finetune_eval", "Fine-tune a re-ID model with and without warps, and evaluate it.", "reid"
    ),
    "pairs": Entry("pairs", "List a dataset's pairs to train a flow estimator on."),
    "train-flow": Entry("train_flow", "Train a flow estimator on pairs of poses.", "train"),
    "compare": Entry(
        "compare", "Train flow estimators on equal terms and score them side by side.", "train"
    ),
    "report": Entry("report", "Make one page of any run, or of several side by side.", "plots"),
    "synth": Entry("synth", "Render people: pairs with exact flow, or a dataset."),
    "demo": Entry("demo", "Run the whole pipeline on rendered people.", "demo"),
}
"""The commands in the order a newcomer meets them."""

EXTRAS = {
    "train": ("accelerate", "tabulate", "tensorboard", "torchmetrics"),
    "plots": ("jinja2", "matplotlib"),
    "reid": ("accelerate", "matplotlib", "sklearn"),
    "demo": ("accelerate", "anny", "jinja2", "matplotlib", "sklearn", "torchmetrics", "warp"),
}
"""Modules that an extra brings, as far as commands import them at once."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used: `reidaug --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Raises:
            UsageError: The extra it needs is not installed.
        """
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        require_extra(entry.extra, *EXTRAS.get(entry.extra, ()))
        command: click.Command = import_module(f"reidaug.commands.{entry.module}").command
        raise_from_now_on()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reidaug")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
def group(verbose: bool) -> None:
    """More poses for person re-identification: learn a flow, warp a dataset, measure honestly."""


def main(argv: list[str] | None = None) -> None:
    """Run a command; a failure that the user can mend is one line.

    Args:
        argv: Arguments; those of the process by default.

    Raises:
        SystemExit: Always: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted,
            143 terminated.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        with interruptible(), safe_children(), locks_of_a_command():
            group.main(argv, prog_name="reidaug", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (Exception, KeyboardInterrupt) as error:
        interruption = interruption_in(error)
        if interruption is not None:
            number = signal.SIGTERM if isinstance(interruption, Terminated) else signal.SIGINT
            click.echo(line_of(number), err=True)
            sys.exit(128 + number)
        if isinstance(error, click.Abort):  # which click makes of an `EOFError`, the user's Ctrl-D
            line = f"a file is shorter than it should be ({error.__cause__}); reidaug -v "
            line += f"{' '.join(argv[:1])} shows which"
        elif isinstance(error, ReidaugError | OSError):
            line = _one_line(error)
        else:
            raise
        if argv[:1] in (["-v"], ["--verbose"]):
            traceback.print_exception(error.__cause__ if isinstance(error, click.Abort) else error)
        click.echo(f"reidaug: {line}", err=True)
        sys.exit(error.exit_code if isinstance(error, ReidaugError) else 1)
    sys.exit(0)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'file'}: {error.strerror}"
    return " ".join(str(error).split())
