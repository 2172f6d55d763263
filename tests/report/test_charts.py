import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidaug.report.charts import (
    DARK,
    DPI,
    LIGHT,
    THEMES,
    Curve,
    arm_points,
    cmc_curves,
    intervals,
    png,
    running_mean,
    training_curve,
    training_lines,
)

CURVES = {"a": Curve("first", 0, strong=True), "b": Curve("second", 1, stroke=1)}


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=60))
def test_a_running_mean_stays_between_the_extremes(values: list[float]) -> None:
    smooth = running_mean(values)
    assert len(smooth) == len(values)
    assert min(values) - 1e-9 <= min(smooth) <= max(smooth) <= max(values) + 1e-9
    assert smooth[0] == values[0]


def test_a_running_mean_keeps_a_straight_line() -> None:
    line = [2.0 * k for k in range(50)]
    assert running_mean(line) == pytest.approx(line)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_charts_are_the_same_bytes_every_time_and_carry_no_date(theme: object) -> None:
    first, second = (
        png(cmc_curves({"a": [50.0, 70.0], "b": [40.0, 60.0]}, CURVES, theme)) for _ in range(2)
    )
    assert first == second
    assert b"tEXt" not in first
    assert b"tIME" not in first


def test_a_training_curve_shows_the_records_that_have_it() -> None:
    records = [{"step": k, "loss": 1 / (k + 1)} for k in range(20)] + [{"done": 1}, {"step": 20}]
    (axes,) = training_curve(records, "loss", "Loss", LIGHT).axes
    assert axes.get_title(loc="left") == "Loss"
    assert list(axes.lines[0].get_ydata()) == [1 / (k + 1) for k in range(20)]


def test_points_show_every_seed_and_the_mean() -> None:
    figure = arm_points({"a": [1.0, 2.0, 6.0], "b": [4.0]}, CURVES, DARK, reference="b")
    (axes,) = figure.axes
    seeds = [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 3]
    assert seeds == [[1.0, 2.0, 6.0]]
    assert [text.get_text() for text in axes.texts] == ["3.0", "4.0"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]


def test_a_chart_is_as_large_as_it_says() -> None:
    width, height = struct.unpack(">II", png(arm_points({"a": [1.0, 2.0]}, CURVES, LIGHT))[16:24])
    assert (width, height) == pytest.approx((4.4 * DPI, 1.26 * DPI), abs=1)


def test_names_are_no_formulas() -> None:
    names = {"$x_{": Curve("$x_{", 0), "a$b$": Curve("a$b$", 1)}
    png(cmc_curves({"$x_{": [1.0, 2.0], "a$b$": [2.0, 3.0]}, names, LIGHT))
    png(arm_points({"$x_{": [1.0], "a$b$": [2.0]}, names, LIGHT, reference="$x_{"))


def test_intervals_are_filled_where_chance_does_not_explain_them() -> None:
    rows = {"a": (1.0, 0.5, 1.5, True), "b": (0.1, -0.4, 0.6, False)}
    (axes,) = intervals(rows, LIGHT, unit="mAP").axes
    ends = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2]
    assert [list(some) for some in ends[:2]] == [[0.5, 1.5], [-0.4, 0.6]]
    fills = [line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"]
    assert [fill == "none" for fill in fills] == [False, True]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_every_training_has_a_line_of_its_own() -> None:
    lines = {"a": [(1.0, 3.0), (2.0, 1.0)], "b": [(1.0, 2.0)]}
    (axes,) = training_lines(lines, CURVES, "Loss", DARK).axes
    assert [line.get_label() for line in axes.lines] == ["first", "second"]
    assert list(axes.lines[0].get_ydata()) == [3.0, 1.0]
