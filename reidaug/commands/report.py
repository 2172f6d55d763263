"""`reidaug report`: one page of a run of any command, or of several side by side."""

from pathlib import Path

import click

from reidaug.commands import options
from reidaug.errors import UsageError
from reidaug.experiments.run_report import PAGE, page_for, write_page


@click.command("report")
@click.argument("runs", type=options.PATH, nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--out",
    type=options.PATH,
    help=f"File to write. [default: {PAGE} in the folder of a single run; beside a file that is a "
    "run; report_A_B.html here for several runs A and B]",
)
def command(runs: tuple[Path, ...], out: Path | None) -> None:
    """Write one page of RUN, or of several runs side by side.

    RUN is a run folder of any command, the file that check --json wrote, or the keypoint file of
    pose. The page is one file that fetches nothing: it opens from disk, in light and dark colours,
    prints, and fits a phone. It shows what the run holds: contact sheets, flows in colours, arms
    with their intervals and verdicts, match curves, ranked results, quality by viewpoint, training
    curves, and the resolved recipe. A run that is not finished is shown as far as it is. The same
    runs give the same bytes. A file that is no page of reidaug is not overwritten. augment,
    compare, finetune-eval, demo and check --json write such a page by themselves.

    \b
    reidaug report runs/warps
    reidaug report runs/reid runs/reid_other_seeds --out both.html
    """  # noqa: D301 - click asks for this character
    if len({run.resolve() for run in runs}) < len(runs):
        raise UsageError("the same run is named twice")
    page = out or page_for(runs)
    former = page.read_bytes() if page.is_file() else None
    size = write_page(runs, page)
    own = page.parent.resolve() == runs[0].resolve()
    replaced = not own and former is not None and former != page.read_bytes()
    told = ", in place of an earlier page" if replaced else ""
    click.echo(f"{page}: {size / 2**20:.1f} MB{told}")
