"""A small fine-tuning experiment on drawn figures."""

from pathlib import Path

from stick_market import copy_as_warps, stick_market

from reidaug.experiments.finetune_config import FinetuneRecipe
from reidaug.recipes import resolve

ARMS = ("real_only", "identity_grey", "warps_grey")


def recipe(root: Path, **changes) -> FinetuneRecipe:
    values = {
        "dataset": str(root / "market"),
        "arms": {
            "real_only": None,
            "identity_grey": str(root / "market"),
            "warps_grey": str(root / "warps"),
        },
        "seeds": [0, 1],
        "backbone": "resnet18",
        "backbone_options": {"width": 8, "blocks": [1, 1, 1, 1], "embedding": 8},
        "size": [32, 16],
        "precision": "float32",
        "pretrain_steps": 6,
        "steps": 4,
        "people": 3,
        "images": 2,
        "ratio": 0.5,
        **changes,
    }
    return resolve(values, FinetuneRecipe, where="test")


def draw_roots(folder: Path) -> Path:
    """Draw a dataset, and "warps" that are copies of its training crops."""
    stick_market(folder / "market", people=6, images=4)
    copy_as_warps(folder / "market", folder / "warps")
    return folder
