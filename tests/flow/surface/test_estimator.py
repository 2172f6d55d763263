import pytest
import torch

from reidaug.data.images import resize_mask
from reidaug.errors import UsageError
from reidaug.flow.checkpoint import build_estimator
from reidaug.flow.estimator import Origin, PersonFlowEstimator
from reidaug.flow.surface import SurfaceFlow
from reidaug.flow.surface.estimator import LENIENCE, check_kinds, finished, person_cells
from reidaug.flow.surface.networks import Refined
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import Pose, select
from reidaug.geometry.silhouette import without_edge
from reidaug.testing import check_flow_estimator
from tests.seeding import seeded
from tests.small_surfaces import ESTIMATOR

SIZE = (128, 64)


@pytest.fixture(scope="module")
def estimator():
    torch.default_generator.manual_seed(0)
    return build_estimator(ESTIMATOR).eval()


def poses(count, seed):
    xy = torch.rand(count, 18, 2, generator=seeded(seed)) * torch.tensor([63.0, 127.0])
    return Pose(xy, torch.ones(count, 18, dtype=torch.bool))


def crops(count, size=SIZE):
    image = torch.rand(count, 3, *size, generator=seeded(7))
    mask = torch.zeros(count, *size, dtype=torch.bool)
    mask[:, size[0] // 8 : -size[0] // 8, size[1] // 4 : -size[1] // 4] = True
    return image, mask


class Told(torch.nn.Module):
    """In place of a network: the same answer for everybody."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, *inputs):
        return self.answer(*inputs)


def test_flows_join_the_places_that_crop_and_target_show(estimator):
    """Places that move by three cells between the maps move the flow by three cells."""
    model = build_estimator(ESTIMATOR).eval()
    grid = identity(64, 32)
    places = torch.cat((0.15 * grid[:1], grid[:1] * 0 - 0.15, 0.4 - 0.2 * grid[1:], grid[:1] * 0))
    moved = torch.cat((0.15 * (grid[:1] + 6 / 31), *(places[1:].split(1))))

    def seen(image, mask, known, pose):
        whole = estimator.source(image, mask, known, pose)
        return whole._replace(surface=places.expand(len(image), -1, -1, -1))

    def imagined(pose, code, size):
        whole = estimator.target(pose, code, size)
        outline = torch.full_like(whole.outline, -5.0)
        outline[:, 30:90, 16:40] = 5.0
        return whole._replace(surface=moved.expand_as(whole.surface), outline=outline)

    model.source, model.target = Told(seen), Told(imagined)
    image, _ = crops(1)
    everything = torch.ones(1, *SIZE, dtype=torch.bool)
    nobody = Pose(poses(1, 1).xy, torch.zeros(1, 18, dtype=torch.bool))
    found = model.person_flows(image, everything, nobody, poses(2, 2), [(0, 1)])
    inside = resize_mask(found.outline[0], (64, 32))
    shift = (found.flow[0] - grid)[:, inside]
    assert inside.sum() > 100
    assert (shift[0] - 6 / 31).abs().max() < 0.02 and shift[1].abs().max() < 0.02
    assert (found.origin[0][inside] == Origin.SEEN).all()


def test_the_outline_is_the_refined_one(estimator):
    model = build_estimator(ESTIMATOR).eval()
    square = torch.full((1, *SIZE), -1.0)
    square[:, 20:40, 10:20] = 1.0
    model.refinement = Told(lambda flow, *_: Refined(flow, square))
    image, mask = crops(1)
    found = model.person_flows(image, mask, poses(1, 1), poses(1, 2), [(0, 0)])
    assert torch.equal(found.outline, square > 0)
    doubtful = torch.full((1, *SIZE), -LENIENCE)
    doubtful[:, :, 32:] += 0.1
    whole = finished(Refined(identity(64, 32)[None], doubtful)).outline > 0
    assert torch.equal(whole, doubtful > -LENIENCE)


def test_the_refinement_is_told_whose_joints_are_whose():
    torch.default_generator.manual_seed(0)
    model = build_estimator(ESTIMATOR).eval()
    told = []

    def refinement(flow, seen, imagined, source_pose, target_pose, size):
        told.append((seen, source_pose, target_pose, size))
        return Refined(flow, imagined.outline)

    model.refinement = Told(refinement)
    image, mask = crops(2)
    source, target, pairs = poses(2, 1), poses(3, 2), [(1, 2), (0, 0)]
    with torch.inference_mode():
        found = model.person_flows(image, mask, source, target, pairs)
        model(image, source, select(target, [0, 1]))
    (seen, own, asked, size), (_, first, second, _) = told
    assert torch.equal(own.xy, source.xy[[1, 0]]) and size == SIZE
    assert torch.equal(asked.xy, found.pose.xy)
    assert not torch.equal(seen.code[0], seen.code[1])
    assert torch.equal(first.xy, source.xy) and torch.equal(second.xy, target.xy[:2])


def test_each_pair_is_of_its_source_and_its_target(estimator):
    image, mask = crops(2)
    source, target = poses(2, 1), poses(3, 2)
    pairs = [(1, 2), (0, 0), (1, 0)]
    with torch.inference_mode():
        table = estimator.person_flows(image, mask, source, target, pairs)
        for k, (s, t) in enumerate(pairs):
            one = estimator.person_flows(
                image[[s]], mask[[s]], select(source, [s]), select(target, [t]), [(0, 0)]
            )
            assert torch.allclose(one.pose.xy[0], table.pose.xy[k], atol=1e-3)
            assert (one.outline[0] == table.outline[k]).float().mean() > 0.99
            assert (one.flow[0] - table.flow[k]).abs().mean() < 1e-2


def test_other_sizes_are_brought_to_the_canvas_and_back(estimator):
    image, mask = crops(1, (256, 192))
    scale = torch.tensor([191 / 63, 255 / 127])
    pose = Pose(poses(1, 1).xy * scale, poses(1, 1).visible)
    target = Pose(poses(1, 2).xy * scale, poses(1, 2).visible)
    with torch.inference_mode():
        large = estimator.person_flows(image, mask, pose, target, [(0, 0)])
    assert large.outline.shape == (1, 256, 192) and large.flow.shape == (1, 2, 64, 32)
    assert large.origin.shape == (1, 64, 32) and large.pose.xy[..., 0].amax() > 64


def test_joints_of_other_sizes_are_brought_to_the_canvas():
    torch.default_generator.manual_seed(0)
    model = build_estimator(ESTIMATOR).eval()
    told = []

    def refinement(flow, seen, imagined, source_pose, target_pose, size):
        told.append((source_pose, target_pose))
        return Refined(flow, imagined.outline)

    model.refinement = Told(refinement)
    image, _ = crops(1, (256, 192))
    scale = torch.tensor([191 / 63, 255 / 127])
    own, asked = poses(1, 1), poses(1, 2)
    with torch.inference_mode():
        model(image, *(Pose(pose.xy * scale, pose.visible) for pose in (own, asked)))
    ((first, second),) = told
    assert torch.allclose(first.xy, own.xy, atol=1e-3)
    assert torch.allclose(second.xy, asked.xy, atol=1e-3)


def test_a_person_without_a_cell_is_the_likeliest_one(estimator):
    image, mask = crops(1)
    with torch.inference_mode():
        found = estimator.person_flows(image, mask & False, poses(1, 1), poses(1, 2), [(0, 0)])
    assert found.flow.isfinite().all()


def test_bytes_for_images_or_masks_are_refused():
    image, mask = crops(1)
    for wrong in (((255 * image).byte(), mask), (image, mask.byte())):
        with pytest.raises(ValueError, match="numbers in \\[0, 1\\] and masks booleans"):
            check_kinds(*wrong)
    check_kinds(image, mask)


def test_it_keeps_the_contract_of_estimators(estimator):
    check_flow_estimator(estimator, size=SIZE, gradients=False)


def test_a_canvas_that_cannot_be_halved_is_refused():
    with pytest.raises(UsageError, match="multiples of 32"):
        build_estimator({**ESTIMATOR, "canvas": [100, 50]})


def test_presets_differ_in_size_alone():
    small, market = (SurfaceFlow(**SurfaceFlow.preset(name)) for name in ("small", "market"))
    numbers = [sum(p.numel() for p in m.parameters()) for m in (small, market)]
    assert numbers[0] < 0.3 * numbers[1] and numbers[1] < 4.5e6


def test_a_mask_is_sampled_at_the_nearest_pixel_of_each_cell():
    mask = torch.zeros(5, 3, dtype=torch.bool)
    mask[4, 2] = mask[2, 0] = True
    assert resize_mask(mask, (3, 2)).tolist() == [[False, False], [True, False], [False, True]]


def test_the_cells_of_people_are_those_of_one_person_after_another():
    """A mask where it is known, else the network; the likeliest cells where that is nobody."""
    odds = torch.randn(6, 16, 8, generator=seeded(1))
    odds[2] -= 10
    masks = torch.rand(6, 32, 16, generator=seeded(2)) > 0.3
    masks[4] = False
    known = torch.tensor([True, True, False, False, True, False])
    for k, found in enumerate(person_cells(masks, known, odds)):
        person = odds[k] > 0
        if known[k]:
            person = resize_mask(without_edge(masks[k : k + 1])[0], (16, 8))
        expected = person if person.any() else odds[k] >= odds[k].max()
        assert found.equal(expected) and found.any()


@pytest.mark.parametrize("size", [SIZE, (64, 32)])
def test_a_target_of_their_own_moves_people_as_pairs_do(estimator, size):
    image, mask = crops(3, size)
    source, target = poses(3, 1), poses(3, 2)
    with torch.inference_mode():
        own = estimator.own_flows(image, mask, source, target)
        pairs = [(k, k) for k in range(3)]
        expected = estimator.person_flows(image, mask, source, target, pairs)
    torch.testing.assert_close(own.flow, expected.flow, atol=1e-5, rtol=0)
    torch.testing.assert_close(own.pose.xy, expected.pose.xy, atol=1e-3, rtol=0)
    assert own.outline.equal(expected.outline) and own.origin.equal(expected.origin)
    plain = PersonFlowEstimator.own_flows(estimator, image, mask, source, target)
    assert plain.flow.equal(expected.flow)
