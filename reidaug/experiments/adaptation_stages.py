"""Stages of an adaptation: teacher, DG-Net on the source, warm-up, rounds of self-training."""

from dataclasses import asdict

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from reidaug.experiments.adaptation_cell import (
    LOG_EVERY,
    ROUNDS,
    SAMPLING,
    SOURCE_STAGE,
    TEACHER_STAGE,
    TRANSFORMS,
    WARMUP_STAGE,
    WEIGHTS,
    AdaptationCell,
)
from reidaug.experiments.adaptation_config import START, TEACHER, WARMUP
from reidaug.reid.backbones import PersonResNet
from reidaug.reid.batches import TrainingBatches
from reidaug.reid.crops import Crops
from reidaug.reid.dgnet.adaptation import enough, start_round, warmup_labels
from reidaug.reid.dgnet.batches import LabelledCrops, PairLoader
from reidaug.reid.dgnet.networks import DGNet
from reidaug.reid.dgnet.sampling import DomainPairSampler, SourcePairSampler
from reidaug.reid.dgnet.teacher import build_teacher
from reidaug.reid.evaluation.averaging import average_features
from reidaug.reid.evaluation.cluster import pseudo_labels
from reidaug.reid.features import embed
from reidaug.reid.network_modes import seeded
from reidaug.reid.training_loop import train
from reidaug.reid.weights import load_weights, save_weights


def train_stage(cell: AdaptationCell, *, singletons: bool = False) -> DGNet:
    """Train the networks of a cell.

    Args:
        cell: `START`: teacher and DG-Net; `WARMUP`: the warm-up; an arm: its rounds.
        singletons: Whether every target crop is a cluster of its own in a round that finds none,
            so that a dry run takes its steps.

    Returns:
        The trained networks.
    """
    if cell.recipe.start is not None and cell.key.name in (START, WARMUP):
        return cell.started()
    if cell.key.name == START:
        return train_source(cell)
    return warm_up(cell) if cell.key.name == WARMUP else self_train(cell, singletons=singletons)


def train_source(cell: AdaptationCell) -> DGNet:
    """Train the teacher, then DG-Net, on the labelled source."""
    recipe, teacher, network = cell.recipe, trained_teacher(cell), cell.dgnet()
    if recipe.pretrained is not None:
        load_weights(network.encoder, recipe.pretrained)
    if recipe.trunk_from_teacher:
        trunk = {k: v for k, v in teacher.state_dict().items() if not k.startswith("heads.")}
        network.encoder.load_state_dict(trunk, strict=False)
    trainer = cell.trainer(network, "source", SOURCE_STAGE, cell.read_state(), teacher)
    sampler = SourcePairSampler(
        cell.source.labels,
        batch=cell.size.batch,
        generator=cell.generator(SOURCE_STAGE, SAMPLING),
    )
    loader = PairLoader(sampler, (cell.source,), recipe.transforms)
    cell.train(trainer, loader, SOURCE_STAGE, recipe.source_steps)
    return network


def warm_up(cell: AdaptationCell) -> DGNet:
    """Train DG-Net++ on both domains before the target has labels; outliers are left out."""
    network, state = cell.dgnetpp(START), cell.read_state()
    clusters = None if state is None else state.clusters
    if clusters is None:
        clusters = cluster_target(cell, network, 0)
    trainer = cell.trainer(network, "warmup", WARMUP_STAGE, state, trained_teacher(cell))
    labels = warmup_labels(clusters, cell.size.batch)
    loader = pair_loader(cell, labels, WARMUP_STAGE)
    cell.train(trainer, loader, WARMUP_STAGE, cell.recipe.warmup_steps, clusters)
    return network


def self_train(cell: AdaptationCell, *, singletons: bool) -> DGNet:
    """Cluster the target and train on the pseudo-labels, round after round.

    A round whose clusters hold less than a batch of crops leaves the networks as they are.
    """
    network, state, steps = cell.dgnetpp(WARMUP), cell.read_state(), cell.recipe.round_steps
    first = 1 if state is None else state.round
    cell.advance((first - 1) * steps, before=True)
    for number in range(first, cell.recipe.rounds + 1):
        clusters = None if state is None else state.clusters
        if clusters is None:
            clusters = cluster_target(cell, network, number)
        found = enough(clusters, cell.size.batch)
        if singletons and not found:
            clusters, found = np.arange(len(clusters)), True
        if not found:
            cell.advance(steps, before=True)
            continue
        stage = ROUNDS + number
        labels = start_round(network, clusters, cell.people, cell.generator(stage, WEIGHTS))
        trainer, state = cell.trainer(network, "adapt", stage, state), None
        cell.train(trainer, pair_loader(cell, labels, stage), stage, steps, clusters)
    return network


def pair_loader(cell: AdaptationCell, labels: list[int], stage: int) -> PairLoader:
    """Build the loader of a stage on both domains.

    Args:
        cell: The cell.
        labels: Label of each target crop, -1 for one that is left out.
        stage: Warm-up or a round. Extra crops, and no pairs of the source alone, are in the rounds.

    Returns:
        The loader.
    """
    warmup = stage == WARMUP_STAGE
    sampler = DomainPairSampler(
        cell.source.labels,
        labels,
        batch=cell.size.batch,
        source_pairs=warmup,
        generator=cell.generator(stage, SAMPLING),
    )
    domains = (cell.source, LabelledCrops(cell.target, labels))
    return PairLoader(sampler, domains, cell.recipe.transforms, None if warmup else cell.extra)


def cluster_target(cell: AdaptationCell, network: DGNet, number: int) -> Int[ndarray, "n"]:
    """Cluster the target by `target_features`, and log the clustering.

    Args:
        cell: The cell.
        network: Its networks.
        number: Number of the round, from 1; 0 for the warm-up.

    Returns:
        Cluster of each target crop (N,), -1 for an outlier.
    """
    features = target_features(cell, network)
    clustering = asdict(cell.recipe.cluster)
    found = pseudo_labels(features, memory_mb=cell.recipe.memory_mb, **clustering)
    counts = {"clusters": found.clusters, "outliers": found.outliers, "quality": found.quality}
    cell.log(number, **counts)
    cell.record_clustering(number, counts)
    return found.labels


def target_features(cell: AdaptationCell, network: DGNet) -> Float[Tensor, "n d"]:
    """Features (N, D) of the target's crops by the encoder, averaged with those of their views."""

    def of(crops: Crops) -> Float[Tensor, "_ d"]:
        return embed(
            network.encoder,
            crops,
            fine_weight=cell.recipe.fine_similarity,
            bfloat16=cell.bfloat16,
            device=cell.device,
        )

    own, views = of(cell.target), cell.views
    if views is None or not views.people:
        return own
    return average_features(
        own,
        of(cell.view_crops),
        views.crop,
        weight=cell.recipe.cluster_views.weight,
        quality=views.quality,
    )


def trained_teacher(cell: AdaptationCell) -> PersonResNet:
    """Train the teacher, or read its weights where that has been done."""
    recipe, path = cell.recipe, cell.weight_file(TEACHER)
    generator = cell.generator(TEACHER_STAGE, WEIGHTS)
    network = cell.place(build_teacher(cell.size, cell.people, generator=generator))
    if cell.is_trained(TEACHER):
        load_weights(network, path)
        if cell.key.name == START:
            cell.advance(recipe.teacher.steps, before=True)
        return network
    if recipe.pretrained is not None:
        load_weights(network, recipe.pretrained)

    def after_step(step: int, record: dict[str, float]) -> None:
        if step % LOG_EVERY == 0 or step == recipe.teacher.steps:
            cell.log(0, part=TEACHER, step=step, **record)
        cell.advance(1)

    with seeded(cell.key.seed):  # the same teacher, whichever stage needs it
        train(
            network,
            TrainingBatches(*cell.source, *cell.source),
            recipe.teacher.options(recipe.transforms),
            steps=recipe.teacher.steps,
            seed=cell.seed(TEACHER_STAGE, TRANSFORMS),
            after_step=after_step,
            bfloat16=cell.bfloat16,
        )
    save_weights(network, path)
    cell.note_trained(TEACHER)
    return network
