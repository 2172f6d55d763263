import pytest
import torch
from flow_figures import images, pairs
from seeding import seeded
from torch import Tensor, nn

from reidaug.errors import UsageError
from reidaug.flow.estimator import Motion
from reidaug.flow.unwarpme.refinement import Refinement
from reidaug.geometry.flow import identity
from reidaug.geometry.warp import warp


def narrow(seed: int = 0, **keywords: object) -> Refinement:
    """An R of the full form with statistics of its own, so that eval mode is not trivial."""
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(seed)
        net = Refinement(**{"width": 16, **keywords})  # type: ignore[arg-type]
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -0.2, 0.2)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net.eval()


def noise(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, height, width, generator=seeded(seed))


def still(count: int, height: int, width: int) -> Tensor:
    return identity(height, width).expand(count, -1, -1, -1)


def convolution(channels: int, out: int, kernel: int) -> int:
    return channels * out * kernel * kernel + out


def norm(channels: int) -> int:
    return 2 * channels


def size_by_hand(width: int) -> int:
    """Two convolutions down, six residual blocks, two convolutions up, the last one to colours."""
    half, quarter = width // 2, width // 4
    total = convolution(3, half, 3) + norm(half) + convolution(half, width, 3) + norm(width)
    total += 6 * 2 * (norm(width) + convolution(width, width, 3))
    total += convolution(width, half, 3) + norm(half) + convolution(half, quarter, 3)
    return total + norm(quarter) + convolution(quarter, 3, 7)


@pytest.mark.parametrize(("name", "width", "total"), [("paper", 256, 7_765_251), ("small", 64, 0)])
def test_the_presets_have_the_size_worked_out_by_hand(name: str, width: int, total: int) -> None:
    net = Refinement(**Refinement.preset(name))
    count = sum(parameter.numel() for parameter in net.parameters())
    assert count == size_by_hand(width)
    assert not total or count == total
    skip = Refinement(**Refinement.preset(name), skip=True)
    more = sum(parameter.numel() for parameter in skip.parameters()) - count
    assert more == convolution(2 * width, width, 1)


def test_the_layers_are_those_of_the_paper() -> None:
    net = Refinement(**Refinement.preset("paper")).eval()
    kinds = [m for m in net.encoder.modules() if isinstance(m, nn.Conv2d | nn.AvgPool2d)]
    assert [type(m) for m in kinds] == [nn.Conv2d, nn.AvgPool2d] * 2
    assert net.encoder(noise(1, 16, 8)).shape == (1, 256, 4, 2)
    up = [m for m in net.decoder.modules() if isinstance(m, nn.Upsample | nn.BatchNorm2d)]
    assert [type(m) for m in up] == [nn.BatchNorm2d] * 12 + [nn.Upsample, nn.BatchNorm2d] * 2


@pytest.mark.parametrize(("height", "width"), [(32, 16), (64, 64)])
@pytest.mark.parametrize("skip", [False, True])
def test_the_output_has_the_source_size_for_a_flow_of_any_size(
    height: int, width: int, skip: bool
) -> None:
    net = narrow(skip=skip)
    for grid in ((height // 4, width // 4), (8, 5), (height, width)):
        drawn = net(noise(2, height, width), Motion(still(2, *grid)))
        assert drawn.shape == (2, 3, height, width)
        assert drawn.dtype == torch.float32
        assert drawn.min() >= 0
        assert drawn.max() <= 1


def test_it_decodes_the_warped_features() -> None:
    net = narrow()
    source = noise(2, 32, 16)
    flow = pairs(2, 0).flow
    assert flow is not None
    torch.testing.assert_close(
        net(source, Motion(still(2, 8, 4))), torch.sigmoid(net.decoder(net.encoder(source)))
    )
    torch.testing.assert_close(
        net(source, Motion(flow)), torch.sigmoid(net.decoder(warp(net.encoder(source), flow)))
    )


def test_occlusion_is_not_looked_at() -> None:
    net, source, flow = narrow(), noise(1, 32, 16), still(1, 8, 4)
    hidden = Motion(flow, (torch.zeros(1, 1, 8, 4),))
    assert torch.equal(net(source, Motion(flow)), net(source, hidden))


@pytest.mark.parametrize("skip", [False, True])
def test_only_the_skip_lets_the_source_pass_by_the_flow(skip: bool) -> None:
    """A flow that samples one point leaves the decoder one colour wherever no edge is near."""
    net = narrow(skip=skip)
    point = torch.tensor([0.3, -0.2])[None, :, None, None].expand(1, 2, 32, 32)
    drawn = net(noise(1, 128, 128), Motion(point))[..., 56:72, 56:72]
    spread = drawn.amax((2, 3)) - drawn.amin((2, 3))
    if skip:
        assert (spread > 1e-3).any()
    else:
        assert (spread < 1e-5).all()


@pytest.mark.parametrize("skip", [False, True])
def test_encoder_decoder_and_flow_learn(skip: bool) -> None:
    net = narrow(skip=skip)
    flow = (still(2, 8, 4) * 0.9).requires_grad_()
    source = noise(2, 32, 16).requires_grad_()
    net(source, Motion(flow)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name
    for given in (flow, source):
        assert given.grad is not None
        assert given.grad.isfinite().all()
        assert given.grad.abs().sum() > 0


def test_the_encoder_learns_at_a_tenth_of_the_rate() -> None:
    net = narrow()
    encoder, decoder = net.parameter_groups()
    assert (encoder["rate"], decoder["rate"]) == (0.1, 1.0)
    assert encoder["params"] == list(net.encoder.parameters())
    every = {id(p) for group in (encoder, decoder) for p in group["params"]}
    assert every == {id(p) for p in net.parameters()}
    assert sum(len(group["params"]) for group in (encoder, decoder)) == len(every)
    assert [group["rate"] for group in narrow(encoder_rate=1.0).parameter_groups()] == [1.0, 1.0]


def test_one_image_alone_is_one_image_in_a_batch() -> None:
    net, source = narrow(), noise(3, 32, 16)
    flow = torch.rand(3, 2, 8, 4, generator=seeded(1)) * 2 - 1
    alone = net(source[1:2], Motion(flow[1:2]))
    torch.testing.assert_close(net(source, Motion(flow))[1:2], alone, atol=1e-5, rtol=1e-5)


def test_weights_travel() -> None:
    net, other = narrow(0), narrow(1)
    source, motion = noise(1, 32, 16), Motion(still(1, 8, 4))
    assert not torch.equal(net(source, motion), other(source, motion))
    other.load_state_dict(net.state_dict())
    assert torch.equal(net(source, motion), other(source, motion))


def test_it_overfits_a_few_targets() -> None:
    net, batch = narrow(width=32, blocks=2).train(), pairs(4, 0)
    assert batch.flow is not None
    motion = Motion(batch.flow)
    groups = [
        {"params": group["params"], "lr": 0.01 * group["rate"]} for group in net.parameter_groups()
    ]
    optimizer = torch.optim.Adam(groups)
    losses = []
    for _ in range(60):
        loss = (net(batch.source, motion) - batch.target).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]


def test_in_half_precision_it_is_close() -> None:
    net, source, motion = narrow(), images(2, 0), Motion(still(2, 8, 4))
    with torch.autocast("cpu", torch.bfloat16):
        half = net(source, motion)
    assert half.dtype == torch.float32
    assert (half - net(source, motion)).abs().max() < 0.05


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(UsageError, match=r"'large'.*paper, small"):
        Refinement.preset("large")
    for wrong, words in [
        ({"width": 30}, "multiple of 4"),
        ({"blocks": 0}, "at least 1"),
        ({"encoder_rate": -0.1}, "encoder_rate"),
    ]:
        with pytest.raises(ValueError, match=words):
            narrow(**wrong)
    with pytest.raises(ValueError, match="multiples of 4, got 30 x 16"):
        narrow()(noise(1, 30, 16), Motion(still(1, 8, 4)))
