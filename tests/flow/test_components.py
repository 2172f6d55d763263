import pytest

from reidaug.errors import UsageError
from reidaug.flow.checkpoint import build_estimator
from reidaug.flow.components import without_preset


def test_presets_become_keywords() -> None:
    plain = without_preset(
        {"class": "reidaug.flow.unwarpme:UnWarpME", "preset": "market", "sigma": 2.0}
    )
    assert plain["canvas"] == [128, 64]
    assert plain["sigma"] == 2.0
    assert "preset" not in plain
    assert build_estimator(plain).canvas == (128, 64)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ({}, "package.module:Class"),
        ({"class": "no.such.module:Net"}, "no 'no.such.module:Net'"),
        ({"class": "reidaug.flow.unwarpme.warping:Nothing"}, "is no flow estimator"),
        ({"class": "reidaug.flow.unwarpme.warping:PoseEncoder"}, "is no flow estimator"),
        ({"class": "reidaug.flow.unwarpme:UnWarpME", "depht": 3}, "depht"),
        ({"class": "reidaug.flow.unwarpme:UnWarpME", "preset": "huge"}, "paper, market, small"),
        ({"class": "reidaug.flow.closed_form:Identity", "preset": "a"}, "has no presets"),
        ({"class": "torch.nn:ReLU", "preset": "a"}, "has no presets"),
    ],
)
def test_a_wrong_description_is_an_error(description: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build_estimator(description)
