"""The re-ID section of a page: lines of arms, table, gallery."""

from reidaug.report.demo_page import Demo
from reidaug.report.reid_section import (
    cmc_picture,
    gallery_rows,
    lines_of,
    pose_header,
    world_section,
)


def test_no_two_arms_have_the_same_line() -> None:
    names = ["start", "real_only", "warps_grey", *map(str, range(12)), "true_views_grey"]
    lines = lines_of(names)
    assert list(lines) == names
    assert len({(curve.colour, curve.stroke) for curve in lines.values()}) == len(names)


def test_a_picture_of_curves_is_the_same_bytes_every_time() -> None:
    cmc = {name: [50.0, 70.0] for name in ("real_only", *map(str, range(7)))}
    assert cmc_picture(cmc) == cmc_picture(cmc)


def test_the_table_begins_with_the_start_and_has_no_gain_of_an_arm_over_itself(demo: Demo) -> None:
    section = world_section("few-poses", demo.worlds[0].reid)
    assert section.control == "Own pose on grey"
    assert [row.name for row in section.rows][:2] == ["Before fine-tuning", "Original crops only"]
    missing = [(row.over_real is None, row.over_control is None) for row in section.rows]
    assert missing == [(True, True), (True, False), (False, True), *[(False, False)] * 3]
    assert [row.strong for row in section.rows] == [False, False, False, False, True, False]


def test_true_views_have_rows_where_there_are_any(demo: Demo) -> None:
    gallery = demo.worlds[0].gallery
    assert [row.name for row in gallery_rows(gallery)] == ["warp", "true view", "warp"]
    assert len(pose_header(gallery)) == 3
