import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reidaug.errors import ReidaugError
from reidaug.reid.evaluation.averaging import average_features
from tests.seeding import seeded


def some(seed, crops=4, views=7, length=5):
    random = seeded(seed)
    features = torch.randn(crops, length, generator=random)
    extra = torch.randn(views, length, generator=random)
    crop = torch.randint(0, crops, (views,), generator=random)
    return features, extra, crop, torch.rand(views, generator=random)


@given(st.integers(0, 2**31), st.floats(0, 3))
def test_the_slow_twin_finds_the_same(seed, weight):
    features, extra, crop, quality = some(seed)
    found = average_features(features, extra, crop, weight=weight, quality=quality)
    for k, feature in enumerate(features):
        total = feature / feature.norm()
        mine = [(q, e / e.norm()) for c, e, q in zip(crop, extra, quality, strict=True) if c == k]
        if mine:
            whole = sum(float(q) for q, _ in mine)
            total = total + weight * sum(q * e for q, e in mine) / whole
        assert torch.allclose(found[k], total / total.norm(), atol=1e-5)


def test_without_weight_or_views_crops_keep_their_direction():
    features, extra, crop, _ = some(1)
    unit = features / features.norm(dim=1, keepdim=True)
    assert torch.allclose(average_features(features, extra, crop, weight=0.0), unit)
    nothing = average_features(features, extra[:0], crop[:0], weight=1.0)
    assert torch.allclose(nothing, unit)
    poor = average_features(features, extra, crop, weight=1.0, quality=torch.zeros(7))
    assert torch.allclose(poor, unit)


def test_the_length_of_features_and_the_unit_of_quality_do_not_count():
    features, extra, crop, quality = some(2)
    one = average_features(features, extra, crop, weight=0.5, quality=quality)
    other = average_features(features * 9, extra * 0.1, crop, weight=0.5, quality=quality * 3)
    assert torch.allclose(one, other, atol=1e-6) and one.dtype == features.dtype


def test_a_heavy_weight_leads_to_the_views():
    features, extra, _, _ = some(3, crops=1, views=1)
    found = average_features(features, extra, torch.tensor([0]), weight=1e6)
    assert torch.allclose(found[0], extra[0] / extra[0].norm(), atol=1e-4)


def test_what_does_not_fit_is_refused():
    features, extra, crop, quality = some(4)
    with pytest.raises(ValueError, match="as many views, crops and qualities"):
        average_features(features, extra, crop[:-1], weight=1.0)
    with pytest.raises(ValueError, match="numbers from 0 to 3"):
        average_features(features, extra, crop + 4, weight=1.0)
    for changed in ({"weight": -1.0}, {"weight": 1.0, "quality": -quality}):
        with pytest.raises(ValueError, match="at least 0"):
            average_features(features, extra, crop, **changed)
    with pytest.raises(ReidaugError, match="extra: a value is not finite"):
        average_features(features, extra * torch.nan, crop, weight=1.0)
    with pytest.raises(ReidaugError, match="quality: a value is not finite"):
        average_features(features, extra, crop, weight=1.0, quality=quality / 0)
