import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from flow_figures import SIZE, tiny
from torch import Tensor, nn

from reidaug.flow.closed_form import Identity, JointBlend, TorsoAffine
from reidaug.flow.estimator import FlowEstimator, Motion
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import Pose, normalised
from reidaug.testing import check_flow_estimator


class Drift(FlowEstimator):
    """Moves everything by a linear function of the visible joints; keeps the contract."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(36, 2)
        nn.init.zeros_(self.read.weight)
        nn.init.zeros_(self.read.bias)

    def joints(self, pose: Pose, size: tuple[int, int]) -> Tensor:
        xy = normalised(pose, size)
        return torch.where(pose.visible[..., None], xy, torch.zeros_like(xy))

    def grid(self, source: Tensor) -> Tensor:
        return identity(8, 4, device=source.device)

    def forward(self, source: Tensor, source_pose: Pose, target_pose: Pose) -> Tensor:
        size = (source.shape[-2], source.shape[-1])
        moved = self.joints(source_pose, size) - self.joints(target_pose, size)
        shift = self.read(moved.flatten(1)).float()
        return self.grid(source) + shift[..., None, None]


def test_our_own_estimators_pass() -> None:
    for closed_form in (Identity(), TorsoAffine(), JointBlend()):
        check_flow_estimator(closed_form, size=SIZE, identity_within=0.1, autocast=True)
    for estimator in (tiny(), tiny(readout="literal")):
        check_flow_estimator(estimator, size=SIZE, autocast=True)


def test_a_sound_estimator_passes_and_stays_as_it_was() -> None:
    own = Drift().train()
    before = {name: tensor.clone() for name, tensor in own.state_dict().items()}
    check_flow_estimator(own, size=SIZE, identity_within=1e-3, autocast=True)
    assert own.training
    assert all(parameter.grad is None for parameter in own.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in own.state_dict().items())


class Displacement(Drift):
    def grid(self, source: Tensor) -> Tensor:
        return torch.zeros(2, 8, 4)


class RowFirst(Drift):
    def grid(self, source: Tensor) -> Tensor:
        return identity(8, 4).flip(0)


class HalfPixel(Drift):
    def grid(self, source: Tensor) -> Tensor:
        return identity(8, 4) * torch.tensor([3 / 4, 7 / 8])[:, None, None]


class Pixels(Drift):
    def grid(self, source: Tensor) -> Tensor:
        return (identity(8, 4) + 1) * torch.tensor([31.5, 63.5])[:, None, None]


class CellUnits(Drift):
    def grid(self, source: Tensor) -> Tensor:
        return (identity(8, 4) + 1) * torch.tensor([1.5, 3.5])[:, None, None]


class BadShape(Drift):
    def forward(self, *inputs: Any) -> Any:
        return super().forward(*inputs).movedim(1, -1)


class Tuple(Drift):
    def forward(self, *inputs: Any) -> Any:
        return (super().forward(*inputs),)


class InvisibleJointsUsed(Drift):
    def joints(self, pose: Pose, size: tuple[int, int]) -> Tensor:
        return normalised(pose, size) * pose.visible[..., None]  # NaN * 0 is NaN


class InvisibleJointsMoveFlow(Drift):
    def __init__(self) -> None:
        super().__init__()
        nn.init.constant_(self.read.weight, 0.1)

    def joints(self, pose: Pose, size: tuple[int, int]) -> Tensor:
        return normalised(pose, size).nan_to_num().clamp(-1, 1)


class BatchDependent(Drift):
    def forward(self, source: Tensor, source_pose: Pose, target_pose: Pose) -> Tensor:
        flow = super().forward(source, source_pose, target_pose)
        return flow + source.mean() - source.mean((1, 2, 3))[:, None, None, None]


class Random(Drift):
    def forward(self, *inputs: Any) -> Tensor:
        flow = super().forward(*inputs)
        return flow + 0.1 * torch.rand(flow.shape)


class ChangesInputs(Drift):
    def joints(self, pose: Pose, size: tuple[int, int]) -> Tensor:
        pose.xy.copy_(torch.where(pose.visible[..., None], pose.xy, 0.0))
        return super().joints(pose, size)


class OtherTable(Drift):
    def flow_table(self, *inputs: Any) -> Tensor:
        return super().flow_table(*inputs) + 0.5


class TransposedTable(Drift):
    def flow_table(self, *inputs: Any) -> Tensor:
        return super().flow_table(*inputs).transpose(0, 1)


class OtherMotion(Drift):
    def motion(self, *inputs: Any) -> Motion:
        return Motion(self(*inputs) * 0.5)


class LogitOcclusion(Drift):
    def motion(self, *inputs: Any) -> Motion:
        flow = self(*inputs)
        return Motion(flow, (flow[:, :1] * 3,))


class StateOutsideBuffers(Drift):
    def load_state_dict(self, *given: Any, **how: Any) -> Any:
        return None


class IncompleteState(Drift):
    def state_dict(self, *given: Any, **how: Any) -> Any:
        return {"read.weight": self.read.weight.detach()}


class SharedState(Drift):
    def __init__(self) -> None:
        super().__init__()
        self.twin = self.read


class UnusedParameters(Drift):
    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(2, 2)


class Detached(Drift):
    def forward(self, *inputs: Any) -> Tensor:
        return super().forward(*inputs).detach()


class InfiniteGradient(Drift):
    def forward(self, source: Tensor, source_pose: Pose, target_pose: Pose) -> Tensor:
        # Finite forwards, not backwards: the slope of a root at zero, taken out by a zero.
        flow = super().forward(source, source_pose, target_pose)
        slope = (self.read.weight.sum() * 0).sqrt() * 0
        return flow + slope


class OwnLoss(Drift):
    def own_losses(self, *inputs: Any) -> dict[str, Tensor]:
        return {"secret": torch.tensor(1.0)}


class InfiniteLoss(Drift):
    def own_losses(self, *inputs: Any) -> dict[str, Tensor]:
        return {"smoothness": torch.tensor(math.inf)}


class NotFiniteInBfloat16(Drift):
    def grid(self, source: Tensor) -> Tensor:
        off = torch.nan if torch.is_autocast_enabled("cpu") else 0.0
        return identity(8, 4) + off


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Displacement, "looks like a displacement"),
        (RowFirst, r"looks like \(y, x\)"),
        (HalfPixel, "align_corners=False"),
        (CellUnits, "looks like pixels"),
        (Pixels, "not in pixels"),
        (BadShape, r"must be \(3, 2, h, w\)"),
        (Tuple, "must return a tensor, got tuple"),
        (InvisibleJointsUsed, "invisible joint at nan .*not finite"),
        (InvisibleJointsMoveFlow, "invisible joint .*no effect"),
        (BatchDependent, "batch .*influence"),
        (Random, "random"),
        (ChangesInputs, "work on copies"),
        (OtherTable, r"flow_table\[0, 0\] is not what forward gives"),
        (TransposedTable, r"flow_table of 2 sources and 3 targets must be"),
        (OtherMotion, r"motion\(...\).flow"),
        (LogitOcclusion, r"occlusion map must be \(3, 1, h, w\) in \[0, 1\]"),
        (StateOutsideBuffers, "state_dict .*parameters and buffers"),
        (IncompleteState, "cannot be stored and read: .*Missing key"),
        (SharedState, "cannot be stored and read: .*share memory"),
        (UnusedParameters, r"unused\.weight, unused\.bias gets no gradient"),
        (Detached, "no gradient leaves the flow"),
        (InfiniteGradient, "not finite when joints are missing"),
        (OwnLoss, "own_losses names 'secret'"),
        (InfiniteLoss, "no finite number"),
        (NotFiniteInBfloat16, "in bfloat16 is not finite"),
    ],
)
def test_every_broken_rule_has_its_error(broken: Callable[[], FlowEstimator], words: str) -> None:
    with pytest.raises(AssertionError, match=words) as caught:
        check_flow_estimator(broken(), size=SIZE, identity_within=0.5, autocast=True)
    assert len(str(caught.value).splitlines()) == 1


def test_options_skip_checks() -> None:
    check_flow_estimator(Displacement(), size=SIZE)
    check_flow_estimator(UnusedParameters(), size=SIZE, gradients=False)
    check_flow_estimator(NotFiniteInBfloat16(), size=SIZE)


def test_other_modules_are_refused() -> None:
    with pytest.raises(AssertionError, match="Linear is no"):
        check_flow_estimator(nn.Linear(1, 1))
