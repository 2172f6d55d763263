"""What would make retrieval scores mean nothing: queries without matches, and copies of images.

Both `reidaug check` and the commands that evaluate ask these functions.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from reidaug.data.market1501 import Person

MOST_COPIES = 0.01
"""Largest share of the queries that may be copies of their own matches, and of the test images that
may be training images too; fewer are told."""


class Unmatched(NamedTuple):
    """Queries that find nobody."""

    absent: tuple[Person, ...]  # whose person is not in the gallery
    same_camera: tuple[Person, ...]  # whose person only their own camera saw, which does not count

    @property
    def total(self) -> int:
        """Count both."""
        return len(self.absent) + len(self.same_camera)


class Copies(NamedTuple):
    """Images of equal content in two sets."""

    pairs: tuple[tuple[Person, Person], ...]  # each image of the first set with one of the other
    many: bool  # whether they are more than `MOST_COPIES` of the first set


def unmatched_queries(query: Iterable[Person], gallery: Iterable[Person]) -> Unmatched:
    """Find the queries that have no match: no crop of their person by another camera."""
    cameras: dict[int, set[int]] = {}
    for person in gallery:
        cameras.setdefault(person.pid, set()).add(person.camid)
    absent, same_camera = list[Person](), list[Person]()
    for person in query:
        seen = cameras.get(person.pid, set())
        if not seen:
            absent.append(person)
        elif seen == {person.camid}:
            same_camera.append(person)
    return Unmatched(tuple(absent), tuple(same_camera))


def copied_queries(
    query: Sequence[Person],
    query_digests: Sequence[int],
    gallery: Sequence[Person],
    gallery_digests: Sequence[int],
) -> Copies:
    """Find queries that are copies of a match: they find themselves, and Rank-1 is 100.

    A gallery crop of the query's own camera does not count, and may be the same image.

    Args:
        query: Q query crops.
        query_digests: The digest of the pixels of each (Q,); 0 where it cannot be read.
        gallery: G gallery crops.
        gallery_digests: The same of these (G,).
    """
    return _copies(
        (query, query_digests),
        (gallery, gallery_digests),
        lambda one, other: one.pid == other.pid and one.camid != other.camid,
    )


def leaked_images(
    test: Sequence[Person],
    test_digests: Sequence[int],
    train: Sequence[Person],
    train_digests: Sequence[int],
) -> Copies:
    """Find test images that are training images too; for the arguments see `copied_queries`."""
    return _copies((test, test_digests), (train, train_digests), lambda one, other: True)


_Set = tuple[Sequence[Person], Sequence[int]]


def _copies(ours: _Set, theirs: _Set, counts: Callable[[Person, Person], bool]) -> Copies:
    wanted = set(ours[1]) - {0}
    there: dict[int, list[Person]] = {}
    for person, digest in zip(*theirs, strict=True):
        if digest in wanted:
            there.setdefault(digest, []).append(person)
    pairs = []
    for person, digest in zip(*ours, strict=True):
        same = there.get(digest, ())
        if twin := next((other for other in same if counts(person, other)), None):
            pairs.append((person, twin))
    return Copies(tuple(pairs), len(pairs) > MOST_COPIES * len(ours[0]))
