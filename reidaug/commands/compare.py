"""`reidaug compare`: flow estimators trained on equal terms, scored on the same pairs."""

from pathlib import Path

import click

from reidaug.commands import options
from reidaug.commands.pages import leave_page
from reidaug.experiments.compare import compare
from reidaug.experiments.compare_config import Compare
from reidaug.experiments.compare_text import differences_text, scores_text, sizes_text
from reidaug.recipes import load


@click.command("compare")
@options.run_of_recipe(
    "runs/compare",
    contents="Run folder: report.html, report.json, warps.png, rows/NAME/checkpoint.",
    resume="Resume the run in --out; finished rows are kept.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, options.MOST_WORKERS),
    help="Rows trained in parallel, sharing the cores. [default: one per core; on a GPU 1]",
)
def command(
    recipe: Path, overrides: tuple[str, ...], out: Path, resume: bool, jobs: int | None
) -> None:
    """Train flow estimators on equal terms and score them on the same pairs.

    All trained rows of RECIPE get as many training pairs (`budget`), the same people and sizes.
    The untrained baselines identity, torso_affine and joint_blend are added. Differences from
    one row (`reference`) are paired; where a 95 % interval includes 0, there is no evidence of a
    difference.

    \b
    A recipe:
        pairs: runs/pairs
        budget: 20000
        common: {cycle: [exact+reconstruction], schedule: {rate: 1.0e-3}}
        rows:
          soft: {estimator: {class: "reidaug.flow.unwarpme:UnWarpME", preset: small_sa}}
          mine: {estimator: {class: "my_flow:Drift"}, batch: 32}
          older: {checkpoint: runs/flow/checkpoint}
          soft_again: {from: soft, estimator: {sigma: 4.0}}

    A row has keys of `reidaug train-flow` recipes, a `checkpoint`, `from`: the weights of another
    row, used with other keywords, or `untrained`: another row before its training. With `seeds`
    every row is trained once with each; scores are means over them.
    """  # noqa: D301  # \b is a character to click: it keeps the lines of the recipe
    settings = load(recipe, Compare, overrides, command="compare")
    report = compare(settings, out, resume=resume, jobs=jobs)
    if report is not None:
        click.echo(scores_text(report))
        click.echo(f"\n{differences_text(report)}\n\n{sizes_text(report)}")
        click.echo(f"\nwarps: {out / 'warps.png'}")
        leave_page(out)
