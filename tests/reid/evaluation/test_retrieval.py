"""A model searches a gallery, by features or re-ranked."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reidaug.data.images import encode_jpeg
from reidaug.data.market1501 import Person
from reidaug.reid.crops import Crops
from reidaug.reid.evaluation.metrics import Identities, hit_ranks, score_queries
from reidaug.reid.evaluation.ranking import rank_by_distances, rank_matches
from reidaug.reid.evaluation.rerank import gnn_rerank, k_reciprocal
from reidaug.reid.evaluation.retrieval import Evaluation, evaluate
from reidaug.reid.features import RetrievalFeatures, embed, extract_features
from reidaug.reid.model_factory import build

SIZE = (32, 16)


def sorted_gallery(people: int, each: int) -> Identities:
    """A gallery in the order of its people, as files of such names are."""
    pids = np.repeat(np.arange(1, people + 1), each)
    return Identities(pids, 1 + np.tile(np.arange(each), people))


@pytest.mark.parametrize("value", [0.0, 1.0, 1e20, -3e-30])
@pytest.mark.parametrize("rerank", ["none", "k_reciprocal", "gnn"])
def test_features_that_say_nothing_do_not_score_above_chance(value, rerank):
    gallery = sorted_gallery(12, 4)
    query = Identities(gallery.pids[::4], gallery.camids[::4] + 10)
    rng = np.random.default_rng(0)
    chance = np.mean(
        [score_queries(hit_ranks(rng.random((12, 48)), query, gallery)).ap for _ in range(50)]
    )
    constant = RetrievalFeatures(
        torch.full((12, 8), value), query, torch.full((48, 8), value), gallery
    )
    score = evaluate(constant, rerank=rerank).scores["mAP"]
    assert score is not None
    assert score <= 100 * chance


@pytest.mark.parametrize("factor", [1e-30, 1e20, 1e37])
def test_features_of_any_size_rank_alike(factor):
    gallery = sorted_gallery(6, 4)
    features = torch.randn(24, 8, generator=torch.Generator().manual_seed(0)).double()
    plain, huge = (
        evaluate(RetrievalFeatures(f[::4], Identities(*(i[::4] for i in gallery)), f, gallery))
        for f in (features.float(), (features * factor).float())
    )
    assert plain.ap == pytest.approx(huge.ap)
    assert plain.scores["mAP"] == pytest.approx(huge.scores["mAP"])


def test_scores_of_queries_without_any_match_are_null():
    gallery = sorted_gallery(2, 2)
    nobody = Identities(np.array([7, 8]), np.array([1, 1]))
    found = evaluate(RetrievalFeatures(torch.ones(2, 3), nobody, torch.ones(4, 3), gallery))
    assert set(found.scores.values()) == {None}
    assert found.ap == [None, None]
    assert found.unmatched == 2
    assert "NaN" not in json.dumps(found._asdict())
    assert np.isnan(found.score("mAP"))
    assert found._replace(scores={"mAP": 12.5}).score("mAP") == 12.5


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Draw 6 people, 9 crops each: a colour of their own, half hidden by noise."""
    root: Path = tmp_path_factory.mktemp("people")
    rng, found = np.random.default_rng(0), []
    for pid in range(1, 7):
        colour = rng.integers(0, 256, (3, 1, 1))
        for k in range(9):
            noise = rng.integers(0, 256, (3, *SIZE))
            image = torch.from_numpy((0.4 * colour + 0.6 * noise).astype(np.uint8))
            path = root / f"{pid}_{k}.jpg"
            path.write_bytes(encode_jpeg(image))
            found.append(Person(path, pid, 1 + k % 3))
    return found


@pytest.fixture(scope="module")
def model():
    chance = torch.Generator().manual_seed(0)
    return build("resnet18", 4, width=4, blocks=[1] * 4, embedding=8, generator=chance)


def features(model, people):
    return embed(model, Crops([person.path for person in people], size=SIZE))


@pytest.mark.parametrize("name", ["none", "k_reciprocal", "gnn"])
def test_re_ranking_scores_what_its_function_gives(people, model, name):
    query, gallery = people[::4], [p for k, p in enumerate(people) if k % 4]
    query_features, gallery_features, query_ids, gallery_ids = (
        features(model, query),
        features(model, gallery),
        Identities.of(query),
        Identities.of(gallery),
    )
    ranks = {
        "none": lambda: rank_matches(query_features, query_ids, gallery_features, gallery_ids),
        "k_reciprocal": lambda: rank_by_distances(
            k_reciprocal(query_features, gallery_features), query_ids, gallery_ids
        ),
        "gnn": lambda: rank_by_distances(
            gnn_rerank(query_features, gallery_features), query_ids, gallery_ids
        ),
    }
    scores = {key: Evaluation.of(score_queries(work())) for key, work in ranks.items()}
    assert evaluate(extract_features(model, query, gallery, size=SIZE), rerank=name) == scores[name]
    assert len({evaluation.scores["mAP"] for evaluation in scores.values()}) == 3


@pytest.mark.parametrize("name", ["k_reciprocal", "gnn"])
def test_a_set_that_searches_itself_counts_everybody_once(people, model, name):
    rerank = {"k_reciprocal": k_reciprocal, "gnn": gnn_rerank}[name]
    ids, found = Identities.of(people), features(model, people)
    expected = Evaluation.of(score_queries(rank_by_distances(rerank(found), ids, ids)))
    assert evaluate(extract_features(model, people, people, size=SIZE), rerank=name) == expected


def test_no_re_ranking_is_what_happens_by_default(people, model):
    plain = evaluate(extract_features(model, people, people, size=SIZE))
    assert plain == evaluate(extract_features(model, people, people, size=SIZE), rerank="none")


@pytest.mark.parametrize("wrong", [{"rerank": "k-reciprocal"}, {"metric": "cos"}])
def test_a_method_that_is_none_is_refused(wrong):
    one = Identities(*np.ones((2, 1), dtype=int))
    with pytest.raises(ValueError, match="is one of"):
        # Tests check types, programs of others do not.
        inspect.unwrap(evaluate)(
            RetrievalFeatures(torch.ones(1, 2), one, torch.ones(1, 2), one), **wrong
        )
