"""Inputs of surface trainings: fingerprints of rendered people, joints, masks and weights."""

from collections.abc import Iterator
from pathlib import Path

from reidaug.fingerprint import Inputs
from reidaug.flow.builtin import checkpoint_of
from reidaug.flow.surface.training.recipe import TrainSurface
from reidaug.flow.training.pair_inputs import WEIGHTS, checkpoint_files
from reidaug.recipes import place_keys

TRAINING, TEST, FOUND = "training files", "test files", "found joints and masks"
TRAINED_ON = (TRAINING, FOUND, WEIGHTS)
"""Kinds of inputs that trained weights depend on."""
PLACES = place_keys(TrainSurface) | {"start"}
"""Keys of recipes whose values are paths, or names of checkpoints."""


def training_inputs(recipe: TrainSurface, out: Path) -> Inputs:
    """Fingerprint the inputs of a training, whose run folder is ``out``."""
    kept, start = Inputs(out), None if recipe.start is None else checkpoint_of(recipe.start)
    for kind, split in ((TRAINING, "train"), (TEST, "test")):
        kept.add(kind, _files(recipe.surfaces, split))
    found = [] if recipe.keypoints is None else [recipe.keypoints]
    kept.add(FOUND, [*found, *(() if recipe.masks is None else sorted(recipe.masks.glob("*.png")))])
    kept.add(WEIGHTS, checkpoint_files(start))
    return kept


def _files(root: Path, split: str) -> Iterator[Path]:
    """List all files of a split of `reidaug synth surfaces`."""
    yield root / f"fasion-annotation-{split}.csv"
    yield from (root / "surfaces" / split).glob("*.npz")
    for image in (root / split).glob("*.jpg"):
        yield image
        yield root / "masks" / f"{image.stem}.png"
