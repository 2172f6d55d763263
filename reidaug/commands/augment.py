"""`reidaug augment`: every training image of a dataset, warped into the poses of others."""

from pathlib import Path
from typing import Any

import click

from reidaug.augment.augmented_dataset import LEFT_OUT, AugmentReport, augment_dataset
from reidaug.augment.background import BACKGROUNDS
from reidaug.augment.missing_poses import WORDS
from reidaug.augment.options import PAPER, AugmentOptions
from reidaug.augment.pose_pool import describe_flaws
from reidaug.augment.quality import POOR
from reidaug.augment.warp_sheet import SHEET
from reidaug.commands import options
from reidaug.commands.pages import leave_page
from reidaug.data.layouts import LAYOUTS
from reidaug.flow.builtin import SHIPPED, SURFACE, UNTRAINED, named_flow
from reidaug.jobs import BACKENDS
from reidaug.recipes import resolve

PAPER_FLAGS = {"flow": SHIPPED, **PAPER}


def _take_paper(context: click.Context, option: click.Parameter, chosen: bool) -> None:
    if chosen:
        context.default_map = {**(context.default_map or {}), **PAPER_FLAGS}


@click.command("augment")
@click.argument("dataset", type=options.PATH)
@click.option("--out", type=options.PATH, required=True, help="Folder to make; a Market-1501 root.")
@click.option(
    "--flow",
    metavar="FLOW",
    default=SURFACE,
    show_default=True,
    help=f"{SURFACE}, which sees the person, or {SHIPPED}, UnWarpME-SA, which both come "
    "with the package; a checkpoint folder of train-flow; or one of those that learn nothing: "
    f"{', '.join(UNTRAINED)}.",
)
@click.option(
    "--paper",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_take_paper,
    help="The paper's setting in place of the defaults that follow: "
    + " ".join(f"--{name.replace('_', '-')} {value}" for name, value in PAPER_FLAGS.items())
    + ". Options that are given count.",
)
@options.of_recipe(
    AugmentOptions,
    choices={"background": BACKGROUNDS, "layout": LAYOUTS},
    leave_out=("jpeg_quality",),
)
@options.workers
@options.choice(
    "--backend",
    BACKENDS,
    "Processes of this machine, or of a dask cluster (extra 'cluster').",
)
def command(
    dataset: Path, out: Path, flow: str, workers: int | None, backend: str, **chosen: Any
) -> None:
    """Warp every training image of DATASET into poses of other images.

    DATASET is a Market-1501 root, or any folder of crops. OUT becomes a Market-1501 root:
    bounding_box_train holds the warps, named 0002_c1s1_000451_03_w07.jpg after their source and
    pose; query and bounding_box_test are links. A dataset in another --layout gives OUT that
    layout. Beside them: manifest.parquet (where each file
    comes from, and its quality), poses.json, contact_sheet.png, left_out.txt, and report.html,
    a page of it all (extra 'plots'). The same command
    goes on after an interruption; the same inputs give the same bytes.

    Warps stand on the grounds of other people, and poor ones are left out: that gained more than
    grey where people were seen by one camera. --paper makes what the paper trains on: every warp,
    on grey.

    With --flow identity each image keeps its own pose and only its background changes (one copy
    an image): the control that every gain should be compared with. random-affine and random-tps
    warp each image as often as there are poses, at random and with its own outline.

    \b
    reidaug augment Market-1501 --out warps
    reidaug augment Market-1501 --out warps_grey --paper
    """  # noqa: D301 - click asks for this character
    recipe = resolve(chosen, AugmentOptions, where="augment")
    report = augment_dataset(
        dataset, out, named_flow(flow), recipe, workers=workers, backend=backend
    )
    _print(out, report, recipe.min_quality)
    made = report.images + report.rejected + report.turned
    numbers = f"{report.images:,} warps, mean quality {report.quality:.2f}, "
    leave_page(out, numbers=f"{numbers}{report.images / max(made, 1):.0%} of all kept")


def _print(out: Path, report: AugmentReport, min_quality: float) -> None:
    total = report.training_images + report.not_read
    options.show_left_out(out / LEFT_OUT, total, what="entries")
    kinds = ((WORDS[kind], report.pose_from.get(kind, 0)) for kind in WORDS)
    poses = ", ".join(f"{count:,} {words}" for words, count in kinds if count)
    click.echo(f"{sum(report.pose_from.values()):,} training images: {poses}")
    made = report.images + report.rejected + report.turned
    quality = f"below --min-quality {min_quality:g} (a lower one keeps more, 0 all)"
    turns = "half turns (--turns allow keeps them)"
    for count, why in ((report.rejected, quality), (report.turned, turns)):
        if count:
            click.echo(f"{count:,} of {made:,} warps not kept: {why}")
    if report.refused:
        count, why = sum(report.refused.values()), describe_flaws(report.refused)
        click.echo(f"{count:,} drawn target {'pose' if count == 1 else 'poses'} refused: {why}")
    targets = f"{report.poses} {'pose' if report.poses == 1 else 'poses'}"
    targets = f"{report.poses_each} of {targets} each" if report.poses_each else targets
    checked = "" if report.pck is None else f", mean PCK {report.pck:.2f}"
    kept = f"{report.images:,} images"
    if report.images < made:
        kept += f" of {made:,} warps"
    click.echo(
        f"{kept}: {report.sources:,} of {report.training_images:,} "
        f"training images in {'their own pose' if report.own_pose else targets}; "
        f"mean quality {report.quality:.2f}{checked}; look at {out / SHEET}"
    )
    if report.poor:
        click.echo(
            f"{report.poor:,} of them show too little of their image (quality below {POOR}); "
            f"--min-quality {POOR} leaves them out"
        )
