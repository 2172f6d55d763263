"""What FOMM, MRAA and TPSMM have in common: the contract of an estimator from given joints."""

from pathlib import Path

import pytest
import torch
from flow_figures import SIZE, images, pairs, poses, rival, shaken
from hypothesis import given, settings
from hypothesis import strategies as st
from known_motion import (
    ELBOW,
    FOREARM_SHIFT,
    STANDING,
    WRIST,
    BodyJacobians,
    WatchedBlend,
    at_joints,
    body_moved,
    forearm_moved,
    read_joints,
    shifted,
    standing,
    there_and_back,
    without,
)
from known_motion import SIZE as BODY_SIZE
from seeding import seeded
from torch import Tensor, nn

from reidaug.data.pairs import PosePair
from reidaug.errors import UsageError
from reidaug.flow.checkpoint import build_estimator, load_checkpoint, save_checkpoint
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.rivals.dense_motion import DenseMotion
from reidaug.flow.rivals.fomm import FOMM
from reidaug.flow.rivals.fomm_generator import Generator
from reidaug.flow.rivals.mraa import MRAA
from reidaug.flow.rivals.mraa_regions import REGIONS
from reidaug.flow.rivals.parametric import halvings, on_grid, with_background
from reidaug.flow.rivals.tpsmm import TPSMM
from reidaug.flow.rivals.tpsmm_generator import Inpainting
from reidaug.flow.rivals.tpsmm_groups import GROUPS
from reidaug.geometry.flow import identity, resize, to_pixels
from reidaug.geometry.pose import Pose, normalised, pose_maps, select
from reidaug.geometry.warp import warp

FORMS: list[tuple[str, dict[str, object]]] = [
    ("fomm", {"jacobian_expansion": 4}),
    ("fomm", {"jacobian": "analytic"}),
    ("fomm", {"jacobian": "none"}),
    ("mraa", {}),
    ("mraa", {"axes": "svd", "background": "predicted", "background_expansion": 4}),
    ("tpsmm", {}),
    ("tpsmm", {"background": "predicted"}),
]
every_form = pytest.mark.parametrize(("name", "keywords"), FORMS)
GRID = (SIZE[0] // 2, SIZE[1] // 2)


def image_generator(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(1)
        if name == "tpsmm":
            return Inpainting(expansion=8, downs=2)
        return Generator(expansion=8, residuals=2, skips=name == "mraa")


def with_nan(pose: Pose) -> Pose:
    return Pose(torch.where(pose.visible[..., None], pose.xy, torch.nan), pose.visible)


def million(module: nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


def test_the_networks_have_the_sizes_of_the_papers() -> None:
    with torch.device("meta"):
        fomm, mraa = FOMM(), MRAA(background="predicted")
        tpsmm = TPSMM(background="predicted")
        assert fomm.jacobians is not None
        assert mraa.background is not None
        assert tpsmm.background is not None
        found = {
            37.84: fomm.dense_motion,
            14.32: fomm.jacobians,
            9.55: DenseMotion(18, evidence=18, expansion=32, limit=512),
            4.24: DenseMotion(18, evidence=18, expansion=32, limit=256),
            2.46: DenseMotion(18, evidence=18, expansion=16, limit=256),
            37.73: mraa.dense_motion,
            6.30: mraa.background,
            37.94: tpsmm.dense_motion,
            11.28: tpsmm.background,
            7.85: Generator(),
            24.74: Inpainting(),
        }
    for expected, module in found.items():
        assert abs(million(module) - expected) < 0.01, expected
    occlusion = million(tpsmm.dense_motion.ups) + million(tpsmm.dense_motion.occlusion)
    assert abs(million(tpsmm.dense_motion) - occlusion - 37.79) < 0.01


@pytest.mark.parametrize("name", ["FOMM", "MRAA", "TPSMM"])
def test_presets_build_and_a_wrong_one_is_an_error(name: str) -> None:
    path = f"reidaug.flow.rivals.{name.lower()}:{name}"
    net = build_estimator({"class": path, "preset": "small"}).eval()
    assert isinstance(net, FlowEstimator)
    with torch.inference_mode():
        size_128 = torch.rand(1, 3, 128, 64, generator=seeded(0))
        assert net(size_128, poses(1, 0), poses(1, 1)).shape == (1, 2, 64, 32)
    assert type(net).preset("paper") == {}
    with pytest.raises(UsageError, match=r"'large'.*paper, small"):
        build_estimator({"class": path, "preset": "large"})
    with pytest.raises(UsageError, match="scale must be"):
        build_estimator({"class": path, "scale": 0.3})


@every_form
def test_images_too_small_to_halve_are_refused(name: str, keywords: dict) -> None:
    net = rival(name, **keywords).eval()
    with pytest.raises(ValueError, match=r"multiples of 8, got 12x8"):
        net(torch.rand(1, 3, 24, 16), poses(1, 0), poses(1, 1))


@every_form
@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1))
def test_equal_poses_give_the_identity_before_training(
    name: str, keywords: dict, seed: int, share: float
) -> None:
    net = rival(name, **keywords).eval()
    pose = poses(2, seed, visible=share)
    other = Pose(pose.xy, poses(2, seed + 1, visible=share).visible)
    flow = net(images(2, seed), with_nan(pose), with_nan(other))
    torch.testing.assert_close(flow, identity(*GRID).expand_as(flow), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "keywords"), [f for f in FORMS if "background" not in f[1]])
def test_equal_poses_give_the_identity_whatever_the_weights(name: str, keywords: dict) -> None:
    net = shaken(rival(name, **keywords), 3).eval()
    for visible in (1.0, 0.6, 0.0):
        pose = poses(3, 0, visible=visible)
        flow = net(images(3, 0), pose, pose)
        torch.testing.assert_close(flow, identity(*GRID).expand_as(flow), atol=2e-5, rtol=0)


@every_form
def test_a_missing_joint_changes_nothing(name: str, keywords: dict) -> None:
    net = shaken(rival(name, **keywords), 4).eval()
    source, ps, pt = images(3, 0), poses(3, 1, visible=0.6), poses(3, 2, visible=0.6)
    one, other = net.motion(source, ps, pt), net.motion(source, with_nan(ps), with_nan(pt))
    torch.testing.assert_close(one.flow, other.flow)
    assert one.flow.isfinite().all()
    for a, b in zip(one.occlusion, other.occlusion, strict=True):
        torch.testing.assert_close(a, b)
        assert ((a >= 0) & (a <= 1)).all()


@every_form
def test_gradients_are_finite_when_joints_are_missing(name: str, keywords: dict) -> None:
    net, draw = rival(name, **keywords), image_generator(name)
    nobody = Pose(torch.full((1, 18, 2), torch.nan), torch.zeros(1, 18, dtype=torch.bool))
    some = with_nan(poses(3, 1, visible=0.3))
    source_pose = Pose(*(torch.cat(p) for p in zip(nobody, some, strict=True)))
    batch = pairs(4, 0)._replace(source_pose=source_pose, target_pose=with_nan(poses(4, 2)))
    motion = net.motion(batch.source, batch.source_pose, batch.target_pose)
    losses = net.own_losses(batch, motion, seeded(0))
    (draw(batch.source, motion).sum() + sum(losses.values())).backward()
    for part in (net, draw):
        for parameter_name, parameter in part.named_parameters():
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name


@every_form
def test_every_parameter_gets_a_gradient(name: str, keywords: dict) -> None:
    net, draw = shaken(rival(name, **keywords), 5), shaken(image_generator(name), 6)
    batch = pairs(3, 0)
    motion = net.motion(batch.source, batch.source_pose, batch.target_pose)
    (draw(batch.source, motion) - batch.target).abs().sum().backward()
    for part in (net, draw):
        for parameter_name, parameter in part.named_parameters():
            assert parameter.grad is not None, parameter_name
            # A norm takes the bias of the convolution before it away again.
            idle = parameter_name.endswith("bias")
            assert idle or parameter.grad.abs().sum() > 0, parameter_name


@every_form
def test_a_pair_has_the_same_flow_alone_and_in_a_batch(name: str, keywords: dict) -> None:
    net, draw = shaken(rival(name, **keywords), 7).eval(), shaken(image_generator(name), 8).eval()
    source, ps, pt = images(3, 0), poses(3, 1), poses(3, 2)
    motion = net.motion(source, ps, pt)
    middle = slice(1, 2)
    alone = net.motion(source[middle], select(ps, middle), select(pt, middle))
    torch.testing.assert_close(motion.flow[middle], alone.flow, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        draw(source, motion)[middle], draw(source[middle], alone), atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(net(source, ps, pt), motion.flow)
    table = net.flow_table(source, ps, pt)
    assert table.shape == (3, 3, 2, *GRID)
    torch.testing.assert_close(table[1, 1], alone.flow[0], atol=1e-4, rtol=1e-4)


@every_form
def test_half_precision_leaves_coordinates_exact(name: str, keywords: dict) -> None:
    net, draw = rival(name, **keywords).eval(), image_generator(name).eval()
    source, pose = images(2, 0), poses(2, 1)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        motion = net.motion(source, pose, pose)
        image = draw(source, motion)
        net.own_losses(pairs(2, 0), motion, seeded(0))
    assert motion.flow.dtype == image.dtype == torch.float32
    flow = motion.flow
    if "background" not in keywords:  # what a network predicts has the precision of the network
        torch.testing.assert_close(flow, identity(*GRID).expand_as(flow), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["FOMM", "MRAA", "TPSMM"])
def test_a_checkpoint_gives_the_same_flow(name: str, tmp_path: Path) -> None:
    path = f"reidaug.flow.rivals.{name.lower()}:{name}"
    description = {"class": path, "scale": 0.5, "expansion": 4, "blocks": 3, "limit": 32}
    net = shaken(build_estimator(description), 9).eval()
    assert isinstance(net, FlowEstimator)
    save_checkpoint(tmp_path, net, {"estimator": description})
    source, ps, pt = images(2, 0), poses(2, 1), poses(2, 2)
    assert torch.equal(load_checkpoint(tmp_path)(source, ps, pt), net(source, ps, pt))


def overfit(name: str, keywords: dict, steps: int) -> tuple[Tensor, Tensor]:
    net, draw, batch = rival(name, **keywords), image_generator(name), pairs(4, 5)
    optimizer = torch.optim.Adam([*net.parameters(), *draw.parameters()], lr=3e-3)
    for step in range(steps):
        if isinstance(net, TPSMM):
            net.set_progress(step / steps, seeded(step))
        motion = net.motion(batch.source, batch.source_pose, batch.target_pose)
        loss = (draw(batch.source, motion) - batch.target).abs().mean()
        optimizer.zero_grad()
        (loss + sum(net.own_losses(batch, motion, seeded(step)).values())).backward()
        optimizer.step()
    return loss.detach(), (batch.source - batch.target).abs().mean()


@pytest.mark.parametrize(("name", "keywords"), [FORMS[0], FORMS[3], FORMS[5]])
def test_with_its_generator_it_overfits_four_pairs(name: str, keywords: dict) -> None:
    learned, still = overfit(name, keywords, 40)
    assert learned < 0.4 * still


@pytest.mark.slow
@pytest.mark.parametrize(("name", "keywords"), [FORMS[k] for k in (1, 2, 4, 6)])
def test_the_other_forms_overfit_four_pairs(name: str, keywords: dict) -> None:
    learned, still = overfit(name, keywords, 40)
    assert learned < 0.4 * still


@pytest.mark.parametrize("name", ["fomm", "mraa", "tpsmm"])
def test_the_flow_alone_can_follow_a_turned_and_enlarged_body(name: str) -> None:
    """The exact task: the flow alone, without the image generator."""
    net = rival(name, **({"jacobian": "analytic"} if name == "fomm" else {}))
    batch = pairs(4, 5)
    assert batch.flow is not None
    assert batch.visible is not None
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    errors = []
    for _ in range(40):
        flow = resize(net(batch.source, batch.source_pose, batch.target_pose), SIZE)
        loss = ((flow - batch.flow).abs().sum(1) * batch.visible).mean()
        errors.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    still = identity(*SIZE).expand_as(batch.flow)
    start = float(((still - batch.flow).abs().sum(1) * batch.visible).mean())
    assert errors[-1] < 0.6 * start


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
    assert [halvings(scale) for scale in (1.0, 0.5, 0.25, 0.125)] == [0, 1, 2, 3]


def test_the_background_defaults_to_the_identity() -> None:
    maps = torch.rand(2, 3, 2, 8, 4, generator=seeded(0))
    together = with_background(maps)
    torch.testing.assert_close(together[0, 0], identity(8, 4))
    assert torch.equal(together[:, 1:], maps)
    assert torch.equal(with_background(maps, maps[:, 0])[:, 0], maps[:, 0])


# Which way the maps lead, and what the blend is told: with oracles in the place of networks.

BODY_GRID = (BODY_SIZE[0] // 2, BODY_SIZE[1] // 2)
PARTS: dict[str, tuple[tuple[int, ...], ...]] = {
    "fomm": tuple((joint,) for joint in range(18)),
    "mraa": REGIONS,
    "tpsmm": GROUPS,
}
BODY_FORMS: list[tuple[str, dict[str, object]]] = [
    ("fomm", {"jacobian_expansion": 4}),
    ("fomm", {"jacobian": "analytic"}),
    ("mraa", {}),
    ("mraa", {"axes": "svd"}),
    ("tpsmm", {"ridge": 1e-5}),
]
every_body_form = pytest.mark.parametrize(("name", "keywords"), BODY_FORMS)


def watched(name: str, keywords: dict, *, part: int = 0) -> tuple[FlowEstimator, WatchedBlend]:
    net, blend = rival(name, **keywords).eval(), WatchedBlend(part)
    net.dense_motion = blend  # type: ignore[assignment]
    if isinstance(net, FOMM) and net.jacobians is not None:
        net.jacobians = BodyJacobians()  # type: ignore[assignment]
    return net, blend


def picture_of(pose: Pose) -> Tensor:
    """Nose, right wrist and left ankle as spots of red, green and blue."""
    spots = Pose(pose.xy[:, [0, WRIST, 13]], pose.visible[:, [0, WRIST, 13]])
    return pose_maps(spots, BODY_SIZE, canvas=BODY_SIZE, sigma=2.0)


@every_body_form
def test_every_part_of_a_moved_body_moves_with_it_and_not_back(name: str, keywords: dict) -> None:
    net, blend = watched(name, keywords)
    net(torch.zeros(1, 3, *BODY_SIZE), body_moved(), standing())
    there, back = there_and_back(BODY_GRID)
    assert blend.known.all()
    for part, joints in enumerate(PARTS[name], 1):
        flow = blend.maps[:, part]
        members = select(standing(), 0)
        near = Pose(members.xy[None, list(joints)], members.visible[None, list(joints)])
        wrong, far = (
            (at_joints(flow, near) - at_joints(other, near)).norm(dim=-1).mean()
            for other in (there, back)
        )
        assert wrong < 0.04, part
        assert far > 0.1, part
        wrong, far = ((flow - other).abs().mean() for other in (there, back))
        assert wrong < 0.1, part
        assert far > 0.2, part


@every_body_form
def test_a_moved_body_lands_on_the_target(name: str, keywords: dict) -> None:
    net, _ = watched(name, keywords, part=2)
    source = picture_of(body_moved())
    arrived = warp(source, net(source, body_moved(), standing()))
    wanted = normalised(standing(), BODY_SIZE)[:, [0, WRIST, 13]]
    torch.testing.assert_close(read_joints(arrived), wanted, atol=0.06, rtol=0)
    assert (read_joints(source) - wanted).norm(dim=-1).min() > 0.15


FOREARM = {"fomm": [WRIST], "mraa": [REGIONS.index((ELBOW, WRIST))], "tpsmm": [2]}
LEFT_LEG = {"fomm": [12, 13], "mraa": [REGIONS.index((12, 13))], "tpsmm": [5]}
LIMB_FORMS = [*BODY_FORMS[1:], ("fomm", {"jacobian": "none"})]


@pytest.mark.parametrize(("name", "keywords"), LIMB_FORMS)
def test_a_forearm_that_is_elsewhere_is_fetched_from_there(name: str, keywords: dict) -> None:
    net, blend = watched(name, keywords)
    net(torch.zeros(1, 3, *BODY_SIZE), forearm_moved(), standing())
    limb = Pose(STANDING[None, [ELBOW, WRIST]], torch.ones(1, 2, dtype=torch.bool))
    for part in FOREARM[name]:
        found = to_pixels(at_joints(blend.maps[:, 1 + part], limb), BODY_SIZE) - limb.xy
        moved = torch.tensor(FOREARM_SHIFT).expand_as(found)
        torch.testing.assert_close(found, moved, atol=0.5, rtol=0)
        if name != "tpsmm":  # a part of its own: all of its map is the shift
            expected = shifted(BODY_GRID)[None]
            torch.testing.assert_close(blend.maps[:, 1 + part], expected, atol=0.02, rtol=0)
    for part in LEFT_LEG[name]:
        still = identity(*BODY_GRID)[None]
        torch.testing.assert_close(blend.maps[:, 1 + part], still, atol=1e-4, rtol=0)


@every_body_form
def test_evidence_is_the_targets_parts_minus_the_sources(name: str, keywords: dict) -> None:
    net, blend = watched(name, keywords)
    source = forearm_moved()
    net(torch.zeros(1, 3, *BODY_SIZE), source, standing())
    # Channels by joints: FOMM's are joints, MRAA's regions, TPSMM's the joints of all groups.
    flat = [joint for group in GROUPS for joint in group]
    channels = {"fomm": [WRIST], "mraa": FOREARM["mraa"]}.get(
        name, [k for k, joint in enumerate(flat) if joint == WRIST]
    )
    for pose, sign in ((standing(), 1.0), (source, -1.0)):
        hand = Pose(pose.xy[:, [WRIST]], pose.visible[:, [WRIST]])
        there = at_joints(blend.evidence, hand)[0, 0, channels]
        assert (sign * there > 0.1).all(), (sign, there)
    if name == "tpsmm":
        still = [k for k, joint in enumerate(flat) if joint not in (ELBOW, WRIST)]
        assert blend.evidence.shape[1] == len(flat)
        assert blend.evidence[:, still].abs().max() < 1e-6


@every_body_form
def test_parts_count_where_both_images_show_them(name: str, keywords: dict) -> None:
    """The wrist is missing in the source alone, the left ankle in the target alone."""
    net, blend = watched(name, keywords)
    net(torch.zeros(1, 3, *BODY_SIZE), without(forearm_moved(), WRIST), without(standing(), 13))
    lost = {"fomm": {WRIST, 13}, "mraa": {REGIONS.index((ELBOW, WRIST)), REGIONS.index((12, 13))}}
    assert set((~blend.known[0]).nonzero()[:, 0].tolist()) == lost.get(name, set())
    # What one image alone shows is evidence all the same.
    flat = [joint for group in GROUPS for joint in group]
    channel = {"fomm": WRIST, "mraa": None}.get(name, flat.index(WRIST))
    if channel is not None:
        hand = Pose(STANDING[None, [WRIST]], torch.ones(1, 1, dtype=torch.bool))
        assert at_joints(blend.evidence, hand)[0, 0, channel] > 0.7
    else:
        joints = Pose(STANDING[None, [ELBOW, WRIST]], torch.ones(1, 2, dtype=torch.bool))
        middle = Pose(joints.xy.mean(1, keepdim=True), joints.visible[:, :1])
        assert at_joints(blend.evidence, middle)[0, 0, FOREARM["mraa"][0]] > 0.5


@every_body_form
def test_the_blend_gets_the_source_on_the_grid_and_the_background_first(
    name: str, keywords: dict
) -> None:
    net, blend = watched(name, keywords)
    source = picture_of(body_moved())
    flow = net(source, body_moved(), standing())
    assert blend.source.shape == (1, 3, *BODY_GRID)
    wanted = normalised(body_moved(), BODY_SIZE)[:, [0, WRIST, 13]]
    torch.testing.assert_close(read_joints(blend.source), wanted, atol=0.08, rtol=0)
    torch.testing.assert_close(flow, identity(*BODY_GRID)[None])
    assert blend.maps.shape[1] == 1 + len(PARTS[name])


class WatchedBackground(nn.Module):
    """Notes the poses whose maps it is given, and moves everything a little to the right."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Tensor, Tensor]] = []

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        self.asked.append((read_joints(source), read_joints(target)))
        return torch.tensor([[1.0, 0, 0.25], [0, 1, 0]]).expand(len(source), 2, 3)

    def flow(self, source: Tensor, target: Tensor) -> Tensor:
        self(source, target)
        return identity(*BODY_GRID)[None] + torch.tensor([0.25, 0.0])[:, None, None]


@pytest.mark.parametrize("name", ["mraa", "tpsmm"])
def test_a_predicted_background_sees_source_then_target(name: str) -> None:
    more = {"background_expansion": 4} if name == "mraa" else {}
    net, blend = watched(name, {"background": "predicted", **more})
    net.background = WatchedBackground()  # type: ignore[assignment]
    source, pose, target = torch.zeros(1, 3, *BODY_SIZE), body_moved(), standing()
    motion = net.motion(source, pose, target)
    assert torch.equal(motion.flow, blend.maps[:, 0])
    torch.testing.assert_close(motion.flow[0, 0], identity(*BODY_GRID)[0] + 0.25)
    places = [normalised(one, BODY_SIZE)[0] for one in (pose, target)]
    if name == "tpsmm":  # the way there, and the way back
        net.own_losses(PosePair(source, source, pose, target), motion, seeded(0))
        for asked, wanted in zip(net.background.asked[1], (places, places[::-1]), strict=True):
            for one, other in zip(asked, wanted, strict=True):
                torch.testing.assert_close(one, other, atol=0.05, rtol=0)
    asked = net.background.asked[0]
    for one, other in zip(asked, places, strict=True):
        torch.testing.assert_close(one[0], other, atol=0.05, rtol=0)
