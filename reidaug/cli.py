"""The command line: `reidaug COMMAND --help` is the manual."""

import errno
import os
import sys
import time
import traceback
from importlib import import_module
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from reidaug import __version__
from reidaug.children import safe_children
from reidaug.errors import ReidaugError, UsageError, nearest, printable, require_extra
from reidaug.interruptions import (
    interruptible,
    interruption_in,
    line_of,
    raise_from_now_on,
    signal_of,
)
from reidaug.locks import locks_of_a_command
from reidaug.streams import refused
from reidaug.verbosity import (
    Verbosity,
    detail,
    is_verbose,
    of_a_command,
    set_verbosity,
    verbosity,
)


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
    "export": Entry("export", "Write a flow estimator as an ONNX graph.", "onnx"),
    "report": Entry("report", "Make one page of any run, or of several side by side.", "plots"),
    "study": Entry("study", "Let people judge warps by eye, blind, as in the paper.", "app"),
    "synth": Entry("synth", "Render people: pairs with exact flow, or a dataset."),
    "play": Entry("play", "Draw a pose in a browser and see a crop warped into it.", "app"),
    "demo": Entry("demo", "Run the whole pipeline on rendered people.", "demo"),
}
"""The commands in the order a newcomer meets them."""

EXTRAS = {
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "train": ("accelerate", "tabulate", "tensorboard", "torchmetrics"),
    "plots": ("jinja2", "matplotlib"),
    "reid": ("accelerate", "matplotlib", "sklearn"),
    "app": ("jinja2", "starlette", "uvicorn"),
    "demo": ("accelerate", "anny", "jinja2", "matplotlib", "sklearn", "torchmetrics", "warp"),
}
"""Modules that an extra brings, as far as commands import them at once."""

FIRST = """\
Try first:
  reidaug demo                          the whole pipeline on rendered people, 15 to 25 minutes
  reidaug check DATASET                 what is wrong with your crops, and what to do about it
  reidaug augment DATASET --out warps   your crops in the poses of others
reidaug --help lists all commands, reidaug COMMAND --help what each can do.
"""
NO_MEMORY = ("can't allocate memory", "can't start new thread", "Cannot allocate memory")
"""Words of errors of torch and Python about memory that the system does not give."""
LESS_MEMORY = "end other programs, or take less at a time: fewer --workers, smaller batches"
COMPLETION = """\
Completion of commands, options and values: put  eval "$(_REIDAUG_COMPLETE=bash_source reidaug)"
into ~/.bashrc; in zsh and fish it is zsh_source and fish_source."""


def _choose(context: click.Context, option: click.Parameter, chosen: bool) -> None:
    """Take --quiet or --verbose, before the command's name or after it."""
    if not chosen:
        return
    level = Verbosity(option.name)
    if verbosity() not in (Verbosity.NORMAL, level):
        raise click.UsageError("--quiet and --verbose: choose one", context)
    set_verbosity(level)


LOUDNESS: list[click.Parameter] = [
    click.Option(
        ["-q", "--quiet"], is_flag=True, expose_value=False, is_eager=True, callback=_choose,
        help="Print results, warnings and errors alone.",
    ),
    click.Option(
        ["-v", "--verbose"], is_flag=True, expose_value=False, is_eager=True, callback=_choose,
        help="Also print which files are read, how long it takes, and an error's traceback.",
    ),
]  # fmt: skip
"""Options of all commands."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used: `reidaug --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names of the commands."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; where there is none of the name, ask whether a like one was meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"No such command {name!r}{nearest(name, COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Raises:
            UsageError: The extra it needs is not installed.
        """
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        try:
            require_extra(entry.extra, *EXTRAS.get(entry.extra, ()))
        except UsageError:
            if ctx.resilient_parsing:  # a shell asks for completions
                return None
            raise
        command: click.Command = import_module(f"reidaug.commands.{entry.module}").command
        with_loudness(command)
        raise_from_now_on()
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command, without importing any."""
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=COMMANDS[name].help) for name in names] + options

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def with_loudness(command: click.Command) -> click.Command:
    """Give a command, and those that it is a group of, the options of all commands."""
    command.params += [option for option in LOUDNESS if option not in command.params]
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        with_loudness(inner)
    return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog=COMPLETION,
)
@click.version_option(__version__, prog_name="reidaug")
@click.pass_context
def group(context: click.Context) -> None:
    """More poses for person re-identification: learn a flow, warp a dataset, measure honestly."""
    if context.invoked_subcommand is None:
        click.echo(FIRST, nl=False)


with_loudness(group)


def main(argv: list[str] | None = None) -> None:
    """Run a command; a failure that the user can mend is one line.

    Args:
        argv: Arguments; those of the process by default.

    Raises:
        SystemExit: Always: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted,
            143 terminated, 129 its terminal was closed.
    """
    argv = sys.argv[1:] if argv is None else argv
    with of_a_command():
        started = time.monotonic()
        code = _run(argv)
        if why := refused():
            click.echo(f"reidaug: {why}; some of what was printed is lost, files are not", err=True)
            code = code or 1
        detail(f"reidaug: {time.monotonic() - started:.1f} s")
    sys.exit(code)


def _run(argv: list[str]) -> int:
    """Run a command; gives its exit code."""
    try:
        os.getcwd()  # noqa: PTH109 - without a current folder MKL ends the process
        with interruptible(), safe_children(), locks_of_a_command():
            group.main(argv, prog_name="reidaug", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (Exception, KeyboardInterrupt) as error:
        interruption = interruption_in(error)
        if interruption is not None:
            number = signal_of(interruption)
            click.echo(line_of(number), err=True)
            return 128 + number
        if isinstance(error, click.Abort):  # which click makes of an `EOFError`, the user's Ctrl-D
            line = f"a file is shorter than it should be ({error.__cause__}); reidaug -v "
            line += f"{' '.join(argv[:1])} shows which"
        elif isinstance(error, ReidaugError | OSError):
            line = _one_line(error)
        elif _is_lack_of_memory(error):
            line = f"not enough memory{f' ({error})' if str(error) else ''}; {LESS_MEMORY}"
        else:
            raise
        if is_verbose():
            traceback.print_exception(error.__cause__ if isinstance(error, click.Abort) else error)
        click.echo(f"reidaug: {line}", err=True)
        return error.exit_code if isinstance(error, ReidaugError) else 1
    return 0


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        if error.filename is None and error.errno == errno.ENOENT and _is_nowhere():
            return "the current folder was removed; change to one that is there"
        return printable(f"{error.filename or 'file'}: {error.strerror}")
    return printable(" ".join(str(error).split()))


def _is_nowhere() -> bool:
    """Whether the current folder is no more."""
    try:
        os.getcwd()  # noqa: PTH109 - `Path.cwd` does the same
    except FileNotFoundError:
        return True
    return False


def _is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error is that of Python, torch or the system that memory is not enough."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in NO_MEMORY)
