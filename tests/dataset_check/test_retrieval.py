"""Queries without matches, and copies: known answers, and a loop over all pairs."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reidaug.data.market1501 import Person
from reidaug.dataset_check.retrieval import (
    MOST_COPIES,
    copied_queries,
    leaked_images,
    unmatched_queries,
)

PEOPLE = st.lists(
    st.builds(Person, st.just(Path("a.jpg")), st.integers(1, 3), st.integers(1, 2)), max_size=8
)
SETS = st.tuples(PEOPLE, PEOPLE, st.lists(st.integers(0, 3), min_size=16, max_size=16))


def test_known_answers() -> None:
    one, same, other, stranger = (
        Person(Path(name), pid, camera)
        for name, pid, camera in (("a", 1, 1), ("b", 1, 1), ("c", 1, 2), ("d", 2, 2))
    )
    lost = unmatched_queries([one, stranger], [same])
    assert (lost.absent, lost.same_camera, lost.total) == ((stranger,), (one,), 2)
    assert unmatched_queries([one], [same, other]).total == 0
    # The own camera's copy does not count in retrieval, and one of another person is a wrong name.
    assert copied_queries([one], [5], [same, stranger], [5, 5]).pairs == ()
    found = copied_queries([one], [5], [same, other], [5, 5])
    assert (found.pairs, found.many) == (((one, other),), True)
    assert leaked_images([one], [5], [stranger], [5]).pairs == ((one, stranger),)
    assert not leaked_images([one] * 200, [5, *range(6, 205)], [stranger], [5]).many


@given(SETS)
def test_a_loop_over_all_pairs_finds_the_same(sets: tuple[list, list, list[int]]) -> None:
    query, gallery, digests = sets
    mine, theirs = digests[: len(query)], digests[8 : 8 + len(gallery)]
    lost = [q for q in query if not any(q.pid == g.pid and q.camid != g.camid for g in gallery)]
    assert unmatched_queries(query, gallery).total == len(lost)
    for function, counts in (
        (copied_queries, lambda q, g: q.pid == g.pid and q.camid != g.camid),
        (leaked_images, lambda q, g: True),
    ):
        found = function(query, mine, gallery, theirs)
        first = [
            next(
                (
                    (q, g)
                    for g, there in zip(gallery, theirs, strict=True)
                    if digest and there == digest and counts(q, g)
                ),
                None,
            )
            for q, digest in zip(query, mine, strict=True)
        ]
        assert found.pairs == tuple(pair for pair in first if pair)
        assert found.many == (len(found.pairs) > MOST_COPIES * len(query))
