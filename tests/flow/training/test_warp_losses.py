import torch
from flow_figures import SIZE, images
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.image import structural_similarity_index_measure

from reidaug.flow.training.warp_losses import exact_flow_loss, smoothness_loss, structural_loss
from reidaug.flow.unwarpme.affine_task import random_upright_affine
from reidaug.geometry import flow


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
    matrix, offset = random_upright_affine(1, torch.Generator().manual_seed(seed))
    straight = flow.from_affine(matrix, offset, (9, 7))
    assert smoothness_loss(straight) < 1e-4
    assert smoothness_loss(straight**3) > 1e-3
