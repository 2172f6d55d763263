"""`reidaug check`: the problems of a dataset, and what to do about them."""

import json
import os
from contextlib import ExitStack
from pathlib import Path

import click

from reidaug.augment.options import KEYPOINTS, MASKS
from reidaug.commands import options
from reidaug.commands.pages import leave_page
from reidaug.data.loose_crops import find_folder
from reidaug.dataset_check.checkup import check_dataset
from reidaug.errors import ReidaugError, UsageError, printable_lines
from reidaug.files import check_writable, read_text, write_result
from reidaug.machine import cores
from reidaug.runs import counter


@click.command("check")
@click.argument("dataset", type=options.PATH)
@click.option(
    "--keypoints",
    type=options.PATH,
    help=f"Keypoints of the training images. [default: DATASET/{KEYPOINTS}, if it is there]",
)
@click.option(
    "--masks",
    type=options.PATH,
    help=f"Folder of person masks, STEM.png. [default: DATASET/{MASKS}, if it is there]",
)
@options.pattern
@options.layout
@options.allow_left_out
@click.option(
    "--json",
    "report",
    type=options.PATH,
    help="Write the findings to this file, too, and a page of them beside it, FILE.html.",
)
@options.workers
def command(
    dataset: Path,
    keypoints: Path | None,
    masks: Path | None,
    pattern: str | None,
    layout: str | None,
    allow_left_out: bool,
    report: Path | None,
    workers: int | None,
) -> None:
    """Check DATASET, a re-ID dataset or a folder of crops, and say how to mend it.

    Checks names, persons, cameras, every image, keypoints and masks. A problem stops augment,
    training or evaluation; advice costs accuracy or images; a remark is good to know. Ends with 0
    when the dataset can be used for all three, with 1 otherwise. Changes nothing.

    \b
    reidaug check Market-1501
    reidaug check crops --pattern '(?P<pid>\\d+)_cam(?P<camid>\\d+)'
    """  # noqa: D301 - click asks for this character
    root = find_folder(dataset, pattern=pattern, layout=layout)
    if report is not None:
        _check_report(report)
    with ExitStack() as stack:
        checkup = check_dataset(
            root,
            pattern=pattern,
            layout=layout,
            keypoints=_existing(keypoints, root / KEYPOINTS, "--keypoints"),
            allow_left_out=allow_left_out,
            masks=_folder(_existing(masks, root / MASKS, "--masks")),
            workers=workers or cores(),
            announce=lambda total: stack.enter_context(
                counter(total=total, what="check", unit="image")
            ),
        )
    if report is not None:
        content = json.dumps(checkup.as_dict(), indent=1, allow_nan=False) + "\n"
        write_result(report, content.encode())
        leave_page(report, report.with_suffix(".html"))
    for line in checkup.lines():
        click.echo(printable_lines(line))
    unusable = [use for use, fine in checkup.usable().items() if not fine]
    if unusable:
        raise ReidaugError(f"{root}: not usable for {' and '.join(unusable)}; see the problems")


def _check_report(path: Path) -> None:
    """Check that a report may be written to a file: none is there, or an earlier report.

    Raises:
        UsageError: It has no folder, or something else of the user's has its name.
    """
    check_writable(path, what="--json")
    if not os.path.lexists(path):
        return
    try:
        content = json.loads(read_text(path))
        ours = isinstance(content, dict) and content.keys() >= {"dataset", "findings", "usable"}
    except (ReidaugError, ValueError, RecursionError):
        ours = False
    if not ours:
        raise UsageError(
            f"--json {path}: is there already, and no report of check; name another file"
        )


def _existing(given: Path | None, default: Path, option: str) -> Path | None:
    if given is not None and not given.exists():
        raise UsageError(f"{option} {given}: there is no such thing")
    return given or (default if os.path.lexists(default) else None)


def _folder(masks: Path | None) -> Path | None:
    if masks is not None and not masks.is_dir():
        what = "this is a file" if masks.is_file() else "a link that leads nowhere"
        raise UsageError(f"--masks {masks}: {what}; name a folder")
    return masks
