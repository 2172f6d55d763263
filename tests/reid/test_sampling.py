"""Batches of people."""

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seeding import seeded

from reidaug.reid.sampling import (
    PeopleSampler,
    crop_pools,
    crops_by_person,
    draw_evenly,
    draw_extra,
)

CROWDS = st.lists(st.integers(1, 9), min_size=3, max_size=9)


def labels_of(counts):
    return [person for person, count in enumerate(counts) for _ in range(count)]


@given(CROWDS, st.integers(1, 4), st.integers(0, 1000))
def test_an_epoch_keeps_its_promises(counts, images, seed):
    labels = labels_of(counts)
    sampler = PeopleSampler(labels, people=3, images=images, generator=seeded(seed))
    epoch = list(sampler)
    assert len(epoch) == len(sampler)
    assert {crop for batch in epoch for crop in batch} == set(range(len(labels)))
    for batch in epoch:
        people = [labels[crop] for crop in batch]
        assert len(batch) == 3 * images
        assert set(Counter(people).values()) == {images}
        assert people == [p for p in people[::images] for _ in range(images)]
        for crop, times in Counter(batch).items():
            assert times == 1 or counts[labels[crop]] < images


@given(CROWDS, st.integers(1, 4))
def test_an_epoch_is_as_short_as_it_can_be(counts, images):
    groups = [-(-count // images) for count in counts]
    sampler = PeopleSampler(labels_of(counts), people=3, images=images, generator=seeded())
    assert len(sampler) == max(*groups, -(-sum(groups) // 3))


def test_the_generator_decides():
    def drawn(seed):
        sampler = PeopleSampler(labels_of([4] * 6), people=3, images=2, generator=seeded(seed))
        return list(islice(sampler.forever(), 20))

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_too_few_people_are_an_error():
    with pytest.raises(ValueError, match=r"4 people .* 2"):
        PeopleSampler([0, 1], people=4, images=1, generator=seeded())


@given(CROWDS, st.integers(0, 20), st.integers(0, 1000))
def test_crops_on_top_are_shared_out_evenly(counts, count, seed):
    pool = crops_by_person(labels_of(counts))
    drawn = draw_evenly(pool, list(pool), count, seeded(seed))
    assert len(drawn) == count
    label = labels_of(counts)
    each = Counter(label[crop] for crop in drawn)
    shares = [each[person] for person in pool]
    assert max(shares) - min(shares) <= 1
    for person, crops in pool.items():
        times = [drawn.count(crop) for crop in crops]
        assert max(times) - min(times) <= 1, person


@given(st.integers(1, 3), st.integers(0, 20), st.integers(0, 999))
def test_a_mix_takes_as_many_from_one_root_as_from_another(roots, count, seed):
    # 25 crops of a person in the first root, one in each of the others; person 2 is in the first
    sizes = [(label, 0) for label in (0, 1, 2) for _ in range(25)]
    sizes += [(label, root) for root in range(1, roots) for label in (0, 1)]
    labels, origins = (list(part) for part in zip(*sizes, strict=True))
    pools = crop_pools(labels, origins if roots > 1 else ())
    assert len(pools) == roots
    assert all(set(pool) == {0, 1, 2} for pool in pools)
    drawn = draw_extra(pools, [0, 1], count, seeded(seed))
    assert len(drawn) == count
    shares = [sum(origins[i] == root for i in drawn) for root in range(roots)]
    assert max(shares) - min(shares) <= 1
    assert {labels[i] for i in drawn} <= {0, 1}
