import pytest
import torch
from flow_figures import SIZE, pairs, tiny
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.flow.cost import cost, parameters
from reidaug.flow.estimator import FlowEstimator
from reidaug.geometry.pose import Pose


class Convolution(FlowEstimator):
    """One convolution, whose cost is known."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Conv2d(3, 2, 5, padding=2)
        self.frozen = nn.Parameter(torch.zeros(7), requires_grad=False)

    def forward(self, source: Tensor, source_pose: Pose, target_pose: Pose) -> Tensor:
        flow: Tensor = self.read(source)
        return flow


def one() -> PosePair:
    return pairs(1, 0)


def test_the_cost_of_a_convolution_by_hand() -> None:
    found = cost(Convolution().eval(), one(), runs=3)
    assert found.parameters == parameters(Convolution()) == 3 * 2 * 5 * 5 + 2
    assert found.gmac == pytest.approx(SIZE[0] * SIZE[1] * 3 * 2 * 5 * 5 / 1e9)
    assert found.ms > 0


def test_every_convolution_and_the_correlation_count() -> None:
    net, counter = tiny().eval(), Counter()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(counter)
    found = cost(net, one(), runs=1)
    cells = net.grid[0] * net.grid[1]
    correlation, expected_place = cells * cells * 12, cells * cells * 2
    counted = counter.products // 2  # it ran twice: to be counted and to be timed
    assert round(found.gmac * 1e9) == counted + correlation + expected_place


class Counter:
    """Adds up what a convolution multiplies."""

    def __init__(self) -> None:
        self.products = 0

    def __call__(self, module: nn.Conv2d, given: tuple[Tensor], result: Tensor) -> None:
        each = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
        self.products += result.numel() * each


def test_one_pair_is_timed_at_a_time() -> None:
    with pytest.raises(ValueError, match="one pair expected, got 2"):
        cost(tiny(), pairs(2, 0))
