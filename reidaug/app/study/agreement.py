"""Agreement between raters: Krippendorff's alpha for nominal ratings, and the plain share."""

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any

Ratings = Mapping[Any, Mapping[Any, Hashable]]
"""The rating of each rater, by item."""


def krippendorff_alpha(ratings: Ratings) -> float | None:
    """Krippendorff's alpha of nominal ratings: 1 full agreement, 0 that of chance.

    Args:
        ratings: By item, then rater; not every rater has to rate every item. Items with one rating
            do not count.

    Returns:
        alpha <= 1; None where fewer than two ratings of one item are known, or all are the same:
        agreement cannot be told from a lack of choice then.

    Source:
        K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011): 1 - D_o / D_e with the
        coincidences of pairs of ratings, each item's weighted by 1 / (its ratings - 1).
    """
    total, same = Counter[Hashable](), 0.0
    for counts in _counts(ratings):
        rated = counts.total()
        total.update(counts)
        same += sum(count * (count - 1) for count in counts.values()) / (rated - 1)
    n = total.total()
    by_chance = sum(count * (count - 1) for count in total.values()) / (n - 1) if n else 0.0
    if n == by_chance:
        return None
    return 1 - (n - same) / (n - by_chance)


def share_of_agreement(ratings: Ratings) -> float | None:
    """Share of the pairs of ratings of one item that are equal; None without such pairs."""
    pairs = same = 0
    for counts in _counts(ratings):
        pairs += counts.total() * (counts.total() - 1)
        same += sum(count * (count - 1) for count in counts.values())
    return same / pairs if pairs else None


def _counts(ratings: Ratings) -> list[Counter[Hashable]]:
    counts = [Counter(of_item.values()) for of_item in ratings.values()]
    return [found for found in counts if found.total() > 1]
