"""The published program's own distances were taken once, outside this project:

from stlpips_pytorch import stlpips   # the wheel stlpips-pytorch 0.0.2
g = torch.Generator().manual_seed(0)
a = torch.rand(2, 3, 96, 64, generator=g) * 2 - 1
b = (a + 0.3 * torch.randn(2, 3, 96, 64, generator=g)).clamp(-1, 1)
stlpips.LPIPS(net="alex", variant="shift_tolerant").eval()(a, b)
"""

from pathlib import Path

import pytest
import torch
from flow_figures import images

from reidaug.errors import ReidaugError
from reidaug.flow import perceptual_weights
from reidaug.flow.perceptual_networks import FeatureNetwork, ShiftTolerantLPIPS, Vgg19

PUBLISHED = {
    "alex": [0.005562880542129278, 0.006676999852061272],
    "vgg": [0.012214036658406258, 0.012803907506167889],
}


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_distances_are_those_of_the_published_program(network: str) -> None:
    path = perceptual_weights.FILES[network].path
    if not path.is_file():
        pytest.skip(f"{path} is not there; any command that scores with ST-LPIPS fetches it")
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(2, 3, 96, 64, generator=generator) * 2 - 1
    b = (a + 0.3 * torch.randn(2, 3, 96, 64, generator=generator)).clamp(-1, 1)
    distance = ShiftTolerantLPIPS.load(network, path).distance((a + 1) / 2, (b + 1) / 2)
    torch.testing.assert_close(distance, torch.tensor(PUBLISHED[network]), atol=1e-7, rtol=1e-4)


def published(network: ShiftTolerantLPIPS) -> dict[str, torch.Tensor]:
    """A state as the published files lay it out, with weights of our own."""
    state = {"scaling_layer.shift": torch.zeros(1, 3, 1, 1)}
    for k, convolution in enumerate(network.convolutions):
        state[f"net.slice1.{k}.filt"] = torch.zeros(1)
        state[f"net.slice1.{k}.weight"] = torch.rand(convolution.weight.shape)
        state[f"net.slice1.{k}.bias"] = torch.rand(convolution.bias.shape)
    for k, head in enumerate(network.heads):
        state[f"lin{k}.model.1.weight"] = torch.rand(head.shape)
    return state


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_a_published_file_fills_every_weight(tmp_path: Path, network: str) -> None:
    state = published(ShiftTolerantLPIPS(network))
    torch.save(state, tmp_path / "net.pth")
    loaded = ShiftTolerantLPIPS.load(network, tmp_path / "net.pth")
    given = [v for k, v in state.items() if "filt" not in k and "scaling" not in k]
    assert len(given) == len(list(loaded.parameters()))
    for parameter in loaded.parameters():
        assert any(p.shape == parameter.shape and torch.equal(p, parameter) for p in given)
        assert not parameter.requires_grad
    assert not loaded.train().training
    other = "vgg" if network == "alex" else "alex"
    with pytest.raises(ReidaugError, match=f"not the weights of shift-tolerant LPIPS {other}"):
        ShiftTolerantLPIPS.load(other, tmp_path / "net.pth")


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_a_distance_is_zero_for_equal_images_symmetric_and_one_a_pair(network: str) -> None:
    net = ShiftTolerantLPIPS(network)
    for head in net.heads:
        torch.nn.init.constant_(head, 1.0)
    image, other = images(2, 0), images(2, 1)
    assert net.distance(image, image).eq(0).all()
    there, back = net.distance(image, other), net.distance(other, image)
    torch.testing.assert_close(there, back)
    assert (there > 0).all()
    torch.testing.assert_close(net.distance(image[:1], other[:1])[0], there[0])


@pytest.mark.parametrize(
    "network", [ShiftTolerantLPIPS("vgg"), ShiftTolerantLPIPS("alex"), Vgg19()]
)
def test_fewer_depths_are_the_first_of_all(network: FeatureNetwork) -> None:
    image = torch.rand(1, 3, 64, 32)
    everything = network.features(image)
    for depths in (1, 3):
        found = network.features(image, depths=depths)
        assert len(found) == depths
        assert all(map(torch.equal, found, everything))


def test_small_images_have_fewer_depths() -> None:
    network = ShiftTolerantLPIPS("vgg")
    depths = [len(network.features(torch.rand(1, 3, side, side))) for side in (64, 16, 8)]
    assert depths == [5, 4, 3]
    assert len(Vgg19().features(torch.rand(1, 3, 8, 8))) == 4


def test_vgg19_takes_torchvisions_layout(tmp_path: Path) -> None:
    net = Vgg19()
    places = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30]
    state = {}
    for place, convolution in zip(
        places, [*net.convolutions, torch.nn.Conv2d(1, 1, 1)], strict=False
    ):
        state[f"features.{place}.weight"] = torch.rand(convolution.weight.shape)
        state[f"features.{place}.bias"] = torch.rand(convolution.bias.shape)
    state["classifier.0.weight"] = torch.rand(2, 2)
    torch.save(state, tmp_path / "vgg19.pth")
    loaded = Vgg19.load(tmp_path / "vgg19.pth")
    assert torch.equal(loaded.convolutions[12].weight, state["features.28.weight"])
    shapes = [f.shape[1:] for f in loaded.features(torch.rand(1, 3, 64, 32))]
    assert shapes == [(64, 64, 32), (128, 32, 16), (256, 16, 8), (512, 8, 4), (512, 4, 2)]
    torch.save({"features.0.weight": torch.rand(2)}, tmp_path / "other.pth")
    with pytest.raises(ReidaugError, match="not the weights of torchvision's VGG-19"):
        Vgg19.load(tmp_path / "other.pth")


def test_a_weight_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(ReidaugError, match=r"text\.pth: not readable as a weight file"):
        Vgg19.load(tmp_path / "text.pth")
    with pytest.raises(ReidaugError, match=r"gone\.pth: no such weight file"):
        Vgg19.load(tmp_path / "gone.pth")
    with pytest.raises(ValueError, match="'vgg' or 'alex'"):
        ShiftTolerantLPIPS("resnet")


class TestFetching:
    @pytest.fixture(autouse=True)
    def _cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REIDAUG_CACHE", str(tmp_path / "cache"))

    def test_a_failing_pip_is_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        with pytest.raises(ReidaugError, match="pip could not fetch stlpips-pytorch") as told:
            perceptual_weights.shift_tolerant_weights("vgg")
        assert "\n" not in str(told.value)
        assert "put its weight files into" in str(told.value)

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "cache").mkdir()
        perceptual_weights.FILES["alex"].path.write_bytes(b"cut o")
        with pytest.raises(ReidaugError, match=r"alex_shift_tolerant\.pth: .*SHA-256"):
            perceptual_weights.shift_tolerant_weights("alex")
        with pytest.raises(ValueError, match="one of"):
            perceptual_weights.shift_tolerant_weights("resnet")


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_the_map_of_differences_is_where_images_differ(network: str) -> None:
    net = ShiftTolerantLPIPS(network)
    for head in net.heads:
        torch.nn.init.constant_(head, 1.0)
    image = images(1, 0).repeat(1, 1, 4, 8)
    other = image.clone()
    other[..., 96:, 96:] = 1 - other[..., 96:, 96:]
    size = (image.shape[-2], image.shape[-1])
    there = net.difference_map(net.features(image), net.features(other), size)
    assert there.shape == (1, *size)
    assert there[0, 112, 112] > 10 * there[0, 8, 8]
    # An average over the map is nearly the distance: enlarging counts inner cells a little more.
    features = net.features(image), net.features(images(1, 5).repeat(1, 1, 4, 8))
    whole = net.feature_distance(*features)
    torch.testing.assert_close(
        net.difference_map(*features, size).mean(), whole[0], rtol=0.15, atol=0
    )
