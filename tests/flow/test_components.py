import pytest

from reidaug.errors import UsageError
from reidaug.flow.checkpoint import build_estimator
from reidaug.flow.components import without_preset

UNWARPME = "reidaug.flow.unwarpme:UnWarpME"


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
        (
            {"class": "reidaug.flow.unwarpme:UnWarpME", "preset": "huge"},
            "paper, paper_sa, market, small, small_sa",
        ),
        ({"class": "reidaug.flow.closed_form:Identity", "preset": "a"}, "has no presets"),
        ({"class": "torch.nn:ReLU", "preset": "a"}, "has no presets"),
        ({"class": ".warping:UnWarpME"}, "no '.warping:UnWarpME'; write package.module:Class"),
        ({"class": "..:a"}, "write package.module:Class"),
        ({"class": None}, "write package.module:Class"),
        (
            {"class": "reidaug.flow.unwarpme:UnWarpME", "preset": ["small"]},
            "the name of a preset, got",
        ),
        (
            {"class": "reidaug.flow.unwarpme:UnWarpME", "preset": {"a": 1}},
            "the name of a preset, got",
        ),
        (
            {"class": UNWARPME, "preset": "small", "widths": None},
            "estimator reidaug",
        ),
        (
            {"class": UNWARPME, "preset": "small", "widths": [10**9] * 11},
            "more than any",
        ),
        (
            {"class": UNWARPME, "preset": "small", "widths": [60_000] * 11},
            "parameters are more",
        ),
        (
            {"class": UNWARPME, "preset": "small", "widths": []},
            "estimator reidaug",
        ),
        ({"class": "reidaug.flow.unwarpme:UnWarpME", 1: 2}, "estimator reidaug"),
    ],
)
def test_a_wrong_description_is_an_error(description: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build_estimator(description)
