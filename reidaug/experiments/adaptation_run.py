"""Adaptation experiment: DG-Net++ adapted to a target with every arm, and compared."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from reidaug.errors import UsageError
from reidaug.experiments.adaptation import Adaptation
from reidaug.experiments.adaptation_config import START, WARMUP, AdaptationRecipe, read_domains
from reidaug.experiments.arms import extends
from reidaug.experiments.finetune import DRY_RUN_CROPS
from reidaug.experiments.results import arm_scores, scores, shared_report
from reidaug.experiments.run_grid import run_grid
from reidaug.experiments.statistics import paired_gain
from reidaug.files import write_atomically
from reidaug.reid.dgnet.networks import build_dgnet
from reidaug.reid.dgnet.sampling import SOURCE
from reidaug.reid.dgnet.swapping import DomainBatch, generate_cross_identity
from reidaug.reid.weights import load_weights
from reidaug.report.experiment import ExperimentReport, Gain, Scores, read_report
from reidaug.report.reid_section import cmc_picture
from reidaug.runs import RunFolder


@dataclass(frozen=True, kw_only=True)
class AdaptationReport(ExperimentReport):
    """What an adaptation reports.

    Attributes:
        preset: Size of the networks.
        steps: Optimiser steps of every stage and arm.
        source_people: Training people of the source.
        source_images: Their crops.
        target_images: Training crops of the target.
        clusters: What every clustering found, by stage or arm, seed and round: number of
            clusters, outliers and quality.
        rounds_without_clusters: Rounds that trained nothing, by arm and seed.
        start: Scores after training on the source.
        warmup: Scores after the warm-up.
        adaptation: Gain of the baseline over the start; None where it was not run.
    """

    preset: str
    steps: dict[str, int]
    source_people: int
    source_images: int
    target_images: int
    clusters: dict[str, list[list[dict[str, Any]]]]
    rounds_without_clusters: dict[str, list[int]]
    start: Scores
    warmup: Scores
    adaptation: Gain | None = None


def adapt(
    recipe: AdaptationRecipe, out: Path, *, resume: bool = False, workers: int | None = None
) -> AdaptationReport:
    """Adapt to the target with every arm and every seed, and compare them.

    Args:
        recipe: The experiment.
        out: Run folder.
        resume: Whether to go on with the run it holds: finished cells are kept, also when the
            recipe has more arms or seeds by now; unfinished ones go on at their last state.
        workers: Cells trained at a time; default: one a core, one alone on a GPU.

    Returns:
        The report, also written as ``report.json``.

    Raises:
        ReidaugError: Crops cannot be read, a weight file does not fit, or training diverges.
        UsageError: The recipe asks for what the data cannot give.
    """
    domains = read_domains(recipe)
    _try_networks(recipe)
    folder = RunFolder.open(out, recipe.resolved("finetune-eval"), resume=resume, grows=extends)
    if (finished := folder.finished()) is not None:
        return read_report(finished, AdaptationReport)
    report = _run(Adaptation(recipe, domains, folder), workers)
    write_atomically(folder.path / "cmc.png", cmc_picture(report.cmc))
    folder.report(report.as_dict())
    return report


def dry_run(recipe: AdaptationRecipe) -> AdaptationReport:
    """List all crops, take one step of every stage on some, search a little; keep nothing.

    Args:
        recipe: The experiment.

    Returns:
        What `adapt` would report; its numbers mean nothing.

    Raises:
        ReidaugError: As `adapt`.
        UsageError: As `adapt`.
    """
    domains = read_domains(recipe)
    _try_networks(recipe)
    short = {"seeds": recipe.seeds[:1], "source_steps": 1, "warmup_steps": 1, "rounds": 1}
    teacher = replace(recipe.teacher, steps=1)
    recipe = recipe.model_copy(update={**short, "round_steps": 1, "teacher": teacher})
    few = domains.few(max(DRY_RUN_CROPS, recipe.networks().batch))
    with TemporaryDirectory() as path:
        folder = RunFolder(Path(path), resumed=False)
        return _run(Adaptation(recipe, few, folder, alone=True), workers=1)


def _run(experiment: Adaptation, workers: int | None) -> AdaptationReport:
    run_grid(experiment, workers)
    return _report(experiment)


def _try_networks(recipe: AdaptationRecipe) -> None:
    """Let two crops through all networks before anything is written: a mistake costs no folder."""
    size = recipe.networks()
    network = build_dgnet(size, 2)
    if recipe.pretrained is not None:
        load_weights(network.encoder, recipe.pretrained)
    images, labels = torch.zeros(2, 3, *size.size), torch.arange(2)
    batch = DomainBatch(images, images, labels, SOURCE)
    try:
        with torch.no_grad():
            network.image_discriminator(generate_cross_identity(network, batch, batch).generated[0])
    except ValueError as error:
        raise UsageError(f"size {size.size[0]} x {size.size[1]}: {error}") from None


def _report(experiment: Adaptation) -> AdaptationReport:
    recipe, domains = experiment.recipe, experiment.domains
    arms = {name: experiment.results(name) for name in recipe.arms}
    before = {name: experiment.results(name) for name in (START, WARMUP)}
    cells, clusters = {**before, **arms}, _clusters(experiment)
    adapted = recipe.baseline in arms
    return AdaptationReport(
        **shared_report(recipe, domains.target, arms, before=before),
        preset=recipe.preset,
        steps={name: experiment.steps(name) for name in cells},
        source_people=len(domains.pids),
        source_images=len(domains.source),
        target_images=len(domains.target.train),
        clusters=clusters,
        rounds_without_clusters={
            name: [_idle(rounds, experiment) for rounds in clusters[name]] for name in recipe.arms
        },
        start=scores(before[START]),
        warmup=scores(before[WARMUP]),
        adaptation=paired_gain(arm_scores(cells), recipe.baseline, START) if adapted else None,
    )


def _idle(rounds: list[dict[str, Any]], experiment: Adaptation) -> int:
    """Count the rounds that left the networks as they were, having found nobody to learn from."""
    crops, batch = len(experiment.domains.target.train), experiment.recipe.networks().batch
    return sum(crops - found["outliers"] < batch for found in rounds)


def _clusters(experiment: Adaptation) -> dict[str, list[list[dict[str, Any]]]]:
    """Tell of every cell what its clusterings found, seed by seed and round by round."""
    found = {
        (record["stage"], record["seed"], record["round"]): {
            key: record[key] for key in ("clusters", "outliers", "quality")
        }
        for record in experiment.folder.records()
        if "clusters" in record
    }
    names = (WARMUP, *experiment.recipe.arms)
    return {
        name: [
            [what for (stage, owner, _), what in sorted(found.items()) if (stage, owner) == key]
            for key in ((name, seed) for seed in experiment.recipe.seeds)
        ]
        for name in names
    }
