"""Adaptation experiment: DG-Net++ adapted to a target with every arm and seed, and compared."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from shutil import copyfile

import torch

from reidaug.checksums import check_file, flaw_of
from reidaug.errors import UsageError
from reidaug.experiments.adaptation_cell import AdaptationCell, is_trained, state_file
from reidaug.experiments.adaptation_config import START, TEACHER, WARMUP, AdaptationRecipe
from reidaug.experiments.adaptation_data import AdaptationData, read_adaptation_data
from reidaug.experiments.adaptation_stages import train_stage
from reidaug.experiments.adaptation_start import check_start, start_files
from reidaug.experiments.beforehand import check_compared, check_grounds
from reidaug.experiments.cell_inputs import CellInputs, adaptation_inputs
from reidaug.experiments.cluster_views import ViewCounts
from reidaug.experiments.experiment_data import check_crops
from reidaug.experiments.finetune import DRY_RUN_CROPS
from reidaug.experiments.results import CellResult, arm_scores, scores, shared_report
from reidaug.experiments.run_grid import CellKey, Grid, dry_run_grid, run_experiment
from reidaug.experiments.statistics import paired_gain
from reidaug.files import checksum
from reidaug.machine import one_thread
from reidaug.reid.dgnet.networks import build_dgnet
from reidaug.reid.dgnet.sampling import SOURCE
from reidaug.reid.dgnet.swapping import DomainBatch, generate_cross_identity
from reidaug.reid.evaluation.retrieval import evaluate
from reidaug.reid.features import extract_features
from reidaug.reid.network_modes import seeded
from reidaug.reid.weights import load_weights, save_weights
from reidaug.report.experiment import ExperimentReport, Gain, Scores
from reidaug.runs import RunFolder, check_lock, notice
from reidaug.verbosity import Advance, progress_line


@dataclass(frozen=True)
class ClusterCounts:
    """Outcome of one clustering of the target.

    Attributes:
        clusters: Number of clusters.
        outliers: Crops in none.
        quality: Mean silhouette, in [-1, 1].
    """

    clusters: int
    outliers: int
    quality: float


@dataclass(frozen=True, kw_only=True)
class AdaptationReport(ExperimentReport):
    """Report of an adaptation.

    Attributes:
        preset: Sizes of crops, batches and networks.
        steps: Optimiser steps of every stage and arm.
        source_people: Training people of the source.
        source_images: Their crops.
        target_images: Training crops of the target.
        clusters: Outcome of every clustering, by stage or arm, seed and round.
        rounds_without_clusters: Rounds without training, by arm and seed.
        start: Scores after training on the source.
        warmup: Scores after the warm-up.
        adaptation: Gain of the baseline over the start; None where it was not run.
        cluster_views: Views that target crops were averaged with before clustering, by stage or
            arm that has some.
    """

    preset: str
    steps: dict[str, int]
    source_people: int
    source_images: int
    target_images: int
    clusters: dict[str, list[list[ClusterCounts]]]
    rounds_without_clusters: dict[str, list[int]]
    start: Scores
    warmup: Scores
    adaptation: Gain | None = None
    cluster_views: dict[str, ViewCounts] = field(default_factory=dict)


def adapt(
    recipe: AdaptationRecipe, out: Path, *, resume: bool = False, workers: int | None = None
) -> AdaptationReport:
    """Adapt to the target with every arm and every seed, and compare them.

    Args:
        recipe: The experiment.
        out: Run folder.
        resume: As for `reidaug.experiments.finetune.finetune`; unfinished cells go on at their
            last state.
        workers: Cells trained in parallel; default: one per core, one on a GPU.

    Returns:
        The report, also written as ``report.json``; ``cmc.png`` is beside it.

    Raises:
        ReidaugError: Crops cannot be read, a weight file does not fit, or training diverges.
        UsageError: The recipe does not fit the data.
    """
    check_lock(out)
    data = read_adaptation_data(recipe)
    check_networks(recipe)
    check_start(recipe, len(data.pids))
    kept, inputs = adaptation_inputs(recipe, data, out, start_files(recipe))
    if not (resume and recipe.is_finished(out) and not kept.changes()):
        check_compared(recipe)
        check_grounds(recipe)
        check_crops(data.target, data.source, data.view_crops(), root=recipe.dataset)
    grid = partial(AdaptationGrid, recipe, data, inputs=inputs)
    return run_experiment(
        grid, recipe, AdaptationReport, out, kept, resume=resume, workers=workers,
        look=lambda: adaptation_inputs(recipe, data, out, start_files(recipe)),
    )  # fmt: skip


def dry_run(recipe: AdaptationRecipe) -> AdaptationReport:
    """List all crops, take one step of every stage, evaluate on a few crops; keep nothing.

    Args:
        recipe: The experiment.

    Returns:
        The report of `adapt`; its numbers mean nothing.

    Raises:
        ReidaugError: As `adapt`.
        UsageError: As `adapt`.
    """
    data = read_adaptation_data(recipe)
    check_networks(recipe)
    check_start(recipe, len(data.pids))
    check_crops(data.target, data.source, data.view_crops(), root=recipe.dataset)
    short = dict.fromkeys(("source_steps", "warmup_steps", "rounds", "round_steps"), 1)
    teacher = replace(recipe.teacher, steps=1)
    recipe = recipe.model_copy(update={**short, "seeds": recipe.seeds[:1], "teacher": teacher})
    few = data.subset(max(DRY_RUN_CROPS, recipe.networks().batch))
    return dry_run_grid(partial(AdaptationGrid, recipe, few, singletons=True))


def check_networks(recipe: AdaptationRecipe) -> None:
    """Run two crops through all networks, before anything is written.

    Args:
        recipe: The experiment.

    Raises:
        ReidaugError: The weight file cannot be read or does not fit.
        UsageError: The networks cannot take crops of this size.
    """
    size = recipe.networks()
    network = build_dgnet(size, 2)
    if recipe.pretrained is not None:
        check_file(recipe.pretrained)
        loaded = load_weights(network.encoder, recipe.pretrained)
        say = notice if loaded.doubtful else progress_line
        say(f"{recipe.pretrained}: {loaded.summary}")
    images = torch.zeros(2, 3, *size.size)
    batch = DomainBatch(images, images, torch.arange(2), SOURCE)
    try:
        with torch.no_grad():
            cross = generate_cross_identity(network, batch, batch)
            network.image_discriminator(cross.generated[0])
    except ValueError as error:
        raise UsageError(f"size {size.size[0]} x {size.size[1]}: {error}") from None


@dataclass(frozen=True)
class AdaptationGrid(Grid[AdaptationReport]):
    """The cells of an adaptation: start, warm-up and arms, for each seed.

    Attributes:
        recipe: The experiment.
        data: Its crops.
        folder: Its run folder.
        singletons: See `reidaug.experiments.adaptation_stages.train_stage`.
        inputs: Digests of what its cells depend on.
    """

    recipe: AdaptationRecipe
    data: AdaptationData
    folder: RunFolder
    singletons: bool = False
    inputs: CellInputs | None = None

    def plan(self) -> dict[CellKey, CellKey | None]:
        """List every cell with the one it goes on from: warm-up from start, arms from warm-up."""
        plan: dict[CellKey, CellKey | None] = {}
        for seed in self.recipe.seeds:
            start, warmup = CellKey(START, seed), CellKey(WARMUP, seed)
            arms = (CellKey(name, seed) for name in self.recipe.arms)
            plan |= {start: None, warmup: start, **dict.fromkeys(arms, warmup)}
        return plan

    def steps(self, name: str) -> int:
        """Count the optimiser steps of a cell."""
        return self.recipe.steps(name)

    def train(self, key: CellKey, advance: Advance) -> CellResult:
        """Train and evaluate one cell; an interrupted one goes on at its last state.

        On a CPU one thread does it all: the numbers do not depend on how many cores there are.

        Args:
            key: `START`, `WARMUP` or an arm, and a seed.
            advance: Called after every step.

        Returns:
            Its result.
        """
        recipe, target, path = self.recipe, self.data.target, self.model_path(key)
        path.parent.mkdir(exist_ok=True)
        begun = CellKey(START, key.seed)
        if recipe.start is not None and key.name == WARMUP and (same := self._former(begun)):
            _share(self.model_path(begun), path)
            return same  # no warm-up: the start's networks, kept and evaluated once
        with one_thread(), seeded(key.seed):
            cell = AdaptationCell(recipe, self.data, key, self.folder, advance)
            # Weights are written before the test set is read: what fails there costs no training.
            former = self._former(key)
            if former is not None or cell.is_trained(key.name):
                network = cell.trained()
                advance(self.steps(key.name), before=True)
            else:
                network = train_stage(cell, singletons=self.singletons)
                save_weights(network, path)
                cell.note_trained(key.name)
            features = extract_features(
                network.encoder,
                target.query,
                target.gallery,
                size=cell.size.size,
                fine_weight=recipe.fine_similarity,
                metric=recipe.metric,
                device=cell.device,
            )
            evaluation = evaluate(features, metric=recipe.metric, memory_mb=recipe.memory_mb)
        cell.state_file.remove()
        found = cell.clusterings() if former is None else former.clusterings
        return CellResult(evaluation, weights=checksum(path), clusterings=found)

    def _former(self, key: CellKey) -> CellResult | None:
        """Read the result of a cell whose weights are as it wrote them: it is evaluated again."""
        result, path = self.result(key), self.model_path(key)
        if result is None or result.weights is None or flaw_of(path, result.weights):
            return None
        return result

    def forget(self, key: CellKey) -> None:
        """Remove the weights and the state of a cell, and with the start those of the teacher."""
        path = self.model_path(key)
        teacher = self.model_path(CellKey(TEACHER, key.seed))
        state_file(path).remove()
        for file in (path, teacher) if key.name == START else (path,):
            file.unlink(missing_ok=True)

    def has_weights(self, key: CellKey) -> bool:
        """Whether a cell is trained, and its weights are as they were written."""
        return self._former(key) is not None or is_trained(self.folder, key)

    def report(self) -> AdaptationReport:
        """Build the report of the finished experiment."""
        recipe, data, clusters = self.recipe, self.data, cluster_counts(self)
        before = {name: self.results(name) for name in (START, WARMUP)}
        arms = {name: self.results(name) for name in recipe.arms}
        cells, batch = {**before, **arms}, recipe.networks().batch
        idle_from = len(data.target.train) - batch  # more outliers leave less than a batch
        adaptation = None
        if recipe.baseline in arms:
            scored, people = arm_scores(cells), data.target.query_pids
            adaptation = paired_gain(scored, people, recipe.baseline, START)
        return AdaptationReport(
            **shared_report(recipe, data.target, arms, before=before),
            preset=recipe.preset,
            steps={name: recipe.steps(name) for name in cells},
            source_people=len(data.pids),
            source_images=len(data.source),
            target_images=len(data.target.train),
            clusters=clusters,
            rounds_without_clusters={
                name: [sum(one.outliers > idle_from for one in rounds) for rounds in clusters[name]]
                for name in arms
            },
            start=scores(before[START]),
            warmup=scores(before[WARMUP]),
            adaptation=adaptation,
            cluster_views={
                name: views.counts(len(data.target.train)) for name, views in data.views.items()
            },
        )


def _share(file: Path, name: Path) -> None:
    """Give a file a second name; a copy of it where the disk knows no such names."""
    name.unlink(missing_ok=True)
    try:
        name.hardlink_to(file)
    except OSError:
        copyfile(file, name)


def cluster_counts(grid: AdaptationGrid) -> dict[str, list[list[ClusterCounts]]]:
    """Collect what every clustering found, by stage or arm, seed and round."""
    names = (WARMUP, *grid.recipe.arms)
    found: dict[CellKey, list[ClusterCounts]] = {}
    for key in grid.plan():
        result = grid.result(key)
        rows = result.clusterings if result else None
        if rows is None:  # of an older version, which had them in its log alone
            cell = AdaptationCell(
                grid.recipe, grid.data, key, grid.folder, lambda _, /, *, before=False: None
            )
            rows = cell.clusterings()
        found[key] = [ClusterCounts(**row) for row in rows]
    return {name: [found[CellKey(name, seed)] for seed in grid.recipe.seeds] for name in names}
