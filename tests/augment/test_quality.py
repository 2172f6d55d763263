import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reidaug.augment.quality import WarpQuality, measure, outline_weights
from reidaug.geometry.flow import from_affine, identity
from reidaug.geometry.warp import warp

SIZE = (16, 8)


def box() -> Tensor:
    outline = torch.zeros(1, *SIZE, dtype=torch.bool)
    outline[:, 2:14, 2:6] = True
    return outline


def judge(flow: Tensor, outline: Tensor, source: Tensor) -> WarpQuality:
    cells = outline_weights(outline, (flow.shape[2], flow.shape[3]))
    return measure(flow, cells, outline, warp(source[:, None].float(), flow)[:, 0])


def test_a_person_in_their_own_pose_is_perfect() -> None:
    judged = judge(identity(*SIZE)[None], box(), box())
    for share in (judged.foreground, judged.inside, judged.quality):
        assert float(share) == pytest.approx(1)
    assert float(judged.folded) == 0
    assert not judged.mirrored.any()


def test_a_mirrored_person_is_as_good_and_told_so() -> None:
    flow = from_affine(torch.tensor([[[-1.0, 0], [0, 1]]]), torch.zeros(1, 2), SIZE)
    judged = judge(flow, box(), box())
    assert judged.mirrored.all()
    assert float(judged.quality) == pytest.approx(1)


def test_a_flow_that_shows_one_point_everywhere_is_worth_nothing() -> None:
    judged = judge(torch.zeros(1, 2, *SIZE), box(), box())
    assert float(judged.foreground) == pytest.approx(1)
    assert float(judged.folded) == pytest.approx(1)
    assert float(judged.quality) == 0


def test_leaving_the_image_and_missing_the_person_are_counted() -> None:
    flow = identity(*SIZE)[None] + torch.tensor([0.0, 1.1])[:, None, None]
    judged = judge(flow, box(), box())
    # 8.25 rows down: the rows 2 to 7 sample 10.25 to 15.25, the others leave the last pixel.
    assert float(judged.inside) == pytest.approx(0.5)
    assert 0.3 < float(judged.foreground) < 0.5
    assert judged.quality == judged.foreground * judged.inside * (1 - judged.folded)


@given(seed=st.integers(0, 999))
def test_folds_are_counted_cell_by_cell(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    flow = identity(*SIZE)[None] + torch.randn((1, 2, *SIZE), generator=g) * 0.1
    whole = torch.ones(1, *SIZE, dtype=torch.bool)
    signs = []
    for r in range(SIZE[0] - 1):
        for c in range(SIZE[1] - 1):
            right = (flow[0, :, r, c + 1] - flow[0, :, r, c]).tolist()
            down = (flow[0, :, r + 1, c] - flow[0, :, r, c]).tolist()
            signs.append(right[0] * down[1] - right[1] * down[0] > 0)
    straight = sum(signs) / len(signs)
    judged = judge(flow, whole, whole)
    assert float(judged.folded) == pytest.approx(min(straight, 1 - straight), abs=1e-5)
    assert bool(judged.mirrored) == (straight < 0.5)


@given(seed=st.integers(0, 999), h=st.integers(2, 20), w=st.integers(2, 20))
def test_every_number_is_a_share_on_any_grid(seed: int, h: int, w: int) -> None:
    g = torch.Generator().manual_seed(seed)
    outline = torch.rand((3, *SIZE), generator=g) > 0.5
    outline[0] = False
    judged = judge(torch.randn((3, 2, h, w), generator=g), outline, outline)
    for share in (judged.foreground, judged.inside, judged.folded, judged.quality):
        assert ((share >= 0) & (share <= 1 + 1e-5)).all()
    assert float(judged.quality[0]) == 0
