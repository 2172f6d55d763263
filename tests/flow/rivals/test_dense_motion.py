import pytest
import torch
from seeding import seeded
from torch import Tensor

from reidaug.flow.rivals.dense_motion import DenseMotion
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
