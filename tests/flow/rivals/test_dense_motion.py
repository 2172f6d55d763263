import pytest
import torch
from flow_figures import seeded
from torch import Tensor, nn

from reidaug.flow.rivals.background_motion import (
    BackgroundMotion,
    round_trip_loss,
    wants_prediction,
)
from reidaug.flow.rivals.dense_motion import DenseMotion, check_scale, on_grid, with_background
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import Pose
from reidaug.geometry.warp import warp


def given(finer: int | None = None) -> tuple[DenseMotion, tuple[Tensor, Tensor, Tensor, Tensor]]:
    generator = seeded(0)
    net = DenseMotion(3, evidence=5, expansion=4, blocks=2, limit=8, finer=finer).eval()
    source = torch.rand(2, 3, 8, 4, generator=generator)
    maps = 2 * torch.rand(2, 4, 2, 8, 4, generator=generator) - 1
    evidence, known = torch.rand(2, 5, 8, 4, generator=generator), torch.ones(2, 3) > 0
    return net, (source, maps, evidence, known)


def test_with_every_part_masked_the_background_is_left() -> None:
    net, (source, maps, evidence, known) = given()
    with torch.no_grad():
        net.mask.bias[0] = -30.0  # however little the network thinks of it
    flow = net(source, maps, evidence, ~known).flow
    torch.testing.assert_close(flow, maps[:, 0])
    known[:, [0, 2]] = False
    maps[:, [1, 3]] = 7.0  # what takes no part is not even looked at by the blend
    flow = net(source, maps, evidence, known).flow
    assert flow.abs().max() <= 1


def test_the_blend_as_a_loop() -> None:
    net, (source, maps, evidence, known) = given()
    pictures = [torch.zeros(2, 1, 8, 4), evidence]
    pictures += [warp(source, maps[:, k]) for k in range(4)]
    features = net.hourglass(torch.cat(pictures, dim=1))[-1]
    share = net.mask(features).exp()
    flow = torch.zeros(2, 2, 8, 4)
    for k in range(4):
        flow += maps[:, k] * share[:, k : k + 1] / share.sum(1, keepdim=True)
    motion = net(source, maps, evidence, known)
    torch.testing.assert_close(motion.flow, flow)
    torch.testing.assert_close(motion.occlusion[0], net.occlusion[0](features).sigmoid())


@pytest.mark.parametrize(
    ("finer", "sizes"),
    [
        (None, [(8, 4)]),
        (0, [(4, 2), (8, 4)]),
        (2, [(4, 2), (8, 4), (16, 8), (32, 16)]),
    ],
)
def test_occlusion_comes_coarse_to_fine(finer: int | None, sizes: list[tuple[int, int]]) -> None:
    net, arguments = given(finer)
    occlusion = net(*arguments).occlusion
    assert [tuple(part.shape[2:]) for part in occlusion] == sizes
    assert all(((part > 0) & (part < 1)).all() for part in occlusion)


def test_the_grid_and_its_pose_maps() -> None:
    pose = Pose(
        torch.tensor([[[10.0, 20.0], [torch.nan, torch.inf]]]), torch.tensor([[True, False]])
    )
    small, (maps,) = on_grid(torch.ones(1, 3, 64, 32), 0.5, [pose])
    assert small.shape == (1, 3, 32, 16)
    assert maps.shape == (1, 2, 32, 16)
    assert int(maps[0, 0].argmax()) == 10 * 16 + 5
    assert (maps[0, 1] == 0).all()
    assert float(maps[maps > 0].min()) > 1e-30
    assert [check_scale(scale) for scale in (1.0, 0.5, 0.25, 0.125)] == [0, 1, 2, 3]


def test_the_background_is_the_identity_unless_told_otherwise() -> None:
    maps = torch.rand(2, 3, 2, 8, 4, generator=seeded(0))
    together = with_background(maps)
    torch.testing.assert_close(together[0, 0], identity(8, 4))
    assert torch.equal(together[:, 1:], maps)
    assert torch.equal(with_background(maps, maps[:, 0])[:, 0], maps[:, 0])


@pytest.mark.parametrize("kind", ["downs", "resnet"])
def test_a_predicted_background_starts_as_the_identity(kind: str) -> None:
    net = BackgroundMotion(kind, expansion=4).eval()
    source, target = torch.rand(2, 2, 18, 64, 32, generator=seeded(0))
    flow = net.flow(source, target)
    torch.testing.assert_close(flow, identity(64, 32).expand_as(flow))
    assert round_trip_loss(net(source, target), net(target, source)) == 0


def test_the_round_trip_is_free_exactly_for_inverse_maps() -> None:
    matrix = torch.eye(3).repeat(4, 1, 1)
    matrix[:, :2] += 0.3 * torch.rand(4, 2, 3, generator=seeded(0))
    there, back = matrix[:, :2], torch.linalg.inv(matrix)[:, :2]
    assert round_trip_loss(there, back) < 1e-6
    expected = sum(float((m @ m - torch.eye(3)).abs().mean()) for m in matrix) / 4
    assert abs(float(round_trip_loss(there, there)) - expected) < 1e-6


def test_wrong_words_are_refused() -> None:
    with pytest.raises(ValueError, match="identity"):
        wants_prediction("grey")
    with pytest.raises(ValueError, match="downs"):
        BackgroundMotion("vgg")
    with pytest.raises(ValueError, match="multiples of 32"):
        BackgroundMotion("downs", expansion=2)(*torch.rand(2, 1, 18, 16, 32))
    assert isinstance(BackgroundMotion("downs", expansion=2).network, nn.Sequential)
