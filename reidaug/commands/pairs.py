"""`reidaug pairs`: the pairs of a re-ID dataset that a flow estimator can be trained on."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from reidaug.augment import estimated_poses as own_poses
from reidaug.augment.inputs import KEYPOINTS, MASKS, join_poses
from reidaug.augment.output_folder import show_split
from reidaug.augment.warping import Source
from reidaug.commands import options
from reidaug.data.crop_names import PATTERN
from reidaug.data.deepfashion import same_person_pairs, write_pairs_csv
from reidaug.data.keypoints import write_patn
from reidaug.data.loose_crops import read_training
from reidaug.data.market1501 import ReIDDataset
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import summarise_left_out, write_atomically
from reidaug.geometry.pose import Pose
from reidaug.runs import RunFolder

DISTRACTOR = 0
DECIMALS = 2


def make_pairs(
    dataset: Path,
    out: Path,
    *,
    keypoints: Path | None = None,
    model: Path | None = None,
    pattern: str | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """List all pairs of training images of one person; see ``reidaug pairs --help``.

    Args:
        dataset: A Market-1501 root, or a folder of crops whose names say who is seen.
        out: The folder to make.
        keypoints: Keypoint file of the training images; by default `KEYPOINTS` in the root. Where
            there is none, poses and masks are estimated into the folder ``pose`` of ``out``.
        model: File of the network that estimates poses; None finds it.
        pattern: Regular expression that reads person and camera from file names.
        workers: Processes that estimate poses; by default one a core.

    Returns:
        The content of ``report.json``.

    Raises:
        ReidaugError: There is nothing to pair, or a file cannot be read or written.
        UsageError: Names do not say who is seen, or an argument is wrong.
    """
    found, numbered = read_training(dataset, pattern=pattern)
    if numbered:
        raise UsageError(
            f"names in {found.root} do not say who is seen, and pairs need two crops of a person; "
            "give a --pattern that reads persons from names"
        )
    known, masks = own_poses.keypoint_file(found.root, keypoints, model=model), found.root / MASKS
    if known is None:
        own_poses.estimate_into(out, found.train, masks=True, model=model, workers=workers)
        known, masks = out / own_poses.KEYPOINTS, out / own_poses.MASKS
    joined, left_out = join_poses(found, known)
    sources = [source for source in joined if pattern is not None or not _distractor(source)]
    if len(sources) < len(joined):
        left_out = (*left_out, f"{found.root}: {len(joined) - len(sources)} distractors (pid 0)")
    folder = _folder_of(found)
    named = {source.person.path.relative_to(folder).as_posix(): source for source in sources}
    people = {name: str(source.person.pid) for name, source in named.items()}
    poses = {name: source.pose for name, source in named.items()}
    pairs = same_person_pairs(poses, people.get)
    if not pairs:
        raise ReidaugError(
            f"{found.root}: no two training images of one person show shoulders and hips"
        )
    recipe = {
        "command": "pairs",
        "dataset": str(found.root.resolve()),
        "keypoints": str(known.resolve()),
        "pattern": pattern,
        "inputs": _fingerprint(people, poses),
    }
    run = RunFolder.open(out, recipe, resume=True, known=(own_poses.FOLDER,))
    show_split(folder.resolve(), out / "train")
    masked = show_split(masks, out / "masks")
    write_patn(out / "market-annotation-train.csv", poses, decimals=DECIMALS)
    write_pairs_csv(out / "market-pairs-train.csv", pairs)
    lines = (*found.left_out, *left_out)
    write_atomically(out / "left_out.txt", "".join(f"{line}\n" for line in lines).encode())
    report = {
        "pairs": len(pairs),
        "images": len({name for pair in pairs for name in pair}),
        "people": len({people[source] for source, _ in pairs}),
        "masks": masked,
        "left_out": len(lines),
        "read": len(found.train) + len(found.left_out),
    }
    run.report(report)
    return report


def _distractor(source: Source) -> bool:
    """Tell whether a name like Market-1501's says that nobody is meant: MSMT17 has a person 0."""
    person = source.person
    return person.pid == DISTRACTOR and re.match(PATTERN, person.path.name) is not None


def _fingerprint(people: Mapping[str, str], poses: Mapping[str, Pose]) -> str:
    digest = hashlib.sha256(repr(sorted(people.items())).encode())
    for name in sorted(poses):
        for part in poses[name]:
            digest.update(part.numpy().tobytes())
    return digest.hexdigest()[:16]


def _folder_of(dataset: ReIDDataset) -> Path:
    """Find the folder below which all training images lie: MSMT17 has one more for each person."""
    return Path(os.path.commonpath([person.path.parent for person in dataset.train]))


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
@click.option("--pattern", help="Regular expression for file names of another form.")
@options.workers
def command(dataset: Path, out: Path, **chosen: Any) -> None:
    """List all ordered pairs of training images of one person of DATASET.

    DATASET is a Market-1501 root, or a folder of crops whose names say who is seen. OUT is what
    `reidaug train-flow` and `reidaug compare` read: train/ (a link), masks/ (a link),
    market-pairs-train.csv and market-annotation-train.csv in PATN's form. Images that do not show
    shoulders and hips, junk and distractors are in no pair. There is no test split: recipes hold
    people out of the training ones (evaluate_on: held_out).

    \b
    reidaug pairs Market-1501 --out data/market-pairs
    """  # noqa: D301 - click asks for this character
    _tell(out, make_pairs(dataset, out, **chosen))


def _tell(out: Path, report: Mapping[str, Any]) -> None:
    left_out = (out / "left_out.txt").read_text(encoding="utf-8").splitlines()
    if left_out:
        click.echo(summarise_left_out(left_out, report["read"], what="images"), err=True)
        click.echo(f"  all of them: {out / 'left_out.txt'}", err=True)
    click.echo(
        f"{report['pairs']:,} pairs of {report['images']:,} images of {report['people']:,} people: "
        f"{out}"
    )
