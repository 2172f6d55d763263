"""Findings about a dataset: severity, what they stop, and what to do about them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

AUGMENT, TRAINING, EVALUATION = USES = ("augment", "training", "evaluation")
PROBLEM, ADVICE, REMARK = RANKS = ("problem", "advice", "remark")
EXAMPLES = 3


class Tally:
    """Number of cases of one kind, with the first few as examples."""

    def __init__(self, cases: Iterable[str] = ()) -> None:
        self.count = 0
        self.examples: tuple[str, ...] = ()
        for case in cases:
            self.add(case)

    def add(self, case: str) -> None:
        """Count one more case, given its name."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples = (*self.examples, case)


class Finding(NamedTuple):
    """One finding."""

    rank: str  # ``problem`` stops a use, ``advice`` costs accuracy or images, ``remark`` informs
    where: str  # the split or splits, or the keypoint file
    what: str  # what was found, one line
    advice: str  # what to do about it, one line
    cases: int = 0  # number of images, persons or names concerned
    examples: tuple[str, ...] = ()  # the first few of them
    stops: tuple[str, ...] = ()  # those of `USES` that the dataset cannot serve because of it

    @classmethod
    def problem(
        cls, where: str, what: str, advice: str, tally: Tally, stops: Sequence[str]
    ) -> "Finding":
        """Report what stops some of `USES`."""
        return cls(PROBLEM, where, what, advice, tally.count, tally.examples, tuple(stops))

    @classmethod
    def advise(cls, where: str, what: str, advice: str, tally: Tally) -> "Finding":
        """Report what costs accuracy or images."""
        return cls(ADVICE, where, what, advice, tally.count, tally.examples)

    @classmethod
    def remark(cls, where: str, what: str, advice: str, tally: Tally) -> "Finding":
        """Report what is good to know."""
        return cls(REMARK, where, what, advice, tally.count, tally.examples)

    def lines(self) -> list[str]:
        """Format the finding as two or three lines of text."""
        stops = f" (stops {', '.join(self.stops)})" if self.stops else ""
        rank = "PROBLEM" if self.rank == PROBLEM else f"{self.rank:7}"
        lines = [f"{rank} {self.where}: {self.what}{stops}"]
        if self.examples:
            more = self.cases - len(self.examples)
            lines.append(
                " " * 8 + ", ".join(self.examples) + (f" and {more:,} more" if more else "")
            )
        return [*lines, f"        -> {self.advice}"]


def ranked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by rank: problems, advice, remarks."""
    return tuple(sorted(findings, key=lambda finding: RANKS.index(finding.rank)))


def number(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun, such as ``12,936 images``; the plural has an s by default."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
