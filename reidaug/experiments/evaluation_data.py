"""Crops of the evaluation of a finished model, where queries may show people nobody knows."""

from pathlib import Path
from typing import NamedTuple

from reidaug.checksums import check_written
from reidaug.data.crop_names import JUNK
from reidaug.data.dataset_roots import find_dataset
from reidaug.data.image_folders import list_images
from reidaug.data.loose_crops import read_people
from reidaug.data.market1501 import GALLERY, QUERY, Person
from reidaug.data.named_crops import read_crops, shown_name
from reidaug.errors import ReidaugError
from reidaug.experiments.experiment_data import ExperimentData, read_test, subset
from reidaug.experiments.finetune_config import FinetuneRecipe, read_data
from reidaug.runs import notice


class EvaluationData(NamedTuple):
    """The crops of an evaluation."""

    crops: ExperimentData  # its queries are the unknown ones where no other is there
    unknown: tuple[Person, ...]  # queries of unknown people, of person -1; no score counts them

    @property
    def unscored(self) -> tuple[Person, ...]:
        """Those of the unknown queries that are not the queries of `crops`."""
        return () if self.crops.query == self.unknown else self.unknown


def read_evaluation_data(recipe: FinetuneRecipe) -> EvaluationData:
    """Read query and gallery crops, and those of the training people as far as they are there.

    Raises:
        ReidaugError: Query or gallery cannot be read.
    """
    if recipe.evaluate_on == "held_out":
        return EvaluationData(read_data(recipe.model_copy(update={"arms": {}})), ())
    root, pattern, layout = recipe.dataset, recipe.pattern, recipe.layout
    if recipe.test_dataset is not None:
        root, pattern, layout = recipe.test_dataset, recipe.test_pattern, recipe.test_layout
    test = (recipe.test_dataset, recipe.test_pattern, recipe.test_layout)
    gallery = read_test(recipe, *test, splits=(GALLERY,))
    check_written(gallery.root)
    unknown, some_known = unknown_queries(
        root, pattern, layout=layout, unnamed=recipe.allow_left_out
    )
    query, left_out = unknown, tuple[str, ...]()
    if some_known or not unknown:
        try:
            found = read_test(recipe, *test, splits=(QUERY,))
        except ReidaugError as error:
            if some_known:
                raise
            raise ReidaugError(
                f"{error}; or, where nobody knows these people, set allow_left_out: true, which "
                "lists what is found for each"
            ) from None
        query, left_out = found.query, found.left_out
    listed = {str(person.path) for person in unknown}
    left_out = tuple(line for line in left_out if line.partition(": ")[0] not in listed)
    if unknown:
        total = len(unknown) + (len(query) if some_known else 0)
        notice(
            f"{root}: {len(unknown)} of {total} queries, such as {unknown[0].path.name}, show "
            "unknown people: scores leave them out, and the results list what is found for each"
        )
    train = _training_people(recipe)
    lines = (*left_out, *gallery.left_out)
    data = ExperimentData(train, query, gallery.gallery, {}, {}, lines)
    if lines:
        notice(data.summary_of_left_out())
    return EvaluationData(data, unknown)


def unknown_queries(
    root: Path, pattern: str | None = None, *, layout: str | None = None, unnamed: bool = False
) -> tuple[tuple[Person, ...], bool]:
    """List the query crops of unknown people, of person -1, and say whether there are others.

    None for datasets that are lists of files or tracklets.

    Args:
        root: The dataset.
        pattern: Regular expression that reads person and camera from its names; None: Market's.
        layout: The layout of the dataset.
        unnamed: Whether those count as well whose names give no person.
    """
    place = find_dataset(root, pattern=pattern, layout=layout)
    folder = place.split(QUERY)
    if place.listed or place.rule.tracks is not None or not folder.is_dir():
        return (), True
    found = list_images(folder)
    files, readings = read_crops(found, place.rule), place.rule.readings(found)
    known, nobody = {person.path for person in files.people}, set(files.unmatched)
    unknown = []
    for path, reading in zip(found.images, readings, strict=True):
        name = shown_name(path, in_folders=found.in_folders)
        if path not in known and (unnamed or name not in nobody):
            camera = reading.ids[1] if reading else JUNK
            above = path.parent.name if found.shares_names else ""
            unknown.append(Person(path, JUNK, camera, above))
    return tuple(unknown), bool(known)


def _training_people(recipe: FinetuneRecipe) -> tuple[Person, ...]:
    """Read the training crops, whose numbers are shown; an evaluation can do without them."""
    try:
        whole = read_people(
            recipe.dataset,
            pattern=recipe.pattern,
            layout=recipe.layout,
            allow_left_out=recipe.allow_left_out,
        )
    except ReidaugError as error:
        notice(f"no training crops are counted: {error}")
        return ()
    return subset(
        whole.train,
        recipe.people_share,
        recipe.images_each,
        cameras_each=recipe.cameras_each,
        seed=recipe.split_seed,
    )
