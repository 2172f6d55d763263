"""Scores of rows and their differences, paired and by seed."""

import numpy as np
import pytest

from reidaug.experiments.comparison import Difference, differences, row_scores

PEOPLE = np.arange(200)


def test_differences_are_paired_and_evident_or_not() -> None:
    chance = np.random.default_rng(0)
    hard = chance.normal(20, 8, 200)  # pairs differ far more than the rows do
    ours = {"l1": hard, "ssim": np.full(200, 0.5), "epe_px": np.full(200, np.nan)}
    theirs = {
        "l1": hard + 0.5 + chance.normal(0, 0.5, 200),
        "ssim": 0.5 + chance.normal(0, 0.1, 200) - 0.001,
        "epe_px": np.full(200, np.nan),
    }
    said = differences([theirs], [ours], PEOPLE, seed=0)
    assert set(said) == {"l1", "ssim"}
    assert said["l1"].words == "worse"
    assert abs(said["l1"].mean - 0.5) < 0.1
    assert 0 < said["l1"].ci[0] < said["l1"].mean < said["l1"].ci[1]
    assert said["l1"].ci[1] - said["l1"].ci[0] < 0.3  # unpaired it would be about 3
    assert said["l1"].evident
    assert not said["ssim"].evident
    assert said["ssim"].words == "no evidence of a difference"
    assert differences([ours], [theirs], PEOPLE, seed=0)["l1"].words == "better"
    higher = differences([{"ssim": ours["ssim"] + 0.1}], [{"ssim": ours["ssim"]}], PEOPLE, seed=0)
    assert higher["ssim"] == Difference(0.1, (0.1, 0.1), True, "better")


def test_a_difference_that_seeds_do_not_share_is_not_evident() -> None:
    ours = [{"l1": np.full(200, value)} for value in (1.0, 1.2, 1.1)]
    theirs = [{"l1": np.full(200, value)} for value in (1.0, 0.3, 2.0)]
    said = differences(theirs, ours, PEOPLE, seed=0)["l1"]
    assert said.by_seed == (0.0, -0.9, 0.9)
    assert not said.evident and said.words == "no evidence of a difference"
    apart = [{"l1": one["l1"] + more} for one, more in zip(ours, (0.1, 0.9, 0.2), strict=True)]
    said = differences(apart, ours, PEOPLE, seed=0)["l1"]
    assert (said.evident, said.words) == (False, "perhaps worse (seeds differ)")
    alone = differences(apart, ours, np.zeros(200, int), seed=0)["l1"]
    assert (alone.evident, alone.words) == (False, "perhaps worse (one person)")
    steady = differences([{"l1": one["l1"] + 0.1} for one in ours], ours, PEOPLE, seed=0)["l1"]
    assert steady.evident and steady.words == "worse" and steady.by_seed == (0.1, 0.1, 0.1)
    fixed = differences([{"l1": np.full(200, 2.0)}], ours, PEOPLE, seed=0)["l1"]
    assert fixed.by_seed == (1.0, 0.8, 0.9) and fixed.evident


def test_a_row_of_several_seeds_has_their_mean_and_each_of_them() -> None:
    values = [{"l1": np.full(200, one), "ssim": np.full(200, 0.5)} for one in (1.0, 2.0, 6.0)]
    values[0]["generated_l1"] = np.full(200, 9.0)  # not of all seeds: no score of the row
    row = row_scores(values, PEOPLE, seed=0)
    assert row["l1"] == pytest.approx(3) and row["l1_by_seed"] == [1.0, 2.0, 6.0]
    assert row["l1_ci"] == pytest.approx([3, 3]) and "generated_l1" not in row
    assert "l1_by_seed" not in row_scores(values[:1], PEOPLE, seed=0)
