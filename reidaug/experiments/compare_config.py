"""Recipe and rows of a comparison of flow estimators."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from pydantic import Field

from reidaug.errors import UsageError, unknown
from reidaug.files import same_but_for_case
from reidaug.flow.checkpoint import (
    build_estimator,
    load_checkpoint,
    load_generator,
)
from reidaug.flow.components import without_preset
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.score_table import CLOSED_FORMS
from reidaug.flow.training.recipe import PairsRecipe, TrainFlow
from reidaug.flow.training.train import build_trainer
from reidaug.recipes import Count, Seed, resolve
from reidaug.weight_places import flow_folder

SHARED = {*PairsRecipe.model_fields, "row"} - {"seed"}
"""Keys of a training recipe that are the same for all rows by design."""

T = TypeVar("T")
DERIVED = ("from", "untrained")
"""Keys of rows that another row gives their estimator."""


class Compare(PairsRecipe):
    """Recipe of `reidaug compare`; its ``seed`` is that of rows without their own."""

    # Every row is trained once with each; its scores are means over them. Default: ``seed`` alone.
    seeds: tuple[Seed, ...] | None = Field(None, min_length=1, max_length=100)
    # Training pairs of every row; its steps are the budget over its batch, rounded up.
    budget: Count | None = None
    # `reidaug train-flow` keys for all trained rows
    common: dict[str, Any] = Field(default_factory=dict)
    # By name: `train-flow` keys, which override ``common``; or ``checkpoint`` (a folder),
    # ``from`` (another row) or ``untrained`` (another row, as it is before its first step), all
    # optionally with keywords of the ``estimator`` that change how those weights are used. A
    # mapping is merged with that of ``common`` by key, unless it has its own ``class``.
    rows: dict[str, dict[str, Any]] = Field(min_length=1)
    # Row the others are compared with pair by pair; default: the first.
    reference: str | None = None
    shown: int = Field(6, ge=1, le=1000)  # pairs in the figure


class Row(NamedTuple):
    """Origin of a row's estimator."""

    training: TrainFlow | None  # its training; None if it is not trained here
    weights: Path | None  # its checkpoint folder; None for an estimator without parameters
    # Override those of the checkpoint; without one, all of the estimator's.
    keywords: dict[str, Any]
    seed: int = 0  # of the weights of an untrained estimator

    def load(self) -> FlowEstimator:
        """Load the estimator, in ``eval`` mode.

        Raises:
            ReidaugError: The checkpoint is missing or damaged.
        """
        if self.weights is not None:
            return load_checkpoint(self.weights, **self.keywords)
        with torch.random.fork_rng():  # as in `reidaug.flow.training.networks`
            torch.default_generator.manual_seed(self.seed)
            return build_estimator(self.keywords).eval()

    def load_generator(self) -> ImageGenerator | None:
        """Load the image generator it was trained with, in ``eval`` mode, if there is one."""
        return None if self.weights is None else load_generator(self.weights)


def plan_rows(recipe: Compare, out: Path) -> dict[str, Row]:
    """Resolve rows in the recipe's order and build networks once, to find errors before training.

    Args:
        recipe: The comparison.
        out: Its run folder, where trained rows keep their checkpoints.

    Returns:
        Rows by name; with several seeds by the names of `with_seeds`.

    Raises:
        ReidaugError: A checkpoint is missing or damaged.
        UsageError: A row or the reference is wrong.
    """
    _check_names(recipe)
    recipe = with_seeds(recipe)
    rows = {
        name: _row(name, recipe, out)
        for name, keys in recipe.rows.items()
        if not keys.keys() & set(DERIVED)
    }
    for name, keys in recipe.rows.items():
        if "from" in keys:
            rows[name] = _derived(name, keys, rows)
        elif "untrained" in keys:
            rows[name] = _untrained(name, keys, rows)
    return {name: rows[name] for name in recipe.rows}


def seeds_of(recipe: Compare) -> dict[str, list[str]]:
    """Name the rows of `with_seeds` that each row of a recipe is; those of a checkpoint are one."""
    named = {}
    for name in recipe.rows:
        root = name
        for _ in recipe.rows:  # as many links at most
            keys = recipe.rows.get(root, {})
            root = next((str(keys[kind]) for kind in DERIVED if kind in keys), root)
        once = recipe.seeds is None or "checkpoint" in recipe.rows.get(root, {})
        named[name] = [name] if once else [f"{name}-seed{seed}" for seed in recipe.seeds or ()]
    return named


def with_seeds(recipe: Compare) -> Compare:
    """Give each row a copy for every seed; the recipe itself where it has no ``seeds``.

    Raises:
        UsageError: A row has a seed of its own, or its copies have the names of other rows.
    """
    if recipe.seeds is None:
        return recipe
    named = seeds_of(recipe)
    _check_seeds(recipe, recipe.seeds, named)
    rows: dict[str, dict[str, Any]] = {}
    for name, copies in named.items():
        for k, copy in enumerate(copies):
            rows[copy] = own = dict(recipe.rows[name])
            for kind in [kind for kind in DERIVED if str(own.get(kind)) in named]:
                of = named[str(own[kind])]
                own[kind] = of[k % len(of)]
            if not own.keys() & {"checkpoint", *DERIVED}:
                own["seed"] = recipe.seeds[k]
    return recipe.model_copy(update={"rows": rows, "seeds": None})


def _check_seeds(recipe: Compare, seeds: Sequence[int], named: Mapping[str, Sequence[str]]) -> None:
    if len(set(seeds)) < len(seeds):
        raise UsageError("seeds: each seed once")
    for where, keys in {"common": recipe.common, **recipe.rows}.items():
        if "seed" in keys:
            raise UsageError(f"{where}: 'seed' has no effect beside 'seeds'")
    copies = [copy for of_row in named.values() for copy in of_row]
    if twice := sorted({copy for copy in copies if copies.count(copy) > 1}):
        raise UsageError(f"rows: '{twice[0]}' would be the name of two rows; rename one")


def _check_names(recipe: Compare) -> None:
    for name in recipe.rows:
        if (
            name in CLOSED_FORMS
            or len(name) > 100
            or not name.replace("_", "").replace("-", "").isalnum()
        ):
            raise UsageError(
                f"rows: '{name}' cannot name a row: letters, digits, _ and -, and none of "
                f"{', '.join(CLOSED_FORMS)}, which are always included"
            )
    if alike := same_but_for_case(recipe.rows):
        raise UsageError(f"rows: {alike} name the same folder on some disks; rename one")
    known, wanted = [*recipe.rows, *CLOSED_FORMS], recipe.reference
    if wanted is not None and wanted not in known:
        raise UsageError(f"reference: {unknown(f'row {wanted!r}', wanted, known, kind='rows')}")


def _row(name: str, recipe: Compare, out: Path) -> Row:
    keys = recipe.rows[name]
    if "checkpoint" in keys:
        folder = flow_folder(Path(str(keys["checkpoint"])))
        row = Row(None, folder, _keywords(name, keys, "checkpoint"))
        return _checked(name, row)
    training = _training(name, recipe)
    with _errors_of(name):
        with torch.random.fork_rng():
            estimator = build_estimator(training.estimator)
        if not list(estimator.parameters()):
            return Row(None, None, training.estimator)
        build_trainer(training)
    return Row(training, out / "rows" / name / "checkpoint", {})


def _derived(name: str, keys: Mapping[str, Any], rows: Mapping[str, Row]) -> Row:
    """Plan a row that uses another row's weights with other keywords."""
    keywords = _keywords(name, keys, "from")
    able = {other: row for other, row in rows.items() if row.weights is not None}
    source = _named(name, keys, "from", able, "with weights of its own")
    row = Row(None, source.weights, {**source.keywords, **keywords})
    if source.training is None:
        return _checked(name, row)
    trained = without_preset(source.training.estimator)
    with _errors_of(name), torch.random.fork_rng():
        pair = [build_estimator(trained), build_estimator({**trained, **keywords})]
    mine, other = ({k: v.shape for k, v in e.state_dict().items()} for e in pair)
    if mine != other:
        raise UsageError(
            f"rows.{name}: needs other weights than '{keys['from']}' learns: a row made 'from' "
            f"another changes only how its weights are used"
        )
    return row


def _untrained(name: str, keys: Mapping[str, Any], rows: Mapping[str, Row]) -> Row:
    """Plan a row that is another row's estimator before its training."""
    keywords = _keywords(name, keys, "untrained")
    able = {other: row.training for other, row in rows.items() if row.training is not None}
    training = _named(name, keys, "untrained", able, "that is trained here")
    if training.start is not None:
        raise UsageError(f"rows.{name}: '{keys['untrained']}' starts from weights, not untrained")
    described = {**without_preset(training.estimator), **keywords}
    return _checked(name, Row(None, None, described, training.seed))


def _named(name: str, keys: Mapping[str, Any], kind: str, able: Mapping[str, T], what: str) -> T:
    """Find what a row is made of among those that it can be made of."""
    if (found := able.get(str(keys[kind]))) is None:
        told = unknown(f"row {what}", str(keys[kind]), able, kind="rows")
        raise UsageError(f"rows.{name}: '{kind}' names {told}")
    return found


def _keywords(name: str, keys: Mapping[str, Any], kind: str) -> dict[str, Any]:
    unknown = set(keys) - {kind, "estimator"}
    if unknown:
        raise UsageError(
            f"rows.{name}: '{sorted(unknown)[0]}' has no effect beside '{kind}', which is not "
            f"trained here (known: {kind}, estimator)"
        )
    keywords = keys.get("estimator", {})
    if not isinstance(keywords, dict) or {"class", "preset"} & set(keywords):
        raise UsageError(f"rows.{name}.estimator: beside '{kind}' it takes single keywords only")
    return dict(keywords)


def _checked(name: str, row: Row) -> Row:
    with _errors_of(name):
        row.load()
    return row


@contextmanager
def _errors_of(name: str) -> Iterator[None]:
    """Name the row in usage errors."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"rows.{name}: {error}") from None


def _training(name: str, recipe: Compare) -> TrainFlow:
    for where, keys in (("common", recipe.common), (f"rows.{name}", recipe.rows[name])):
        shared = [key for key in keys if key in SHARED]
        if shared:
            raise UsageError(f"{where}: '{shared[0]}' is the same for all rows: set it at the top")
    unknown = [key for key in recipe.common if key not in TrainFlow.model_fields]
    if unknown:
        raise UsageError(f"common: unknown key '{unknown[0]}' (as in train-flow recipes)")
    values: dict[str, Any] = {"seed": recipe.seed, "schedule": {}, **recipe.common}
    for key, value in recipe.rows[name].items():
        values[key] = _merge(values.get(key), value)
    values["schedule"] = _with_steps(name, recipe.budget, values)
    values |= {key: getattr(recipe, key) for key in SHARED & PairsRecipe.model_fields.keys()}
    # All rows are scored together in the end: one pair keeps a row's own report short.
    values |= {"row": name, "test_pairs": 1, "stlpips": ()}
    return resolve(values, TrainFlow, where=f"rows.{name}")


def _merge(common: Any, own: Any) -> Any:
    if isinstance(common, dict) and isinstance(own, dict) and "class" not in own:
        return {**common, **own}
    return own


def _with_steps(name: str, budget: int | None, values: Mapping[str, Any]) -> Any:
    if budget is None:
        raise UsageError(f"key 'budget' is missing: the pairs that row '{name}' is trained on")
    schedule = values["schedule"]
    if not isinstance(schedule, dict):
        return schedule  # rejected when the recipe is validated, as is a wrong batch
    if "steps" in schedule:
        raise UsageError(f"rows.{name}.schedule: 'steps' follow from 'budget' and 'batch'")
    batch = values.get("batch", TrainFlow.model_fields["batch"].default)
    return {**schedule, "steps": -(-budget // batch) if isinstance(batch, int) and batch else 1}
