"""`reidaug report`: one page of a run of any command, or of several side by side."""

from pathlib import Path

import click

from reidaug.commands import options
from reidaug.errors import UsageError
from reidaug.experiments.run_report import PAGE, write_page


@click.command("report")
@click.argument("runs", type=options.PATH, nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--out",
    type=options.PATH,
    help=f"File to write. [default: {PAGE} in the folder of a single run, or here]",
)
def command(runs: tuple[Path, ...], out: Path | None) -> None:
    """Write one page of RUN, or of several runs side by side.

    RUN is a run folder of any command, the file that check --json wrote, or the keypoint file of
    pose. The page is one file that fetches nothing: it opens from disk, in light and dark colours,
    prints, and fits a phone. It shows what the run holds: contact sheets, flows in colours, arms
    with their intervals and verdicts, match curves, ranked results, quality by viewpoint, training
    curves, and the resolved recipe. A run that is not finished is shown as far as it is. The same
    runs give the same bytes. augment, compare, finetune-eval, demo and check --json write such a
    page by themselves.

    \b
    reidaug report runs/warps
    reidaug report runs/reid runs/reid_other_seeds --out both.html
    """  # noqa: D301 - click asks for this character
    if len({run.resolve() for run in runs}) < len(runs):
        raise UsageError("the same run is named twice")
    page = out or (runs[0] / PAGE if len(runs) == 1 and runs[0].is_dir() else Path(PAGE))
    size = write_page(runs, page)
    click.echo(f"{page}: {size / 2**20:.1f} MB")
