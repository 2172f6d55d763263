"""`reidaug finetune-eval --eval-only`: how a finished re-ID model does on a dataset."""

from pathlib import Path
from typing import Any

import click

from reidaug.data.images import encode_png
from reidaug.errors import UsageError
from reidaug.experiments.arms import Material
from reidaug.experiments.finetune import Experiment
from reidaug.experiments.finetune_config import FinetuneEval, read_material, ready_network, resolved
from reidaug.experiments.results import (
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

SHOWN = 10  # results of a query in the picture


def evaluate_checkpoint(
    recipe: FinetuneEval, out: Path, *, rerank: Rerank = "none", resume: bool = False
) -> dict[str, Any]:
    """Evaluate the recipe's checkpoint without training anything.

    Args:
        recipe: The experiment; of its arms and what it says of training nothing is used.
        out: Run folder.
        rerank: A way of re-ranking to try beside the plain search.
        resume: Whether the folder may hold this run already.

    Returns:
        The content of ``report.json``; ``cmc.png`` and ``ranked.png`` lie beside it.

    Raises:
        ReidaugError: Crops or the weight file cannot be read, or the file does not hold what the
            model's features are made of.
        UsageError: The recipe names no checkpoint, or no model that can be used.
    """
    if recipe.checkpoint is None:
        raise UsageError("--eval-only: name the model to evaluate with --set checkpoint=FILE")
    material = read_material(recipe.model_copy(update={"arms": {}}))
    model = ready_network(recipe, len(material.pids), training=False)
    command = "finetune-eval --eval-only" + f" --rerank {rerank}" * (rerank != "none")
    folder = RunFolder.open(out, resolved(recipe, command), resume=resume)
    done = folder.finished()
    if done is not None:
        return done
    experiment = Experiment(recipe, material, folder)
    seen = experiment.see(model)
    tested = experiment.test(seen)
    splits = {"train": material.train, "query": material.query, "gallery": material.gallery}
    report = {
        "dataset": (recipe.test_dataset or recipe.dataset).resolve().name,
        "evaluate_on": recipe.evaluate_on,
        "subsets": {name: Subset.of(people)._asdict() for name, people in splits.items()},
        "backbone": recipe.backbone,
        **tested._asdict(),
    }
    curves = {recipe.backbone: tested.cmc}
    if rerank != "none":
        again = evaluate(seen, memory_mb=recipe.memory_mb, rerank=rerank)
        report["reranked"] = {"by": rerank, **again._asdict()}
        curves[f"{recipe.backbone}, {rerank}"] = again.cmc
    write_atomically(folder.path / "cmc.png", cmc_picture(curves))
    if tested.unmatched < len(tested.ap):
        rows = _ranked(material, seen, tested)
        write_atomically(folder.path / "ranked.png", encode_png(ranked_sheet(rows)))
        report["ranked"] = [_record(row) for row in rows]
    folder.report(report)
    return report


def tell(report: dict[str, Any]) -> None:
    """Print an evaluation: the dataset, torchreid's block, fast-reid's table, both mAPs.

    Args:
        report: What `evaluate_checkpoint` returns.
    """
    tested = Evaluation(**{name: report[name] for name in Evaluation._fields})
    click.echo(subset_table({name: Subset(**row) for name, row in report["subsets"].items()}))
    if tested.unmatched:
        click.echo(f"{tested.unmatched} queries have no match and do not count")
    click.echo(results_block(tested))
    rows = {report["dataset"]: tested}
    if "reranked" in report:
        again = {name: report["reranked"][name] for name in Evaluation._fields}
        rows[f"{report['dataset']}, {report['reranked']['by']}"] = Evaluation(**again)
    click.echo(results_table(rows))
    click.echo(ap_lines(tested))


def _ranked(material: Material, seen: RetrievalFeatures, tested: Evaluation) -> list[RankedQuery]:
    """Look up what the queries that fared worst, in the middle and best were answered with."""
    rows = []
    for place, kind in choose(tested.ap):
        person = material.query[place]
        feature = seen.query_features[place : place + 1]
        who = Identities.of([person])
        found = nearest(feature, who, seen.gallery_features, seen.gallery, SHOWN)
        results = tuple(
            Result(material.gallery[k].path, float(distance), bool(right))
            for k, right, distance in zip(*(part[0] for part in found), strict=True)
            if k >= 0
        )
        rows.append(RankedQuery(person.path, kind, tested.ap[place] or 0.0, results))
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
