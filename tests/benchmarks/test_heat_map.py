"""Gains over a grid."""

import pytest
from heat_map import Spot, heat_map

from reidaug.report.charts import DARK, LIGHT, png

SPOTS = [[Spot(2.0, True), Spot(-3.04, False)], [None, Spot(0.5, True)]]


def drawn(theme=LIGHT, **changes):
    values = {
        "rows": ["10 %", "all"],
        "columns": ["2", "4"],
        "row_title": "people",
        "column_title": "crops",
        "unit": "mAP",
        "theme": theme,
        **changes,
    }
    return heat_map(SPOTS, **values)


def test_every_known_cell_is_written_and_evidence_is_bold():
    texts = {text.get_position(): text for text in drawn().axes[0].texts}
    assert {place: text.get_text() for place, text in texts.items()} == {
        (0, 0): "+2.0",
        (1, 0): "-3.0",
        (1, 1): "+0.5",
    }
    assert [texts[place].get_fontweight() for place in ((0, 0), (1, 0))] == ["bold", "normal"]
    low, high = drawn().axes[0].images[0].get_clim()
    assert (low, high) == pytest.approx((-3.04, 3.04))


def test_the_same_map_is_the_same_bytes():
    assert png(drawn(DARK)) == png(drawn(DARK))


def test_missing_cells_are_refused():
    with pytest.raises(ValueError, match="3 x 2"):
        drawn(rows=["a", "b", "c"])
