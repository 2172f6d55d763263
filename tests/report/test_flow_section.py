import pytest

from reidaug.report.demo_page import Demo
from reidaug.report.flow_section import (
    flow_charts,
    flow_rows,
    longest_displacement,
    score_columns,
    score_rows,
)


def test_a_pair_is_a_row_of_six_pictures_at_one_scale(demo: Demo) -> None:
    samples = demo.flow_samples
    rows = flow_rows(samples)
    assert [len(row) for row in rows] == [6] * len(samples)
    assert {(image.height // image.width) for row in rows for image in row} == {2}
    (first, *_), (only, *_) = rows, flow_rows(samples[:1])
    alone, both = (
        longest_displacement(part) for part in (demo.flow_samples[:1], demo.flow_samples)
    )
    assert both >= alone >= 1
    assert (first[3].source == only[3].source) == (alone == pytest.approx(both))


def test_scores_come_with_intervals_and_the_best_is_marked(demo: Demo) -> None:
    columns = [column.key for column in score_columns(demo.flow)]
    assert columns == ["epe_px", "l1", "l1_32", "ssim", "stlpips_alex"]
    rows = score_rows(demo.flow)
    assert [row.name for row in rows] == ["UnWarpME", "Joint blend", "Torso affine", "Identity"]
    assert [row.strong for row in rows] == [True, False, False, False]
    assert all(cell.best == row.strong for row in rows for cell in row.cells)
    assert rows[0].cells[0].text == "2.70"
    assert rows[0].cells[0].small.count("–") == 1


def test_a_score_that_one_row_lacks_is_left_out(demo: Demo) -> None:
    rows = {name: dict(row) for name, row in demo.flow["rows"].items()}
    del rows["identity"]["ssim"]
    assert "ssim" not in [column.key for column in score_columns({"rows": rows})]


def test_only_logged_values_get_a_chart(demo: Demo) -> None:
    panels = {"loss": "Loss", "never": "Never logged"}
    assert len(flow_charts(demo.flow_records, panels)) == 1
