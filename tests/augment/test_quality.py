import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reidaug.augment.quality import WarpQuality, agreement, measure, outline_weights
from reidaug.geometry.flow import from_affine, identity
from reidaug.geometry.pose import Pose

SIZE = (16, 8)
ONE = torch.ones(1)


def box() -> Tensor:
    outline = torch.zeros(1, *SIZE, dtype=torch.bool)
    outline[:, 2:14, 2:6] = True
    return outline


def judge(
    flow: Tensor, outline: Tensor, source: Tensor, *, agree: Tensor = ONE, joints: Tensor = ONE
) -> WarpQuality:
    count = len(flow)
    return measure(flow, outline, source, agree.expand(count), joints.expand(count))


def test_a_person_in_their_own_pose_is_perfect() -> None:
    judged = judge(identity(*SIZE)[None], box(), box()[0])
    for share in (judged.foreground, judged.inside, judged.seen, judged.quality):
        assert float(share) == pytest.approx(1)
    for share in (judged.folded, judged.stretch, judged.stretch_95):
        assert float(share) == pytest.approx(0, abs=1e-4)
    assert not judged.mirrored.any()


def test_a_mirrored_person_is_as_good_and_told_so() -> None:
    flow = from_affine(torch.tensor([[[-1.0, 0], [0, 1]]]), torch.zeros(1, 2), SIZE)
    judged = judge(flow, box(), box()[0])
    assert judged.mirrored.all()
    assert float(judged.quality) == pytest.approx(1)


def test_what_faces_the_other_way_was_not_seen() -> None:
    flow = identity(*SIZE)[None]
    for agree in (0.0, 0.5):
        judged = judge(flow, box(), box()[0], agree=torch.tensor([agree]))
        assert float(judged.seen) == pytest.approx(agree)
        assert float(judged.quality) == pytest.approx(agree)
        assert float(judged.foreground) == pytest.approx(1)


def test_joints_and_stretch_lower_the_quality() -> None:
    judged = judge(identity(*SIZE)[None], box(), box()[0], joints=torch.tensor([0.25]))
    assert float(judged.quality) == pytest.approx(0.5)
    # Twice as wide and of the same height: half a source pixel a target pixel.
    flow = from_affine(torch.tensor([[[0.5, 0], [0, 1]]]), torch.zeros(1, 2), SIZE)
    judged = judge(flow, box(), box()[0])
    assert float(judged.stretch) == pytest.approx(math.log(2), rel=1e-3)
    assert float(judged.quality) == pytest.approx(2**-0.5, rel=1e-3)


def test_a_flow_that_shows_one_point_everywhere_is_worth_nothing() -> None:
    judged = judge(torch.zeros(1, 2, *SIZE), box(), box()[0])
    assert float(judged.foreground) == pytest.approx(1)
    assert float(judged.folded) == pytest.approx(1)
    assert float(judged.quality) == 0


def test_leaving_the_image_and_missing_the_person_are_counted() -> None:
    flow = identity(*SIZE)[None] + torch.tensor([0.0, 1.1])[:, None, None]
    judged = judge(flow, box(), box()[0])
    # 8.25 rows down: the rows 2 to 7 sample 10.25 to 15.25, the others leave the last pixel.
    assert float(judged.inside) == pytest.approx(0.5)
    assert 0.3 < float(judged.foreground) < 0.5
    assert float(judged.quality) < 0.4


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
    judged = judge(flow, whole, whole[0])
    wrong = min(sum(s <= 0 for s in signs), sum(s >= 0 for s in signs))
    assert float(judged.folded) == pytest.approx(wrong / len(signs), abs=0.011)
    assert bool(judged.mirrored) == (sum(signs) < 0)
    for share, found in ((0.5, judged.stretch), (0.95, judged.stretch_95)):
        expected = np.quantile(most, share, method="inverted_cdf")
        assert float(found) == pytest.approx(expected, abs=0.1)


@given(seed=st.integers(0, 999), h=st.integers(2, 20), w=st.integers(2, 20))
def test_every_number_is_a_share_on_any_grid(seed: int, h: int, w: int) -> None:
    g = torch.Generator().manual_seed(seed)
    outline = torch.rand((3, *SIZE), generator=g) > 0.5
    outline[0] = False
    judged = judge(torch.randn((3, 2, h, w), generator=g), outline, outline[1])
    shares = (judged.foreground, judged.inside, judged.folded, judged.seen, judged.quality)
    for share in shares:
        assert ((share >= 0) & (share <= 1 + 1e-5)).all()
    assert (judged.stretch <= judged.stretch_95).all()
    assert float(judged.quality[0]) == 0


def test_nothing_is_made_on_another_device_than_the_flow() -> None:
    flow, whole = identity(*SIZE)[None], torch.ones(1, *SIZE, dtype=torch.bool)
    with torch.device("meta"):
        judged = judge(flow, whole, whole[0])
    assert float(judged.quality) == pytest.approx(1)


def test_the_weight_of_a_cell_is_what_the_outline_is_there() -> None:
    assert torch.allclose(outline_weights(box(), SIZE), box().float(), atol=1e-5)


def test_agreement_counts_the_joints_both_see() -> None:
    xy = torch.zeros(18, 2)
    asked = Pose(xy, torch.arange(18) < 8)
    found = Pose(xy.clone(), torch.arange(18) >= 4)
    found.xy[5] = torch.tensor([0.0, 12.7])  # within a tenth of the height
    found.xy[6] = torch.tensor([9.0, 9.2])  # 12.87
    found.xy[9] = 99.0  # not asked for
    assert agreement(found, asked, (128, 64)) == pytest.approx(3 / 4)
    nothing = Pose(xy, torch.zeros(18, dtype=torch.bool))
    assert agreement(nothing, asked, (128, 64)) == 0
