"""MobileNetV2: its size, and its map written out from the tensors of a flat weight file."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from torchvision.models import mobilenet_v2

from reidaug.reid.mobilenet import PersonMobileNetV2
from reidaug.reid.model_contract import check_model
from reidaug.reid.model_factory import build
from reidaug.reid.weights import load_weights, save_weights

# Expansion, input and output channels, stride of the 17 blocks in an image classifier.
BLOCKS = [
    (1, 32, 16, 1),
    (6, 16, 24, 2), (6, 24, 24, 1),
    (6, 24, 32, 2), (6, 32, 32, 1), (6, 32, 32, 1),
    (6, 32, 64, 2), (6, 64, 64, 1), (6, 64, 64, 1), (6, 64, 64, 1),
    (6, 64, 96, 1), (6, 96, 96, 1), (6, 96, 96, 1),
    (6, 96, 160, 2), (6, 160, 160, 1), (6, 160, 160, 1),
    (6, 160, 320, 1),
]  # fmt: skip


def flat_file() -> dict[str, torch.Tensor]:
    """Random tensors with the names and shapes of the file in the wheel."""
    chance = torch.Generator().manual_seed(0)
    state = {}

    def layer(conv: str, norm: str, shape: tuple[int, ...]) -> None:
        fan_in = shape[1] * shape[2] * shape[3]
        state[f"{conv}.weight"] = torch.randn(shape, generator=chance) / fan_in**0.5
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{part}"] = torch.rand(shape[0], generator=chance) + 0.5
        state[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    layer("features.0.0", "features.0.1", (32, 3, 3, 3))
    for number, (expansion, inside, out, _) in enumerate(BLOCKS, 1):
        place, wide = 0, inside * expansion
        shapes = [(wide, inside, 1, 1)] if expansion > 1 else []
        for shape in (*shapes, (wide, 1, 3, 3), (out, wide, 1, 1)):
            name = f"features.{number}.conv"
            layer(f"{name}.{place}", f"{name}.{place + 1}", shape)
            place += 3
    layer("features.18.0", "features.18.1", (1280, 320, 1, 1))
    return state


def written_out(images: torch.Tensor, state: dict[str, torch.Tensor]) -> torch.Tensor:
    def conv(x: torch.Tensor, name: str, norm: str, stride: int = 1) -> torch.Tensor:
        weight = state[f"{name}.weight"]
        groups, padding = x.shape[1] // weight.shape[1], weight.shape[-1] // 2
        parts = (state[f"{norm}.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(F.conv2d(x, weight, None, stride, padding, 1, groups), *parts)

    x = F.relu6(conv(images, "features.0.0", "features.0.1", 2))
    for number, (expansion, inside, out, stride) in enumerate(BLOCKS, 1):
        name, y = f"features.{number}.conv", x
        last = 0
        if expansion > 1:
            y, last = F.relu6(conv(y, f"{name}.0", f"{name}.1")), 3
        y = F.relu6(conv(y, f"{name}.{last}", f"{name}.{last + 1}", stride))
        y = conv(y, f"{name}.{last + 3}", f"{name}.{last + 4}")
        x = x + y if stride == 1 and inside == out else y
    return F.relu6(conv(x, "features.18.0", "features.18.1"))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_flat_file_loads_whole_and_gives_the_map_written_out(tmp_path: Path, prefix: str) -> None:
    state = flat_file()
    torch.save({prefix + key: value for key, value in state.items()}, tmp_path / "w.pt")
    model = build("mobilenet_v2", 5, last_stride=2).eval()
    loaded = load_weights(model, tmp_path / "w.pt")
    assert (len(loaded.fitted), loaded.skipped) == (312, ())
    assert all(name.startswith("heads.") for name in loaded.missing)
    assert model.backbone.features[1].conv[0][1].num_batches_tracked == 7
    images = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps = model.backbone(images)
        assert maps.shape == (2, 1280, 2, 1)
        torch.testing.assert_close(maps, written_out(images, state), rtol=1e-4, atol=1e-4)


def test_torchvisions_file_loads_whole(tmp_path: Path) -> None:
    whole = mobilenet_v2(num_classes=3).eval()
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    model = build("mobilenet_v2", 5, last_stride=2).eval()
    loaded = load_weights(model, tmp_path / "w.pth")
    assert (len(loaded.fitted), loaded.skipped) == (
        312,
        ("classifier.1.weight", "classifier.1.bias"),
    )
    images = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(model.backbone(images), whole.features(images))


def test_our_own_file_loads_whole(tmp_path: Path) -> None:
    model, other = build("mobilenet_v2", 5), build("mobilenet_v2", 5)
    save_weights(model, tmp_path / "start.safetensors")
    loaded = load_weights(other, tmp_path / "start.safetensors")
    assert (loaded.skipped, loaded.missing) == ((), ())
    state = other.state_dict()
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())


def test_it_has_the_published_size() -> None:
    with torch.device("meta"):
        model = build("mobilenet_v2", 1000)
    trunk = sum(p.numel() for p in model.backbone.parameters())
    assert trunk + 1000 * 1280 + 1000 == 3_504_872  # with the classifier of ImageNet
    assert model.heads.weight.shape == (1000, 1280)


def test_the_last_stride_is_removed_unless_asked_for() -> None:
    images = torch.randn(2, 3, 128, 64)
    with torch.device("meta"):
        shapes = [
            build("mobilenet_v2", 5, **options).backbone(images.to("meta")).shape[2:]
            for options in ({}, {"last_stride": 2})
        ]
    assert shapes == [(8, 4), (4, 2)]


def test_the_neck_is_that_of_the_strong_baseline() -> None:
    model = build("mobilenet_v2", 5).train()
    seen = model(torch.randn(3, 3, 64, 32, generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(seen.pooled.mean(0) * 0, seen.heads[0].mean(0), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.logits[0], seen.heads[0] @ model.heads.weight.T)
    assert seen.pooled.shape == seen.heads[0].shape == (3, 1280)


def test_it_keeps_the_contract_with_channels_last() -> None:
    model = build("mobilenet_v2", 5).to(memory_format=torch.channels_last)
    assert isinstance(model, PersonMobileNetV2) and model.channels_last
    check_model(model, name="mobilenet_v2", people=5, size=(64, 32), teacher=True)


def test_the_same_seed_gives_the_same_weights() -> None:
    one, other = (
        build("mobilenet_v2", 5, generator=torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
