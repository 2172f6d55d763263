import pytest
import torch

from reidaug.flow.checkpoint import build_estimator
from reidaug.flow.estimator import Origin
from reidaug.flow.surface.training.samples import take
from reidaug.flow.surface.training.scores import (
    flow_errors,
    iou,
    mean_width,
    place_errors,
    score_samples,
)
from tests.small_surfaces import ESTIMATOR


def test_scores_of_an_untrained_estimator_are_poor_and_complete(samples):
    torch.default_generator.manual_seed(0)
    report = score_samples(build_estimator(ESTIMATOR).eval(), samples, 6)
    assert report["samples"] == 6
    assert report["seen_cm"] > 10 and report["imagined_cm"] > 10 and report["joints_px"] > 1
    # Nothing is refined yet, only smoothed.
    assert report["matched_px"] > 3 and 0.5 < report["flow_px"] / report["matched_px"] < 1.5
    assert 0 <= report["outline_iou"] < 0.6 < report["limbs_iou"] + 0.4


def test_known_scores():
    one = torch.zeros(2, 4, 4, dtype=torch.bool)
    one[0, :2, :3] = True
    other = torch.zeros_like(one)
    other[0, 1:3, :3] = True
    assert iou(one, other).tolist() == pytest.approx([3 / 9, 1])
    assert mean_width(one).tolist() == [3, 0]
    true = torch.zeros(1, 4, 1, 2)
    true[..., 0] = torch.nan
    found = torch.tensor([0.03, 0.0, 0.04, 1.0]).view(1, 4, 1, 1).expand_as(true)
    assert place_errors(found, true).tolist() == pytest.approx([5.0])


def test_flows_are_scored_where_the_crop_shows_the_place(samples):
    batch = take(samples, torch.arange(4))
    flow = batch.ideal.nan_to_num() + torch.tensor([2 / 63 * 3, 2 / 127 * 4])[:, None, None]
    errors = flow_errors(flow, batch, (128, 64))
    counts = batch.ideal.isfinite().all(1) & (batch.origin == Origin.SEEN)
    assert len(errors) == counts.sum() > 100
    assert errors.mean() == pytest.approx(5.0, abs=0.01)
