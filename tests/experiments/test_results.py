"""Results of cells and the report made of them."""

import json

import pytest

from reidaug.experiments.arms import ExperimentOptions
from reidaug.experiments.experiment_data import ExperimentData
from reidaug.experiments.results import SCORES, CellResult, arm_scores, scores, shared_report
from reidaug.reid.evaluation.retrieval import Evaluation


def result(value: float) -> CellResult:
    evaluation = Evaluation(dict.fromkeys(SCORES, value), [value, 100.0], [value, None], 1)
    return CellResult(evaluation, 0.5, 1.0)


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
    data = ExperimentData((), (), (), {"real_only": (), "warps_grey": ()}, {})
    report = shared_report(options, data, CELLS, before={"start": [result(2.0)]})
    assert report["cmc"]["start"] == [2.0, 100.0]
    assert report["cmc"]["real_only"] == [11.0, 100.0]
    assert report["gain_mAP"].mean == pytest.approx(19.5)
    assert (report["queries_without_match"], report["ceiling"]) == (1, None)
