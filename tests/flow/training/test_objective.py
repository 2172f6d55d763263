import pytest
import torch
from flow_figures import SIZE, images, pairs

from reidaug.flow.loss_weights import LossWeights
from reidaug.flow.training.objective import Objective
from reidaug.geometry import flow


def test_the_objective_adds_up_what_counts() -> None:
    batch = pairs(2, 0)
    assert batch.flow is not None
    objective = Objective(LossWeights(l1=2.0, structure=0.0, exact=3.0, smoothness=0.5))
    estimate = flow.identity(*SIZE).expand(2, -1, -1, -1)
    losses = (
        objective.exact(estimate, batch)
        | objective.reconstruction(estimate, batch)
        | objective.smoothness(estimate)
    )
    assert sorted(losses) == ["exact", "l1", "smoothness"]
    total = 3 * losses["exact"] + 2 * losses["l1"] + 0.5 * losses["smoothness"]
    torch.testing.assert_close(objective.total(losses), total)
    perfect = objective.reconstruction(batch.flow, batch)
    assert perfect["l1"] < 1e-5


def test_the_objective_says_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="network"):
        Objective(LossWeights()).perceptual(images(1, 0), images(1, 1))
    with pytest.raises(ValueError, match="no loss counts"):
        Objective(LossWeights()).total({})
    assert Objective(LossWeights(perceptual=0.0)).perceptual(images(1, 0), images(1, 1)) == {}
    plain = pairs(1, 0)._replace(flow=None, visible=None)
    with pytest.raises(ValueError, match="exact flow"):
        Objective(LossWeights()).exact(flow.identity(*SIZE)[None], plain)


def test_hidden_points_count_apart_from_visible_ones() -> None:
    batch = pairs(2, 0)
    assert batch.flow is not None
    seen = torch.zeros(2, *SIZE, dtype=torch.bool)
    seen[:, :5] = True
    wrong = torch.where(seen[:, None], batch.flow, batch.flow + 0.5)
    broken = wrong.clone()
    broken[:, :, 6] = torch.nan
    objective = Objective(LossWeights(hidden=1.0))
    told = objective.exact(batch.flow, batch._replace(flow=broken, visible=seen))
    assert told["exact"] == 0
    torch.testing.assert_close(told["hidden"], torch.tensor(0.5))
    assert "hidden" not in Objective(LossWeights()).exact(batch.flow, batch)
