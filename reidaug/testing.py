"""A check of the contract of a flow estimator, for estimators of your own.

    from reidaug.testing import check_flow_estimator

    def test_my_estimator():
        check_flow_estimator(MyEstimator())

Every failure is an `AssertionError` with one sentence: what is wrong, and what was expected.
"""

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.functional import interpolate

from reidaug.data.pairs import PosePair
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.loss_weights import LossWeights
from reidaug.geometry.flow import Size, endpoint_error, identity, size_of
from reidaug.geometry.pose import OPENPOSE_18, Pose, select

CLOSE = 1e-3  # normalised units: a few hundredths of a pixel of a crop
FARTHEST = 4.0  # a median beyond twice the image means pixels, not normalised coordinates
BFLOAT16_CLOSE = 0.1


class Inputs(NamedTuple):
    """Arguments of `FlowEstimator.forward`."""

    source: Float[Tensor, "b 3 H W"]
    source_pose: Pose
    target_pose: Pose


def check_flow_estimator(
    estimator: nn.Module,
    *,
    size: Size = (128, 64),
    seed: int = 0,
    gradients: bool = True,
    identity_within: float | None = None,
    autocast: bool = False,
) -> None:
    """Check that an estimator keeps its contract, so that every command can use it.

    The check works on a copy, on the CPU. How good the flow is, `reidaug compare` measures.

    Args:
        estimator: The estimator, trained or not.
        size: (height, width) of the images.
        seed: Random seed of poses and images.
        gradients: Whether gradients should reach every trainable parameter.
        identity_within: Pixels by which the flow between equal poses may miss the identity; this
            finds wrong conventions. None for an estimator that does not start there.
        autocast: Whether it should work in bfloat16, as `reidaug augment` may run it.

    Raises:
        AssertionError: The contract is broken; one sentence says how.
    """
    assert isinstance(estimator, FlowEstimator), (
        f"{type(estimator).__name__} is no reidaug.flow.estimator.FlowEstimator: inherit from it"
    )
    own = copy.deepcopy(estimator).cpu().eval()
    inputs = _draw_inputs(size, torch.Generator().manual_seed(seed))
    # Without gradients first: a tensor cached here must not break training later.
    with torch.inference_mode():
        _check_inputs(own, inputs)
        flow = _check_flow(own, inputs)
        _check_repeats(own, inputs, flow)
        _check_batch(own, inputs, flow)
        _check_missing(own, inputs)
        _check_table(own, inputs)
        _check_motion(own, inputs, flow)
        if identity_within is not None:
            _check_identity(own, inputs, identity_within)
        if autocast:
            _check_autocast(own, inputs, flow)
    _check_state(own, inputs, flow)
    _check_own_losses(own, inputs)
    if gradients:
        _check_gradients(own, inputs)


def _draw_inputs(size: Size, generator: torch.Generator) -> Inputs:
    count, height, width = 3, *size
    rough = torch.rand(count, 3, 8, 8, generator=generator)
    source = interpolate(rough, size=size, mode="bilinear", align_corners=True)
    poses = []
    for _ in range(2):
        xy = 0.1 + 0.8 * torch.rand(count, len(OPENPOSE_18), 2, generator=generator)
        visible = torch.rand(count, len(OPENPOSE_18), generator=generator) < 0.8
        visible[:, :4], visible[:, -1] = True, False
        poses.append(Pose(xy * torch.tensor([width - 1.0, height - 1.0]), visible))
    return Inputs(source, *poses)


def _pair(inputs: Inputs, k: int) -> Inputs:
    part = slice(k, k + 1)
    poses = (select(inputs.source_pose, part), select(inputs.target_pose, part))
    return Inputs(inputs.source[part], *poses)


def _check_flow(own: FlowEstimator, inputs: Inputs) -> Tensor:
    flow = own(*inputs)
    assert isinstance(flow, Tensor), f"forward must return a tensor, got {type(flow).__name__}"
    shape, count = tuple(flow.shape), inputs.source.shape[0]
    assert flow.ndim == 4 and shape[:2] == (count, 2), (
        f"a flow must be ({count}, 2, h, w) for {count} pairs, x then y, got {shape}"
    )
    assert flow.is_floating_point(), f"a flow must be of floating point, got {flow.dtype}"
    assert flow.isfinite().all(), "the flow of ordinary poses is not finite everywhere"
    middle = float(flow.abs().median())
    assert middle <= FARTHEST, (
        f"half of the flow lies beyond {middle:.0f}: coordinates must be normalised, -1 and +1 at "
        f"the centres of the edge pixels, not in pixels"
    )
    return flow


def _check_inputs(own: FlowEstimator, inputs: Inputs) -> None:
    given = copy.deepcopy(inputs)
    own(*given)
    same = torch.equal(given.source, inputs.source) and all(
        torch.equal(part, before)
        for pose, untouched in zip(given[1:], inputs[1:], strict=True)
        for part, before in zip(pose, untouched, strict=True)
    )
    assert same, "forward changes the images or poses it is given: work on copies"


def _check_repeats(own: FlowEstimator, inputs: Inputs, flow: Tensor) -> None:
    assert torch.equal(own(*inputs), flow), (
        "equal inputs give different flows in eval mode: nothing may be random there"
    )


def _check_batch(own: FlowEstimator, inputs: Inputs, flow: Tensor) -> None:
    for k in range(inputs.source.shape[0]):
        _assert_close(
            own(*_pair(inputs, k))[0],
            flow[k],
            "a pair alone gets another flow than inside a batch in eval mode: items of a batch "
            "must not influence each other",
        )


def _check_missing(own: FlowEstimator, inputs: Inputs) -> None:
    expected = own(*_move_invisible(inputs, 0.0))
    for value in (-1.0, 1e6, float("nan"), float("inf")):
        flow = own(*_move_invisible(inputs, value))
        assert flow.isfinite().all(), (
            f"an invisible joint at {value} makes the flow not finite: replace its coordinates "
            f"(torch.where) before they are used"
        )
        _assert_close(
            flow,
            expected,
            f"an invisible joint at {value} changes the flow: it must have no effect",
        )
    nobody = torch.zeros_like(inputs.source_pose.visible)
    empty = Pose(torch.full_like(inputs.source_pose.xy, torch.nan), nobody)
    for joints in ((empty, inputs.target_pose), (inputs.source_pose, empty), (empty, empty)):
        assert own(inputs.source, *joints).isfinite().all(), (
            "a pose without any visible joint makes the flow not finite"
        )


def _move_invisible(inputs: Inputs, value: float) -> Inputs:
    """Set the coordinates of invisible joints."""

    def moved(pose: Pose) -> Pose:
        xy = torch.where(pose.visible[..., None], pose.xy, torch.full_like(pose.xy, value))
        return Pose(xy, pose.visible)

    return Inputs(inputs.source, moved(inputs.source_pose), moved(inputs.target_pose))


def _check_table(own: FlowEstimator, inputs: Inputs) -> None:
    sources = Inputs(inputs.source[:2], select(inputs.source_pose, slice(0, 2)), inputs.target_pose)
    table = own.flow_table(*sources)
    targets = inputs.target_pose.xy.shape[0]
    assert table.ndim == 5 and tuple(table.shape[:3]) == (2, targets, 2), (
        f"flow_table of 2 sources and {targets} targets must be (2, {targets}, 2, h, w), "
        f"got {tuple(table.shape)}"
    )
    for s in range(2):
        for t in range(targets):
            target = select(inputs.target_pose, slice(t, t + 1))
            _assert_close(
                table[s, t],
                own(*_pair(inputs, s)._replace(target_pose=target))[0],
                f"flow_table[{s}, {t}] is not what forward gives for source {s} and target {t}",
            )


def _check_motion(own: FlowEstimator, inputs: Inputs, flow: Tensor) -> None:
    motion = own.motion(*inputs)
    _assert_close(motion.flow, flow, "motion(...).flow is not what forward gives")
    for map_ in motion.occlusion:
        inside = bool(((map_ >= 0) & (map_ <= 1)).all())
        fits = map_.ndim == 4 and tuple(map_.shape[:2]) == (flow.shape[0], 1)
        assert inside and fits, (
            f"an occlusion map must be ({flow.shape[0]}, 1, h, w) in [0, 1], "
            f"got {tuple(map_.shape)} from {float(map_.min()):.3g} to {float(map_.max()):.3g}"
        )


def _check_identity(own: FlowEstimator, inputs: Inputs, within: float) -> None:
    flow = own(inputs.source, inputs.target_pose, inputs.target_pose).float()
    size = size_of(inputs.source)
    height, width = flow.shape[-2:]
    grid = identity(height, width)
    # Flows in common other conventions, and what the error says of them.
    across, down = torch.arange(width) + 0.0, torch.arange(height) + 0.0
    halves = torch.tensor([(width - 1) / width, (height - 1) / height])[:, None, None]
    conventions = {
        "it looks like a displacement; add the identity grid": torch.zeros_like(grid),
        "it looks like (y, x); x comes first": grid.flip(0),
        "it looks like align_corners=False; edge centres are -1 and +1": grid * halves,
        "it looks like pixels; normalise them": torch.stack(
            (across.expand(height, width), down[:, None].expand(height, width))
        ),
    }

    def miss(expected: Tensor) -> float:
        return float(endpoint_error(flow, expected.expand_as(flow), size).max())

    far = miss(grid)
    if far > within:
        nearest = min(conventions, key=lambda hint: miss(conventions[hint]))
        hint = f": {nearest}" if miss(conventions[nearest]) < min(far / 4, 1.0) else ""
        raise AssertionError(
            f"the flow between equal poses misses the identity by {far:.2f} pixels{hint}"
        )


def _check_autocast(own: FlowEstimator, inputs: Inputs, flow: Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        low = own(*inputs).float()
    assert low.isfinite().all(), "the flow in bfloat16 is not finite everywhere"
    off = float((low - flow).abs().mean())
    assert off <= BFLOAT16_CLOSE, (
        f"the flow in bfloat16 is {off:.2f} (normalised) off on average: keep coordinates in "
        f"32 bits"
    )


def _check_state(own: FlowEstimator, inputs: Inputs, flow: Tensor) -> None:
    state = {name: tensor.contiguous() for name, tensor in own.state_dict().items()}
    other = copy.deepcopy(own)
    _perturb(other)
    try:
        other.load_state_dict(load(save(state)))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise AssertionError(f"the state_dict cannot be stored and read: {reason}") from None
    with torch.inference_mode():
        _assert_close(
            other(*inputs),
            flow,
            "an estimator loaded from its state_dict gives another flow: keep everything it learns "
            "in parameters and buffers",
        )


def _perturb(own: FlowEstimator) -> None:
    """Add noise to every parameter: zeros would stop gradients."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in own.parameters():
            if parameter.is_floating_point():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))


def _check_own_losses(own: FlowEstimator, inputs: Inputs) -> None:
    batch = PosePair(inputs.source, inputs.source, inputs.source_pose, inputs.target_pose)
    losses = own.own_losses(batch, own.motion(*inputs), torch.Generator().manual_seed(2))
    known = set(LossWeights.__dataclass_fields__)
    for name, loss in losses.items():
        assert name in known, f"own_losses names {name!r}, which no weight is for ({sorted(known)})"
        assert loss.ndim == 0 and bool(loss.isfinite()), f"own loss {name!r} is no finite number"


def _check_gradients(own: FlowEstimator, inputs: Inputs) -> None:
    own = copy.deepcopy(own).train()
    _perturb(own)
    motion = own.motion(*_move_invisible(inputs, float("nan")))
    generator = torch.Generator().manual_seed(3)
    outputs = (motion.flow, *motion.occlusion)
    loss = sum((out * torch.rand(out.shape, generator=generator)).sum() for out in outputs)
    if not any(parameter.requires_grad for parameter in own.parameters()):
        return
    assert isinstance(loss, Tensor) and loss.requires_grad, (
        "no gradient leaves the flow: do not detach it or compute it under no_grad"
    )
    loss.backward()
    _assert_gradients(own, lambda g: g is not None and bool(g.ne(0).any()), "gets no gradient")
    _assert_gradients(
        own,
        lambda g: g is None or bool(g.isfinite().all()),
        "gets a gradient that is not finite when joints are missing",
    )


def _assert_gradients(
    own: FlowEstimator, right: Callable[[Tensor | None], bool], words: str
) -> None:
    wrong = [n for n, p in own.named_parameters() if p.requires_grad and not right(p.grad)]
    assert not wrong, f"{', '.join(wrong[:3])}{' ...' * (len(wrong) > 3)} {words}"


def _assert_close(found: Tensor, expected: Tensor, sentence: str) -> None:
    assert found.shape == expected.shape, (
        f"{sentence} ({tuple(found.shape)} against {tuple(expected.shape)})"
    )
    off = float((found.float() - expected.float()).abs().max())
    assert off <= CLOSE, f"{sentence} (off by {off:.2g} in normalised units)"
