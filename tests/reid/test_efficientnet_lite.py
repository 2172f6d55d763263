"""EfficientNet-Lite0: its size, and its map written out from the tensors of a weight file."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from torchvision.transforms.functional import normalize

from reidaug.data.images import IMAGENET_MEAN, IMAGENET_STD
from reidaug.reid.efficientnet_lite import PersonEfficientNetLite0, SameConv2d
from reidaug.reid.model_contract import check_model
from reidaug.reid.model_factory import build
from reidaug.reid.weights import load_weights, save_weights

# Kernel, stride, expansion, input and output channels of the 16 blocks in an image classifier.
BLOCKS = [
    (3, 1, 1, 32, 16),
    (3, 2, 6, 16, 24), (3, 1, 6, 24, 24),
    (5, 2, 6, 24, 40), (5, 1, 6, 40, 40),
    (3, 2, 6, 40, 80), (3, 1, 6, 80, 80), (3, 1, 6, 80, 80),
    (5, 1, 6, 80, 112), (5, 1, 6, 112, 112), (5, 1, 6, 112, 112),
    (5, 2, 6, 112, 192), (5, 1, 6, 192, 192), (5, 1, 6, 192, 192), (5, 1, 6, 192, 192),
    (3, 1, 6, 192, 320),
]  # fmt: skip


def stored() -> dict[str, torch.Tensor]:
    """Random tensors with the names and shapes of the file in the wheel."""
    chance = torch.Generator().manual_seed(0)
    state = {}

    def layer(conv: str, norm: str, shape: tuple[int, ...]) -> None:
        fan_in = shape[1] * shape[2] * shape[3]
        state[f"{conv}.weight"] = torch.randn(shape, generator=chance) / fan_in**0.5
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{part}"] = torch.rand(shape[0], generator=chance) + 0.5
        # A variance this small makes the epsilon count.
        state[f"{norm}.running_var"][::7] = 2e-3
        state[f"{norm}.num_batches_tracked"] = torch.tensor(0)

    layer("_conv_stem", "_bn0", (32, 3, 3, 3))
    for number, (kernel, _, expansion, inside, out) in enumerate(BLOCKS):
        name, wide = f"_blocks.{number}.", inside * expansion
        if expansion > 1:
            layer(f"{name}_expand_conv", f"{name}_bn0", (wide, inside, 1, 1))
        layer(f"{name}_depthwise_conv", f"{name}_bn1", (wide, 1, kernel, kernel))
        layer(f"{name}_project_conv", f"{name}_bn2", (out, wide, 1, 1))
    layer("_conv_head", "_bn1", (1280, 320, 1, 1))
    state["_fc.weight"], state["_fc.bias"] = torch.rand(1000, 1280), torch.rand(1000)
    return state


def written_out(pixels: torch.Tensor, state: dict[str, torch.Tensor]) -> torch.Tensor:
    """The map of pictures with values 0 to 255."""

    def conv(x: torch.Tensor, name: str, norm: str, stride: int = 1) -> torch.Tensor:
        weight = state[f"{name}.weight"]
        around = max(weight.shape[-1] - stride, 0)  # of sides that the stride divides
        before, after = around // 2, (around + 1) // 2
        x = F.pad(x, (before, after, before, after))
        x = F.conv2d(x, weight, None, stride, groups=x.shape[1] // weight.shape[1])
        mean, var, scale, shift = (
            state[f"{norm}.{part}"].view(-1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-3).sqrt() * scale + shift

    x = conv((pixels - 127) / 128, "_conv_stem", "_bn0", 2).clamp(0, 6)
    for number, (_, stride, expansion, inside, out) in enumerate(BLOCKS):
        name, y = f"_blocks.{number}.", x
        if expansion > 1:
            y = conv(y, f"{name}_expand_conv", f"{name}_bn0").clamp(0, 6)
        y = conv(y, f"{name}_depthwise_conv", f"{name}_bn1", stride).clamp(0, 6)
        y = conv(y, f"{name}_project_conv", f"{name}_bn2")
        x = x + y if stride == 1 and inside == out else y
    return conv(x, "_conv_head", "_bn1").clamp(0, 6)


def test_a_file_loads_whole_and_gives_the_map_written_out(tmp_path: Path) -> None:
    state = stored()
    torch.save(state, tmp_path / "w.pth")
    model = build("efficientnet_lite0", 5, last_stride=2).eval()
    loaded = load_weights(model, tmp_path / "w.pth")
    assert (len(loaded.fitted), loaded.skipped) == (294, ("fc.weight", "fc.bias"))
    assert all(name.startswith("heads.") for name in loaded.missing)
    pixels = torch.randint(0, 256, (2, 3, 64, 32), generator=torch.Generator().manual_seed(1))
    images = normalize(pixels.double() / 255, IMAGENET_MEAN, IMAGENET_STD)
    with torch.no_grad():
        maps = model.double().backbone(images)
        assert maps.shape == (2, 1280, 2, 1)
        state = {key: value.double() for key, value in state.items()}
        torch.testing.assert_close(maps, written_out(pixels.double(), state))


def test_our_own_file_loads_whole(tmp_path: Path) -> None:
    model, other = build("efficientnet_lite0", 5), build("efficientnet_lite0", 5)
    save_weights(model, tmp_path / "start.safetensors")
    loaded = load_weights(other, tmp_path / "start.safetensors")
    assert (loaded.skipped, loaded.missing) == ((), ())


@pytest.mark.parametrize(
    ("size", "kernel", "places"),
    [
        (8, 3, [1, 3, 5, 7]),  # even: padded at the end alone
        (7, 3, [0, 2, 4, 6]),
        (8, 5, [1, 3, 5, 7]),
        (7, 5, [0, 2, 4, 6]),
    ],
)
def test_strided_kernels_lie_where_tensorflow_has_them(
    size: int, kernel: int, places: list[int]
) -> None:
    conv = SameConv2d(1, 1, kernel, stride=2).requires_grad_(False)
    torch.nn.init.dirac_(conv.weight)
    picture = torch.arange(3.0 * size).reshape(1, 1, 3, size)
    assert conv(picture)[0, 0].equal(picture[0, 0, ::2, places])
    assert conv(picture.mT)[0, 0].equal(picture[0, 0, ::2, places].T)


def test_it_has_the_published_size() -> None:
    with torch.device("meta"):
        model = build("efficientnet_lite0", 1000)
    trunk = sum(p.numel() for p in model.backbone.parameters())
    assert trunk + 1000 * 1280 + 1000 == 4_652_008  # with the classifier of ImageNet
    norms = [m for m in model.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) == 49
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


def test_the_last_stride_is_removed_unless_asked_for() -> None:
    with torch.device("meta"):
        images = torch.empty(2, 3, 128, 64)
        shapes = [
            build("efficientnet_lite0", 5, **options).backbone(images).shape[2:]
            for options in ({}, {"last_stride": 2})
        ]
    assert shapes == [(8, 4), (4, 2)]


def test_it_keeps_the_contract_with_channels_last() -> None:
    model = build("efficientnet_lite0", 5).to(memory_format=torch.channels_last)
    assert isinstance(model, PersonEfficientNetLite0) and model.channels_last
    check_model(model, name="efficientnet_lite0", people=5, size=(64, 32), teacher=True)
    seen = model.train()(torch.randn(3, 3, 64, 32, generator=torch.Generator().manual_seed(1)))
    assert seen.pooled.shape == seen.heads[0].shape == (3, 1280)
    assert seen.logits[0].shape == (3, 5)


def test_the_same_seed_gives_the_same_weights() -> None:
    one, other = (
        build("efficientnet_lite0", 5, generator=torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
