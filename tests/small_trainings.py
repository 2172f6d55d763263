"""Recipes of flow trainings and comparisons that take a moment, on the pairs of `small_pairs`."""

from pathlib import Path
from typing import Any

import pytest
from flow_figures import SIZE

from reidaug.cli import main
from reidaug.experiments.compare_config import Compare
from reidaug.flow.training.recipe import TrainFlow
from reidaug.recipes import resolve

ESTIMATOR = {
    "class": "reidaug.flow.unwarpme:UnWarpME",
    "canvas": [32, 16],
    "sigma": 1.5,
    "widths": [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8],
    "head_widths": [8, 8, 8, 8, 8],
    "first_kernel": 1,
}
GENERATOR = {"class": "reidaug.flow.unwarpme.refinement:Refinement", "width": 16, "blocks": 1}
DISCRIMINATOR = {
    "class": "reidaug.flow.unwarpme.discriminator:PatchDiscriminator",
    "widths": [8, 8],
}
ROWS: dict[str, Any] = {
    "unwarpme": {},
    "gfla32": {"from": "unwarpme", "estimator": {"sigma": 3.0}},
    "fomm": {"estimator": {"depth": 2}, "batch": 3, "schedule": {"rate": 2e-3}},
}


def train_recipe(pairs: Path, **keys: Any) -> TrainFlow:
    """A `train-flow` recipe."""
    values = {
        "pairs": str(pairs),
        "size": list(SIZE),
        "estimator": ESTIMATOR,
        "cycle": ["exact+reconstruction", "affine"],
        "schedule": {"steps": 6, "rate": 1e-3},
        "batch": 4,
        "log_every": 1,
        "save_every": 2,
        "stlpips": [],
        **keys,
    }
    return resolve(values, TrainFlow, where="test")


def comparison(pairs: Path, **keys: Any) -> dict[str, Any]:
    """Values of a `compare` recipe."""
    return {
        "pairs": str(pairs),
        "size": list(SIZE),
        "budget": 10,
        "stlpips": [],
        "common": {
            "cycle": ["exact+reconstruction", "affine"],
            "schedule": {"rate": 1e-3, "warmup": 1},
            "batch": 4,
            "save_every": 1,
            "precision": "float32",
            "estimator": ESTIMATOR,
        },
        "rows": ROWS,
        **keys,
    }


def compare_recipe(pairs: Path, **keys: Any) -> Compare:
    """A `compare` recipe."""
    return resolve(comparison(pairs, **keys), Compare, where="test")


def check_error(
    capsys: pytest.CaptureFixture[str], command: list[str], code: int, words: str
) -> None:
    """Check that a command ends with an exit code and one line that has some words."""
    with pytest.raises(SystemExit) as ended:
        main(command)
    error = capsys.readouterr().err
    assert ended.value.code == code, error
    assert words in error
    assert error.count("\n") == 1
