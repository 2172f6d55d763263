"""What is printed of an evaluation: the forms people know, figure by figure."""

import re
from dataclasses import replace
from pathlib import Path

from reidaug.data.market1501 import Person
from reidaug.experiments.tables import (
    Subset,
    ap_lines,
    difference_table,
    results_block,
    results_table,
    sentence,
    share_sentence,
    subset_table,
)
from reidaug.reid.evaluation.retrieval import Evaluation
from reidaug.report.experiment import Ceiling, Gain

# OSNet on Market-1501 as torchreid's model zoo has it; the rest is made up.
TESTED = Evaluation(
    {
        "mAP": 82.6, "mAP_trapezoid": 82.213, "mINP": 55.5, "rank1": 94.2, "rank5": 97.9,
        "rank10": 98.75, "rank20": 99.2,
    },
    [94.2] * 20,
    [82.6],
    0,
)  # fmt: skip


def test_the_block_is_torchreids():
    assert results_block(TESTED).splitlines() == [
        "** Results **",
        "mAP: 82.6%",
        "CMC curve",
        "Rank-1  : 94.2%",
        "Rank-5  : 97.9%",
        "Rank-10 : 98.8%",
        "Rank-20 : 99.2%",
    ]


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]


def test_the_table_is_fastreids_and_takes_rows():
    worse = TESTED._replace(scores={**TESTED.scores, "mAP": 80.0})
    head, rule, first, second = cells(results_table({"Market-1501": TESTED, "again": worse}))
    assert head == ["Dataset", "Rank-1", "Rank-5", "Rank-10", "mAP", "mINP", "metric"]
    assert all(re.fullmatch(":?-+:?", cell) for cell in rule)
    assert first == ["Market-1501", "94.20", "97.90", "98.75", "82.60", "55.50", "88.40"]
    assert (second[0], second[4], second[6]) == ("again", "80.00", "87.10")


def test_a_split_is_counted_with_its_distractors_as_one_person():
    people = [Person(Path(f"{k}.jpg"), pid, cam) for k, (pid, cam) in enumerate(
        [(0, 1), (0, 2), (7, 1), (7, 5), (8, 1)]
    )]  # fmt: skip
    assert Subset.of(people) == (3, 5, 3)
    head, _, row = cells(subset_table({"gallery": Subset.of(people)}))
    assert head == ["subset", "# ids", "# images", "# cameras"]
    assert row == ["gallery", "3", "5", "3"]


def test_both_formulas_are_told_apart():
    first, second = ap_lines(TESTED).splitlines()
    assert first == "mAP 82.60 standard, 82.21 trapezoid"
    assert second.startswith("standard: ")
    assert "trapezoid: " in second


def test_an_interval_says_what_it_draws():
    gain = Gain(
        arm="warps_grey", vs="real_only", mean=3.0, std=0.5, pooled_std=1.0, ci=(1.0, 5.0),
        interval_over="people", by_seed=(3.5, 2.5), evident=True, words="a gain",
    )  # fmt: skip
    head, _, row = cells(difference_table({"real_only": gain}))
    assert head[4:] == ["95 % over people", "by Holm's rule"]
    assert row == ["real_only", "+3.00", "0.50", "1.00", "+1.00 to +5.00", "a gain"]
    assert "95 % over people +1.00 to +5.00: a gain" in sentence(gain)
    one = replace(gain, by_seed=(3.0,), std=0.0, pooled_std=0.0)  # one seed has no spread
    assert cells(difference_table({"real_only": one}))[2][2:4] == ["-", "-"]
    assert "+3.00 mAP, one seed, 95 %" in sentence(one)
    older = replace(gain, interval_over="queries")
    assert "over queries" in sentence(older) and "over queries" in difference_table({"old": older})
    ceiling = Ceiling(**vars(gain), share_recovered=0.5, share_ci=(0.25, 0.8))
    assert share_sentence("warps", ceiling) == (
        "warps recovers 50% (95 % over people 25% to 80%) of what warps_grey gains\n"
    )
    assert "(" not in share_sentence("warps", replace(ceiling, share_ci=None))
    assert share_sentence("warps", replace(ceiling, share_recovered=None)) == ""
