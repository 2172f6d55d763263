"""The image generators of the rivals: `Generator` and `Inpainting`."""

import pytest
import torch
from flow_figures import SIZE, images, pairs
from seeding import seeded
from torch import Tensor, nn

from reidaug.errors import UsageError
from reidaug.flow.estimator import Motion
from reidaug.flow.rivals.fomm_generator import Generator
from reidaug.flow.rivals.tpsmm_generator import Inpainting
from reidaug.flow.rivals.warped_features import occlusion_at, warp_visible
from reidaug.geometry.flow import identity
from reidaug.geometry.warp import warp


def networks() -> list[nn.Module]:
    return [
        Generator(expansion=4, residuals=1),
        Generator(expansion=4, residuals=1, skips=True),
        Inpainting(expansion=4, downs=2),
    ]


def motion(occlusion: float | None, seed: int = 0) -> Motion:
    wobble = 0.3 * torch.randn(2, 2, 8, 4, generator=seeded(seed))
    flow = identity(8, 4) + wobble
    if occlusion is None:
        return Motion(flow)
    return Motion(flow, (torch.full((2, 1, 8, 4), occlusion),))


@pytest.mark.parametrize("network", networks(), ids=["fomm", "mraa", "tpsmm"])
@pytest.mark.parametrize("occlusion", [None, 0.0, 0.5, 1.0])
def test_outputs_are_images_of_the_source_size(network: nn.Module, occlusion: float | None) -> None:
    drawn = network(images(2, 0), motion(occlusion))
    assert drawn.shape == (2, 3, *SIZE)
    assert ((drawn >= 0) & (drawn <= 1)).all()


@pytest.mark.parametrize("network", networks()[1:], ids=["mraa", "tpsmm"])
def test_without_occlusion_the_output_is_the_warped_source(network: nn.Module) -> None:
    source = images(2, 0)
    for occlusion in (None, 1.0):
        moved = motion(occlusion)
        torch.testing.assert_close(network(source, moved), warp(source, moved.flow))


def test_with_full_occlusion_the_source_has_no_effect() -> None:
    for network in networks():
        network.eval()
        one, other = (network(images(2, seed), motion(0.0)) for seed in (0, 1))
        torch.testing.assert_close(one, other)


def test_occlusion_is_the_coarsest_that_is_fine_enough() -> None:
    flow = identity(8, 4).expand(2, -1, -1, -1)
    parts = tuple(torch.full((2, 1, 2 * n, n), n / 10) for n in (2, 4, 8))
    told = Motion(flow, parts)
    for columns, value in [(1, 0.2), (2, 0.2), (3, 0.4), (4, 0.4), (8, 0.8), (16, 0.8)]:
        found = occlusion_at(told, (2 * columns, columns))
        torch.testing.assert_close(found, torch.full((2, 1, 2 * columns, columns), value))
    assert (occlusion_at(Motion(flow), (5, 3)) == 1).all()
    features = torch.rand(2, 6, 8, 4, generator=seeded(0))
    torch.testing.assert_close(warp_visible(features, told), 0.4 * features)


def test_mraas_composite_by_hand() -> None:
    network, source, moved = networks()[1].eval(), images(2, 0), motion(0.3)
    features = [network.first(source)]
    for down in network.downs:
        features.append(down(features[-1]))
    warped = [warp(part, moved.flow) for part in features]
    out = network.bottleneck(0.3 * warped[2])
    out = 0.3 * warped[2] + 0.7 * out
    for up, skip in zip(network.ups, (warped[1], warped[0]), strict=True):
        out = 0.3 * skip + 0.7 * up(out)
    expected = 0.3 * warp(source, moved.flow) + 0.7 * network.last(out).sigmoid()
    torch.testing.assert_close(network(source, moved), expected)


def test_tpsmms_composite_by_hand() -> None:
    network, source, moved = networks()[2].eval(), images(2, 0), motion(0.3)
    warped = [0.3 * warp(part, moved.flow) for part in network.encode(source)]
    out = network.ups[0](warped[2])
    out = network.ups[1](torch.cat((out, warped[1]), dim=1))
    drawn = network.last(0.7 * out + warped[0]).sigmoid()
    expected = 0.7 * drawn + 0.3 * warp(source, moved.flow)
    torch.testing.assert_close(network(source, moved), expected)


def test_the_features_loss_as_a_sum_and_where_its_gradient_goes() -> None:
    network, batch = networks()[2], pairs(2, 0)
    flow = motion(None).flow.requires_grad_()
    hidden = torch.full((2, 1, 8, 4), 0.25, requires_grad=True)
    loss = network.own_losses(batch, Motion(flow, (hidden,)))
    assert set(loss) == {"features"}
    expected = torch.zeros(())
    for t, s in zip(network.encode(batch.target), network.encode(batch.source), strict=True):
        expected = expected + (0.25 * t - 0.25 * warp(s, flow)).abs().mean()
    torch.testing.assert_close(loss["features"], expected)
    loss["features"].backward()
    assert flow.grad is not None
    assert flow.grad.abs().sum() > 0
    assert hidden.grad is None
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_features_loss_of_an_identical_pair_is_zero() -> None:
    batch = pairs(2, 0)
    same = batch._replace(target=batch.source)
    still = Motion(identity(*SIZE).expand(2, -1, -1, -1))
    loss: Tensor = networks()[2].own_losses(same, still)["features"]
    assert loss < 1e-5


def test_wrong_sizes_and_presets_are_errors() -> None:
    for network, cell in [(networks()[0], 4), (Inpainting(expansion=4), 8)]:
        with pytest.raises(ValueError, match=f"multiples of {cell}, got 32x18"):
            network(torch.rand(1, 3, 32, 18), Motion(identity(8, 4)[None]))
    with pytest.raises(ValueError, match="downs"):
        Inpainting(downs=0)
    for kind in (Generator, Inpainting):
        assert kind.preset("paper") == {}
        assert isinstance(kind(**kind.preset("small")), nn.Module)
        with pytest.raises(UsageError, match=r"'large'.*paper, small"):
            kind.preset("large")
