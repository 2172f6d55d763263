"""The protocol ``uda``: does DG-Net++ adapt better with warps of target crops?"""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import torch

from reidaug.errors import UsageError
from reidaug.experiments.adaptation import Adaptation
from reidaug.experiments.adaptation_config import START, WARMUP, AdaptationRecipe, read_domains
from reidaug.experiments.results import Cell, arm_of, comparison, rows_of
from reidaug.experiments.run_grid import DRY, may_grow, report_of, train_cells
from reidaug.experiments.statistics import against
from reidaug.files import write_atomically
from reidaug.reid.dgnet.networks import build_dgnet
from reidaug.reid.dgnet.sampling import SOURCE
from reidaug.reid.dgnet.swapping import DomainBatch, generate_cross_identity
from reidaug.reid.weights import load_weights
from reidaug.report.reid_section import cmc_picture
from reidaug.runs import RunFolder


def adapt(
    recipe: AdaptationRecipe, out: Path, *, resume: bool = False, workers: int | None = None
) -> dict[str, Any]:
    """Adapt to the target with every arm and every seed, and compare them.

    Args:
        recipe: The experiment.
        out: Run folder.
        resume: Whether to go on with the run it holds: finished cells are kept, also when the
            recipe has more arms or seeds by now; unfinished ones go on at their last state.
        workers: Cells trained at a time; default: one a core, one alone on a GPU.

    Returns:
        The content of ``report.json``.

    Raises:
        ReidaugError: Crops cannot be read, a weight file does not fit, or training diverges.
        UsageError: The recipe asks for what the data cannot give.
    """
    domains = read_domains(recipe)
    _try_networks(recipe)
    values = {"command": "finetune-eval", **recipe.model_dump(mode="json")}
    folder = RunFolder.open(out, values, resume=resume, grows=may_grow)
    done = folder.finished()
    if done is not None:
        return done
    report = _run(Adaptation(recipe, domains, folder), workers)
    write_atomically(folder.path / "cmc.png", cmc_picture(report["cmc"]))
    folder.report(report)
    return report


def dry_run(recipe: AdaptationRecipe) -> dict[str, Any]:
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
    few = domains.few(max(DRY, recipe.networks().batch))
    with TemporaryDirectory() as path:
        folder = RunFolder(Path(path), resumed=False)
        return _run(Adaptation(recipe, few, folder, alone=True), workers=1)


def tell(recipe: AdaptationRecipe, report: dict[str, Any]) -> None:
    """Print what came out.

    Args:
        recipe: The experiment.
        report: What `adapt` returned.
    """
    rows = {name: report[name] for name in (START, WARMUP)} | report["arms"]
    told = {"adaptation": recipe.baseline}
    told |= dict.fromkeys(("gain_mAP", "gain_over_best_control"), recipe.method)
    click.echo(comparison(rows, report, method=recipe.method, told=told))
    idle = sum(sum(counts) for counts in report["rounds_without_clusters"].values())
    if idle:
        click.echo(
            f"{idle} rounds found no clusters and taught nothing: see 'cluster' in the recipe"
        )


def _run(experiment: Adaptation, workers: int | None) -> dict[str, Any]:
    train_cells(experiment, workers)
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


def _report(experiment: Adaptation) -> dict[str, Any]:
    recipe, domains = experiment.recipe, experiment.domains
    cells = {
        name: [Cell.read(experiment.cell_path(name, seed)) for seed in recipe.seeds]
        for name in (START, WARMUP, *recipe.arms)
    }
    arms = {name: cells[name] for name in recipe.arms}
    before = {name: cells[name] for name in (START, WARMUP)}
    report = {
        **report_of(recipe, domains.target, arms, before),
        "preset": recipe.preset,
        "steps": {name: experiment.steps(name) for name in cells},
        "source_people": len(domains.pids),
        "source_images": len(domains.source),
        "target_images": len(domains.target.train),
        "clusters": (found := _clusters(experiment)),
        "rounds_without_clusters": {
            name: [_idle(rounds, experiment) for rounds in found[name]] for name in recipe.arms
        },
        **rows_of(before),
    }
    if recipe.baseline in arms:
        scored = {name: arm_of(run) for name, run in cells.items()}
        report["adaptation"] = against(scored, recipe.baseline, START)
    return report


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
