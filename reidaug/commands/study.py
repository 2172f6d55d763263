"""`reidaug study`: people judge warps by eye, blind, as in the paper's Table 6."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from reidaug.app.server import LOOPBACK, address_of, is_loopback, listen, serve
from reidaug.app.study.answers import MOST_PARTICIPANTS, Participant
from reidaug.app.study.folder import read_study
from reidaug.app.study.pages import study_application
from reidaug.commands import options
from reidaug.errors import UsageError
from reidaug.runs import notice

Command = TypeVar("Command", bound=Callable[..., Any])
PORT = 8765
MOST_INVITED = 1000
MOST_LINKS = 50


@click.group(name="study")
def command() -> None:
    """Let people judge warps by eye, blind: the paper's study of section 5.7, its Table 6.

    \b
        reidaug study new runs/compare --out runs/study
        reidaug study serve runs/study
        reidaug study export runs/study
    """  # noqa: D301  # \b is a character to click: it keeps the lines


_study = click.argument("study", type=options.PATH)


def _count(
    name: str, default: int | None, limits: tuple[int, int], text: str
) -> Callable[[Command], Command]:
    kind = click.IntRange(*limits)
    return click.option(
        name, type=kind, default=default, show_default=default is not None, help=text
    )


@command.command()
@click.argument("runs", type=options.PATH, nargs=-1, required=True)
@click.option("--out", type=options.PATH, required=True, help="Folder of the study.")
@click.option(
    "--method", "methods", multiple=True, help="Row of a comparison, the reference first."
)
@_count("--samples", 80, (1, 10_000), "Sources in a target pose that count, at most.")
@_count(
    "--practice",
    None,
    (0, 1000),
    "Rounds of practice, with samples of their own. [default: 17, fewer where samples are few]",
)
@_count(
    "--rounds", None, (1, 100_000), "Rounds of each. [default: every sample beside every rival]"
)
@_count("--participants", 6, (0, MOST_INVITED), "Participants to invite.")
@click.option("--title", default="Which result looks better?", show_default=True, help="Its title.")
@click.option("--text", type=options.PATH, help="Text to read first: consent, and whom to ask.")
@click.option("--dataset", type=options.PATH, help="What roots were made of, where it was moved.")
@options.seed
def new(out: Path, participants: int, **chosen: Any) -> None:
    """Make a study of RUNS: one run of `compare`, or augmented datasets, the reference first."""
    from reidaug.app.study.making import StudyOptions, make_study

    study = make_study(StudyOptions(**chosen), out)
    with study.answers(make=True) as answers:
        answers.invite(max(0, participants - len(answers.participants())), study.plan)
        invited = len(answers.participants())
    first, *others = study.settings.methods
    click.echo(
        f"{out}: {first} beside {', '.join(others)}; {len(study.settings.samples)} samples, "
        f"{study.settings.practice} of practice before {study.settings.rounds} rounds that count "
        f"for each of {invited} participants; next: reidaug study serve {out}"
    )


@command.command()
@_study
@_count("--participants", 1, (1, MOST_INVITED), "Participants to add.")
def invite(study: Path, participants: int) -> None:
    """Add participants to STUDY, also while it is served, and print their paths."""
    made = read_study(study)
    with made.answers() as answers:
        for participant in answers.invite(participants, made.plan):
            click.echo(f"{participant.number}  {_path(participant)}")


@command.command()
@_study
@click.argument("number", type=click.IntRange(1, MOST_PARTICIPANTS))
def remove(study: Path, number: int) -> None:
    """Remove the participant of this NUMBER from STUDY with every answer: they withdrew."""
    with read_study(study).answers() as answers:
        if not answers.remove(number):
            raise UsageError(f"{study}: no participant {number}")
    click.echo(f"participant {number} and every answer of theirs are removed")


@command.command(name="serve")
@_study
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to listen at.")
@_count("--port", PORT, (0, 65_535), "Port; 0 takes a free one.")
@click.option("--name", "names", multiple=True, help="Host name that a proxy passes on.")
def serve_study(study: Path, host: str, port: int, names: tuple[str, ...]) -> None:
    """Serve STUDY to its participants until Ctrl-C, and print their links."""
    made = read_study(study)
    with made.answers() as answers:
        unfinished = [one for one in answers.participants() if not one.finished]
    opened = listen(host, port)
    address = address_of(opened)
    for one in unfinished[:MOST_LINKS]:
        click.echo(f"{one.number}  {address}{_path(one)}  {one.answered} of {one.steps} answers")
    if len(unfinished) > MOST_LINKS:
        notice(f"and {len(unfinished) - MOST_LINKS:,} more")
    if not is_loopback(host):
        notice("others reach this port too, without encryption: see docs/study.md")
    click.echo(f"serving {study} at {address}; Ctrl-C ends it, answers stay")
    serve(study_application(made, names=names), opened)


@command.command()
@_study
@click.option("--out", type=options.PATH, help="Folder to write into. [default: STUDY/export]")
def export(study: Path, out: Path | None) -> None:
    """Write the answers of STUDY as CSV, and print the paper's Table 6 with intervals."""
    from reidaug.app.study.export import export_study

    click.echo(export_study(read_study(study), out or study / "export"))


def _path(participant: Participant) -> str:
    return f"/study/{participant.token}"
