import pytest
import torch

from reidaug.flow.surface.networks import (
    Conditioned,
    Refinement,
    SourceNetwork,
    TargetNetwork,
    enlarge,
)
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import Pose
from tests.seeding import seeded

WIDTHS = {"source": (8, 8, 8, 12, 12), "target": (8, 8, 12, 12)}


def poses(count, random):
    xy = torch.rand(count, 18, 2, generator=random) * torch.tensor([63.0, 127.0])
    return Pose(xy, torch.rand(count, 18, generator=random) < 0.9)


@pytest.fixture
def source():
    torch.default_generator.manual_seed(0)
    return SourceNetwork(widths=WIDTHS["source"], code=6).eval()


@pytest.fixture
def target():
    torch.default_generator.manual_seed(0)
    return TargetNetwork(widths=WIDTHS["target"], last=8, code=6).eval()


def test_crops_give_maps_on_half_their_grid_and_a_code(source):
    random = seeded(1)
    image, mask = torch.rand(2, 3, 128, 64, generator=random), torch.ones(2, 128, 64)
    seen = source(image, mask, torch.tensor([True, False]), poses(2, random))
    assert seen.surface.shape == (2, 4, 64, 32) and seen.person.shape == (2, 64, 32)
    assert seen.code.shape == (2, 6)


def test_a_mask_that_is_not_known_does_not_count(source):
    random = seeded(1)
    image, pose = torch.rand(1, 3, 128, 64, generator=random), poses(1, random)
    masks = [torch.ones(1, 128, 64), torch.zeros(1, 128, 64)]
    unknown, known = torch.tensor([False]), torch.tensor([True])
    first, second = (source(image, mask, unknown, pose).surface for mask in masks)
    assert torch.equal(first, second)
    first, second = (source(image, mask, known, pose).surface for mask in masks)
    assert not torch.allclose(first, second)


def test_image_joints_and_mask_all_count(source):
    random = seeded(1)
    image, pose = torch.rand(1, 3, 128, 64, generator=random), poses(1, random)
    mask, known = torch.ones(1, 128, 64), torch.tensor([True])
    seen = source(image, mask, known, pose)
    moved = Pose(pose.xy + 5, pose.visible)
    for other in (source(image * 0.5, mask, known, pose), source(image, mask, known, moved)):
        assert not torch.allclose(seen.surface, other.surface)
        assert not torch.allclose(seen.code, other.code)


def test_what_is_outside_a_known_mask_does_not_count(source):
    random = seeded(1)
    image, pose = torch.rand(1, 3, 128, 64, generator=random), poses(1, random)
    mask = torch.zeros(1, 128, 64)
    mask[:, 20:100, 16:48] = 1
    other = torch.where(mask[:, None] > 0, image, torch.rand(image.shape, generator=random))
    for known in (torch.tensor([True]), torch.tensor([False])):
        one, two = (source(each, mask, known, pose).surface for each in (image, other))
        assert torch.equal(one, two) == bool(known)


def test_a_pose_gives_places_and_an_outline_twice_as_fine(target):
    random = seeded(2)
    imagined = target(poses(3, random), torch.zeros(3, 6), (128, 64))
    assert imagined.surface.shape == (3, 4, 64, 32) and imagined.outline.shape == (3, 128, 64)


def test_the_code_decides_whose_body_is_imagined(target):
    random = seeded(2)
    pose, code = poses(1, random), torch.randn(1, 6, generator=random)
    one, other = target(pose, code, (128, 64)), target(pose, -code, (128, 64))
    assert not torch.allclose(one.outline, other.outline)
    assert not torch.allclose(one.surface, other.surface)


def test_conditions_scale_and_shift_each_channel():
    condition = Conditioned(2, 3)
    features, code = torch.rand(1, 3, 2, 2), torch.tensor([[1.0, -2.0]])
    scale, shift = condition.linear(code)[0].chunk(2)
    expected = features * (1 + scale[:, None, None]) + shift[:, None, None]
    assert torch.allclose(condition(features, code), expected)


def test_enlarged_features_keep_their_corners():
    features = torch.arange(4.0).view(1, 1, 2, 2)
    large = enlarge(features, torch.zeros(1, 1, 4, 5))
    assert large.shape == (1, 1, 4, 5)
    assert large[0, 0, [0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [0, 1, 2, 3]


def seen_and_imagined(source, target, seed):
    random = seeded(seed)
    image, pose = torch.rand(1, 3, 128, 64, generator=random), poses(1, random)
    seen = source(image, torch.ones(1, 128, 64), torch.tensor([True]), pose)
    return seen, target(poses(1, random), seen.code, (128, 64))


def test_an_untrained_refinement_changes_nothing(source, target):
    refinement = Refinement(features=16, widths=(8, 8)).eval()
    flow = identity(64, 32)[None] * 0.5
    pose = poses(1, seeded(0))
    seen, imagined = seen_and_imagined(source, target, 1)
    refined = refinement(flow, seen, imagined, pose, pose, (128, 64))
    assert torch.equal(refined.flow, flow) and torch.equal(refined.outline, imagined.outline)


def test_the_refinement_hears_of_both_sides_and_of_both_poses(source, target):
    torch.default_generator.manual_seed(0)
    refinement = Refinement(features=16, widths=(8, 8)).eval()
    torch.nn.init.normal_(refinement.head.weight)
    torch.nn.init.normal_(refinement.outline.weight)
    flow, size = identity(64, 32)[None] * 0.5, (128, 64)
    one, other = (seen_and_imagined(source, target, seed) for seed in (1, 2))
    pose, moved = poses(1, seeded(3)), poses(1, seeded(4))
    usual = refinement(flow, *one, pose, pose, size)
    for changed in (
        (other[0], one[1], pose, pose), (one[0], other[1], pose, pose), (*one, moved, pose),
        (*one, pose, moved),
    ):  # fmt: skip
        found = refinement(flow, *changed, size)
        assert not torch.allclose(found.flow, usual.flow)
        assert not torch.allclose(found.outline, usual.outline)
    found = refinement(flow * 0.5, *one, pose, pose, size)
    assert not torch.allclose(found.flow - flow * 0.5, usual.flow - flow)


def test_no_gradient_of_the_refinement_goes_through_the_sampling(source, target):
    torch.default_generator.manual_seed(0)
    refinement = Refinement(features=16, widths=(8, 8)).eval()
    torch.nn.init.normal_(refinement.head.weight)
    flow = (identity(64, 32)[None] * 0.5).requires_grad_()
    pose = poses(1, seeded(0))
    refinement(
        flow, *seen_and_imagined(source, target, 1), pose, pose, (128, 64)
    ).flow.sum().backward()
    assert torch.equal(flow.grad, torch.ones_like(flow))


def test_the_code_knows_how_wide_the_mask_is_and_where_the_joints_are(source):
    random = seeded(1)
    image, pose = torch.rand(1, 3, 128, 64, generator=random), poses(1, random)
    known, narrow = torch.tensor([True]), torch.zeros(1, 128, 64)
    narrow[:, :, 20:44] = 1
    with torch.no_grad():
        wide = source(image, torch.ones(1, 128, 64), known, pose).code
        assert not torch.allclose(source(image, narrow, known, pose).code, wide)
