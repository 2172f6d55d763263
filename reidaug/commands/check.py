"""`reidaug check`: what is wrong with a dataset, and what to do about it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from reidaug.augment.inputs import KEYPOINTS, MASKS
from reidaug.commands import options
from reidaug.data.market1501 import find_root
from reidaug.dataset_check.checkup import Checkup, check_dataset
from reidaug.dataset_check.findings import ADVICE, PROBLEM, Finding, number
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import write_atomically
from reidaug.machine import cores
from reidaug.runs import counter

_SHOWN_AS = {PROBLEM: "PROBLEM", ADVICE: "advice "}


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
@click.option("--pattern", help="Regular expression for file names of another form.")
@click.option("--json", "report", type=options.PATH, help="Write the findings to this file, too.")
@options.workers
def command(
    dataset: Path,
    keypoints: Path | None,
    masks: Path | None,
    pattern: str | None,
    report: Path | None,
    workers: int | None,
) -> None:
    r"""Say what is wrong with DATASET, a re-ID dataset, and what to do about it.

    Looks at names, persons, cameras, every image, keypoints and masks. A problem stops augment,
    training or evaluation; advice costs accuracy or images; a remark is good to know. Ends with 0
    when the dataset can be used for all three, with 1 otherwise. Changes nothing.

    \b
    reidaug check Market-1501
    reidaug check crops --pattern '(?P<pid>\d+)_cam(?P<camid>\d+)'
    """
    root = find_root(dataset)
    if report is not None and (report.is_dir() or not report.parent.is_dir()):
        raise UsageError(f"--json {report}: name a file in a folder that is there")
    with _Progress() as progress:
        checkup = check_dataset(
            root,
            pattern=pattern,
            keypoints=_named(keypoints, root / KEYPOINTS, "--keypoints"),
            masks=_folder(_named(masks, root / MASKS, "--masks")),
            workers=workers or cores(),
            announce=progress.announce,
        )
    for line in lines(checkup):
        click.echo(line)
    if report is not None:
        content = json.dumps(as_json(checkup), indent=1, allow_nan=False) + "\n"
        write_atomically(report, content.encode())
    unusable = [use for use, fine in checkup.usable().items() if not fine]
    if unusable:
        raise ReidaugError(f"{root}: not usable for {' and '.join(unusable)}; see the problems")


@dataclass
class _Progress:
    """A counter whose total is known only once the names are read."""

    _open: ExitStack = field(default_factory=ExitStack)

    def announce(self, total: int) -> Callable[[int], None]:
        return self._open.enter_context(counter(total=total, what="check", unit="image"))

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.close()


def _named(given: Path | None, usual: Path, option: str) -> Path | None:
    if given is not None and not given.exists():
        raise UsageError(f"{option} {given}: there is no such thing")
    return given or (usual if usual.exists() else None)


def _folder(masks: Path | None) -> Path | None:
    if masks is not None and not masks.is_dir():
        raise UsageError(f"--masks {masks}: this is a file; name a folder")
    return masks


def lines(checkup: Checkup) -> Iterator[str]:
    """Write what was found.

    Args:
        checkup: The findings.

    Yields:
        Lines to print.
    """
    yield f"{checkup.root}" + (" (MSMT17's lists)" if checkup.listed else "")
    yield ""
    yield f"{'split':20}{'ids':>8}{'images':>10}{'cameras':>9}{'junk':>8}{'distractors':>13}"
    for split, counts in checkup.counts.items():
        ids, images, cameras, junk, distractors = (f"{count:,}" for count in counts)
        yield f"{split:20}{ids:>8}{images:>10}{cameras:>9}{junk:>8}{distractors:>13}"
    for finding in checkup.findings:
        yield ""
        yield from _told(finding)
    yield ""
    told = (f"{use}: {'yes' if fine else 'no'}" for use, fine in checkup.usable().items())
    yield f"usable for {'; '.join(told)}"


def _told(finding: Finding) -> Iterator[str]:
    stops = f" (stops {', '.join(finding.stops)})" if finding.stops else ""
    yield f"{_SHOWN_AS.get(finding.rank, 'remark ')} {finding.where}: {finding.what}{stops}"
    if finding.examples:
        more = finding.cases - len(finding.examples)
        shown = ", ".join(finding.examples)
        yield f"        {shown}" + (f" and {number(more, 'more', 'more')}" if more else "")
    yield f"        -> {finding.advice}"


def as_json(checkup: Checkup) -> dict[str, Any]:
    """Give what was found in plain values.

    Args:
        checkup: The findings.

    Returns:
        ``dataset``, ``splits`` (counts by split), ``findings`` (in the order of their rank) and
        ``usable`` (by use).
    """
    return {
        "dataset": str(checkup.root),
        "splits": {split: counts._asdict() for split, counts in checkup.counts.items()},
        "findings": [finding._asdict() for finding in checkup.findings],
        "usable": checkup.usable(),
    }
