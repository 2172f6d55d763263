"""`reidaug demo`: the whole pipeline on rendered people, and one page with what came out."""

import json
import time
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import click

from reidaug import __version__
from reidaug.commands import augment, finetune_eval, options, synth, train_flow
from reidaug.commands.pages import pages_wanted
from reidaug.errors import UsageError
from reidaug.experiments.demo import WORLDS, DemoSizes, Stage, demo_stages
from reidaug.experiments.demo_report import demo_of, make_report, warps_picture
from reidaug.experiments.run_report import PAGE
from reidaug.files import collected_checksums, read_text, write_atomically
from reidaug.report.demo_page import demo_content
from reidaug.report.html import duration
from reidaug.report.page import render_page
from reidaug.runs import RunFolder
from reidaug.verbosity import progress_line

COMMANDS: dict[str | None, click.Command] = {
    module.command.name: module.command for module in (augment, finetune_eval, synth, train_flow)
}
RECIPES = "recipes/demo/"  # of the repository; the package carries these files with it


def run_demo(
    out: Path,
    *,
    seed: int = 0,
    worlds: Sequence[str] = WORLDS[:1],
    sizes: DemoSizes | None = None,
    workers: int | None = None,
) -> Path:
    """Run the commands of the demo and write the page; a rerun continues where it stopped.

    Args:
        out: Run folder; every stage is a run folder inside it.
        seed: Seed of the demo.
        worlds: Re-ID worlds, from `WORLDS`; the first is described in full.
        sizes: Sizes of its data and trainings.
        workers: Processes; by default one per core.

    Returns:
        ``report.html``; ``report.json`` is beside it.

    Raises:
        ReidaugError: The folder holds another run, or a stage failed.
        UsageError: A world is unknown, or an extra is missing.
    """
    sizes = sizes or DemoSizes()
    chosen = tuple(dict.fromkeys(worlds))
    if not chosen or not set(chosen) <= set(WORLDS):
        raise UsageError(f"--worlds {','.join(worlds)}: choose from {', '.join(WORLDS)}")
    # Worlds may be added to a finished demo, so they are not part of its recipe.
    recipe = {"command": "demo", "version": __version__, "seed": seed}
    run = RunFolder.open(out, recipe | {"sizes": sizes.model_dump(mode="json")}, resume=True)
    stages = list(demo_stages(out, seed=seed, worlds=chosen, sizes=sizes, workers=workers))
    started = time.monotonic()
    for number, stage in enumerate(stages, 1):
        _do(run, stage, f"[{number}/{len(stages)}]", started)
    progress_line(f"Writing the report ({_so_far(started)})", beside=False)
    report = make_report(
        out,
        chosen,
        times={stage.title: _seconds(run, stage) for stage in stages},
        commands=[stage.command for stage in stages],
    )
    shown = demo_of(out, report, recipe | {"sizes": sizes.model_dump(mode="json")})
    page = demo_content(shown)
    with collected_checksums() as files:
        write_atomically(out / "warps.png", warps_picture(shown))
        write_atomically(out / PAGE, render_page(page).encode())
    run.report(report, files)
    click.echo(page.title)
    return out / PAGE


def run_stage(stage: Stage) -> dict[str, Any]:
    """Run the command of a stage of `demo_stages`; gives the content of its ``report.json``.

    Raises:
        ReidaugError: The command failed.
    """
    name, *arguments = stage.arguments
    with as_file(files("reidaug.commands") / "demo_recipes") as recipes:
        arguments = [
            str(recipes / word.removeprefix(RECIPES)) if word.startswith(RECIPES) else word
            for word in arguments
        ]
        with pages_wanted(False):
            COMMANDS[name].main(arguments, prog_name=f"reidaug {name}", standalone_mode=False)
    report: dict[str, Any] = json.loads(read_text(stage.folder / "report.json"))
    return report


def _do(run: RunFolder, stage: Stage, number: str, started: float) -> None:
    """Run a stage unless the log says that it is done; log how long it took, finished or not."""
    logged = [r for r in run.records() if r.get("stage") == stage.title]
    ended = RunFolder(stage.folder, resumed=True)
    if any(r.get("done") for r in logged) and ended.finished() is not None:
        before = duration(_seconds(run, stage))
        progress_line(f"{number} {stage.title}: done before in {before}", beside=False)
        return
    progress_line(f"{number} {stage.title} ({_so_far(started)})", beside=False)
    began, done = time.monotonic(), False
    try:
        run_stage(stage)
        done = True
    finally:
        run.log(stage=stage.title, seconds=round(time.monotonic() - began, 2), done=done)


def _so_far(started: float) -> str:
    return f"{duration(time.monotonic() - started)} so far"


def _seconds(run: RunFolder, stage: Stage) -> float:
    return sum(r.get("seconds", 0.0) for r in run.records() if r.get("stage") == stage.title)


@click.command("demo")
@click.option(
    "--out", type=options.PATH, default="runs/demo", show_default=True, help="Run folder."
)
@options.seed
@click.option(
    "--worlds",
    default=WORLDS[0],
    show_default=True,
    help=f"Re-ID worlds, separated by commas: {', '.join(WORLDS)}. The first is described in "
    "full; more can be added to a finished demo.",
)
@options.workers
def command(out: Path, seed: int, worlds: str, workers: int | None) -> None:
    """Run the whole pipeline on rendered people; takes 15 to 25 minutes on two cores.

    Renders people, trains a flow estimator, warps every training crop of other people into 25
    poses, fine-tunes a re-ID model with and without them, and writes OUT/report.html and
    OUT/report.json. Run again, it continues where it was stopped.
    """
    names = [name.strip() for name in worlds.split(",") if name.strip()]
    page = run_demo(out, seed=seed, worlds=names, workers=workers)
    click.echo(f"Look at {page}")
