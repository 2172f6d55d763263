"""The command line: `reidaug COMMAND --help` is the manual."""

import sys
import traceback
from importlib import import_module

import click

from reidaug import __version__
from reidaug.errors import ReidaugError

# Command, where it lives, and its one-line help. A command's module is imported when it is used,
# so that `reidaug --help` answers at once.
COMMANDS = {
    "train-flow": ("reidaug.commands.train_flow", "Train a flow estimator on pairs of poses."),
    "augment": ("reidaug.commands.augment", "Warp every training image of a dataset into poses."),
    "check": ("reidaug.commands.check", "Say what is wrong with a dataset, and what to do."),
    "compare": (
        "reidaug.commands.compare",
        "Train flow estimators on equal terms and score them side by side.",
    ),
    "finetune-eval": (
        "reidaug.commands.finetune_eval",
        "Fine-tune a re-ID model with and without warps, and evaluate it.",
    ),
    "pairs": ("reidaug.commands.pairs", "List a dataset's pairs to train a flow estimator on."),
    "pose": ("reidaug.commands.pose", "Find joints and outlines of the people on crops."),
    "synth": ("reidaug.commands.synth", "Render people: pairs with exact flow, or a dataset."),
    "demo": ("reidaug.commands.demo", "Run the whole pipeline on rendered people."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reidaug")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
def group(verbose: bool) -> None:
    """More poses for person re-identification: learn a flow, warp a dataset, measure honestly."""


def main(argv: list[str] | None = None) -> None:
    """Run a command and turn every failure the user can mend into one line.

    Args:
        argv: Arguments; those of the process by default.

    Raises:
        SystemExit: Always: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        group.main(argv, prog_name="reidaug", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo(
            "reidaug: interrupted; run the same command again to go on (with --resume, where it "
            "has that option)",
            err=True,
        )
        sys.exit(130)
    except (ReidaugError, OSError) as error:
        if argv[:1] in (["-v"], ["--verbose"]):
            traceback.print_exc()
        click.echo(f"reidaug: {_one_line(error)}", err=True)
        sys.exit(error.exit_code if isinstance(error, ReidaugError) else 1)
    sys.exit(0)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'file'}: {error.strerror}"
    return " ".join(str(error).split())
