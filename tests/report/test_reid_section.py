"""The re-ID section of a page: lines of arms, table, gallery."""

from dataclasses import replace

from reidaug.report.demo_page import Demo
from reidaug.report.page import Charts, Table, Text
from reidaug.report.reid_section import (
    cmc_picture,
    finetune_blocks,
    gallery_rows,
    lines_of,
    pose_header,
    training_blocks,
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
    blocks = finetune_blocks(demo.worlds[0].reid)
    (table,) = (b for b in blocks if isinstance(b, Table) and b.label == "Scores of the arms")
    assert [row.name for row in table.rows][:2] == ["Before fine-tuning", "Original crops only"]
    missing = [tuple(cell.text == "–" for cell in row.cells[-2:]) for row in table.rows]
    assert missing == [(True, True), (True, False), (False, True), *[(False, False)] * 3]
    assert [row.strong for row in table.rows] == [False, False, False, False, True, False]


def test_arms_of_any_name_have_lines_verdicts_and_differences(demo: Demo) -> None:
    reid = demo.worlds[0].reid
    assert reid.gain_mAP is not None
    names = {"warps_grey": "mine", "real_only": "plain"}
    gain = replace(reid.gain_mAP, arm="mine", vs="plain")
    other = replace(
        reid,
        arms={names.get(name, name): scores for name, scores in reid.arms.items()},
        cmc={},
        gain_mAP=gain,
        gain_over_best_control=None,
        ceiling=None,
        differences={"plain": gain, "affine_grey": replace(gain, vs="affine_grey")},
    )
    blocks = finetune_blocks(other)
    text, *_ = (block.lines for block in blocks if isinstance(block, Text))
    assert [line.startswith("mine against plain: +") for line in text] == [True]
    *_, differences = (block for block in blocks if isinstance(block, Table))
    assert [row.name for row in differences.rows] == ["plain", "Torso-affine warps"]
    assert differences.rows[0].cells[-1].text == "a gain"


def test_losses_are_drawn_by_stage_and_rounds_follow_each_other() -> None:
    log = [
        {"stage": "start", "seed": 0, "round": r, "step": k, "loss": 1 / k + r}
        for r in (0, 1)
        for k in (1, 2)
    ]
    heading, charts = training_blocks([*log, {"stage": "a", "seed": 1}, {"step": 3}])
    assert isinstance(charts, Charts)
    # Steps that were taken again, and lines in another order, change nothing.
    assert training_blocks([*log[::-1], *log]) == [heading, charts]
    assert training_blocks(log[1:]) != [heading, charts]
    assert training_blocks(log[:1]) == []


def test_true_views_have_rows_where_there_are_any(demo: Demo) -> None:
    gallery = demo.worlds[0].gallery
    assert [row.name for row in gallery_rows(gallery)] == ["warp", "true view", "warp"]
    assert len(pose_header(gallery)) == 3
