"""What FOMM, MRAA and TPSMM have in common: the contract of an estimator from given joints."""

from pathlib import Path

import pytest
import torch
from flow_figures import SIZE, images, pairs, poses, rival, shaken
from hypothesis import given, settings
from hypothesis import strategies as st
from seeding import seeded
from torch import Tensor, nn

from reidaug.errors import UsageError
from reidaug.flow.checkpoint import build_estimator, load_checkpoint, save_checkpoint
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.rivals.dense_motion import DenseMotion
from reidaug.flow.rivals.fomm import FOMM
from reidaug.flow.rivals.fomm_generator import Generator
from reidaug.flow.rivals.mraa import MRAA
from reidaug.flow.rivals.parametric import halvings, on_grid, with_background
from reidaug.flow.rivals.tpsmm import TPSMM
from reidaug.flow.rivals.tpsmm_generator import Inpainting
from reidaug.geometry.flow import identity, resize
from reidaug.geometry.pose import Pose, select

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
