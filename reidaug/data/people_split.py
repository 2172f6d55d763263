"""A fixed split of a dataset's training people, for experiments that must not touch its test set.

By the index of their sorted ids, every fifth person is a test person, the one after a tune person,
and the others are for training. Whatever is chosen is chosen on tune people; test people are scored
once per finished experiment.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from reidaug.data.market1501 import Person
from reidaug.errors import ReidaugError

Part = Literal["tune", "test"]
_EVERY = 5
_REMAINDERS: dict[Part, int] = {"test": 0, "tune": 1}
_SEED = 0  # of the choice of queries


class PeopleSplit(NamedTuple):
    """Crops for training, and those of the people that are evaluated."""

    train: tuple[Person, ...]  # all crops of the people who are neither tune nor test people
    query: tuple[Person, ...]  # of each evaluated person and camera, one crop
    gallery: tuple[Person, ...]  # their other crops


def split_people(crops: Sequence[Person], part: Part) -> PeopleSplit:
    """Split the crops of a training set by person; the order of `crops` does not matter.

    Args:
        crops: Training crops with ids as in the dataset; distractors (person 0) belong to nobody
            and are left out.
        part: The people that are evaluated.

    Returns:
        Crops in name order. The queries are one crop per person and camera, drawn by a fixed seed;
        the gallery holds the rest. Tune people are never in a split for test, nor the other way.

    Raises:
        ReidaugError: There are fewer than three people.
    """
    ordered = sorted((crop for crop in crops if crop.pid > 0), key=lambda crop: crop.path.name)
    pids = sorted({crop.pid for crop in ordered})
    if len(pids) <= max(_REMAINDERS.values()) + 1:
        raise ReidaugError(f"a split into train, tune and test needs 3 people, not {len(pids)}")
    remainders = {pid: index % _EVERY for index, pid in enumerate(pids)}
    train = [crop for crop in ordered if remainders[crop.pid] not in _REMAINDERS.values()]
    groups: dict[tuple[int, int], list[Person]] = {}
    for crop in ordered:
        if remainders[crop.pid] == _REMAINDERS[part]:
            groups.setdefault((crop.pid, crop.camid), []).append(crop)
    draw = np.random.default_rng(_SEED)
    query = [group[draw.integers(len(group))] for _, group in sorted(groups.items())]
    chosen = set(query)
    gallery = [crop for _, group in sorted(groups.items()) for crop in group if crop not in chosen]
    return PeopleSplit(tuple(train), tuple(query), tuple(gallery))
