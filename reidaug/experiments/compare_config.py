"""The rows of a comparison: trained here on equal terms, made elsewhere, or read in another way."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field

from reidaug.commands.train_flow import check
from reidaug.errors import UsageError
from reidaug.flow.checkpoint import (
    build_estimator,
    load_checkpoint,
    load_generator,
)
from reidaug.flow.components import without_preset
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.score_table import CLOSED_FORMS
from reidaug.flow.training.recipe import Side, TrainFlow
from reidaug.recipes import Recipe, resolve
from reidaug.report.published import TABLES

REUSED = ("checkpoint", "from")
SHARED = (
    "pairs", "size", "annotated_size", "background", "evaluate_on", "held_out", "test_pairs",
    "stlpips", "row",
)  # fmt: skip
"""Keys of a training recipe that are the same for all rows by design."""


class Compare(Recipe):
    """What `reidaug compare` may be told.

    Attributes:
        pairs: Root of pairs in DeepFashion form, see `reidaug.data.deepfashion`.
        size: (height, width) everything is brought to; null keeps what the files have.
        annotated_size: (height, width) the joints are measured in, if not the images' own.
        background: ``grey``: estimators see people cut out on grey, in training and in the
            test, where every image has a mask; ``image``: as they are.
        evaluate_on: ``test``, or ``held_out``: some of the training people, not trained on.
        held_out: Part of the training people to hold out for that.
        test_pairs: How many pairs to score, evenly over the list; 0 for all.
        stlpips: Networks of ST-LPIPS to score with.
        seed: Of everything random; a row may have its own.
        budget: Pairs every trained row sees; its steps are the budget over its batch, rounded up.
        common: Keys of `reidaug train-flow` recipes that hold for every trained row.
        rows: By name: keys of a `train-flow` recipe, which win over ``common``; or ``checkpoint``
            (a folder) or ``from`` (another row), both perhaps with keywords of the ``estimator``
            that change how those weights are used. A mapping is joined with that of ``common`` key
            by key, unless it names a ``class`` of its own.
        reference: Row the others are compared with pair by pair; the first by default.
        table: Number of the paper's table whose figures stand beside rows of the same name.
        shown: Pairs in the figure.
    """

    pairs: Path
    size: tuple[Side, Side] | None = (128, 64)
    annotated_size: tuple[Side, Side] | None = None
    background: Literal["grey", "image"] = "grey"
    evaluate_on: Literal["test", "held_out"] = "test"
    held_out: float = Field(0.2, gt=0, lt=1)
    test_pairs: int = Field(200, ge=0)
    stlpips: tuple[Literal["alex", "vgg"], ...] = ("alex",)
    seed: int = Field(0, ge=0)
    budget: int | None = Field(None, ge=1)
    common: dict[str, Any] = Field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = Field(min_length=1)
    reference: str | None = None
    table: Literal[1, 2, 3, 4, 7] | None = None
    shown: int = Field(6, ge=1)


class Row(NamedTuple):
    """Where the estimator of a row comes from.

    Attributes:
        training: How it is trained here; None where it is not.
        weights: Its checkpoint folder; None for an estimator that learns nothing.
        keywords: Keywords that win over those of the checkpoint; without one, the whole
            description of the estimator.
    """

    training: TrainFlow | None
    weights: Path | None
    keywords: dict[str, Any]

    def load(self) -> FlowEstimator:
        """Make the estimator, once its training is done.

        Returns:
            The estimator in ``eval`` mode.

        Raises:
            ReidaugError: The checkpoint is missing or damaged.
        """
        if self.weights is None:
            return build_estimator(self.keywords).eval()
        return load_checkpoint(self.weights, **self.keywords)

    def load_generator(self) -> ImageGenerator | None:
        """Make the image generator it was trained with, once that is done.

        Returns:
            The network in ``eval`` mode; None where there is none.

        Raises:
            ReidaugError: Its file is damaged.
        """
        return None if self.weights is None else load_generator(self.weights)


def plan_rows(recipe: Compare, out: Path) -> dict[str, Row]:
    """Work out every row and build every estimator once, so that no mistake waits for hours.

    Args:
        recipe: The comparison.
        out: Its run folder, where trained rows keep their checkpoints.

    Returns:
        The rows by name, in the recipe's order.

    Raises:
        ReidaugError: A checkpoint is missing or damaged.
        UsageError: A row, the reference or the table asks for what there is not.
    """
    _check_names(recipe)
    rows = {
        name: _row(name, recipe, out) for name, keys in recipe.rows.items() if "from" not in keys
    }
    for name, keys in recipe.rows.items():
        if "from" in keys:
            rows[name] = _reread(name, keys, rows)
    return {name: rows[name] for name in recipe.rows}


def _check_names(recipe: Compare) -> None:
    for name in recipe.rows:
        if name in CLOSED_FORMS or not name.replace("_", "").replace("-", "").isalnum():
            raise UsageError(
                f"rows: '{name}' cannot name a row: letters, digits, _ and -, and none of "
                f"{', '.join(CLOSED_FORMS)}, which are always there"
            )
    known = [*recipe.rows, *CLOSED_FORMS]
    if recipe.reference is not None and recipe.reference not in known:
        raise UsageError(f"reference: no row '{recipe.reference}' (rows: {', '.join(known)})")
    if recipe.table is not None and not set(TABLES[recipe.table].rows) & set(recipe.rows):
        printed = ", ".join(TABLES[recipe.table].rows)
        raise UsageError(f"table: no row is named as one of the paper's table ({printed})")


def _row(name: str, recipe: Compare, out: Path) -> Row:
    keys = recipe.rows[name]
    if "checkpoint" in keys:
        row = Row(None, Path(str(keys["checkpoint"])), _reuse(name, keys, "checkpoint"))
        return _usable(name, row)
    training = _training(name, recipe)
    try:
        with torch.random.fork_rng():
            estimator = build_estimator(training.estimator)
        if not list(estimator.parameters()):
            return Row(None, None, training.estimator)
        check(training)
    except UsageError as error:
        raise UsageError(f"rows.{name}: {error}") from None
    return Row(training, out / "rows" / name / "checkpoint", {})


def _reread(name: str, keys: Mapping[str, Any], rows: Mapping[str, Row]) -> Row:
    keywords, source = _reuse(name, keys, "from"), rows.get(str(keys["from"]))
    if source is None or source.weights is None:
        able = [other for other, row in rows.items() if row.weights is not None]
        raise UsageError(
            f"rows.{name}: 'from' names no row with weights of its own ({', '.join(able)})"
        )
    row = Row(None, source.weights, {**source.keywords, **keywords})
    if source.training is None:
        return _usable(name, row)
    trained = without_preset(source.training.estimator)
    try:
        with torch.random.fork_rng():
            pair = [build_estimator(trained), build_estimator({**trained, **keywords})]
    except UsageError as error:
        raise UsageError(f"rows.{name}: {error}") from None
    mine, other = ({k: v.shape for k, v in e.state_dict().items()} for e in pair)
    if mine != other:
        raise UsageError(
            f"rows.{name}: needs other weights than '{keys['from']}' learns: a row made 'from' "
            f"another changes only how its weights are used"
        )
    return row


def _reuse(name: str, keys: Mapping[str, Any], kind: str) -> dict[str, Any]:
    unknown = set(keys) - {kind, "estimator"}
    if unknown:
        raise UsageError(
            f"rows.{name}: '{sorted(unknown)[0]}' says nothing beside '{kind}', which is not "
            f"trained here (known: {kind}, estimator)"
        )
    keywords = keys.get("estimator", {})
    if not isinstance(keywords, dict) or {"class", "preset"} & set(keywords):
        raise UsageError(f"rows.{name}.estimator: beside '{kind}' it takes single keywords only")
    return dict(keywords)


def _usable(name: str, row: Row) -> Row:
    try:
        row.load()
    except UsageError as error:
        raise UsageError(f"rows.{name}: {error}") from None
    return row


def _training(name: str, recipe: Compare) -> TrainFlow:
    for where, keys in (("common", recipe.common), (f"rows.{name}", recipe.rows[name])):
        own = [key for key in keys if key in SHARED]
        if own:
            raise UsageError(f"{where}: '{own[0]}' is the same for all rows: set it at the top")
    unknown = [key for key in recipe.common if key not in TrainFlow.model_fields]
    if unknown:
        raise UsageError(f"common: unknown key '{unknown[0]}' (as in train-flow recipes)")
    values: dict[str, Any] = {"seed": recipe.seed, "schedule": {}, **recipe.common}
    for key, value in recipe.rows[name].items():
        values[key] = _joined(values.get(key), value)
    values["schedule"] = _with_steps(name, recipe.budget, values)
    shared = {key: getattr(recipe, key) for key in SHARED if key in Compare.model_fields}
    # All rows are scored together in the end: one pair keeps a row's own report short.
    values |= shared | {"row": name, "test_pairs": 1, "stlpips": ()}
    return resolve(values, TrainFlow, where=f"rows.{name}")


def _joined(common: Any, own: Any) -> Any:
    if isinstance(common, dict) and isinstance(own, dict) and "class" not in own:
        return {**common, **own}
    return own


def _with_steps(name: str, budget: int | None, values: Mapping[str, Any]) -> Any:
    if budget is None:
        raise UsageError(f"key 'budget' is missing: the pairs that row '{name}' is trained on")
    schedule = values["schedule"]
    if not isinstance(schedule, dict):
        return schedule  # the recipe's own check has the words for it, and for a wrong batch
    if "steps" in schedule:
        raise UsageError(f"rows.{name}.schedule: 'steps' follow from 'budget' and 'batch'")
    batch = values.get("batch", TrainFlow.model_fields["batch"].default)
    return {**schedule, "steps": -(-budget // batch) if isinstance(batch, int) and batch else 1}
