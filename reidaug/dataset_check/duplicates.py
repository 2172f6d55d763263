"""Duplicate images: within a split, under several persons, in training and test, as queries."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from reidaug.data.market1501 import GALLERY, QUERY, SPLITS, TRAIN, Person
from reidaug.dataset_check.findings import EVALUATION, Finding, Tally, number
from reidaug.dataset_check.image_files import ImageSummary
from reidaug.dataset_check.names import Listing
from reidaug.dataset_check.retrieval import Copies, copied_queries, leaked_images


def duplicate_findings(
    splits: Mapping[str, Listing], images: Mapping[str, ImageSummary]
) -> list[Finding]:
    """Report image files with equal pixels; ``images`` are ordered as the people of the splits.

    At most four findings: copies in training and test, queries that are copies of their matches,
    copies under several persons, copies of one person in a split.
    """
    findings = [*_leaked(splits, images), *_copied(splits, images)]
    people = [(name, person) for name in splits for person in splits[name].people]
    digests = np.concatenate([images[name].digests() for name in splits])
    mislabelled, repeated = Tally(), Tally()
    for group in equal_groups(digests):
        copies = [people[k] for k in group]
        if len({split == TRAIN for split, _ in copies}) == 2:
            continue
        if len({person.pid for _, person in copies}) > 1:
            mislabelled.add(_pair(copies))
        elif len({split for split, _ in copies}) < len(copies):
            repeated.add(_pair(copies))
    where = ", ".join(SPLITS)
    if mislabelled.count:
        what = f"{number(mislabelled.count, 'image')} there twice, under different persons"
        findings.append(Finding.advise(where, what, "one of the names is wrong", mislabelled))
    if repeated.count:
        what = f"{number(repeated.count, 'image')} there more than once in a split"
        findings.append(Finding.remark(where, what, "a copy adds nothing: remove it", repeated))
    return findings


def _leaked(splits: Mapping[str, Listing], images: Mapping[str, ImageSummary]) -> Iterator[Finding]:
    test = [*splits[QUERY].people, *splits[GALLERY].people]
    digests = [*images[QUERY].digests().tolist(), *images[GALLERY].digests().tolist()]
    train = splits[TRAIN].people
    copies = leaked_images(test, digests, train, images[TRAIN].digests().tolist())
    what = f"{number(len(copies.pairs), 'image')} in training and test alike, pixel for pixel"
    yield from _report(", ".join(SPLITS), what, "remove them from one side", copies)


def _copied(splits: Mapping[str, Listing], images: Mapping[str, ImageSummary]) -> Iterator[Finding]:
    query, gallery = splits[QUERY].people, splits[GALLERY].people
    digests = [images[name].digests().tolist() for name in (QUERY, GALLERY)]
    copies = copied_queries(query, digests[0], gallery, digests[1])
    total = number(len(query), "query", "queries")
    what = f"{len(copies.pairs):,} of {total} are copies of gallery crops of their person"
    advice = "they find themselves: take queries out of the gallery, or give both the same camera"
    yield from _report(f"{QUERY}, {GALLERY}", what, advice, copies)


def _report(where: str, what: str, advice: str, copies: Copies) -> Iterator[Finding]:
    tally = Tally(
        " = ".join(str(PurePath(person.path.parent.name, person.path.name)) for person in pair)
        for pair in copies.pairs
    )
    if copies.many:
        advice = f"scores mean nothing then: {advice}"
        yield Finding.problem(where, what, advice, tally, (EVALUATION,))
    elif copies.pairs:
        yield Finding.advise(where, what, advice, tally)


def equal_groups(digests: NDArray[np.uint64]) -> list[list[int]]:
    """Return the indices of each digest (N,) that occurs more than once, rising; 0 is none."""
    order = np.argsort(digests, kind="stable")
    starts = np.flatnonzero(np.r_[True, digests[order][1:] != digests[order][:-1]])
    groups = np.split(order, starts[1:]) if len(order) else []
    return sorted(g.tolist() for g in groups if len(g) > 1 and digests[g[0]] != 0)


def _pair(copies: list[tuple[str, Person]]) -> str:
    return " = ".join(str(PurePath(split, person.path.name)) for split, person in copies[:2])
