"""Results of cells and the report made of them."""

import json
from pathlib import Path

import pytest

from reidaug.data.market1501 import Person
from reidaug.experiments.arms import ExperimentOptions
from reidaug.experiments.experiment_data import ExperimentData
from reidaug.experiments.results import SCORES, CellResult, arm_scores, scores, shared_report
from reidaug.reid.evaluation.retrieval import Evaluation


def result(value: float, *ap: float | None) -> CellResult:
    ap = ap or (value, None)
    evaluation = Evaluation(dict.fromkeys(SCORES, value), [value, 100.0], list(ap), 1)
    return CellResult(evaluation, 0.5, 1.0)


def searched_for(*pids: int) -> ExperimentData:
    query = tuple(Person(Path(f"{k}.jpg"), pid, 10 + k) for k, pid in enumerate(pids))
    return ExperimentData((), query, (), {"real_only": (), "warps_grey": ()}, {})


CELLS = {"real_only": [result(10.0), result(12.0)], "warps_grey": [result(30.0), result(31.0)]}


def test_a_result_survives_json() -> None:
    record = json.loads(json.dumps(result(10.0).as_record()))
    assert CellResult.of_record(record) == result(10.0)


def test_scores_are_listed_seed_by_seed() -> None:
    assert scores(CELLS["real_only"]) == {key: [10.0, 12.0] for key in SCORES}
    assert arm_scores(CELLS)["real_only"].ap[:, 0].tolist() == [10.0, 12.0]


def test_curves_are_means_over_seeds_and_arms_are_compared() -> None:
    options = ExperimentOptions(
        protocol="supervised", dataset="market", arms=dict.fromkeys(CELLS), seeds=(0, 1)
    )
    data = searched_for(1, 2)
    report = shared_report(options, data, CELLS, before={"start": [result(2.0)]})
    assert report["cmc"]["start"] == [2.0, 100.0]
    assert report["cmc"]["real_only"] == [11.0, 100.0]
    assert report["gain_mAP"].mean == pytest.approx(19.5)
    assert (report["queries_without_match"], report["ceiling"]) == (1, None)


def test_intervals_draw_the_people_of_the_queries() -> None:
    """Of four queries of two people each pairing has an interval of its own."""
    options = ExperimentOptions(
        protocol="supervised", dataset="market", arms=dict.fromkeys(CELLS), seeds=(0, 1)
    )
    cells = {
        "real_only": [result(0.0, 0.0, 0.0, 0.0, 0.0)] * 2,
        "warps_grey": [result(4.0, 1.0, 1.0, 5.0, 9.0)] * 2,
    }
    expected = {(7, 7, 7, 3): (7 / 3, 9.0), (7, 7, 3, 3): (1.0, 7.0), (3, 7, 7, 7): (1.0, 5.0)}
    for pids, ends in expected.items():
        report = shared_report(options, searched_for(*pids), cells, before={})
        for gain in (report["gain_mAP"], *report["differences"].values()):
            assert gain.ci == pytest.approx(ends)
            assert gain.interval_over == "people"
