"""Schedule of a study: what each participant is shown, in which order and on which side."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
PRACTICE = 17
"""Rounds of practice in the paper."""


class Round(NamedTuple):
    """One round: two results for one source image and one target pose, side by side."""

    practice: bool  # whether its answers are kept apart
    sample: int  # number of the sample; those of practice come after the others
    left: str  # method of the result on the left
    right: str  # method of the result on the right


class Design(NamedTuple):
    """What a study compares, the same for every participant."""

    reference: str  # the method that every other is compared with
    rivals: tuple[str, ...]  # the others
    samples: int  # samples that count
    practice_samples: int  # samples of practice, of their own
    rounds: int  # rounds of each participant that count, at most ``samples`` for each rival
    practice: int = PRACTICE  # rounds of practice, which come first
    seed: int = 0

    @property
    def most_rounds(self) -> int:
        """Rounds in which every sample is shown once for each rival."""
        return self.samples * len(self.rivals)


def plan(design: Design, participant: int) -> list[Round]:
    """Plan the rounds of a participant: practice first; the same arguments, the same rounds.

    Every rival is shown as often as any other, and the reference as often on the left as on the
    right beside each; where the numbers do not divide, the one more goes round from participant to
    participant. No sample that counts is shown twice beside one rival, and none of practice twice
    while others were not shown.

    Args:
        design: The study.
        participant: Number of the participant, from 0.
    """
    rng = np.random.default_rng([design.seed, participant])
    practice = [design.samples + sample for sample in range(design.practice_samples)]
    return [
        *_balanced(rng, design, design.practice, practice, participant, practice=True),
        *_balanced(rng, design, design.rounds, range(design.samples), participant, practice=False),
    ]


def _balanced(
    rng: np.random.Generator,
    design: Design,
    rounds: int,
    samples: Sequence[int],
    participant: int,
    *,
    practice: bool,
) -> list[Round]:
    each, more = divmod(rounds, len(design.rivals))
    turn = participant // (len(design.rivals) // math.gcd(len(design.rivals), more))
    # Each sample once beside each rival; in practice, each once.
    apart = _draw(rng, samples, rounds) if practice else []
    found = list[Round]()
    for k, rival in enumerate(design.rivals):
        count = each + ((k - participant * more) % len(design.rivals) < more)
        on_left = count // 2 + count % 2 * ((turn + k) % 2)
        left = rng.permutation(count) < on_left
        drawn = apart[len(found) :][:count] if practice else _draw(rng, samples, count)
        for sample, reference_left in zip(drawn, left, strict=True):
            pair = (design.reference, rival) if reference_left else (rival, design.reference)
            found.append(Round(practice, sample, *pair))
    return [found[k] for k in rng.permutation(len(found))]


def _draw(rng: np.random.Generator, samples: Sequence[int], count: int) -> list[int]:
    """Draw samples; none a second time before all of them were drawn."""
    drawn = list[int]()
    while len(drawn) < count:
        drawn += [samples[k] for k in rng.permutation(len(samples))]
    return drawn[:count]
