"""Inputs of flow trainings: fingerprints of pairs with all that belongs to them, and of weights."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from reidaug.data.deepfashion import PairList
from reidaug.data.pairs import flow_name
from reidaug.errors import ReidaugError
from reidaug.fingerprint import Inputs
from reidaug.flow.builtin import checkpoint_of
from reidaug.flow.training.pair_sources import Splits
from reidaug.flow.training.recipe import PairsRecipe, TrainFlow
from reidaug.own_code import CODE, classes_in, own_code
from reidaug.recipes import Recipe, place_keys

TRAINING, TEST, WEIGHTS = "training", "test", "weights"
PARTS = ("pairs", "images", "joints", "masks", "flows")
TRAINED_ON = (*(f"{TRAINING} {part}" for part in PARTS), WEIGHTS, CODE)
"""Kinds of inputs that trained weights depend on."""
SCORED_ON = tuple(f"{TEST} {part}" for part in PARTS)
"""Kinds of inputs that scores depend on."""
PLACES = place_keys(TrainFlow) | {"start", "checkpoint"}
"""Keys of recipes whose values are paths, or names of checkpoints."""
ADVICE = "name another folder with --out to train on them"


def training_inputs(recipe: TrainFlow, splits: Splits, out: Path) -> Inputs:
    """Fingerprint the inputs of a training, whose run folder is ``out``."""
    kept = Inputs(out)
    add_pairs(kept, TRAINING, splits.training, recipe)
    add_pairs(kept, TEST, splits.testing, recipe)
    kept.add(WEIGHTS, weight_files(recipe))
    add_code(kept, [recipe])
    return kept


def add_code(kept: Inputs, recipes: Iterable[Recipe]) -> None:
    """Fingerprint the code of classes of the user's own that recipes name; they are imported."""
    if code := own_code(classes_in([recipe.model_dump() for recipe in recipes])):
        kept.note(CODE, code)


def weight_files(recipe: TrainFlow) -> Iterator[Path]:
    """List the files of the weights that a training starts from, and of its perceptual network."""
    if recipe.vgg19 is not None:
        yield recipe.vgg19
    if recipe.start is not None:
        yield from checkpoint_files(checkpoint_of(recipe.start))


def checkpoint_files(folder: Path | None) -> Iterable[Path]:
    """List the files of a checkpoint; none where there is no folder."""
    return sorted(folder.iterdir()) if folder is not None and folder.is_dir() else ()


def check_begun_with(run: Path, pairs: PairList, recipe: PairsRecipe) -> None:
    """Check that pairs to train on are those that a run began with.

    Joints and flows are not compared: those of a row of a comparison depend on its recipe.

    Raises:
        ReidaugError: A pair, an image or a mask is gone, new or another; the line names it.
    """
    kept = Inputs(run)
    add_pairs(kept, TRAINING, pairs, recipe)
    if line := kept.text(*(f"{TRAINING} {part}" for part in ("pairs", "images", "masks"))):
        raise ReidaugError(
            f"{run}: changed while it was at work: {line}; put back what is missing, and go on "
            "with --resume"
        )


def add_pairs(kept: Inputs, split: str, pairs: PairList, recipe: PairsRecipe) -> None:
    """Fingerprint pairs and all that belongs to them; ``split`` names their kinds, see `PARTS`."""
    names = sorted({name for pair in pairs.pairs for name in pair})
    kept.note(f"{split} pairs", {f"{source} > {target}": "" for source, target in pairs.pairs})
    kept.add(f"{split} images", (pairs.folder / name for name in names))
    known = (pairs.poses, *pairs.more_poses)
    joints = {}
    for name in names:
        digest = hashlib.blake2b(digest_size=16)
        for poses in known:
            digest.update(b"|")
            for part in poses.get(name, ()):
                digest.update(part.numpy().tobytes())
        joints[name] = digest.hexdigest()
    kept.note(f"{split} joints", joints)
    masks = pairs.folder.parent / "masks"
    # Where the background stays, masks still tell which part of the test images is scored.
    masked = (recipe.background == "grey" or split == TEST) and masks.is_dir()
    files = (masks / f"{Path(name).stem}.png" for name in names) if masked else ()
    kept.add(f"{split} masks", files)
    flows = pairs.flows
    kept.add(f"{split} flows", (flows / flow_name(*p) for p in pairs.pairs) if flows else ())
