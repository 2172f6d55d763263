import pytest
import torch

from reidaug.flow.estimator import Origin
from reidaug.flow.surface.networks import Imagined, Refined, Seen
from reidaug.flow.surface.training.losses import (
    HIDDEN,
    Prediction,
    distortion_loss,
    flow_loss,
    losses_of,
    place_loss,
)
from reidaug.flow.surface.training.samples import take
from reidaug.geometry.pose import Pose

FLOWS = ("matched", "flow", "distortion")
NONE = torch.zeros(1, 1, 1, 1)


def perfect(batch):
    sure = 30.0
    visible = batch.seen.isfinite().all(1).float()
    outline = sure * (2 * batch.outline.float() - 1)
    return Prediction(
        Seen(batch.seen.nan_to_num(), sure * (2 * visible - 1), torch.zeros(len(visible), 1), NONE),
        batch.target_pose,
        Imagined(batch.surface.nan_to_num(), outline, NONE),
        batch.ideal.nan_to_num(),
        Refined(batch.ideal.nan_to_num(), outline),
    )


def test_the_truth_has_no_loss(samples):
    batch = take(samples, torch.arange(10))
    for name, loss in losses_of(perfect(batch), batch).items():
        assert float(loss) < (0.11 if name in FLOWS else 1e-6), name  # roots are rounded at 0


def test_each_loss_is_of_its_part_alone(samples):
    batch = take(samples, torch.arange(10))
    right = perfect(batch)
    seen, moved, imagined, matched, refined = right
    wrong = {
        "seen": right._replace(seen=seen._replace(surface=seen.surface + 0.1)),
        "person": right._replace(seen=seen._replace(person=-seen.person)),
        "joints": right._replace(moved=Pose(moved.xy + 3, moved.visible)),
        "imagined": right._replace(imagined=imagined._replace(surface=imagined.surface - 0.1)),
        "imagined_outline": right._replace(imagined=imagined._replace(outline=-imagined.outline)),
        "matched": right._replace(matched=matched + 0.1),
        "flow": right._replace(refined=refined._replace(flow=refined.flow + 0.1)),
        "outline": right._replace(refined=refined._replace(outline=-refined.outline)),
    }
    for name, prediction in wrong.items():
        losses = losses_of(prediction, batch)
        assert {
            key for key, loss in losses.items() if float(loss) > 1e-3 + 0.1 * (key in FLOWS)
        } == {name}


def test_places_count_axis_by_axis_where_they_are_known():
    true = torch.zeros(1, 4, 1, 2)
    true[..., 1] = torch.nan
    found = torch.tensor([0.1, -0.2, 0.3, 0.0]).view(1, 4, 1, 1).expand(1, 4, 1, 2)
    assert torch.isclose(place_loss(found, true), torch.tensor(0.6))


def test_joints_of_the_same_person_are_not_retargeted(samples):
    batch = take(samples, torch.arange(10))
    batch = batch._replace(retargeted=torch.zeros_like(batch.retargeted))
    right = perfect(batch)
    wrong = right._replace(moved=Pose(right.moved.xy + 9, right.moved.visible))
    assert float(losses_of(wrong, batch)["joints"]) == 0


def test_a_flow_that_is_off_as_a_whole_distorts_nothing():
    ideal = torch.zeros(1, 2, 3, 4)
    origin = torch.zeros(1, 3, 4, dtype=torch.uint8)
    size = (128, 64)
    assert float(distortion_loss(ideal + 0.3, ideal, origin, size)) < 0.04
    step = ideal.clone()
    step[:, 0, :, 2:] = 2 / 63 * 4  # four pixels, between two columns
    changes = 3 * 3 + 2 * 4  # across and down
    expected = 3 * 4 / changes
    assert float(distortion_loss(step, ideal, origin, size)) == pytest.approx(expected, abs=0.04)
    origin[..., 2:] = Origin.OPPOSITE  # what is not seen does not count
    assert float(distortion_loss(step, ideal, origin, size)) < 0.04


def test_flows_are_compared_in_pixels_and_hidden_places_count_less():
    found, ideal = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    found[0, 0, 0, 0], found[0, 1, 0, 1] = 2 / 63 * 3, 2 / 127 * 5  # 3 and 5 pixels off
    seen = torch.zeros(1, 1, 2, dtype=torch.uint8)
    assert float(flow_loss(found, ideal, seen, (128, 64))) == pytest.approx(4, abs=0.01)
    hidden = torch.tensor([[[Origin.SEEN, Origin.OPPOSITE]]], dtype=torch.uint8)
    expected = (3 + HIDDEN * 5) / (1 + HIDDEN)
    assert float(flow_loss(found, ideal, hidden, (128, 64))) == pytest.approx(expected, abs=0.01)
    ideal[..., 1] = torch.nan
    assert float(flow_loss(found, ideal, seen, (128, 64))) == pytest.approx(3, abs=0.01)
