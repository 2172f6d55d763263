import pytest
import torch
from seeding import seeded
from torch import nn

from reidaug.flow.rivals.background_motion import (
    BackgroundMotion,
    build_background,
    round_trip_loss,
)
from reidaug.geometry.flow import identity


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
    forth, back = matrix[:, :2], torch.linalg.inv(matrix)[:, :2]
    assert round_trip_loss(forth, back) < 1e-6
    expected = sum(float((m @ m - torch.eye(3)).abs().mean()) for m in matrix) / 4
    assert abs(float(round_trip_loss(forth, forth)) - expected) < 1e-6


def test_wrong_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="identity"):
        build_background("grey", "downs")
    with pytest.raises(ValueError, match="downs"):
        BackgroundMotion("vgg")
    with pytest.raises(ValueError, match="multiples of 32"):
        BackgroundMotion("downs", expansion=2)(*torch.rand(2, 1, 18, 16, 32))
    assert isinstance(BackgroundMotion("downs", expansion=2).network, nn.Sequential)
