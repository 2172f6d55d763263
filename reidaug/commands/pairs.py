"""`reidaug pairs`: the pairs of a re-ID dataset that a flow estimator can be trained on."""

from pathlib import Path
from typing import Any

import click

from reidaug.augment.options import KEYPOINTS
from reidaug.augment.training_pairs import LEFT_OUT, make_pairs
from reidaug.commands import options


@click.command("pairs")
@click.argument("dataset", type=options.PATH)
@click.option("--out", type=options.PATH, required=True, help="Folder to make.")
@click.option(
    "--keypoints",
    type=options.PATH,
    help=f"Keypoints of the training images. [default: DATASET/{KEYPOINTS}; without it, poses and "
    "masks are estimated into OUT/pose, which needs the extra 'pose']",
)
@options.model
@options.pattern
@options.layout
@options.allow_left_out
@options.workers
def command(dataset: Path, out: Path, **chosen: Any) -> None:
    """List all ordered pairs of training images of one person of DATASET.

    DATASET is a Market-1501 root, or a folder of crops whose names give the person. OUT is what
    `reidaug train-flow` and `reidaug compare` read: train/ (a link), masks/ (a link),
    market-pairs-train.csv and market-annotation-train.csv in PATN's form. Images that do not show
    shoulders and hips, junk and distractors are in no pair. There is no test split: recipes hold
    people out of the training ones (evaluate_on: held_out).

    \b
    reidaug pairs Market-1501 --out data/market-pairs
    """  # noqa: D301 - click asks for this character
    report = make_pairs(dataset, out, **chosen)
    options.show_left_out(out / LEFT_OUT, report.read, what="images")
    click.echo(
        f"{report.pairs:,} pairs of {report.images:,} images of {report.people:,} people: {out}"
    )
