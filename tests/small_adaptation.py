"""A small adaptation experiment on drawn figures."""

from pathlib import Path

from stick_market import copy_as_warps, stick_market

from reidaug.experiments.adaptation_config import AdaptationRecipe
from reidaug.recipes import resolve


def draw_roots(folder: Path) -> Path:
    """Draw source and target, and "warps" that are copies of the target's training crops."""
    stick_market(folder / "source", people=4, images=3)
    stick_market(folder / "target", people=5, images=4)
    copy_as_warps(folder / "target", folder / "warps")
    return folder


def values(root: Path, **changes) -> dict:
    return {
        "protocol": "uda",
        "source": str(root / "source"),
        "dataset": str(root / "target"),
        "arms": {"dgnetpp": {"changes": {"ratio": 0.0}}, "warps_grey": str(root / "warps")},
        "controls": ["dgnetpp"],
        "preset": "small",
        "trunk_from_teacher": True,
        "teacher": {"steps": 2, "people": 3, "images": 2, "style": "parents"},
        "source_steps": 3,
        "warmup_steps": 2,
        "rounds": 2,
        "round_steps": 2,
        "weights": {"schedule": {"start": 1, "cycle": 1, "structure": 1, "teacher": 1}},
        "cluster": {"eps": 0.69, "min_samples": 2, "k1": 4, "k2": 2},
        "seeds": [0],
        "save_every": 1,
        **changes,
    }


def recipe(root: Path, **changes) -> AdaptationRecipe:
    return resolve(values(root, **changes), AdaptationRecipe, where="test")
