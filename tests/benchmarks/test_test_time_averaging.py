from pathlib import Path

import numpy as np
import pytest
import torch
from photograph_tables import averaging
from test_time_averaging import CONTROLS, FLOWS, OTHER, Crops, Setting, Views, averaged, summarise

from reidaug.data.market1501 import Person
from reidaug.reid.evaluation.metrics import Identities
from reidaug.reid.evaluation.retrieval import evaluate
from reidaug.reid.features import RetrievalFeatures

ROWS = [kind + ending for ending in ("", OTHER) for kind in FLOWS]


@pytest.fixture
def crops() -> Crops:
    """Eight people, one query and four gallery crops each, hard to tell apart."""
    g = torch.Generator().manual_seed(0)
    queries = [Person(Path(f"q{k}"), k, 1) for k in range(8)]
    gallery = [Person(Path(f"g{k}"), k % 8, 2) for k in range(32)]
    centres = torch.randn(8, 12, generator=g)
    people = (*queries, *gallery)
    noise = torch.randn(len(people), 12, generator=g)
    return Crops(people, 8, centres[[p.pid for p in people]] + 1.2 * noise)


@pytest.mark.parametrize("rerank", [False, True])
def test_searches_are_those_of_the_package(crops: Crops, rerank: bool) -> None:
    parts = crops.features[:8], crops.features[8:]
    found = [Identities.of(part) for part in (crops.people[:8], crops.people[8:])]
    features = RetrievalFeatures(parts[0], found[0], parts[1], found[1])
    expected = evaluate(features, rerank="k_reciprocal" if rerank else "none")
    ap, first = crops.scores(crops.features, rerank=rerank)
    assert (100 * ap).tolist() == pytest.approx(expected.ap)
    assert 100 * first.mean() == pytest.approx(expected.score("rank1"))


def test_a_side_alone_is_moved(crops: Crops) -> None:
    views = Views(crops.features.flip(0), torch.arange(40), torch.ones(40), torch.zeros(40))
    moved = averaged(crops, views, Setting(1.0, 1, "query"))
    half = torch.cat((moved[:8], crops.features[8:]))
    assert np.array_equal(crops.scores(moved, "query"), crops.scores(half))
    assert np.array_equal(crops.scores(moved, "gallery").shape, (2, 8))


def test_rows_are_compared_with_crops_controls_and_grey(crops: Crops) -> None:
    rng = np.random.default_rng(0)
    plain = np.stack((rng.uniform(0.2, 0.5, 40), np.ones(40)))
    people = np.repeat(np.arange(8), 5)
    rows = {name: plain + 0.01 * k for k, name in enumerate(["flip", *ROWS])}
    rows[f"surface{OTHER}"] = rows["surface"] - 0.05
    result = summarise(plain, rows, people)
    assert result["best_control"] == f"torso_affine{OTHER}" and set(CONTROLS) <= set(rows)
    found = result["rows"]
    assert found["flip"]["gain"]["mean"] == 0 and not found["flip"]["gain"]["evident"]
    assert found["market"]["gain"]["mean"] == 3 and found["market"]["gain"]["evident"]
    assert found[f"market{OTHER}"]["over_grey"]["mean"] == 4
    assert found[f"surface{OTHER}"]["over_grey"]["mean"] == -5
    assert found["market"]["over_controls"]["mean"] == -3
    assert all(("over_grey" in row) == name.endswith(OTHER) for name, row in found.items())
    assert all(("over_controls" in row) == (name not in CONTROLS) for name, row in found.items())
    about = {"command": "c", "hardware": "h", "date": "d", "queries": 8, "gallery": 32}
    chosen = {name: {"poses": 12} for name in rows}
    whole = {**about, "people": 8, **result, "reranked": result, "chosen_on_tune": chosen}
    lines = averaging(whole)
    assert len([line for line in lines if "| **W-SA**, on other grounds | 13 |" in line]) == 2
    loss = next(line for line in lines if "**surface flow**, on other grounds" in line)
    assert loss.endswith("-5.0 (-5.0 to -5.0): a loss |")
