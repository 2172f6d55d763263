"""Duplicate images: within a split, under several persons, in training and test."""

from collections.abc import Mapping
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from reidaug.data.market1501 import SPLITS, TRAIN, Person
from reidaug.dataset_check.findings import EVALUATION, Finding, Tally, number
from reidaug.dataset_check.image_files import ImageSummary
from reidaug.dataset_check.names import Listing


def duplicate_findings(
    splits: Mapping[str, Listing], images: Mapping[str, ImageSummary]
) -> list[Finding]:
    """Report image files with equal content; ``images`` are ordered as the people of the splits.

    At most three findings: copies in training and test, copies under several persons, copies of one
    person in a split.
    """
    people = [(name, person) for name in splits for person in splits[name].people]
    digests = np.concatenate([images[name].digests() for name in splits])
    leaked, mislabelled, repeated = Tally(), Tally(), Tally()
    for group in equal_groups(digests):
        copies = [people[k] for k in group]
        if len({split == TRAIN for split, _ in copies}) == 2:
            leaked.add(_pair(copies))
        elif len({person.pid for _, person in copies}) > 1:
            mislabelled.add(_pair(copies))
        elif len({split for split, _ in copies}) < len(copies):
            repeated.add(_pair(copies))
    findings, where = [], ", ".join(SPLITS)
    if leaked.count:
        what = f"{number(leaked.count, 'image')} in training and test alike, byte for byte"
        advice = "scores mean nothing then: remove them from one side"
        findings.append(Finding.problem(where, what, advice, leaked, (EVALUATION,)))
    if mislabelled.count:
        what = f"{number(mislabelled.count, 'image')} there twice, under different persons"
        findings.append(Finding.advise(where, what, "one of the names is wrong", mislabelled))
    if repeated.count:
        what = f"{number(repeated.count, 'image')} there more than once in a split"
        findings.append(Finding.remark(where, what, "a copy adds nothing: remove it", repeated))
    return findings


def equal_groups(digests: NDArray[np.uint64]) -> list[list[int]]:
    """Return the indices of each hash (N,) that occurs more than once, rising; 0 is no hash."""
    order = np.argsort(digests, kind="stable")
    starts = np.flatnonzero(np.r_[True, digests[order][1:] != digests[order][:-1]])
    groups = np.split(order, starts[1:]) if len(order) else []
    return sorted(g.tolist() for g in groups if len(g) > 1 and digests[g[0]] != 0)


def _pair(copies: list[tuple[str, Person]]) -> str:
    return " = ".join(str(PurePath(split, person.path.name)) for split, person in copies[:2])
