"""Uses of warps in adaptation: their arms, what they are compared with, and their tables."""

import argparse
from pathlib import Path

import numpy as np
import pytest
from adaptation_tables import adaptation_uses
from adaptation_uses import EACH, KINDS, PLAIN, STEPS, USES, WEIGHT, recipe_of, summarise
from photograph_arms import ARMS

from reidaug.experiments.adaptation_config import AdaptationRecipe
from reidaug.flow.builtin import SHIPPED, SURFACE

PEOPLE = np.repeat(np.arange(40), 2)


def scores(*means: float) -> np.ndarray:
    """Average precision of two seeds, spread over the queries around their means."""
    around = np.linspace(-0.2, 0.2, len(PEOPLE))
    return np.array([[mean + around] for mean in means])


def rows() -> dict[str, np.ndarray]:
    return {
        "start": scores(0.25, 0.25),
        "warmup": scores(0.26, 0.26),
        PLAIN: scores(0.3, 0.3),
        "clusters-own": scores(0.31, 0.31),
        "clusters-affine": scores(0.33, 0.32),
        "clusters-market": scores(0.35, 0.34),
        "clusters-surface": scores(0.36, 0.28),
    }


def recipe(part: str = "test", use: list[str] | None = None) -> AdaptationRecipe:
    cell = {"source": Path("a"), "dataset": Path("b"), "views": Path("views")}
    return recipe_of(cell, argparse.Namespace(use=use, part=part, seeds=2))


@pytest.mark.parametrize("use", USES)
def test_a_use_is_the_same_for_warps_and_controls(use: str) -> None:
    found = recipe(use=[use])
    assert found.seeds == (0, 1) and recipe("tune", [use]).seeds == (0,)
    assert set(found.arms) == {PLAIN, *(f"{use}-{kind}" for kind in KINDS)}
    flows = {"own": "identity", "affine": "torso-affine", "market": SHIPPED, "surface": SURFACE}
    ours = found.of_arm(f"{use}-own")
    for kind, name in KINDS.items():
        assert ARMS[name] == (flows[kind], {})
        own, root = found.of_arm(f"{use}-{kind}"), Path("views") / name
        if use == "clusters":
            assert own.cluster_views.roots == (root,) and own.cluster_views.weight == WEIGHT
            assert own.ratio == 0 and own.cluster == found.cluster
        else:
            assert found.arms[f"{use}-{kind}"].crops == (root,) and not own.cluster_views.roots
            assert (own.ratio, own.weights.positive_triplet, own.weights.extra) == (0.5, 1, 0)
        assert own.weights == ours.weights and own.ratio == ours.ratio
    assert found.steps(PLAIN) == STEPS["rounds"] * STEPS["round_steps"]


def test_warps_are_compared_with_the_best_control_of_the_same_use() -> None:
    found = summarise(rows(), PEOPLE)["rows"]
    assert found[PLAIN]["over_start"]["mean"] == pytest.approx(5)
    over = found["clusters-market"]["over_controls"]
    assert over["vs"] == "clusters-affine"
    assert over["mean"] == pytest.approx(2.0) and over["evident"]
    assert found["clusters-market"]["gain"]["by_seed"] == pytest.approx([5, 4])
    surface = found["clusters-surface"]["over_controls"]
    assert surface["by_seed"] == pytest.approx([3, -4]) and not surface["evident"]
    assert "over_controls" not in found["clusters-affine"] and "gain" not in found["start"]
    weak = rows() | {PLAIN: scores(0.4, 0.4)}
    assert summarise(weak, PEOPLE)["rows"]["clusters-market"]["over_controls"]["vs"] == PLAIN


def test_the_tables_quote_test_and_tune_people() -> None:
    found = rows()
    tune = {"mAP": {arm: 100 * float(row[:, 0].mean()) for arm, row in found.items()}}
    result = {
        "command": "run", "hardware": "a machine", "date": "today",
        "setting": {"views": EACH, "weight": WEIGHT, **STEPS},
        "cells": {"rendered": {"tune": tune, **summarise(found, PEOPLE)}},
    }  # fmt: skip
    text = "\n".join(adaptation_uses(result))
    assert "**From the rendered world A to B**, 2 seeds: start 25.0" in text
    assert "adapted without views 30.0 ± 0.0, over the start +5.0 (+5.0 to +5.0): a gain" in text
    assert "| 34.5 ± 0.7; +4.5 (+4.5 to +4.5): a gain |" in text
    assert "| +2.0 (+2.0 to +2.0): a gain |" in text
    assert "| From the rendered world A to B | 25.0 | 30.0 |" in text
    assert "photographs" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {8, 9}
