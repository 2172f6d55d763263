import pytest
import torch
from flow_figures import SIZE, images, pairs
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.image import structural_similarity_index_measure

from reidaug.flow.training.objective import Objective, Weights
from reidaug.flow.unwarpme.losses import exact_flow_loss, smoothness_loss, structural_loss
from reidaug.geometry import affine, flow


@given(st.integers(0, 1000))
def test_the_structural_loss_is_one_minus_torchmetrics_ssim(seed: int) -> None:
    image, target = images(2, seed), images(2, seed + 1)
    ssim = structural_similarity_index_measure(image, target, data_range=1.0)
    torch.testing.assert_close(1 - structural_loss(image, target), ssim, atol=1e-4, rtol=1e-3)


def test_equal_images_have_no_structural_loss() -> None:
    image = images(1, 0)
    torch.testing.assert_close(structural_loss(image, image), torch.tensor(0.0))


def test_the_exact_loss_looks_at_visible_cells_only_and_survives_nan() -> None:
    exact = torch.full((1, 2, *SIZE), torch.nan)
    visible = torch.zeros(1, *SIZE, dtype=torch.bool)
    estimate = torch.zeros(1, 2, 8, 4, requires_grad=True)
    assert exact_flow_loss(estimate, exact, visible) == 0
    exact[..., 5:9, 3:6], visible[..., 5:9, 3:6] = 0.25, True
    loss = exact_flow_loss(estimate, exact, visible)
    torch.testing.assert_close(loss, torch.tensor(0.25))
    loss.backward()
    assert estimate.grad is not None
    assert estimate.grad.isfinite().all()


@given(st.integers(0, 1000))
def test_affine_flows_are_smooth_and_bent_ones_are_not(seed: int) -> None:
    matrix, offset = affine.random_upright_affine(1, torch.Generator().manual_seed(seed))
    straight = flow.from_affine(matrix, offset, (9, 7))
    assert smoothness_loss(straight) < 1e-4
    assert smoothness_loss(straight**3) > 1e-3


def test_the_objective_adds_up_what_counts() -> None:
    batch = pairs(2, 0)
    assert batch.flow is not None
    objective = Objective(Weights(l1=2.0, structure=0.0, exact=3.0, smoothness=0.5))
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
        Objective(Weights()).perceptual(images(1, 0), images(1, 1))
    with pytest.raises(ValueError, match="no loss counts"):
        Objective(Weights()).total({})
    assert Objective(Weights(perceptual=0.0)).perceptual(images(1, 0), images(1, 1)) == {}
    plain = pairs(1, 0)._replace(flow=None, visible=None)
    with pytest.raises(ValueError, match="exact flow"):
        Objective(Weights()).exact(flow.identity(*SIZE)[None], plain)


def test_hidden_points_count_apart_from_visible_ones() -> None:
    batch = pairs(2, 0)
    assert batch.flow is not None
    seen = torch.zeros(2, *SIZE, dtype=torch.bool)
    seen[:, :5] = True
    wrong = torch.where(seen[:, None], batch.flow, batch.flow + 0.5)
    broken = wrong.clone()
    broken[:, :, 6] = torch.nan
    objective = Objective(Weights(hidden=1.0))
    told = objective.exact(batch.flow, batch._replace(flow=broken, visible=seen))
    assert told["exact"] == 0
    torch.testing.assert_close(told["hidden"], torch.tensor(0.5))
    assert "hidden" not in Objective(Weights()).exact(batch.flow, batch)
