"""What is wrong with a dataset, before it costs a day: names, persons, images, joints and masks."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reidaug.data.crop_names import PATTERN, compile_pattern
from reidaug.data.market1501 import SPLITS, TRAIN, Person, find_root
from reidaug.dataset_check.findings import (
    EVALUATION,
    USES,
    Finding,
    Tally,
    advise,
    number,
    problem,
    ranked,
    remark,
)
from reidaug.dataset_check.identities import Counts, count, identity_findings
from reidaug.dataset_check.images import Album, inspect_images
from reidaug.dataset_check.joints import joint_findings
from reidaug.dataset_check.names import Listing, is_listed, list_split, name_findings, uses_of

_STORED = {
    "turned": (
        "lie on their side and are turned by an EXIF note",
        "reidaug follows the note, torchreid and fastreid do not: save them upright",
    ),
    "cmyk": ("are CMYK", "read as RGB; save them as RGB if colours look wrong"),
    "alpha": ("have transparent parts", "they are laid over white; torchreid makes them black"),
    "deep": ("have more than 8 bits", "read as 8 bits; other toolkits clip them"),
    "grey": ("have no colour", "fine if night cameras took them; else look for the originals"),
    "misnamed": ("are called .jpg and are not", "fine here and wherever content decides"),
    "large": ("are larger than a megapixel", "cut out the person: crops are read again and again"),
}
_SPOILT = {
    "flat": ("show one plain colour", "nobody is in them: take them out"),
    "tiny": ("have fewer than 32 rows or 16 columns", "too small for joints: take them out"),
    "shape": (
        "are wider than high, or very narrow",
        "are they whole persons? Everything is brought to one shape",
    ),
    "mask missing": (
        "have no mask beside the others'",
        "limbs drawn from the joints stand in; make the missing ones with `reidaug pose`",
    ),
    "mask unreadable": (
        "have a damaged mask",
        "augment leaves them out, and stops where it wants their pose: make it anew or remove it",
    ),
    "mask of another size": ("have a mask of another size", "it is stretched; is it theirs?"),
    "mask empty": ("have a mask of nearly nothing, or of everything", "is somebody in them?"),
}


class Checkup(NamedTuple):
    """What was found.

    Attributes:
        root: The folder with the splits.
        listed: Whether MSMT17's lists name the crops.
        counts: How much is in each split that is there, by name.
        findings: Problems, then advice, then remarks.
    """

    root: Path
    listed: bool
    counts: Mapping[str, Counts]
    findings: tuple[Finding, ...]

    def stopped(self, use: str) -> tuple[Finding, ...]:
        """Give the findings that stop a use.

        Args:
            use: Of `reidaug.dataset_check.findings.USES`.

        Returns:
            Those findings; none when the dataset can be used for it.
        """
        return tuple(finding for finding in self.findings if use in finding.stops)

    def usable(self) -> dict[str, bool]:
        """Whether the dataset can be used, by `reidaug.dataset_check.findings.USES`."""
        return {use: not self.stopped(use) for use in USES}


def check_dataset(
    root: Path,
    *,
    pattern: str | None = None,
    keypoints: Path | None = None,
    masks: Path | None = None,
    workers: int = 1,
    announce: Callable[[int], Callable[[int], None]] = lambda total: lambda done: None,
) -> Checkup:
    """Look a dataset over, every image of it.

    Args:
        root: The dataset, see `reidaug.data.market1501.find_root`.
        pattern: Regular expression that reads person and camera from file names.
        keypoints: Keypoint file of the training images, or None.
        masks: Folder of person masks of the training images, or None.
        workers: Processes that look at images.
        announce: Called once with the number of images; what it returns is called with the number
            of those just done.

    Returns:
        What was found. Nothing that is wrong with a file is raised.

    Raises:
        ReidaugError: There is no such folder, no dataset in it, or a worker was killed.
        UsageError: The pattern is no regular expression, or has not the groups needed.
    """
    compiled = compile_pattern(pattern or PATTERN)
    root = find_root(root)
    listed = is_listed(root)
    splits = {name: list_split(root, name, compiled) for name in SPLITS}
    findings = []
    for listing in splits.values():
        findings += name_findings(listing, listed=listed)
    findings += identity_findings(splits, listed=listed)
    advance = announce(sum(len(listing.people) for listing in splits.values()))
    albums = {}
    for name, listing in splits.items():
        paths = [person.path for person in listing.people]
        album = inspect_images(
            paths, masks=masks if name == TRAIN else None, workers=workers, advance=advance
        )
        albums[name] = album
        findings += image_findings(name, album, len(paths))
    findings += duplicate_findings(splits, albums)
    if keypoints is None:
        advice = "`reidaug pose` makes them; `reidaug augment` does so by itself"
        findings.append(remark(TRAIN, "no keypoints", advice, Tally()))
    else:
        people, sizes = splits[TRAIN].people, albums[TRAIN].sizes()
        findings += joint_findings(people, sizes, keypoints, root=root)
    there = [listing for listing in splits.values() if not listing.missing]
    counts = {listing.split: count(listing, listed=listed) for listing in there}
    return Checkup(root, listed, counts, ranked(findings))


def image_findings(split: str, album: Album, total: int) -> list[Finding]:
    """Report what is remarkable about the images of a split.

    Args:
        split: Its name.
        album: Its images.
        total: How many there are.

    Returns:
        The findings.
    """
    findings = []
    if album.errors.count:
        what = f"{album.errors.count:,} of {number(total, 'image')} cannot be read"
        advice = "copy them anew, or take them out: training and evaluation stop at the first one"
        stops = [use for use in uses_of(split) if use != "augment" or album.errors.count == total]
        findings.append(problem(split, what, advice, album.errors, stops))
    for marks, report in ((_SPOILT, advise), (_STORED, remark)):
        for mark, (says, advice) in marks.items():
            tally = album.marks.get(mark)
            if tally is not None:
                what = f"{tally.count:,} of {number(total, 'image')} {says}"
                findings.append(report(split, what, advice, tally))
    return findings + _size_findings(split, album)


def _size_findings(split: str, album: Album) -> list[Finding]:
    sizes = album.sizes()
    sizes = sizes[sizes[:, 0] > 0]
    if len(sizes) == 0:
        return []
    kinds, counts = np.unique(sizes, axis=0, return_counts=True)
    if len(kinds) == 1:
        return []
    height, width = kinds[counts.argmax()]
    (low, narrow), (high, wide) = sizes.min(0), sizes.max(0)
    what = (
        f"{len(kinds):,} sizes from {low} to {high} rows and {narrow} to {wide} columns, "
        f"most often {height} x {width}"
    )
    advice = "everything is brought to one size; keep the shape of the crops alike"
    return [remark(split, what, advice, Tally())]


def duplicate_findings(splits: Mapping[str, Listing], albums: Mapping[str, Album]) -> list[Finding]:
    """Report image files with the same content.

    Args:
        splits: The splits by name.
        albums: Their images, in the same order as the people.

    Returns:
        At most three findings: copies of one person in a split, copies under two persons, copies
        in training and test.
    """
    people = [(name, person) for name in splits for person in splits[name].people]
    digests = np.concatenate([albums[name].digests() for name in splits])
    same, torn, leaked = Tally(), Tally(), Tally()
    for group in equal_groups(digests):
        copies = [people[k] for k in group]
        if _both_sides(copies):
            leaked.add(_pair(copies))
        elif len({person.pid for _, person in copies}) > 1:
            torn.add(_pair(copies))
        elif len({split for split, _ in copies}) < len(copies):
            same.add(_pair(copies))
    return list(_copies(leaked, torn, same))


def _copies(leaked: Tally, torn: Tally, same: Tally) -> list[Finding]:
    findings, where = [], ", ".join(SPLITS)
    images = ("image", "images")
    if leaked.count:
        what = f"{number(leaked.count, *images)} in training and test alike, byte for byte"
        advice = "scores mean nothing then: take them out of one side"
        findings.append(problem(where, what, advice, leaked, (EVALUATION,)))
    if torn.count:
        what = f"{number(torn.count, *images)} there twice, under different persons"
        findings.append(advise(where, what, "one of the names is wrong", torn))
    if same.count:
        what = f"{number(same.count, *images)} there more than once in a split"
        findings.append(remark(where, what, "a copy adds nothing: take it out", same))
    return findings


def equal_groups(digests: NDArray[np.uint64]) -> list[list[int]]:
    """Find equal hashes.

    Args:
        digests: Hashes (N,); 0 equals nothing.

    Returns:
        The places of each hash that is there more than once, in rising order.
    """
    order = np.argsort(digests, kind="stable")
    starts = np.flatnonzero(np.r_[True, digests[order][1:] != digests[order][:-1]])
    groups = np.split(order, starts[1:]) if len(order) else []
    return sorted(g.tolist() for g in groups if len(g) > 1 and digests[g[0]] != 0)


def _both_sides(copies: list[tuple[str, Person]]) -> bool:
    return len({split == TRAIN for split, _ in copies}) == 2


def _pair(copies: list[tuple[str, Person]]) -> str:
    return " = ".join(os.path.join(split, person.path.name) for split, person in copies[:2])  # noqa: PTH118
