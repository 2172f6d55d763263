"""Batches of a training stage."""

from pathlib import Path

import pytest
import torch
from seeding import seeded
from stick_market import stick_market

from reidaug.data.market1501 import TRAIN
from reidaug.reid.crop_transforms import CropTransforms
from reidaug.reid.crops import Crops, normalise
from reidaug.reid.dgnet.batches import ExtraCrops, LabelledCrops, PairLoader
from reidaug.reid.dgnet.sampling import SOURCE, TARGET, DomainPairSampler, SourcePairSampler

SIZE = (32, 16)
STILL = CropTransforms(flip=0.0, shift=0.0, erase=0.0)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Crops:
    root = stick_market(tmp_path_factory.mktemp("domain") / "market", people=6, images=4)
    return Crops(sorted((root / TRAIN).iterdir()), size=SIZE)


def labels_of(paths: tuple[Path, ...]) -> list[int]:
    return [int(path.name[:4]) - 1 for path in paths]


def test_batches_hold_the_crops_that_were_sampled(crops: Crops) -> None:
    labels = labels_of(crops.paths)
    sampler = SourcePairSampler(labels, batch=4, generator=seeded())
    loader = PairLoader(sampler, (LabelledCrops(crops, labels),), STILL)
    # The sampler's random generator continues from epoch to epoch.
    again = SourcePairSampler(labels, batch=4, generator=seeded())
    expected = [*again, *again]
    loaded = loader.batches(len(expected), seed=1)
    for pair, (a, b, extra) in zip(expected, loaded, strict=True):
        assert extra is None
        for drawn, batch in zip(pair, (a, b), strict=True):
            assert batch.labels.tolist() == [labels[i] for i in drawn.crops]
            torch.testing.assert_close(batch.images, normalise(crops.batch(drawn.crops)))
            torch.testing.assert_close(batch.positives, normalise(crops.batch(drawn.positives)))
            assert batch.domain == SOURCE


def test_a_resumed_stage_continues_with_the_same_batches(crops: Crops) -> None:
    labels = labels_of(crops.paths)

    def drawn(start: int) -> list[tuple]:
        clusters = [6 + label for label in labels]
        sampler = DomainPairSampler(labels, clusters, batch=4, generator=seeded(3))
        domains = (LabelledCrops(crops, labels), LabelledCrops(crops, clusters))
        extra = ExtraCrops(crops, range(len(crops)), 3)
        loader = PairLoader(sampler, domains, CropTransforms(erase=0.0), extra)
        return list(loader.batches(9, seed=5, start=start))

    whole, rest = drawn(0), drawn(5)
    assert len(rest) == 4
    for one, other in zip(whole[5:], rest, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_extra_crops_inherit_labels_of_the_target_batch_without_outliers(crops: Crops) -> None:
    labels = labels_of(crops.paths)
    clusters = [-1 if label == 2 else 6 + label for label in labels]
    sampler = DomainPairSampler(labels, clusters, batch=4, generator=seeded(1))
    origins = [i for i in range(len(crops)) if labels[i] != 4]  # person 4 has no extra crops
    extra = ExtraCrops(Crops([crops.paths[i] for i in origins], size=SIZE), origins, 4)
    domains = (LabelledCrops(crops, labels), LabelledCrops(crops, clusters))
    with_extra = 0
    loader = PairLoader(sampler, domains, STILL, extra)
    for a, b, drawn in loader.batches(40, seed=2):
        targets = [batch for batch in (a, b) if batch.domain == TARGET]
        people = {label for batch in targets for label in batch.labels.tolist()} - {10}
        if not targets or not people:
            assert drawn is None
            continue
        assert drawn is not None
        assert len(drawn.labels) == len(drawn.images) == 4 * len(targets)
        assert set(drawn.labels.tolist()) <= people
        assert {8, -1}.isdisjoint(drawn.labels.tolist())
        with_extra += 1
    assert with_extra > 10


def test_there_are_no_extra_crops_where_their_count_is_0(crops: Crops) -> None:
    labels = labels_of(crops.paths)
    domains = (LabelledCrops(crops, labels), LabelledCrops(crops, labels))
    for extra in (None, ExtraCrops(crops, range(len(crops)), 0)):
        sampler = DomainPairSampler(labels, labels, batch=4, generator=seeded())
        loader = PairLoader(sampler, domains, STILL, extra)
        assert all(step.extra is None for step in loader.batches(5, seed=0))
