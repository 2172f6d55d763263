import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reidaug.augment.quality import (
    WORTH,
    WarpQuality,
    measure_quality,
    outline_weights,
    pck,
    sampled_places,
)
from reidaug.flow.estimator import Origin
from reidaug.geometry.flow import from_affine, identity
from reidaug.geometry.pose import Pose

SIZE = (16, 8)
ONE = torch.ones(1)


def box() -> Tensor:
    outline = torch.zeros(1, *SIZE, dtype=torch.bool)
    outline[:, 2:14, 2:6] = True
    return outline


def measured(
    flow: Tensor, outline: Tensor, source: Tensor, *, agreement: Tensor = ONE, joints: Tensor = ONE
) -> WarpQuality:
    count = len(flow)
    return measure_quality(flow, outline, source, agreement.expand(count), joints.expand(count))


def test_a_person_in_their_own_pose_is_perfect() -> None:
    found = measured(identity(*SIZE)[None], box(), box()[0])
    for share in (found.foreground, found.inside, found.seen, found.quality):
        assert float(share) == pytest.approx(1)
    for share in (found.folded, found.stretch, found.stretch_95):
        assert float(share) == pytest.approx(0, abs=1e-4)
    assert not found.mirrored.any()


def test_a_mirrored_person_is_as_good_and_marked() -> None:
    flow = from_affine(torch.tensor([[[-1.0, 0], [0, 1]]]), torch.zeros(1, 2), SIZE)
    found = measured(flow, box(), box()[0])
    assert found.mirrored.all()
    assert float(found.quality) == pytest.approx(1)


def test_a_half_turn_shows_what_the_source_does_not() -> None:
    flow = identity(*SIZE)[None]
    for agreement in (0.0, 0.5):
        found = measured(flow, box(), box()[0], agreement=torch.tensor([agreement]))
        assert float(found.seen) == pytest.approx(agreement)
        assert float(found.quality) == pytest.approx(agreement)
        assert float(found.foreground) == pytest.approx(1)


def test_joints_and_stretch_lower_the_quality() -> None:
    found = measured(identity(*SIZE)[None], box(), box()[0], joints=torch.tensor([0.25]))
    assert float(found.quality) == pytest.approx(0.5)
    # Twice as wide and of the same height: half a source pixel a target pixel.
    flow = from_affine(torch.tensor([[[0.5, 0], [0, 1]]]), torch.zeros(1, 2), SIZE)
    found = measured(flow, box(), box()[0])
    assert float(found.stretch) == pytest.approx(math.log(2), rel=1e-3)
    assert float(found.quality) == pytest.approx(2**-0.5, rel=1e-3)


def test_a_flow_that_shows_one_point_everywhere_is_worth_nothing() -> None:
    found = measured(torch.zeros(1, 2, *SIZE), box(), box()[0])
    assert float(found.foreground) == pytest.approx(1)
    assert float(found.folded) == pytest.approx(1)
    assert float(found.quality) == 0


def test_leaving_the_image_and_missing_the_person_are_counted() -> None:
    flow = identity(*SIZE)[None] + torch.tensor([0.0, 1.1])[:, None, None]
    found = measured(flow, box(), box()[0])
    # 8.25 rows down: the rows 2 to 7 sample 10.25 to 15.25, the others leave the last pixel.
    assert float(found.inside) == pytest.approx(0.5)
    assert 0.3 < float(found.foreground) < 0.5
    assert float(found.quality) < 0.4
    person, inside = sampled_places(flow, box()[0])
    assert inside[0, :, 0].tolist() == [1.0] * 8 + [0.0] * 8
    assert person[0, :, 3].gt(0.5).tolist() == [True] * 6 + [False] * 10


@given(seed=st.integers(0, 999))
def test_folds_and_stretch_are_counted_cell_by_cell(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    flow = identity(*SIZE)[None] + torch.randn((1, 2, *SIZE), generator=g) * 0.1
    whole = torch.ones(1, *SIZE, dtype=torch.bool)
    pixels = flow[0] * torch.tensor([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2])[:, None, None]
    signs, most = [], []
    for r in range(SIZE[0] - 1):
        for c in range(SIZE[1] - 1):
            right = pixels[:, r, c + 1] - pixels[:, r, c]
            down = pixels[:, r + 1, c] - pixels[:, r, c]
            matrix = torch.stack((right, down), 1).double()
            area = float(torch.linalg.det(matrix))
            signs.append(0 if abs(area) <= 0.02 else 1 if area > 0 else -1)
            values = torch.linalg.svdvals(matrix).clamp_min(0.01)
            most.append(float(values.log().abs().max()))
    found = measured(flow, whole, whole[0])
    wrong = min(sum(s <= 0 for s in signs), sum(s >= 0 for s in signs))
    assert float(found.folded) == pytest.approx(wrong / len(signs), abs=0.011)
    assert bool(found.mirrored) == (sum(signs) < 0)
    for share, number in ((0.5, found.stretch), (0.95, found.stretch_95)):
        expected = np.quantile(most, share, method="inverted_cdf")
        assert float(number) == pytest.approx(expected, abs=0.1)


@given(seed=st.integers(0, 999), h=st.integers(2, 20), w=st.integers(2, 20))
def test_every_number_is_a_share_on_any_grid(seed: int, h: int, w: int) -> None:
    g = torch.Generator().manual_seed(seed)
    outline = torch.rand((3, *SIZE), generator=g) > 0.5
    outline[0] = False
    found = measured(torch.randn((3, 2, h, w), generator=g), outline, outline[1])
    shares = (found.foreground, found.inside, found.folded, found.seen, found.quality)
    for share in shares:
        assert ((share >= 0) & (share <= 1 + 1e-5)).all()
    assert (found.stretch <= found.stretch_95).all()
    assert float(found.quality[0]) == 0


def test_a_pixel_reaches_half_a_pixel_beyond_its_centre() -> None:
    mask, near = torch.ones(8, 4) > 0, 1e-3
    edge = torch.tensor([1 + 1 / 3, 1 + 1 / 7])  # of 4 columns and 8 rows
    for axis in (0, 1):
        flow = torch.zeros(1, 2, 1, 4)
        flow[0, axis, 0] = torch.tensor([near - 1, -near - 1, 1 - near, 1 + near])
        flow[0, axis, 0] += torch.tensor([-1, -1, 1, 1]) * (edge[axis] - 1)
        inside = sampled_places(flow, mask)[1]
        assert inside[0, 0].tolist() == [1, 0, 1, 0]


def test_nothing_is_made_on_another_device_than_the_flow() -> None:
    flow, whole = identity(*SIZE)[None], torch.ones(1, *SIZE, dtype=torch.bool)
    with torch.device("meta"):
        found = measured(flow, whole, whole[0])
    assert float(found.quality) == pytest.approx(1)


def test_the_weight_of_a_cell_is_what_the_outline_is_there() -> None:
    assert torch.allclose(outline_weights(box(), SIZE), box().float(), atol=1e-5)


def test_pck_counts_the_joints_visible_in_both() -> None:
    xy = torch.zeros(18, 2)
    target = Pose(xy, torch.arange(18) < 8)
    found = Pose(xy.clone(), torch.arange(18) >= 4)
    found.xy[5] = torch.tensor([0.0, 12.7])  # within a tenth of the height
    found.xy[6] = torch.tensor([9.0, 9.2])  # 12.87
    found.xy[9] = 99.0  # missing in the target
    assert pck(found, target, (128, 64)) == pytest.approx(3 / 4)
    nothing = Pose(xy, torch.zeros(18, dtype=torch.bool))
    assert pck(nothing, target, (128, 64)) == 0


def test_the_origin_of_each_cell_is_counted_and_weighs() -> None:
    flow = identity(*SIZE)[None]
    origin = torch.zeros(1, *SIZE, dtype=torch.uint8)
    origin[:, 2:8] = Origin.MIRRORED
    origin[:, 8:11] = Origin.OPPOSITE
    origin[:, 11:14] = Origin.INVENTED
    found = measure_quality(flow, box(), box()[0], torch.zeros(1), ONE, origin)
    shares = [float(part) for part in (found.other_side, found.other_face, found.invented)]
    assert shares == pytest.approx([0.5, 0.25, 0.25])
    expected = 0.5 * WORTH[1] + 0.25 * WORTH[2] + 0.25 * WORTH[3]
    # Views do not count beside the origin; half a cell at each border of the outline is lost.
    assert float(found.seen) == pytest.approx(expected, abs=0.05)
    untold = measured(flow, box(), box()[0])
    assert untold.other_side.isnan().all() and untold.invented.isnan().all()


def test_a_warp_that_is_seen_throughout_is_as_good_as_can_be() -> None:
    origin = torch.zeros(1, *SIZE, dtype=torch.uint8)
    found = measure_quality(identity(*SIZE)[None], box(), box()[0], torch.zeros(1), ONE, origin)
    assert float(found.quality) == pytest.approx(1)
