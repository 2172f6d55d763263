"""Inputs of an experiment's cells: digests of the crops, masks and weights that decide each."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from reidaug.data.images import mask_path
from reidaug.data.loose_crops import find_folder
from reidaug.data.market1501 import Person
from reidaug.experiments.adaptation_config import WARMUP, AdaptationRecipe
from reidaug.experiments.adaptation_data import AdaptationData
from reidaug.experiments.arms import settings_of
from reidaug.experiments.experiment_data import ExperimentData
from reidaug.experiments.finetune_config import START, FinetuneRecipe
from reidaug.experiments.warp_quality import MANIFEST
from reidaug.fingerprint import Inputs, digest_of
from reidaug.own_code import CODE, own_code

TRAINING, QUERIES, GALLERY = "training crops", "query crops", "gallery crops"
SOURCE, MASKS, WEIGHTS = "source crops", "masks", "weights"


class CellInputs(NamedTuple):
    """Digests of what decides the cells of an experiment, beside its recipe."""

    training: Mapping[str, str]  # what the weights of a stage or arm depend on, by its name
    evaluation: str  # of query and gallery
    # What the recipe asks of a stage or arm, by its name; none: it is not known.
    settings: Mapping[str, str] = MappingProxyType({})


def finetune_inputs(
    recipe: FinetuneRecipe, data: ExperimentData, out: Path
) -> tuple[Inputs, CellInputs]:
    """Fingerprint the inputs of a fine-tuning experiment, and say which cells each decides.

    Raises:
        ReidaugError: Pre-trained weights cannot be fetched.
    """
    kept, file = Inputs(out), recipe.start_file()
    real = _crops(kept, TRAINING, data.train)
    start = digest_of(real, kept.add(WEIGHTS, [] if file is None else [file]), *_code(kept, recipe))
    masks = ""
    if recipe.masks is not None and any(recipe.of_arm(name).grounds for name in recipe.arms):
        masks = kept.add(MASKS, [mask_path(recipe.masks, person.key) for person in data.train])
    training = {START: start}
    for name in recipe.arms:
        own = [start, _extra(kept, data, name, real), _qualities(kept, recipe, name)]
        training[name] = digest_of(*own, masks if recipe.of_arm(name).grounds else "")
    settings = {name: settings_of(recipe, name) for name in training}
    return kept, CellInputs(training, _evaluation(kept, data), settings)


def adaptation_inputs(
    recipe: AdaptationRecipe, data: AdaptationData, out: Path, start: Sequence[Path] = ()
) -> tuple[Inputs, CellInputs]:
    """Fingerprint the inputs of an adaptation, and say which cells each decides.

    Args:
        recipe: The experiment.
        data: Its crops.
        out: Its run folder.
        start: Weight files that it goes on from.
    """
    kept, file = Inputs(out), recipe.pretrained
    weights = [*([] if file is None else [file]), *start]
    source = digest_of(_crops(kept, SOURCE, data.source), kept.add(WEIGHTS, weights))
    target = _crops(kept, TRAINING, data.target.train)
    warmup = digest_of(source, target, _views(kept, data, WARMUP))
    arms = {
        name: digest_of(warmup, _extra(kept, data.target, name, target), _views(kept, data, name))
        for name in recipe.arms
    }
    training = {START: source, WARMUP: warmup, **arms}
    settings = {name: settings_of(recipe, name) for name in training}
    return kept, CellInputs(training, _evaluation(kept, data.target), settings)


def evaluation_inputs(
    recipe: FinetuneRecipe,
    data: ExperimentData,
    out: Path,
    *,
    unknown: Sequence[Person],
    weights: Sequence[Path],
) -> Inputs:
    """Fingerprint the inputs of an evaluation.

    Args:
        recipe: The experiment.
        data: The crops.
        out: Its run folder.
        unknown: Query crops of unknown people.
        weights: Weight files.
    """
    kept = Inputs(out)
    _crops(kept, TRAINING, data.train)
    _crops(kept, QUERIES, (*data.query, *unknown))
    _crops(kept, GALLERY, data.gallery)
    kept.add(WEIGHTS, weights)
    _code(kept, recipe)
    return kept


def _code(kept: Inputs, recipe: FinetuneRecipe) -> list[str]:
    """Digest the code of a backbone of the user's own; nothing for all others."""
    code = own_code([recipe.backbone])
    return [kept.note(CODE, code)] if code else []


def _evaluation(kept: Inputs, data: ExperimentData) -> str:
    query = _crops(kept, QUERIES, data.query)
    same = data.gallery is data.query
    return digest_of(query, query if same else _crops(kept, GALLERY, data.gallery))


def _extra(kept: Inputs, data: ExperimentData, arm: str, real: str) -> str:
    """Digest the extra crops of an arm, and which of its roots each is from."""
    crops, roots = data.extra[arm], data.extra_roots.get(arm, ())
    own = real if crops is data.train else _crops(kept, f"crops of {arm}", crops)
    return digest_of(own, *roots)


def _qualities(kept: Inputs, recipe: FinetuneRecipe, arm: str) -> str:
    """Digest the tables of the warps of an arm that is trained by their quality."""
    if not recipe.of_arm(arm).objective.extra_quality:
        return ""
    roots = [root for root in recipe.arms[arm].crops if root is not None]
    return kept.add(f"tables of {arm}", [find_folder(root) / MANIFEST for root in roots])


def _views(kept: Inputs, data: AdaptationData, name: str) -> str:
    """Digest the views that target crops are averaged with before a stage or arm clusters them."""
    views = data.views.get(name)
    if views is None:
        return ""
    numbers = (views.crop.tolist(), views.quality.tolist())
    return digest_of(_crops(kept, f"views of {name}", views.people), numbers)


def _crops(kept: Inputs, what: str, people: Sequence[Person]) -> str:
    """Digest crops with persons and cameras, in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for person in people:
        row = f"{person.key!r} {person.pid} {person.camid}\n"
        digest.update(row.encode(errors="backslashreplace"))
    return digest_of(digest.hexdigest(), kept.add(what, (person.path for person in people)))
