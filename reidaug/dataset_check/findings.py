"""What was found in a dataset: how bad it is, what it stops, and what to do about it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

AUGMENT, TRAINING, EVALUATION = USES = ("augment", "training", "evaluation")
PROBLEM, ADVICE, REMARK = RANKS = ("problem", "advice", "remark")
SHOWN = 3


class Finding(NamedTuple):
    """One thing worth knowing about a dataset.

    Attributes:
        rank: ``problem`` stops something, ``advice`` costs accuracy or images, ``remark`` is good
            to know.
        where: The split it was found in, or several, or the keypoint file.
        what: What it is, one line.
        advice: What to do about it, one line.
        cases: How many images, persons or names it is about.
        examples: The first few of them.
        stops: Which of `USES` the dataset cannot be used for because of it.
    """

    rank: str
    where: str
    what: str
    advice: str
    cases: int = 0
    examples: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()


class Tally:
    """Counts things of one kind and keeps the first few as examples."""

    def __init__(self, things: Iterable[str] = ()) -> None:
        self.count = 0
        self.examples: tuple[str, ...] = ()
        for thing in things:
            self.add(thing)

    def add(self, thing: str) -> None:
        """Count one more.

        Args:
            thing: What to call it.
        """
        self.count += 1
        if len(self.examples) < SHOWN:
            self.examples = (*self.examples, thing)


def problem(where: str, what: str, advice: str, tally: Tally, stops: Sequence[str]) -> Finding:
    """Report what stops a dataset from being used.

    Args:
        where: The split or file.
        what: What it is.
        advice: What to do about it.
        tally: How many, and examples.
        stops: For what it cannot be used, of `USES`.

    Returns:
        The finding.
    """
    return Finding(PROBLEM, where, what, advice, tally.count, tally.examples, tuple(stops))


def advise(where: str, what: str, advice: str, tally: Tally) -> Finding:
    """Report what costs accuracy or images.

    Args:
        where: The split or file.
        what: What it is.
        advice: What to do about it.
        tally: How many, and examples.

    Returns:
        The finding.
    """
    return Finding(ADVICE, where, what, advice, tally.count, tally.examples)


def remark(where: str, what: str, advice: str, tally: Tally) -> Finding:
    """Report what is good to know.

    Args:
        where: The split or file.
        what: What it is.
        advice: What follows from it.
        tally: How many, and examples.

    Returns:
        The finding.
    """
    return Finding(REMARK, where, what, advice, tally.count, tally.examples)


def ranked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Put findings in order: problems, advice, remarks; within a rank as they came.

    Args:
        findings: In any order.

    Returns:
        The same findings.
    """
    return tuple(sorted(findings, key=lambda finding: RANKS.index(finding.rank)))


def number(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun.

    Args:
        count: How many.
        one: The noun in the singular.
        many: In the plural, by default with an s.

    Returns:
        For instance ``1 image`` or ``12,936 images``.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
