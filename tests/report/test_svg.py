import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from matplotlib.figure import Figure

from reidaug.report.charts import (
    DARK,
    LIGHT,
    Curve,
    arm_points,
    cmc_curves,
    intervals,
    training_curve,
)
from reidaug.report.svg import chart_colours, drawn

CURVES = {"a": Curve("<b>$x_{</b> & co", 0, strong=True), "b": Curve("second", 1, stroke=1)}
NOISE = [{"step": k, "loss": 1 + (k * 7919 % 101) / 101} for k in range(400)]


def figures() -> list[Figure]:
    return [
        arm_points({"a": [1.0, 2.0, 6.0], "b": [4.0]}, CURVES, LIGHT, reference="b"),
        cmc_curves({"a": [50.0, 70.0], "b": [40.0, 60.0]}, CURVES, LIGHT),
        intervals({"a": (1.0, 0.5, 1.5, True), "b": (0.1, -0.4, 0.6, False)}, LIGHT, unit="mAP"),
        training_curve(NOISE, "loss", "Loss", LIGHT),
    ]


@pytest.mark.parametrize("which", range(4))
def test_a_chart_is_paths_and_texts_that_share_nothing_with_others(which: int) -> None:
    chart = drawn(figures()[which])
    assert chart == drawn(figures()[which])
    elements = [*ET.fromstring(f"<svg>{chart.content}</svg>")]
    assert {element.tag for element in elements} == {"path", "text"}
    names = {name for element in elements for name in element.attrib}
    assert names <= {"d", "style", "transform", "x", "y"}
    assert "url(" not in chart.content and "http" not in chart.content
    # Every colour is one of the page, dark or light.
    assert not re.search(r"#[0-9a-f]{3}", chart.content)
    used = set(re.findall(r"var\((--chart-\w+)\)", chart.content))
    assert used and all(chart_colours().count(f"{name}:") == 2 for name in used)
    assert len(chart.content) < 30_000


def test_the_text_of_a_chart_is_text() -> None:
    chart = drawn(figures()[0])
    root = ET.fromstring(f"<svg>{chart.content}</svg>")
    words = [element.text for element in root if element.tag == "text"]
    assert words[-4:] == ["<b>$x_{</b> & co", "second", "3.0", "4.0"]
    assert "<b>" not in chart.content
    assert "mAP, %" in words


def test_marks_are_where_the_values_are() -> None:
    chart = drawn(figures()[0])
    places = [float(x) for x in re.findall(r"translate\(([\d.]+) ", chart.content)]
    one, two, six, four, mean, alone = places
    assert (six - one) / (two - one) == pytest.approx(5.0, abs=0.01)
    assert mean == pytest.approx((one + two + six) / 3, abs=0.02)
    assert four == alone
    assert (chart.width, chart.height) == (317, 131)


def test_both_themes_have_the_same_variables() -> None:
    light, dark = chart_colours().splitlines()
    assert re.findall(r"--chart-\w+", light) == re.findall(r"--chart-\w+", dark)
    assert LIGHT.ink in light and DARK.ink in dark
    assert dark.startswith("@media screen and (prefers-color-scheme: dark)")
    css = (Path(__file__).parents[2] / "reidaug/report/templates/theme.css").read_text()
    assert f"--ink: {LIGHT.ink}" in css and f"--ink: {DARK.ink}" in css
