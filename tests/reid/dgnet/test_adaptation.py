"""What a round of adaptation learns from."""

from pathlib import Path

import numpy as np
import pytest
import torch
from stick_market import stick_market

from reidaug.data.market1501 import TRAIN
from reidaug.reid.crop_transforms import CropTransforms
from reidaug.reid.crops import Crops, normalise
from reidaug.reid.dgnet.adaptation import Domain, Feed, Warped, target_labels
from reidaug.reid.dgnet.batches import SOURCE, TARGET, Mixer, SourcePairs

SIZE = (32, 16)
STILL = CropTransforms(flip=0.0, shift=0.0, erase=0.0)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Crops:
    root = stick_market(tmp_path_factory.mktemp("domain") / "market", people=6, images=4)
    return Crops(sorted((root / TRAIN).iterdir()), size=SIZE)


def named(paths: tuple[Path, ...]) -> list[int]:
    return [int(path.name[:4]) - 1 for path in paths]


def test_clusters_are_numbered_after_the_sources_people_and_outliers_stay_out() -> None:
    assert target_labels(np.array([0, -1, 2, 0]), 10) == [10, -1, 12, 10]


def test_sides_hold_the_crops_their_pairs_name(crops: Crops) -> None:
    labels = named(crops.paths)
    feed = Feed(SourcePairs(labels, batch=4, generator=chance()), (Domain(crops, labels),), STILL)
    # The pairs' own chance goes on from epoch to epoch.
    again = SourcePairs(labels, batch=4, generator=chance())
    expected = [*again, *again]
    for pair, (first, second, top) in zip(expected, feed.steps(len(expected), seed=1), strict=True):
        assert top is None
        for drawn, side in zip(pair, (first, second), strict=True):
            assert side.labels.tolist() == [labels[i] for i in drawn.crops]
            torch.testing.assert_close(side.images, normalise(crops.batch(drawn.crops)))
            torch.testing.assert_close(side.positives, normalise(crops.batch(drawn.positives)))
            assert side.domain == SOURCE


def test_what_is_left_of_a_stage_is_what_would_have_come(crops: Crops) -> None:
    labels = named(crops.paths)

    def drawn(start: int) -> list[tuple]:
        clusters = [6 + label for label in labels]
        mixer = Mixer(labels, clusters, batch=4, generator=chance(3))
        domains = (Domain(crops, labels), Domain(crops, clusters))
        warps = Warped(crops, range(len(crops)))
        feed = Feed(mixer, domains, CropTransforms(erase=0.0), warps, 3)
        return list(feed.steps(9, seed=5, start=start))

    whole, rest = drawn(0), drawn(5)
    assert len(rest) == 4
    for one, other in zip(whole[5:], rest, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_warps_inherit_labels_come_with_the_target_and_leave_outliers_out(crops: Crops) -> None:
    labels = named(crops.paths)
    clusters = [-1 if label == 2 else 6 + label for label in labels]
    mixer = Mixer(labels, clusters, batch=4, generator=chance(1))
    origins = [i for i in range(len(crops)) if labels[i] != 4]  # person 4 has no warps
    warps = Warped(Crops([crops.paths[i] for i in origins], size=SIZE), origins)
    feed = Feed(mixer, (Domain(crops, labels), Domain(crops, clusters)), STILL, warps, 4)
    seen = 0
    for first, second, top in feed.steps(40, seed=2):
        targets = [side for side in (first, second) if side.domain == TARGET]
        people = {label for side in targets for label in side.labels.tolist()} - {10}
        if not targets or not people:
            assert top is None
            continue
        assert top is not None
        assert len(top.labels) == len(top.images) == 4 * len(targets)
        assert set(top.labels.tolist()) <= people
        assert {8, -1}.isdisjoint(top.labels.tolist())
        seen += 1
    assert seen > 10


def test_nothing_comes_on_top_where_nothing_is_asked(crops: Crops) -> None:
    labels = named(crops.paths)
    domains = (Domain(crops, labels), Domain(crops, labels))
    warps = Warped(crops, range(len(crops)))
    for feed in (
        Feed(Mixer(labels, labels, batch=4, generator=chance()), domains, STILL, warps, 0),
        Feed(Mixer(labels, labels, batch=4, generator=chance()), domains, STILL),
    ):
        assert all(top is None for _, _, top in feed.steps(5, seed=0))
