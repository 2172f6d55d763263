"""Reports of experiments as JSON."""

import json

import numpy as np
from small_report import MEANS, reid_report

from reidaug.report.experiment import FinetuneReport, read_report


def test_a_report_survives_json() -> None:
    report = reid_report(np.random.default_rng(0), MEANS)
    assert read_report(json.loads(json.dumps(report.as_dict())), FinetuneReport) == report


def test_older_reports_drew_queries() -> None:
    values = reid_report(np.random.default_rng(0), MEANS).as_dict()
    assert values["gain_mAP"].pop("interval_over") == "people"
    found = read_report(values, FinetuneReport)
    assert found.gain_mAP is not None
    assert found.gain_mAP.interval_over == "queries"


def test_comparisons_with_arms_that_were_not_run_are_left_out() -> None:
    values = reid_report(np.random.default_rng(0), MEANS).as_dict()
    assert values["gain_mAP"]["evident"] is True
    assert "differences" not in values
    del values["ceiling"]
    assert read_report(values, FinetuneReport).ceiling is None
