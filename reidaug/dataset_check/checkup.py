"""Dataset check before a long run: names, persons, images, joints and masks."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reidaug.augment.target_poses import DEFAULT_POSES
from reidaug.checksums import check_written
from reidaug.data.images import mask_path
from reidaug.data.loose_crops import crops_in, find_crops
from reidaug.data.market1501 import GALLERY, QUERY, SPLITS, TRAIN, reading_line
from reidaug.dataset_check.augmenting import augment_findings
from reidaug.dataset_check.duplicates import duplicate_findings
from reidaug.dataset_check.findings import AUGMENT, EVALUATION, USES, Finding, Tally, ranked
from reidaug.dataset_check.identities import Counts, count, identity_findings
from reidaug.dataset_check.image_files import image_findings, inspect_images
from reidaug.dataset_check.joints import joint_findings
from reidaug.dataset_check.names import (
    Listing,
    list_crops,
    list_split,
    name_findings,
)
from reidaug.errors import ReidaugError

MARKET = "market1501"


class Checkup(NamedTuple):
    """The result of a check."""

    root: Path  # the folder with the splits
    listed: bool  # whether MSMT17's lists name the crops
    counts: Mapping[str, Counts]  # size of each split that exists, by name
    findings: tuple[Finding, ...]  # problems, then advice, then remarks
    examples: tuple[str, ...] = ()  # what was read from three names
    layout: str = ""  # the layout it was read in; empty: Market-1501's or a pattern's

    def stopped(self, use: str) -> tuple[Finding, ...]:
        """Return the findings that stop a use, of `reidaug.dataset_check.findings.USES`."""
        return tuple(finding for finding in self.findings if use in finding.stops)

    def usable(self) -> dict[str, bool]:
        """Whether the dataset can be used, by `reidaug.dataset_check.findings.USES`."""
        return {use: not self.stopped(use) for use in USES}

    def lines(self) -> Iterator[str]:
        """Format the result as lines of text."""
        yield f"{self.root}" + (" (MSMT17's lists)" if self.listed else "")
        yield ""
        yield f"{'split':20}{'ids':>8}{'images':>10}{'cameras':>9}{'junk':>8}{'distractors':>13}"
        for split, counts in self.counts.items():
            ids, images, cameras, junk, distractors = (f"{number:,}" for number in counts)
            yield f"{split:20}{ids:>8}{images:>10}{cameras:>9}{junk:>8}{distractors:>13}"
        if self.examples:
            yield ""
            yield reading_line(self.layout, self.examples)
        for finding in self.findings:
            yield ""
            yield from finding.lines()
        yield ""
        uses = (f"{use}: {'yes' if usable else 'no'}" for use, usable in self.usable().items())
        yield f"usable for {'; '.join(uses)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "dataset": str(self.root),
            "splits": {split: counts._asdict() for split, counts in self.counts.items()},
            "names": list(self.examples),
            "findings": [finding._asdict() for finding in self.findings],
            "usable": self.usable(),
        }


def check_dataset(
    root: Path,
    *,
    pattern: str | None = None,
    layout: str | None = None,
    keypoints: Path | None = None,
    masks: Path | None = None,
    allow_left_out: bool = False,
    workers: int = 1,
    announce: Callable[[int], Callable[[int], None]] = lambda total: lambda done: None,
) -> Checkup:
    """Check a dataset, every image of it; damaged files are findings, not errors.

    Args:
        root: The dataset, see `reidaug.data.market1501.find_root`, or a folder of crops.
        pattern: Regular expression that reads person and camera from file names.
        layout: The layout of the dataset, see `reidaug.data.market1501.read_market1501`.
        keypoints: Keypoint file of the training images, or None.
        masks: Folder of person masks of the training images, or None.
        allow_left_out: Whether more than a tenth of a split's images may be left out.
        workers: Processes that inspect images.
        announce: Called once with the number of images; its result is called with the number of
            images just inspected.

    Raises:
        ReidaugError: There is no such folder, no dataset in it, or a worker was killed.
        UsageError: The pattern is no regular expression, or lacks the needed groups; there is no
            such layout, or its folders are not there.
    """
    place, is_root = find_crops(root, pattern=pattern, layout=layout)
    root, listed = place.folder, is_root and place.listed
    layout = place.rule.name
    findings = []
    if is_root:
        splits = {name: list_split(place, name) for name in SPLITS}
    else:
        crops_in(root)
        splits = {TRAIN: list_crops(root, place.rule)}
        what, where = "a folder of crops has no query and gallery", f"{QUERY}, {GALLERY}"
        advice = "they are training images; a Market-1501 root has all three"
        findings.append(Finding.problem(where, what, advice, Tally(), (EVALUATION,)))
    findings += _damage(root)
    for listing in splits.values():
        findings += name_findings(listing, rule=place.rule, listed=listed, allowed=allow_left_out)
    splits = {name: splits.get(name, Listing(name, missing="a folder of crops")) for name in SPLITS}
    findings += identity_findings(
        splits,
        listed=listed,
        nobody=place.rule.nobody,
        market=not listed and layout in ("", MARKET),
    )
    advance = announce(sum(len(listing.people) for listing in splits.values()))
    images = {}
    for name, listing in splits.items():
        paths, files = [person.path for person in listing.people], None
        if masks is not None and name == TRAIN:
            files = [mask_path(masks, person.key) for person in listing.people]
        images[name] = inspect_images(paths, masks=files, workers=workers, advance=advance)
        findings += image_findings(name, images[name], len(paths))
    findings += duplicate_findings(splits, images)
    if keypoints is None:
        advice = "`reidaug pose` makes them; `reidaug augment` does so by itself"
        if 0 < len(splits[TRAIN].people) < DEFAULT_POSES:
            advice += f", into {len(splits[TRAIN].people)} poses at most"
        findings.append(Finding.remark(TRAIN, "no keypoints", advice, Tally()))
    else:
        people, sizes = splits[TRAIN].people, images[TRAIN].sizes()
        findings += joint_findings(people, sizes, keypoints, root=root)
    train = splits[TRAIN].people
    if train and not any(AUGMENT in finding.stops for finding in findings):
        findings += augment_findings(
            train, root, keypoints=keypoints, masks=masks, allow_left_out=allow_left_out
        )
    present = [listing for listing in splits.values() if not listing.missing]
    counts = {listing.split: count(listing, nobody=place.rule.nobody) for listing in present}
    examples = next((listing.examples for listing in present if listing.examples), ())
    return Checkup(root, listed, counts, ranked(findings), examples, layout)


def _damage(root: Path) -> Iterator[Finding]:
    """Find files of a dataset of ours that are not as they were written, if there are any."""
    try:
        check_written(root)
    except ReidaugError as error:
        what, _, advice = str(error).removeprefix(f"{root}: ").partition("; ")
        yield Finding.problem("files", what, advice, Tally(), USES)
