"""The contract of a flow estimator as a check anyone can run on their own.

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
from reidaug.geometry.flow import Size, endpoint_error, identity
from reidaug.geometry.pose import OPENPOSE_18, Pose, select

CLOSE = 1e-3  # normalised units: a few hundredths of a pixel of a crop
FARTHEST = 4.0  # a median beyond twice the image means pixels, not normalised coordinates
HALF_CLOSE = 0.1


class Asked(NamedTuple):
    """What an estimator is asked.

    Attributes:
        source: Images (B, 3, H, W) in [0, 1].
        source_pose: Joints (B, 18, 2).
        target_pose: Joints (B, 18, 2).
    """

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

    The estimator itself is left as it is: everything happens to a copy, on the CPU. That its flow
    is the right one, `reidaug compare` tells.

    Args:
        estimator: What to check, trained or not.
        size: (height, width) of the images it is asked about.
        seed: Of the poses and images it is asked about.
        gradients: Whether gradients should reach every parameter that is to be trained.
        identity_within: Pixels by which the flow between equal poses may miss the identity;
            None where an untrained estimator need not start there. This finds wrong conventions.
        autocast: Whether it should work in bfloat16, as `reidaug augment` may run it.

    Raises:
        AssertionError: The contract is broken; one sentence says how.
    """
    assert isinstance(estimator, FlowEstimator), (
        f"{type(estimator).__name__} is no reidaug.flow.estimator.FlowEstimator: inherit from it"
    )
    own = copy.deepcopy(estimator).cpu().eval()
    asked = _asked(size, torch.Generator().manual_seed(seed))
    # Without gradients first: what an estimator keeps from here must not break its training.
    with torch.inference_mode():
        _check_inputs(own, asked)
        flow = _check_flow(own, asked)
        _check_repeats(own, asked, flow)
        _check_batch(own, asked, flow)
        _check_missing(own, asked)
        _check_table(own, asked)
        _check_motion(own, asked, flow)
        if identity_within is not None:
            _check_identity(own, asked, identity_within)
        if autocast:
            _check_autocast(own, asked, flow)
    _check_state(own, asked, flow)
    _check_own_losses(own, asked)
    if gradients:
        _check_gradients(own, asked)


def _asked(size: Size, generator: torch.Generator) -> Asked:
    count, height, width = 3, *size
    rough = torch.rand(count, 3, 8, 8, generator=generator)
    source = interpolate(rough, size=size, mode="bilinear", align_corners=True)
    poses = []
    for _ in range(2):
        places = 0.1 + 0.8 * torch.rand(count, len(OPENPOSE_18), 2, generator=generator)
        visible = torch.rand(count, len(OPENPOSE_18), generator=generator) < 0.8
        visible[:, :4], visible[:, -1] = True, False
        poses.append(Pose(places * torch.tensor([width - 1.0, height - 1.0]), visible))
    return Asked(source, *poses)


def _one(asked: Asked, k: int) -> Asked:
    part = slice(k, k + 1)
    poses = (select(asked.source_pose, part), select(asked.target_pose, part))
    return Asked(asked.source[part], *poses)


def _check_flow(own: FlowEstimator, asked: Asked) -> Tensor:
    flow = own(*asked)
    assert isinstance(flow, Tensor), f"forward must return a tensor, got {type(flow).__name__}"
    shape, count = tuple(flow.shape), asked.source.shape[0]
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


def _check_inputs(own: FlowEstimator, asked: Asked) -> None:
    given = copy.deepcopy(asked)
    own(*given)
    same = torch.equal(given.source, asked.source) and all(
        torch.equal(part, before)
        for pose, untouched in zip(given[1:], asked[1:], strict=True)
        for part, before in zip(pose, untouched, strict=True)
    )
    assert same, "forward changes the images or poses it is given: work on copies"


def _check_repeats(own: FlowEstimator, asked: Asked, flow: Tensor) -> None:
    assert torch.equal(own(*asked), flow), (
        "the same question gets another answer in eval mode: nothing may be random there"
    )


def _check_batch(own: FlowEstimator, asked: Asked, flow: Tensor) -> None:
    for k in range(asked.source.shape[0]):
        _assert_close(
            own(*_one(asked, k))[0],
            flow[k],
            "a pair alone gets another flow than inside a batch in eval mode: items of a batch "
            "must not know of each other",
        )


def _check_missing(own: FlowEstimator, asked: Asked) -> None:
    expected = own(*_elsewhere(asked, 0.0))
    for place in (-1.0, 1e6, float("nan"), float("inf")):
        flow = own(*_elsewhere(asked, place))
        assert flow.isfinite().all(), (
            f"an invisible joint at {place} makes the flow not finite: replace its coordinates "
            f"(torch.where) before they are used"
        )
        _assert_close(
            flow, expected, f"an invisible joint at {place} moves the flow: it must say nothing"
        )
    nobody = torch.zeros_like(asked.source_pose.visible)
    empty = Pose(torch.full_like(asked.source_pose.xy, torch.nan), nobody)
    for joints in ((empty, asked.target_pose), (asked.source_pose, empty), (empty, empty)):
        assert own(asked.source, *joints).isfinite().all(), (
            "a pose without any visible joint makes the flow not finite"
        )


def _elsewhere(asked: Asked, place: float) -> Asked:
    """Put the invisible joints somewhere."""

    def moved(pose: Pose) -> Pose:
        xy = torch.where(pose.visible[..., None], pose.xy, torch.full_like(pose.xy, place))
        return Pose(xy, pose.visible)

    return Asked(asked.source, moved(asked.source_pose), moved(asked.target_pose))


def _check_table(own: FlowEstimator, asked: Asked) -> None:
    sources = Asked(asked.source[:2], select(asked.source_pose, slice(0, 2)), asked.target_pose)
    table = own.flow_table(*sources)
    targets = asked.target_pose.xy.shape[0]
    assert table.ndim == 5 and tuple(table.shape[:3]) == (2, targets, 2), (
        f"flow_table of 2 sources and {targets} targets must be (2, {targets}, 2, h, w), "
        f"got {tuple(table.shape)}"
    )
    for s in range(2):
        for t in range(targets):
            target = select(asked.target_pose, slice(t, t + 1))
            _assert_close(
                table[s, t],
                own(*_one(asked, s)._replace(target_pose=target))[0],
                f"flow_table[{s}, {t}] is not what forward gives for source {s} and target {t}",
            )


def _check_motion(own: FlowEstimator, asked: Asked, flow: Tensor) -> None:
    motion = own.motion(*asked)
    _assert_close(motion.flow, flow, "motion(...).flow is not what forward gives")
    for map_ in motion.occlusion:
        inside = bool(((map_ >= 0) & (map_ <= 1)).all())
        fits = map_.ndim == 4 and tuple(map_.shape[:2]) == (flow.shape[0], 1)
        assert inside and fits, (
            f"an occlusion map must be ({flow.shape[0]}, 1, h, w) in [0, 1], "
            f"got {tuple(map_.shape)} from {float(map_.min()):.3g} to {float(map_.max()):.3g}"
        )


def _check_identity(own: FlowEstimator, asked: Asked, within: float) -> None:
    flow = own(asked.source, asked.target_pose, asked.target_pose).float()
    size = (asked.source.shape[-2], asked.source.shape[-1])
    height, width = flow.shape[-2:]
    grid = identity(height, width)
    # What people's flows are when they are not in the convention, and what to tell them.
    across, down = torch.arange(width) + 0.0, torch.arange(height) + 0.0
    halves = torch.tensor([(width - 1) / width, (height - 1) / height])[:, None, None]
    slips = {
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
        nearest = min(slips, key=lambda words: miss(slips[words]))
        hint = f": {nearest}" if miss(slips[nearest]) < min(far / 4, 1.0) else ""
        raise AssertionError(
            f"the flow between equal poses misses the identity by {far:.2f} pixels{hint}"
        )


def _check_autocast(own: FlowEstimator, asked: Asked, flow: Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        half = own(*asked).float()
    assert half.isfinite().all(), "the flow in bfloat16 is not finite everywhere"
    off = float((half - flow).abs().mean())
    assert off <= HALF_CLOSE, (
        f"the flow in bfloat16 is {off:.2f} (normalised) off on average: keep coordinates in "
        f"32 bits"
    )


def _check_state(own: FlowEstimator, asked: Asked, flow: Tensor) -> None:
    state = {name: tensor.contiguous() for name, tensor in own.state_dict().items()}
    other = copy.deepcopy(own)
    _disturb(other)
    try:
        other.load_state_dict(load(save(state)))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise AssertionError(f"the state_dict cannot be stored and read: {reason}") from None
    with torch.inference_mode():
        _assert_close(
            other(*asked),
            flow,
            "after a trip through its state_dict the estimator gives another flow: keep all that "
            "is learnt in parameters and buffers",
        )


def _disturb(own: FlowEstimator) -> None:
    """Move every parameter a little, away from zeros that would stop gradients."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in own.parameters():
            if parameter.is_floating_point():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))


def _check_own_losses(own: FlowEstimator, asked: Asked) -> None:
    batch = PosePair(asked.source, asked.source, asked.source_pose, asked.target_pose)
    losses = own.own_losses(batch, own.motion(*asked), torch.Generator().manual_seed(2))
    known = set(LossWeights.__dataclass_fields__)
    for name, loss in losses.items():
        assert name in known, f"own_losses names {name!r}, which no weight is for ({sorted(known)})"
        assert loss.ndim == 0 and bool(loss.isfinite()), f"own loss {name!r} is no finite number"


def _check_gradients(own: FlowEstimator, asked: Asked) -> None:
    own = copy.deepcopy(own).train()
    _disturb(own)
    motion = own.motion(*_elsewhere(asked, float("nan")))
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
