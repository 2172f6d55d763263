"""Evaluation of a finished re-ID model: `reidaug finetune-eval --eval-only`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reidaug.data.crop_names import JUNK
from reidaug.data.images import encode_png
from reidaug.data.market1501 import Person
from reidaug.errors import UsageError
from reidaug.experiments.cell_inputs import evaluation_inputs
from reidaug.experiments.evaluation_data import EvaluationData, read_evaluation_data
from reidaug.experiments.experiment_data import ExperimentData
from reidaug.experiments.finetune import FinetuneGrid
from reidaug.experiments.finetune_config import (
    FinetuneRecipe,
    build_checked_network,
    check_recipe_crops,
)
from reidaug.experiments.pose_averaging import Averaging, average_with_warps
from reidaug.experiments.query_results import (
    FILE,
    QueryResult,
    as_csv,
    query_results,
)
from reidaug.experiments.tables import (
    Subset,
    ap_lines,
    results_block,
    results_table,
    subset_table,
)
from reidaug.files import collected_checksums, write_atomically
from reidaug.fingerprint import Inputs
from reidaug.flow.builtin import named_flow
from reidaug.recipes import place_keys
from reidaug.reid.backbones import ReIDModel
from reidaug.reid.evaluation.metrics import Identities
from reidaug.reid.evaluation.ranking import Metric, nearest
from reidaug.reid.evaluation.retrieval import Evaluation, Rerank, evaluate
from reidaug.reid.features import RetrievalFeatures
from reidaug.report.ranked import (
    RankedQuery,
    Result,
    choose_queries,
    choose_unknown,
    ranked_sheet,
)
from reidaug.report.reid_section import cmc_picture
from reidaug.runs import RunFolder, check_lock

RESULTS_SHOWN = 10
METRICS = {"cosine": "cosine", "euclidean": "Euclidean distance"}


@dataclass(frozen=True)
class EvaluationReport:
    """Content of ``report.json`` of an evaluation."""

    dataset: str  # name of the dataset
    evaluate_on: str  # its part that was searched, see `FinetuneRecipe`
    subsets: dict[str, Subset]  # sizes of train, query and gallery
    backbone: str  # name of the model
    evaluation: Evaluation  # scores by `metric`
    rerank: Rerank  # re-ranking method of a second evaluation, or ``none``
    reranked: Evaluation | None  # its scores
    averaging: Averaging | None  # how crops were averaged with their warps for further evaluations
    averaged: Evaluation | None  # their scores
    averaged_reranked: Evaluation | None  # and re-ranked
    ranked: tuple[RankedQuery, ...]  # worst, median and best queries by average precision
    left_out: int = 0  # images that could not be used
    metric: str = "cosine"  # distance of features
    # Number format that features were computed in; reports that do not say are older.
    feature_precision: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Convert to JSON values."""
        values = {
            "dataset": self.dataset,
            "evaluate_on": self.evaluate_on,
            "subsets": {name: subset._asdict() for name, subset in self.subsets.items()},
            "backbone": self.backbone,
            "left_out": self.left_out,
            "metric": self.metric,
            "feature_precision": self.feature_precision,
            **self.evaluation._asdict(),
        }
        if self.reranked is not None:
            values["reranked"] = {"by": self.rerank, **self.reranked._asdict()}
        if self.averaging is not None and self.averaged is not None:
            values["averaged"] = {**self.averaging.as_dict(), **self.averaged._asdict()}
        if self.averaged_reranked is not None:
            values["averaged_reranked"] = {"by": self.rerank, **self.averaged_reranked._asdict()}
        if self.ranked:
            values["ranked"] = [row.as_dict() for row in self.ranked]
        return values

    @classmethod
    def of(cls, values: dict[str, Any]) -> "EvaluationReport":
        """Convert from JSON values."""
        reranked, averaged = values.get("reranked"), values.get("averaged")
        both = values.get("averaged_reranked")
        return cls(
            values["dataset"],
            values["evaluate_on"],
            {name: Subset(**row) for name, row in values["subsets"].items()},
            values["backbone"],
            _scores(values),
            reranked["by"] if reranked else "none",
            _scores(reranked) if reranked else None,
            Averaging.of(averaged) if averaged else None,
            _scores(averaged) if averaged else None,
            _scores(both) if both else None,
            tuple(RankedQuery.of(row) for row in values.get("ranked", ())),
            values.get("left_out", 0),
            values.get("metric", "cosine"),
            values.get("feature_precision"),
        )

    def text(self) -> str:
        """Format as the dataset's table, torchreid's block, fast-reid's table and both mAPs."""
        plain, lines = self.evaluation, [subset_table(self.subsets)]
        if plain.unmatched == len(plain.ap):
            lines.append(
                f"no query shows a known person: scores are not defined; {FILE} lists what is "
                "found for each"
            )
        elif plain.unmatched:
            lines.append(f"{plain.unmatched} queries have no match and do not count")
        rows = {self.dataset: plain}
        if self.reranked is not None:
            rows[f"{self.dataset}, {self.rerank}"] = self.reranked
        if self.averaging is not None and self.averaged is not None:
            lines.append(self.averaging.text())
            rows[f"{self.dataset}, averaged"] = self.averaged
        if self.averaged_reranked is not None:
            rows[f"{self.dataset}, averaged, {self.rerank}"] = self.averaged_reranked
        how = f"features compared by {METRICS[self.metric]}"
        if self.feature_precision is not None:
            how += f", computed in {self.feature_precision}"
        tables = (results_block(plain), results_table(rows), ap_lines(plain))
        return "\n".join([*lines, *tables, how])


def evaluate_checkpoint(
    recipe: FinetuneRecipe,
    out: Path,
    *,
    rerank: Rerank = "none",
    averaging: Averaging | None = None,
    resume: bool = False,
    workers: int | None = None,
) -> EvaluationReport:
    """Evaluate the recipe's checkpoint without training.

    Args:
        recipe: The experiment; its arms and training keys are ignored.
        out: Run folder; gets ``report.json``, ``cmc.png``, ``ranked.png`` and ``queries.csv``.
        rerank: Re-ranking method of a second evaluation.
        averaging: How query and gallery crops are averaged with their warps for a further
            evaluation, and for one with both; the warps stay in ``averaging``.
        resume: Whether the folder may hold this run already.
        workers: Processes that warp; by default one per core.

    Raises:
        ReidaugError: Crops or the weight file cannot be read, or the file lacks a tensor that the
            features depend on.
        UsageError: The recipe has no checkpoint, or no usable model.
    """
    if recipe.checkpoint is None:
        raise UsageError("--eval-only: name the model to evaluate with --set checkpoint=FILE")
    check_lock(out)
    found = read_evaluation_data(recipe)
    data = found.crops
    model, kept = _check(recipe, found, averaging, out, resume=resume)
    command = "finetune-eval --eval-only" + f" --rerank {rerank}" * (rerank != "none")
    command += f" {averaging.options()}" if averaging else ""
    folder = RunFolder.open(
        out, recipe.resolved(command), resume=resume, inputs=kept, places=place_keys(type(recipe))
    )
    folder.renew(kept)
    done = folder.finished()
    warps = (RunFolder(path, resumed=True) for path in folder.path.glob("averaging/*/warps"))
    if done is not None and all(run.finished() is not None for run in warps):
        return EvaluationReport.of(done)
    grid = FinetuneGrid(recipe, data, folder)
    features = grid.features(model)
    plain, curves = evaluate(features, metric=recipe.metric, memory_mb=recipe.memory_mb), {}
    curves[recipe.backbone] = plain.curve
    reranked = averaged = both = None
    if rerank != "none":
        reranked = evaluate(
            features, metric=recipe.metric, memory_mb=recipe.memory_mb, rerank=rerank
        )
        curves[f"{recipe.backbone}, {rerank}"] = reranked.curve
    if averaging is not None:
        moved = _averaged(grid, model, features, averaging, workers)
        averaged = evaluate(moved, memory_mb=recipe.memory_mb)
        curves[f"{recipe.backbone}, averaged"] = averaged.curve
        if rerank != "none":
            both = evaluate(moved, memory_mb=recipe.memory_mb, rerank=rerank)
            curves[f"{recipe.backbone}, averaged, {rerank}"] = both.curve
    ranked = _ranked(data, features, plain, recipe.metric)
    results = _every_query(grid, model, features, plain, found.unscored)
    if plain.scores["mAP"] is None:
        curves = {}
    with collected_checksums() as files:
        _write(folder, results, curves, ranked)
    splits = {"train": data.train, "query": data.query, "gallery": data.gallery}
    report = EvaluationReport(
        (recipe.test_dataset or recipe.dataset).resolve().name,
        recipe.evaluate_on,
        {name: Subset.of(people) for name, people in splits.items()},
        recipe.backbone,
        plain,
        rerank,
        reranked,
        averaging,
        averaged,
        both,
        tuple(row.within_dataset() for row in ranked),
        len(data.left_out),
        recipe.metric,
        "float32",
    )
    folder.report(report.as_dict(), files)
    return report


def _write(
    folder: RunFolder,
    results: Sequence[QueryResult],
    curves: Mapping[str, Sequence[float]],
    ranked: Sequence[RankedQuery],
) -> None:
    """Write the files of an evaluation, without pictures of what is not defined."""
    write_atomically(folder.path / FILE, as_csv(results))
    if curves:
        write_atomically(folder.path / "cmc.png", cmc_picture(curves))
    if ranked:
        write_atomically(folder.path / "ranked.png", encode_png(ranked_sheet(ranked)))


def _check(
    recipe: FinetuneRecipe,
    found: EvaluationData,
    averaging: Averaging | None,
    out: Path,
    *,
    resume: bool,
) -> tuple[ReIDModel, Inputs]:
    """Check what can be known before the work; give the model, and fingerprints of what is read."""
    model = build_checked_network(recipe, max(len(found.crops.pids), 1), training=False)
    if averaging is not None:
        averaging.check(recipe.metric)
    weights = [recipe.checkpoint] if recipe.checkpoint is not None else []
    flow = () if averaging is None else named_flow(averaging.flow).files
    weights, unknown = [*weights, *flow], found.unscored
    kept = evaluation_inputs(recipe, found.crops, out, unknown=unknown, weights=weights)
    finished = out if resume and not kept.changes() else None
    check_recipe_crops(recipe, found.crops, found.unscored, finished=finished, training=False)
    return model, kept


def _averaged(
    grid: FinetuneGrid,
    model: ReIDModel,
    features: RetrievalFeatures,
    averaging: Averaging,
    workers: int | None,
) -> RetrievalFeatures:
    """Average the features of query and gallery crops with those of their warps."""
    data = grid.data

    def moved(name: str, people: Sequence[Person], found: Tensor) -> Tensor:
        folder = grid.folder.path / "averaging" / name
        embed = partial(grid.embed, model)
        return average_with_warps(people, found, embed, averaging, folder, workers=workers)

    query = moved("query", data.query, features.query_features)
    # Held-out people are searched among themselves, and stay one set.
    gallery = query
    if data.gallery is not data.query:
        gallery = moved("gallery", data.gallery, features.gallery_features)
    return features._replace(query_features=query, gallery_features=gallery)


def _every_query(
    grid: FinetuneGrid,
    model: ReIDModel,
    features: RetrievalFeatures,
    plain: Evaluation,
    unknown: Sequence[Person],
) -> list[QueryResult]:
    """List the results of all queries, those of unknown people last."""
    recipe, data = grid.recipe, grid.data
    own = features.query_features
    if unknown:
        own = torch.cat((own, grid.embed(model, unknown)))
    return query_results(
        (*data.query, *unknown),
        own,
        data.gallery,
        features.gallery_features,
        [*plain.ap, *[None] * len(unknown)],
        metric=recipe.metric,
        memory_mb=recipe.memory_mb,
    )


def _ranked(
    data: ExperimentData, features: RetrievalFeatures, evaluation: Evaluation, metric: Metric
) -> list[RankedQuery]:
    """Search again for the queries with the worst, median and best average precision.

    Where none is defined, for some of those of unknown people.
    """
    rows = []
    unknown = [person.pid == JUNK for person in data.query]
    chosen = choose_unknown(len(unknown)) if all(unknown) else choose_queries(evaluation.ap)
    for index, kind in chosen:
        person = data.query[index]
        found = nearest(
            features.query_features[index : index + 1],
            Identities.of([person]),
            features.gallery_features,
            features.gallery,
            RESULTS_SHOWN,
            metric=metric,
        )
        results = tuple(
            Result(data.gallery[k].path, float(distance), None if unknown[index] else bool(right))
            for k, right, distance in zip(*(part[0] for part in found), strict=True)
            if k >= 0
        )
        rows.append(RankedQuery(person.path, kind, evaluation.ap[index], results, person.words[0]))
    return rows


def _scores(values: dict[str, Any]) -> Evaluation:
    return Evaluation(**{name: values[name] for name in Evaluation._fields})
