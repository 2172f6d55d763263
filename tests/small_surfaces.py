"""Two rendered people with surface maps, and a training on them that takes a moment."""

from pathlib import Path
from typing import Any

from reidaug.flow.surface.training.recipe import TrainSurface
from reidaug.people3d.surface_dataset import SurfaceOptions, render_surfaces
from reidaug.recipes import resolve

OPTIONS = SurfaceOptions(people=2, test_people=1, views=2, poses=5, cut=0.3)
ESTIMATOR = {
    "class": "reidaug.flow.surface:SurfaceFlow",
    "source_widths": [8, 8, 8, 8, 8],
    "target_widths": [8, 8, 8, 8],
    "last": 8,
    "code": 4,
    "refinement_widths": [8, 8],
}


def render_small(root: Path) -> Path:
    """Render the people."""
    render_surfaces(root, OPTIONS, workers=1)
    return root


def surface_recipe(root: Path, **keys: Any) -> TrainSurface:
    """A recipe of `train-flow` with surfaces."""
    values = {
        "surfaces": str(root),
        "estimator": ESTIMATOR,
        "schedule": {"steps": 4, "rate": 1e-3, "warmup": 1},
        "batch": 3,
        "log_every": 2,
        "save_every": 2,
        "test_samples": 4,
        "precision": "float32",
    }
    return resolve({**values, **keys}, TrainSurface, where="test")
