"""`reidaug pose`: joints and outlines of the people on a dataset's crops."""

from pathlib import Path
from typing import Any

import click

from reidaug.commands import options
from reidaug.errors import ReidaugError
from reidaug.perception.dataset_poses import crops_of, estimate_poses
from reidaug.perception.pose_files import LEFT_OUT, SHEET, beside
from reidaug.perception.pose_report import PoseReport


@click.command("pose")
@click.argument("dataset", type=options.PATH)
@click.option("--out", type=options.PATH, required=True, help="Keypoint file to write, a .csv.")
@click.option("--masks", type=options.PATH, help="Folder for the people's masks, STEM.png.")
@options.model
@click.option(
    "--splits",
    default="train",
    show_default=True,
    metavar="NAME,...",
    help="Which folders of a Market-1501 root: train, query, gallery.",
)
@options.pattern
@options.layout
@options.allow_left_out
@options.workers
def command(
    dataset: Path,
    out: Path,
    splits: str,
    pattern: str | None,
    layout: str | None,
    allow_left_out: bool,
    **chosen: Any,
) -> None:
    """Find joints and outlines of the people in DATASET, a Market-1501 root or a folder of crops.

    Writes the 18 joints of every crop in PATN's form (-1 where a joint is missing). Where the
    first estimate shows nobody, the crop is tried again, mirrored and with room around it. Beside
    FILE.csv: FILE.report.json (how many crops show nobody, how often each joint is visible),
    FILE.provenance.parquet (which try found each person), FILE.sheet.png (the least certain crops
    with skeleton and outline), FILE.left_out.txt, FILE.checksums.json. The same command goes on
    after an interruption; the same crops give the same bytes. Ends with an error where nobody is
    found in any crop. Needs the extra 'pose'.

    \b
    reidaug pose Market-1501 --out market-annotation-train.csv --masks masks
    """  # noqa: D301 - click asks for this character
    crops, left_out, in_folders = crops_of(
        dataset,
        splits.split(","),
        pattern=pattern,
        layout=layout,
        allow_left_out=allow_left_out,
    )
    report = estimate_poses(crops, out, in_folders=in_folders, left_out=left_out, **chosen)
    _print(out, report, report.crops + len(left_out))


def _print(out: Path, report: PoseReport, images: int) -> None:
    options.show_left_out(beside(out, LEFT_OUT), images, what="crops")
    click.echo(
        f"{report.crops:,} crops: {report.people:,} with a person "
        f"({report.at_second_try:,} of them found at a second try), "
        f"{report.without_person:,} without, {report.not_readable:,} not readable"
        + (f"; {report.crops_per_s:.0f} crops/s" if report.crops_per_s else "")
    )
    if report.people:
        shares = [f"{k.replace('_', ' ')} {share:.0%}" for k, share in report.joints.items()]
        click.echo(f"visible joints: {', '.join(shares)}")
    click.echo(f"look at the least certain ones: {beside(out, SHEET)}")
    if not report.people:
        raise ReidaugError(
            f"nobody was found in any of {report.crops - report.not_readable:,} crops, and no "
            f"command takes {out} without a pose: are they crops of whole people, upright?"
        )
