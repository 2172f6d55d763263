"""Depthwise convolutions in mixed precision."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reidaug.reid.mixed_precision import MixedPrecisionConv2d
from reidaug.reid.model_factory import build

IMAGES = torch.randn(2, 8, 12, 10, generator=torch.Generator().manual_seed(0))


def conv(kernel: int, stride: int, groups: int = 8) -> MixedPrecisionConv2d:
    layer = MixedPrecisionConv2d(8, 8, kernel, stride, kernel // 2, groups=groups, bias=False)
    nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(1))
    return layer


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 1), (5, 2)])
def test_slow_kinds_train_in_float32_and_give_bfloat16(kernel: int, stride: int) -> None:
    layer = conv(kernel, stride)
    maps = IMAGES.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        seen = layer(maps)
    exact = F.conv2d(maps.float(), layer.weight, None, stride, kernel // 2, groups=8)
    assert seen.dtype == torch.bfloat16
    assert seen.equal(exact.bfloat16())
    along = torch.randn(exact.shape, generator=torch.Generator().manual_seed(2)).bfloat16()
    (gradient,) = torch.autograd.grad(seen, layer.weight, along)
    (expected,) = torch.autograd.grad(exact, layer.weight, along.float())
    assert gradient.equal(expected)


@pytest.mark.parametrize(("kernel", "stride", "groups"), [(3, 1, 8), (3, 2, 1), (5, 2, 1)])
def test_other_kinds_stay_as_they_are(kernel: int, stride: int, groups: int) -> None:
    layer = conv(kernel, stride, groups)
    assert not layer.slow_in_bfloat16
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = F.conv2d(IMAGES, layer.weight, None, stride, kernel // 2, groups=groups)
        assert layer(IMAGES).equal(plain)


def test_without_gradients_or_mixed_precision_nothing_changes() -> None:
    layer = conv(3, 2)
    plain = F.conv2d(IMAGES, layer.weight, None, 2, 1, groups=8)
    assert layer(IMAGES).equal(plain)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(IMAGES).equal(F.conv2d(IMAGES, layer.weight, None, 2, 1, groups=8))


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "efficientnet_lite0"])
def test_every_slow_layer_of_the_mobile_networks_is_of_this_kind(backbone: str) -> None:
    with torch.device("meta"):
        model = build(backbone, 5)
    depthwise = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert len(depthwise) in (16, 17)
    assert all(isinstance(layer, MixedPrecisionConv2d) for layer in depthwise)
    assert any(layer.slow_in_bfloat16 for layer in depthwise)
