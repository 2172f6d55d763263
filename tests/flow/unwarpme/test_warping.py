import pytest
import torch
from flow_figures import SIZE, images, pairs, poses, tiny
from known_motion import (
    ELBOW,
    FOREARM_SHIFT,
    WRIST,
    BodyCoordinates,
    NearestJoint,
    at_joints,
    body_moved,
    forearm_moved,
    read_joints,
    standing,
    there_and_back,
)
from known_motion import SIZE as BODY_SIZE
from seeding import seeded
from torch import nn

from reidaug.errors import UsageError
from reidaug.flow.unwarpme import warping
from reidaug.flow.unwarpme.correlation import EPSILON
from reidaug.flow.unwarpme.warping import CELL, FlowHead, PoseEncoder, UnWarpME
from reidaug.geometry.flow import endpoint_error, identity, resize, to_pixels
from reidaug.geometry.pose import Pose, pose_maps, select


def convolution_weights(module: nn.Module) -> int:
    return sum(m.weight.numel() for m in module.modules() if isinstance(m, nn.Conv2d))


def test_the_paper_preset_has_the_papers_size() -> None:
    net = UnWarpME(**UnWarpME.preset("paper"))
    assert net.grid == (64, 64)
    kinds = [m for m in net.encoder if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    assert [type(m) for m in kinds] == [nn.Conv2d, nn.BatchNorm2d] * 11
    assert kinds[-2].out_channels == 35
    assert abs(sum(p.numel() for p in net.encoder.parameters()) - 1.20e6) < 0.01e6
    assert abs(convolution_weights(net.reader) - 5.051e6) < 0.001e6
    # Literal W: no soft argmax, a 3x3 first layer of C_i, no dilation.
    assert (net.readout, net.reader.first.kernel_size) == ("literal", (3, 3))
    assert {m.dilation for m in net.encoder if isinstance(m, nn.Conv2d)} == {(1, 1)}
    small = UnWarpME(**UnWarpME.preset("small"))
    assert (small.readout, small.reader.first.kernel_size) == ("literal", (3, 3))
    assert {m.dilation for m in small.encoder if isinstance(m, nn.Conv2d)} == {(1, 1)}
    for name in ("paper_sa", "market", "small_sa"):
        assert UnWarpME(**UnWarpME.preset(name)).readout == "soft_argmax"


@pytest.mark.parametrize(
    ("depth", "millions"),
    [(1, 0.074), (2, 4.721), (3, 4.868), (4, 4.978), (5, 5.033), (6, 5.051)],
)
def test_every_depth_of_the_reader_has_the_size_of_table_4(depth: int, millions: float) -> None:
    reader = FlowHead(4096, depth=depth)
    assert sum(isinstance(m, nn.Conv2d) for m in reader.modules()) == depth
    assert abs(convolution_weights(reader) / 1e6 - millions) < 0.001
    assert reader.eval()(torch.rand(1, 4096, 2, 3)).shape == (1, 2, 2, 3)


@pytest.mark.parametrize(
    ("name", "grid"), [("market", (32, 16)), ("small", (32, 16)), ("small_sa", (32, 16))]
)
def test_presets_for_crops_have_a_grid_of_their_own(name: str, grid: tuple[int, int]) -> None:
    net = UnWarpME(**UnWarpME.preset(name)).eval()
    assert net.grid == grid
    assert net(images(1, 0), poses(1, 0), poses(1, 1)).shape == (1, 2, *grid)


def test_wrong_presets_and_keywords_are_errors() -> None:
    with pytest.raises(UsageError, match=r"'large'.*paper, paper_sa, market, small, small_sa"):
        UnWarpME.preset("large")
    for wrong, words in [
        ({"canvas": (33, 16)}, "multiples of 4"),
        ({"sigma": 0.0}, "sigma must be positive, got 0.0"),
        ({"unit": "grid"}, "position.*channel.*'grid'"),
        ({"readout": "hard"}, "soft_argmax"),
        ({"depth": 7}, "1 to 6"),
        ({"first_kernel": 5}, "1 or 3"),
        ({"widths": (8, 8)}, "11 widths"),
    ]:
        with pytest.raises(ValueError, match=words):
            tiny(**wrong)


def test_the_untrained_flow_of_equal_poses_starts_near_the_identity_with_sharp_matches() -> None:
    net = tiny().eval()
    with torch.no_grad():
        net.log_temperature.fill_(6.0)
    pose = poses(2, 0, visible=1.0)
    flow = net(images(2, 0), pose, pose)
    square = torch.linspace(-1, 1, 8)[:, None]
    assert (flow[:, 1] - square).abs().mean() < 0.35


@pytest.mark.parametrize("keywords", [{}, {"readout": "literal"}, {"unit": "channel"}])
@pytest.mark.parametrize("depth", [1, 6])
def test_every_parameter_gets_a_gradient(keywords: dict[str, str], depth: int) -> None:
    net = tiny(depth=depth, **keywords)
    if "readout" not in keywords:  # the last layer starts at zero, which stops gradients once
        nn.init.normal_([net.reader.first, *net.reader.rest][-1].weight)
    batch = pairs(3, 0)
    net(batch.source, batch.source_pose, batch.target_pose).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_pair_has_the_same_flow_alone_and_in_a_batch() -> None:
    net = tiny().eval()
    source, ps, pt = images(3, 0), poses(3, 1), poses(3, 2)
    flow = net(source, ps, pt)
    alone = net(source[1:2], select(ps, slice(1, 2)), select(pt, slice(1, 2)))
    torch.testing.assert_close(flow[1:2], alone, atol=1e-5, rtol=1e-5)


def test_invisible_joints_have_no_effect_and_empty_poses_are_finite() -> None:
    net = tiny().eval()
    source, ps, pt = images(2, 0), poses(2, 1, visible=0.5), poses(2, 2, visible=0.5)
    moved = Pose(torch.where(ps.visible[..., None], ps.xy, torch.nan), ps.visible)
    torch.testing.assert_close(net(source, ps, pt), net(source, moved, pt))
    nobody = Pose(torch.full_like(ps.xy, -1.0), torch.zeros_like(ps.visible))
    assert net(source, nobody, pt).isfinite().all()
    net.train()(source, nobody, nobody).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("readout", ["soft_argmax", "literal"])
def test_the_table_of_flows_is_every_pair_one_by_one(readout: str) -> None:
    net = tiny(readout=readout).eval()
    source, ps, pt = images(3, 0), poses(3, 1), poses(4, 2)
    with torch.inference_mode():
        table = net.flow_table(source, ps, pt)
        assert table.shape == (3, 4, 2, 8, 4)
        for s in range(3):
            for t in range(4):
                one, other = select(ps, slice(s, s + 1)), select(pt, slice(t, t + 1))
                flow = net(source[s : s + 1], one, other)
                torch.testing.assert_close(table[s, t], flow[0], atol=1e-5, rtol=1e-5)


def test_the_table_in_half_precision_is_close() -> None:
    net = tiny().eval()
    source, ps, pt = images(2, 0), poses(2, 1), poses(3, 2)
    with torch.inference_mode():
        exact = net.flow_table(source, ps, pt)
        with torch.autocast("cpu", torch.bfloat16):
            half = net.flow_table(source, ps, pt)
    assert half.dtype == torch.float32
    assert (half - exact).abs().mean() < 0.02


def test_weights_travel() -> None:
    net, other = tiny(), tiny()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1)
    other.load_state_dict(net.state_dict())
    source, ps, pt = images(1, 0), poses(1, 1), poses(1, 2)
    assert torch.equal(net.eval()(source, ps, pt), other.eval()(source, ps, pt))


def test_dilations_widen_the_receptive_field() -> None:
    near = PoseEncoder((8,) * 11).eval()
    far = PoseEncoder((8,) * 11, dilations=(1, 1, 1, 1, 2, 4, 8, 4, 2, 1, 1)).eval()
    reach = []
    for net in (near, far):
        for parameter in net.parameters():
            nn.init.constant_(parameter, 0.01)
        maps = torch.ones(1, 18, 256, 64, requires_grad=True)
        net(maps)[0, :, 32, 8].sum().backward()
        assert maps.grad is not None
        rows = maps.grad.abs().sum((0, 1, 3)).nonzero()
        reach.append(int(rows.max() - rows.min()) + 1)
    assert reach == [69, 189]


@pytest.mark.parametrize("readout", ["soft_argmax", "literal"])
def test_it_overfits_four_pairs(readout: str) -> None:
    net = tiny(readout=readout)
    batch = pairs(4, 5)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(150):
        flow = resize(net(batch.source, batch.source_pose, batch.target_pose), SIZE)
        assert batch.flow is not None
        assert batch.visible is not None
        loss = ((flow - batch.flow).abs().sum(1) * batch.visible).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    error = endpoint_error(flow.detach(), batch.flow, SIZE)[batch.visible].mean()
    still = endpoint_error(torch.zeros_like(flow), batch.flow, SIZE)[batch.visible].mean()
    assert error < 1.0
    assert error < 0.2 * still


# Which way the flow leads: with an oracle in the place of M.


def told(oracle: type[BodyCoordinates] | type[NearestJoint], **keywords: object) -> UnWarpME:
    net = tiny(canvas=BODY_SIZE, **keywords).eval()
    net.encoder = oracle(CELL)  # type: ignore[assignment]
    with torch.no_grad():
        net.log_temperature.fill_(6.0)
    return net


def keep_gradients(net: UnWarpME, learning: bool) -> None:
    """Let features of an oracle want a gradient, as learnt ones do: training has a way of its own.

    Without this both ways of `filter_matches` would be the one of inference.
    """
    if learning:
        net.encoder.register_forward_hook(
            lambda module, given, found: found.detach().requires_grad_()
        )


@pytest.mark.parametrize("learning", [True, False])
def test_a_moved_body_is_fetched_from_where_it_is_and_not_sent_back(learning: bool) -> None:
    net, source = told(BodyCoordinates), torch.zeros(1, 3, *BODY_SIZE)
    keep_gradients(net, learning)
    with torch.set_grad_enabled(learning):
        flow = net(source, body_moved(), standing())
    there, back = there_and_back(net.grid)
    inside = (there.abs() <= 1).all(1, keepdim=True) & (back.abs() <= 1).all(1, keepdim=True)
    wrong, far = (((flow - other).abs() * inside).sum() for other in (there, back))
    assert wrong < 0.12 * 2 * inside.sum()
    assert far > 0.3 * 2 * inside.sum()
    with torch.no_grad():
        table = net.flow_table(source, body_moved(), standing())
    torch.testing.assert_close(table[0], flow, atol=1e-3, rtol=0)


def test_a_forearm_that_is_elsewhere_is_fetched_from_there() -> None:
    net = told(NearestJoint)
    flow = net(torch.zeros(1, 3, *BODY_SIZE), forearm_moved(), standing())
    places = to_pixels(at_joints(flow, standing()), BODY_SIZE)
    wanted = forearm_moved().xy
    # A cell is four pixels: what is read lies within one of where it is.
    assert (places - wanted)[:, [ELBOW, WRIST]].abs().max() < CELL
    moved = (places - standing().xy)[:, [ELBOW, WRIST]].mean((0, 1))
    assert (moved * torch.tensor(FOREARM_SHIFT) > 4).all()
    legs = [9, 10, 12, 13]
    assert (places - wanted)[:, legs].abs().max() < CELL


@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize("unit", ["position", "channel"])
@pytest.mark.parametrize("readout", ["soft_argmax", "literal"])
def test_w_is_equations_2_10_and_3_in_this_order(
    readout: str, unit: str, learning: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All the way from features to flow as printed, a source position (i, j) at a time."""
    net = tiny(readout=readout, unit=unit, depth=2).eval()
    for k, layer in enumerate((net.reader.first, net.reader.rest[-1])):
        nn.init.normal_(layer.weight, std=0.3, generator=seeded(k))
    net.encoder = BodyCoordinates(CELL)  # type: ignore[assignment]
    monkeypatch.setattr(warping, "CHUNK", 2 * 32**2)  # two pairs at a time, and a single one
    source, *both = images(3, 0), poses(3, 1, visible=1.0), poses(3, 2, visible=1.0)

    def read_out(matches: torch.Tensor) -> torch.Tensor:
        flow: torch.Tensor = net.reader(matches.flatten(1, 2))
        if readout == "literal":
            return flow
        share = (net.log_temperature.exp() * matches.flatten(1, 2)).softmax(1)
        return flow + torch.einsum("bsvu,cs->bcvu", share, identity(*net.grid).flatten(1))

    with torch.no_grad():
        z = [net.encoder(pose_maps(p, SIZE, canvas=SIZE, sigma=net.sigma)) for p in both]
        over = 1 if unit == "position" else (2, 3)
        z_s, z_t = (x / x.square().sum(over, keepdim=True).sqrt() for x in z)
        c = torch.einsum("bmij,bmvu->bijvu", z_s, z_t).relu()
        best_source = c.amax((1, 2), keepdim=True) + EPSILON
        best_target = c.amax((3, 4), keepdim=True) + EPSILON
        q = (c / best_source) * (c / best_target) * c
        expected = read_out(q / (q.square().sum((1, 2), keepdim=True).sqrt() + EPSILON))
        for less in (c, q, c / c.square().sum((1, 2), keepdim=True).sqrt()):  # each step tells
            assert (read_out(less) - expected).abs().mean() > 0.005
    keep_gradients(net, learning)
    with torch.set_grad_enabled(learning):
        flow = net(source, *both)
    torch.testing.assert_close(flow, expected, atol=1e-3, rtol=0)


def test_poses_are_drawn_where_they_are_in_the_image() -> None:
    """In an image twice the canvas's size joints have twice the pixels, and the same place."""
    net, drawn = tiny(canvas=BODY_SIZE), []

    def note(maps: torch.Tensor) -> torch.Tensor:
        drawn.append(maps)
        return maps[:, :, ::CELL, ::CELL]

    net.encoder.forward = note  # type: ignore[method-assign]
    size = (2 * BODY_SIZE[0] - 1, 2 * BODY_SIZE[1] - 1)
    net.encode(Pose(2 * standing().xy, standing().visible), size)
    found = to_pixels(read_joints(drawn[0]), BODY_SIZE)
    torch.testing.assert_close(found, standing().xy, atol=0.05, rtol=0)
