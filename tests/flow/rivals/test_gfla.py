from pathlib import Path

import pytest
import torch
from flow_figures import SIZE, images, pairs, poses
from torch.utils.flop_counter import FlopCounterMode

from reidaug.errors import UsageError
from reidaug.flow.checkpoint import build_estimator, load_checkpoint, save_checkpoint
from reidaug.flow.rivals.gfla import GFLA, Levels, from_offsets, image_and_poses
from reidaug.geometry.flow import identity, resize, to_pixels
from reidaug.geometry.pose import Pose, select


def tiny(**keywords: object) -> GFLA:
    """A GFLA of the full form with four halvings, narrow enough for a test."""
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        return GFLA(**{"widths": (6, 8, 10, 12), **keywords})  # type: ignore[arg-type]


def stirred(net: GFLA) -> GFLA:
    """The network after its weights have left their quiet start."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return net


def tensors(levels: Levels) -> tuple[torch.Tensor, ...]:
    return (*levels.flows, *levels.masks)


def test_the_paper_preset_has_the_papers_size() -> None:
    with torch.device("meta"):
        net = GFLA(**GFLA.preset("paper"))
        pose = Pose(torch.zeros(1, 18, 2), torch.zeros(1, 18, dtype=torch.bool))
        with FlopCounterMode(display=False) as counter:
            levels = net.levels(torch.zeros(1, 3, 256, 256), pose, pose)
    assert round(sum(p.numel() for p in net.parameters()) / 1e6, 2) == 6.61
    assert round(counter.get_total_flops() / 2e9, 2) == 2.39
    assert [tuple(flow.shape) for flow in levels.flows] == [(1, 2, 32, 32), (1, 2, 64, 64)]
    assert [tuple(mask.shape) for mask in levels.masks] == [(1, 1, 32, 32), (1, 1, 64, 64)]


def test_crops_have_two_levels_too() -> None:
    with torch.device("meta"):
        net = GFLA(**GFLA.preset("small"))
        pose = Pose(torch.zeros(1, 18, 2), torch.zeros(1, 18, dtype=torch.bool))
        levels = net.levels(torch.zeros(1, 3, 128, 64), pose, pose)
    assert [tuple(flow.shape[2:]) for flow in levels.flows] == [(16, 8), (32, 16)]


@pytest.mark.parametrize("side", [32, 64])
def test_an_offset_of_one_cell_is_that_many_pixels_of_the_image(side: int) -> None:
    offsets = torch.stack((torch.ones(1, side, side), torch.zeros(1, side, side)), 1)
    flow = resize(from_offsets(offsets), (256, 256))
    moved = to_pixels((flow - identity(256, 256)).movedim(1, -1), (256, 256)) - 127.5
    assert (moved[..., 0] - 255 / (side - 1)).abs().max() < 1e-4
    assert moved[..., 1].abs().max() < 1e-4


def test_offsets_of_a_flow_that_is_not_square_have_a_unit_an_axis() -> None:
    flow = from_offsets(torch.ones(1, 2, 3, 5))
    places = to_pixels(flow.movedim(1, -1), (3, 5))
    assert places[0, 0, 0].tolist() == [1, 1]
    assert places[0, 2, 4].tolist() == [5, 3]


def test_the_level_chooses_what_forward_and_motion_answer() -> None:
    source, ps, pt = images(2, 0), poses(2, 1), poses(2, 2)
    for k, level in enumerate(("32", "64")):
        net = stirred(tiny(level=level)).eval()
        both, motion = net.levels(source, ps, pt), net.motion(source, ps, pt)
        assert torch.equal(net(source, ps, pt), both.flows[k])
        assert torch.equal(motion.flow, both.flows[k])
        assert len(motion.occlusion) == 1
        assert torch.equal(motion.occlusion[0], both.masks[k])
        assert motion.flow.shape[2:] == motion.occlusion[0].shape[2:] == (4 * (k + 1), 2 * (k + 1))
        assert all((mask >= 0).all() and (mask <= 1).all() for mask in both.masks)
    assert tiny(level=32).level == "32"


def test_wrong_presets_keywords_and_sizes_are_errors() -> None:
    with pytest.raises(UsageError, match=r"'large'.*paper, small"):
        GFLA.preset("large")
    for wrong, words in [
        ({"level": "128"}, "'32', '64'.*'128'"),
        ({"widths": (8, 8, 8)}, "at least four"),
        ({"sigma": 0.0}, "positive"),
    ]:
        with pytest.raises(ValueError, match=words):
            tiny(**wrong)
    with pytest.raises(UsageError, match="level must be one of"):
        build_estimator({"class": "reidaug.flow.rivals.gfla:GFLA", "preset": "small", "level": 16})
    for size in [(33, 16), (32, 24), (16, 16)]:
        net, image = tiny(), torch.zeros(1, 3, *size)
        with pytest.raises(ValueError, match=f"4 times.*multiples of 16.*{size[0]}x{size[1]}"):
            net(image, poses(1, 0), poses(1, 1))


def test_the_untrained_flow_is_near_the_identity() -> None:
    levels = tiny().levels(images(2, 0), poses(2, 1), poses(2, 2))
    for flow in levels.flows:
        size = (flow.shape[-2], flow.shape[-1])
        still = (flow - identity(*size)).movedim(1, -1)
        assert (to_pixels(still, size) - to_pixels(torch.zeros(2), size)).abs().max() < 0.1


def test_the_input_is_the_image_from_minus_one_to_one_and_a_channel_a_joint() -> None:
    source, ps, pt = images(2, 0), poses(2, 1, visible=1.0), poses(2, 2, visible=0.5)
    seen = image_and_poses(source, ps, pt)
    assert seen.shape == (2, 39, *SIZE)
    torch.testing.assert_close(seen[:, :3], source * 2 - 1)
    assert torch.equal(seen[:, 21:].flatten(2).any(-1), pt.visible)
    middle = Pose(torch.tensor([[[8.0, 20.0]]]).expand(2, 18, 2), torch.ones_like(ps.visible))
    # 6 pixels of 256 rows are three quarters of a pixel of 32.
    drawn = image_and_poses(source, middle, pt)[0, 3]
    assert drawn[20, 8] == 1
    torch.testing.assert_close(drawn[20, 9], torch.tensor(-1 / (2 * 0.75**2)).exp())


def test_the_images_and_both_poses_matter() -> None:
    net = stirred(tiny()).eval()
    source, ps, pt = images(2, 0), poses(2, 1), poses(2, 2)
    flow = net(source, ps, pt)
    for other in (net(source.flip(0), ps, pt), net(source, pt, pt), net(source, ps, ps)):
        assert not torch.allclose(flow, other)


@pytest.mark.parametrize("nowhere", [torch.nan, torch.inf, -1.0, 7.0])
def test_invisible_joints_have_no_effect_and_empty_poses_are_finite(nowhere: float) -> None:
    net = stirred(tiny())
    source, ps, pt = images(2, 0), poses(2, 1, visible=0.5), poses(2, 2, visible=0.5)
    moved = Pose(torch.where(ps.visible[..., None], ps.xy, nowhere), ps.visible)
    for one, other in zip(
        tensors(net.levels(source, ps, pt)), tensors(net.levels(source, moved, pt)), strict=True
    ):
        assert torch.equal(one, other)
    nobody = Pose(torch.full_like(ps.xy, nowhere), torch.zeros_like(ps.visible))
    assert not image_and_poses(source, nobody, nobody)[:, 3:].any()
    found = tensors(net.levels(source, nobody, nobody))
    assert all(tensor.isfinite().all() for tensor in found)
    sum(tensor.sum() for tensor in found).backward()  # type: ignore[union-attr]
    for parameter in net.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_a_pair_has_the_same_flow_alone_and_in_a_batch() -> None:
    net = stirred(tiny()).eval()
    source, ps, pt = images(3, 0), poses(3, 1), poses(3, 2)
    alone = net.levels(source[1:2], select(ps, slice(1, 2)), select(pt, slice(1, 2)))
    for one, many in zip(tensors(alone), tensors(net.levels(source, ps, pt)), strict=True):
        torch.testing.assert_close(many[1:2], one, atol=1e-5, rtol=1e-5)


def test_every_parameter_gets_a_gradient() -> None:
    net, batch = tiny(), pairs(3, 0)
    levels = net.levels(batch.source, batch.source_pose, batch.target_pose)
    sum(t.square().sum() for t in tensors(levels)).backward()  # type: ignore[union-attr]
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.norm() > 1e-6 * (1 + parameter.norm()), name


def test_a_checkpoint_brings_it_back(tmp_path: Path) -> None:
    description = {
        "class": "reidaug.flow.rivals.gfla:GFLA",
        "widths": [6, 8, 10, 12],
        "level": "32",
    }
    net = build_estimator(description)
    assert isinstance(net, GFLA)
    save_checkpoint(tmp_path, stirred(net), {"estimator": description})
    source, ps, pt = images(2, 0), poses(2, 1), poses(2, 2)
    assert torch.equal(load_checkpoint(tmp_path)(source, ps, pt), net.eval()(source, ps, pt))


def test_half_precision_gives_flows_in_32_bits() -> None:
    net = stirred(tiny()).eval()
    source, ps, pt = images(2, 0), poses(2, 1), poses(2, 2)
    exact = net(source, ps, pt)
    with torch.autocast("cpu", torch.bfloat16):
        half = net(source, ps, pt)
    assert half.dtype == torch.float32
    assert (half - exact).abs().mean() < 0.05 * (exact - identity(8, 4)).abs().mean()
