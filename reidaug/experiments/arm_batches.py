"""Training batches of an arm: its main and extra crops, and what is known of them."""

from collections.abc import Sequence

from reidaug.augment.output_folder import origin_stem, warp_stem
from reidaug.data.images import mask_path
from reidaug.data.market1501 import Person
from reidaug.errors import UsageError
from reidaug.experiments.experiment_data import ExperimentData
from reidaug.experiments.finetune_config import START, FinetuneRecipe
from reidaug.experiments.warp_quality import qualities
from reidaug.reid.batches import TrainingBatches
from reidaug.reid.crops import Crops
from reidaug.reid.grounds import Grounds
from reidaug.runs import notice


def arm_batches(recipe: FinetuneRecipe, data: ExperimentData, name: str) -> TrainingBatches:
    """Collect the training crops of an arm, or of the start.

    Raises:
        ReidaugError: A manifest or the masks cannot be used.
        UsageError: Extra crops are of no main crop, and the arm needs to know it.
    """
    own, train, extra = recipe.of_arm(name), data.train, data.extra.get(name, data.train)
    replaced = name != START and recipe.arms[name].only
    if replaced:
        train = extra
    # Main and extra crops share the bound on the cache; where they are the same, it is theirs.
    cache_mb = recipe.cache_mb // (1 if extra is train else 2)
    main, labels = crops_of(train, recipe, cache_mb), data.labels(train)
    grounds = None
    if own.grounds and recipe.masks is not None:
        files = [mask_path(recipe.masks, person.key) for person in train]
        grounds = Grounds(main, labels, [file if file.is_file() else None for file in files])
    roots = () if name == START else recipe.arms[name].crops
    return TrainingBatches(
        main,
        labels,
        main if extra is train else crops_of(extra, recipe, cache_mb),
        data.labels(extra),
        data.extra_roots.get(name, ()),
        sources(train, extra, name) if own.extra_of == "crop" else (),
        qualities(extra, roots) if own.objective.extra_quality else (),
        grounds,
        # What is evaluated are real crops: batch norm's statistics are theirs, not those of warps.
        crops_of(data.train, recipe, cache_mb) if replaced else None,
    )


def check_arms(recipe: FinetuneRecipe, data: ExperimentData) -> None:
    """Collect the crops of every arm once, before any work, and tell which masks are missing.

    Raises:
        ReidaugError: As `arm_batches`.
        UsageError: As `arm_batches`.
    """
    for name in recipe.arms:
        arm_batches(recipe, data, name)
    if recipe.masks is None or not any(recipe.of_arm(name).grounds for name in recipe.arms):
        return
    masks = recipe.masks
    if without := [p for p in data.train if not mask_path(masks, p.key).is_file()]:
        notice(
            f"{masks}: no mask of {len(without):,} of {len(data.train):,} training crops, such as "
            f"{without[0].key}; they keep their grounds, and lend none"
        )


def crops_of(people: Sequence[Person], recipe: FinetuneRecipe, cache_mb: int) -> Crops:
    """Make the crops of a training of image files."""
    return Crops([person.path for person in people], size=recipe.size, cache_mb=cache_mb)


def sources(train: Sequence[Person], extra: Sequence[Person], arm: str) -> list[int]:
    """Number, for each extra crop, the main crop that it is of.

    Raises:
        UsageError: It is of none.
    """
    numbers = {warp_stem(person): k for k, person in enumerate(train)}
    found = [numbers.get(origin_stem(person)) for person in extra]
    if None in found:
        odd = extra[found.index(None)].path
        raise UsageError(
            f"extra_of: crop: {odd} of arm {arm} is a warp of no training crop; "
            "names of warps are those that reidaug augment gives"
        )
    return [number for number in found if number is not None]
