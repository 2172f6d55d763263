"""Where an adaptation goes on from: the networks that an earlier one ended with.

The paper adds warps to a DG-Net++ that has converged (Table 5): with ``start`` every arm goes on
from the same trained networks, and there is no training on the source and no warm-up.
"""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from reidaug.checksums import check_written
from reidaug.errors import ReidaugError, UsageError, unknown
from reidaug.experiments.adaptation_config import AdaptationRecipe
from reidaug.experiments.run_grid import CellKey, weight_file
from reidaug.reid.dgnet.networks import adapt_dgnet, build_dgnet
from reidaug.runs import RunFolder, stored_recipe

PSEUDO = ".classifier."  # in names of layers that every round makes anew


def start_files(recipe: AdaptationRecipe) -> list[Path]:
    """Name the weight file of every seed that a recipe starts from; none without ``start``."""
    if recipe.start is None:
        return []
    folder = RunFolder(recipe.start, resumed=True)
    return [weight_file(folder, CellKey(recipe.start_arm, seed)) for seed in recipe.seeds]


def start_weights(recipe: AdaptationRecipe, seed: int) -> dict[str, Tensor]:
    """Read the networks that a seed starts from, without classifiers of pseudo-labels.

    Raises:
        ReidaugError: The file cannot be read.
    """
    path = start_files(recipe)[recipe.seeds.index(seed)]
    try:
        stored = load_file(path)
    except (SafetensorError, OSError):
        raise ReidaugError(f"{path}: no readable weights, which 'start' is to go on from") from None
    return {name: tensor for name, tensor in stored.items() if PSEUDO not in name}


def _meant(recipe: AdaptationRecipe) -> str:
    """Name the run folder around a file or folder of one; else what to name."""
    around = () if recipe.start is None else recipe.start.absolute().parents[:2]
    for folder in around:
        if stored_recipe(folder).get("protocol") == recipe.protocol:
            return f"did you mean {folder}, which it is in?"
    return "name the --out of one"


def check_start(recipe: AdaptationRecipe, people: int) -> None:
    """Check, before any work, that every seed has networks to start from, and that they fit.

    Args:
        recipe: The experiment.
        people: Number of source identities.

    Raises:
        ReidaugError: A file is missing, damaged or of other networks.
        UsageError: ``start`` is no run of an adaptation, or has no such arm or seed.
    """
    if recipe.start is None:
        return
    earlier = stored_recipe(recipe.start)
    if earlier.get("protocol") != recipe.protocol:
        raise UsageError(
            f"start: {recipe.start} is no run folder of an adaptation (protocol uda); "
            + _meant(recipe)
        )
    check_written(recipe.start, finished=False)  # an arm may be, by a seed
    arms = earlier.get("arms") or {}
    if recipe.start_arm not in arms:
        name = recipe.start_arm
        told = unknown(f"arm {name!r}", name, arms, kind="arms")
        raise UsageError(f"start_arm: {recipe.start} has {told}")
    for seed, path in zip(recipe.seeds, start_files(recipe), strict=True):
        if not path.is_file():
            raise UsageError(
                f"start: {path} is missing: seed {seed} of arm {recipe.start_arm} is not trained "
                f"there (its seeds: {earlier.get('seeds')})"
            )
    size = recipe.networks()
    own = adapt_dgnet(build_dgnet(size, people), size).state_dict()
    for seed, path in zip(recipe.seeds, start_files(recipe), strict=True):
        stored = start_weights(recipe, seed)
        needed = {name: tensor.shape for name, tensor in own.items() if PSEUDO not in name}
        if needed != {name: tensor.shape for name, tensor in stored.items()}:
            raise ReidaugError(
                f"{path}: of other networks than this recipe's; 'preset', 'size' and 'source' "
                f"must be those of {recipe.start}"
            )
