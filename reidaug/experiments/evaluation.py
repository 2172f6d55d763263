"""Evaluation of a finished re-ID model on a dataset."""

from pathlib import Path
from typing import Any

from reidaug.data.images import encode_png
from reidaug.errors import UsageError
from reidaug.experiments.experiment_data import ExperimentData
from reidaug.experiments.finetune import FinetuneGrid
from reidaug.experiments.finetune_config import FinetuneRecipe, build_checked_network, read_data
from reidaug.experiments.tables import (
    Subset,
    ap_lines,
    results_block,
    results_table,
    subset_table,
)
from reidaug.files import write_atomically
from reidaug.reid.evaluation.metrics import Identities
from reidaug.reid.evaluation.ranking import nearest
from reidaug.reid.evaluation.retrieval import Evaluation, Rerank, evaluate
from reidaug.reid.features import RetrievalFeatures
from reidaug.report.ranked import RankedQuery, Result, choose, ranked_sheet
from reidaug.report.reid_section import cmc_picture
from reidaug.runs import RunFolder

RESULTS_SHOWN = 10  # results of a query in the picture


def evaluate_checkpoint(
    recipe: FinetuneRecipe, out: Path, *, rerank: Rerank = "none", resume: bool = False
) -> dict[str, Any]:
    """Evaluate the recipe's checkpoint without training anything.

    Args:
        recipe: The experiment, of which arms and training options are not used.
        out: Run folder.
        rerank: Re-ranking that is evaluated beside the plain search.
        resume: Whether the folder may hold this run already.

    Returns:
        The content of ``report.json``; ``cmc.png`` and ``ranked.png`` are beside it.

    Raises:
        ReidaugError: Crops or the weight file cannot be read, or the file lacks weights that the
            model's features depend on.
        UsageError: The recipe names no checkpoint, or no model that can be used.
    """
    if recipe.checkpoint is None:
        raise UsageError("--eval-only: name the model to evaluate with --set checkpoint=FILE")
    data = read_data(recipe.model_copy(update={"arms": {}}))
    model = build_checked_network(recipe, len(data.pids), training=False)
    command = "finetune-eval --eval-only" + f" --rerank {rerank}" * (rerank != "none")
    folder = RunFolder.open(out, recipe.resolved(command), resume=resume)
    if (finished := folder.finished()) is not None:
        return finished
    features = FinetuneGrid(recipe, data, folder).features(model)
    plain = evaluate(features, memory_mb=recipe.memory_mb)
    splits = {"train": data.train, "query": data.query, "gallery": data.gallery}
    report = {
        "dataset": (recipe.test_dataset or recipe.dataset).resolve().name,
        "evaluate_on": recipe.evaluate_on,
        "subsets": {name: Subset.of(people)._asdict() for name, people in splits.items()},
        "backbone": recipe.backbone,
        **plain._asdict(),
    }
    curves = {recipe.backbone: plain.cmc}
    if rerank != "none":
        reranked = evaluate(features, memory_mb=recipe.memory_mb, rerank=rerank)
        report["reranked"] = {"by": rerank, **reranked._asdict()}
        curves[f"{recipe.backbone}, {rerank}"] = reranked.cmc
    write_atomically(folder.path / "cmc.png", cmc_picture(curves))
    if plain.unmatched < len(plain.ap):
        rows = _ranked(data, features, plain)
        write_atomically(folder.path / "ranked.png", encode_png(ranked_sheet(rows)))
        report["ranked"] = [_record(row) for row in rows]
    folder.report(report)
    return report


def evaluation_text(report: dict[str, Any]) -> str:
    """Write an evaluation: the dataset, torchreid's block, fast-reid's table, both mAPs.

    Args:
        report: The report of `evaluate_checkpoint`.

    Returns:
        Lines.
    """
    plain = Evaluation(**{name: report[name] for name in Evaluation._fields})
    lines = [subset_table({name: Subset(**row) for name, row in report["subsets"].items()})]
    if plain.unmatched:
        lines.append(f"{plain.unmatched} queries have no match and do not count")
    rows = {report["dataset"]: plain}
    if "reranked" in report:
        reranked = {name: report["reranked"][name] for name in Evaluation._fields}
        rows[f"{report['dataset']}, {report['reranked']['by']}"] = Evaluation(**reranked)
    return "\n".join([*lines, results_block(plain), results_table(rows), ap_lines(plain)])


def _ranked(
    data: ExperimentData, features: RetrievalFeatures, plain: Evaluation
) -> list[RankedQuery]:
    """Search for the queries with the worst, median and best average precision."""
    rows = []
    for index, kind in choose(plain.ap):
        person = data.query[index]
        feature = features.query_features[index : index + 1]
        identities = Identities.of([person])
        found = nearest(
            feature, identities, features.gallery_features, features.gallery, RESULTS_SHOWN
        )
        results = tuple(
            Result(data.gallery[k].path, float(distance), bool(right))
            for k, right, distance in zip(*(part[0] for part in found), strict=True)
            if k >= 0
        )
        rows.append(RankedQuery(person.path, kind, plain.ap[index] or 0.0, results))
    return rows


def _record(row: RankedQuery) -> dict[str, Any]:
    return {
        "query": _file(row.path),
        "kind": row.kind,
        "ap": row.ap,
        "results": [{**result._asdict(), "path": _file(result.path)} for result in row.results],
    }


def _file(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
