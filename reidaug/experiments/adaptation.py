"""The cells of unsupervised adaptation: the source learnt, the warm-up, and every arm's rounds."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from accelerate import PartialState
from jaxtyping import Int
from numpy import ndarray

from reidaug.data.market1501 import Person
from reidaug.errors import ReidaugError
from reidaug.experiments.adaptation_config import START, TEACHER, WARMUP, AdaptationRecipe, Domains
from reidaug.experiments.results import CellResult
from reidaug.experiments.run_grid import Advance, CellKey, Grid
from reidaug.files import write_atomically
from reidaug.machine import one_thread
from reidaug.reid.backbones import PersonResNet
from reidaug.reid.batches import TrainingBatches
from reidaug.reid.crops import Crops
from reidaug.reid.dgnet.adaptation import start_round, warmup_labels
from reidaug.reid.dgnet.batches import ExtraCrops, LabelledCrops, PairLoader
from reidaug.reid.dgnet.networks import DGNet, adapt_dgnet, build_dgnet
from reidaug.reid.dgnet.phases import Phase
from reidaug.reid.dgnet.sampling import DomainPairSampler, SourcePairSampler
from reidaug.reid.dgnet.teacher import Teacher, build_teacher
from reidaug.reid.dgnet.trainer import DGNetTrainer
from reidaug.reid.evaluation.cluster import pseudo_labels
from reidaug.reid.evaluation.retrieval import evaluate
from reidaug.reid.features import embed, extract_features
from reidaug.reid.losses import Objective
from reidaug.reid.network_modes import seeded
from reidaug.reid.training import train
from reidaug.reid.training_options import TrainingOptions
from reidaug.reid.weights import load_weights, save_weights
from reidaug.runs import RunFolder

LOG_EVERY = 20
LESSONS, SOURCE, WARM, ROUNDS = range(4)  # stages of a cell; round n is stage ROUNDS + n
FIRST_WEIGHTS, PAIRS, VARIATION, LEARNER = range(4)  # what a stage draws at random


@dataclass(frozen=True)
class Adaptation(Grid):
    """An experiment of which cells can be trained one by one.

    Attributes:
        recipe: What decides its numbers.
        domains: Its crops.
        folder: Its run folder.
        alone: Whether every target crop is somebody of their own where no clusters are found, so
            that a dry run takes its steps.
    """

    recipe: AdaptationRecipe
    domains: Domains
    folder: RunFolder
    alone: bool = False

    def plan(self) -> dict[CellKey, CellKey | None]:
        """List every cell with the one it goes on from: start, warm-up, arms, for each seed."""
        plan: dict[CellKey, CellKey | None] = {}
        for seed in self.recipe.seeds:
            start, warmup = CellKey(START, seed), CellKey(WARMUP, seed)
            arms = (CellKey(name, seed) for name in self.recipe.arms)
            plan |= {start: None, warmup: start, **dict.fromkeys(arms, warmup)}
        return plan

    def path(self, name: str, seed: int, kind: str = "safetensors") -> Path:
        """Tell where a cell leaves its networks (``safetensors``) or its state (``state.pt``)."""
        return self.folder.path / "checkpoints" / f"{name}-seed{seed}.{kind}"

    def steps(self, name: str) -> int:
        """Count the optimiser steps of a cell."""
        recipe = self.recipe
        if name == START:
            return recipe.teacher.steps + recipe.source_steps
        return recipe.warmup_steps if name == WARMUP else recipe.rounds * recipe.round_steps

    def train(self, key: CellKey, advance: Advance) -> CellResult:
        """Train and evaluate one cell; one that was cut off goes on at its last state.

        On a CPU one thread does it all: the numbers do not depend on how many cores there are.

        Args:
            key: `START`, `WARMUP` or an arm, and a seed.
            advance: Called after every step.

        Returns:
            Its result.
        """
        name, seed = key
        device = PartialState().device
        with one_thread(), seeded(seed):
            work = _Work(self, name, seed, advance)
            network = {START: work.learn_source, WARMUP: work.warm_up}.get(name, work.adapt)()
            seen = extract_features(
                network.encoder,
                self.domains.target.query,
                self.domains.target.gallery,
                size=self.recipe.networks().size,
                fine_weight=self.recipe.fine_similarity,
                bfloat16=work.half,
                device=device,
            )
            evaluation = evaluate(seen, memory_mb=self.recipe.memory_mb)
        save_weights(network, self.path(name, seed))
        self.path(name, seed, "state.pt").unlink(missing_ok=True)
        return CellResult(evaluation)


class _Halfway(NamedTuple):
    """Where an unfinished cell stands.

    Attributes:
        round: Number of the round, from 1; 0 before there are any.
        clusters: Cluster of each target crop (N,), -1 for an outlier; empty on the source.
        learner: State of the learner.
    """

    round: int
    clusters: Int[ndarray, "n"]
    learner: Mapping[str, Any]


class _Work:
    """The training of one cell."""

    def __init__(self, whole: Adaptation, name: str, seed: int, advance: Advance) -> None:
        self.whole, self.name, self.seed = whole, name, seed
        self.advance = advance
        self.recipe, self.domains = whole.recipe.of_arm(name), whole.domains
        self.size, self.device = self.recipe.networks(), PartialState().device
        self.half = self.recipe.bfloat16(self.device)
        self.source = LabelledCrops(self._crops(self.domains.source), self.domains.source_labels())
        self.target = self._crops(self.domains.target.train)
        self.people = len(self.domains.pids)

    def learn_source(self) -> DGNet:
        """Train the teacher, then DG-Net, on the source's labels."""
        teacher = self._teacher()
        network = self._network()
        if self.recipe.pretrained is not None:
            load_weights(network.encoder, self.recipe.pretrained)
        if self.recipe.trunk_from_teacher:
            trunk = {k: v for k, v in teacher.state_dict().items() if not k.startswith("heads.")}
            network.encoder.load_state_dict(trunk, strict=False)
        learner = self._learner(network, "source", SOURCE, teacher)
        halfway = self._halfway()
        if halfway is not None:
            learner.load_state_dict(halfway.learner)
        pairs = SourcePairSampler(
            self.source.labels, batch=self.size.batch, generator=self._chance(SOURCE, PAIRS)
        )
        feed = PairLoader(pairs, (self.source,), self.recipe.transforms)
        self._take(learner, feed, self.recipe.source_steps, SOURCE, np.zeros(0, dtype=np.int64))
        return network

    def warm_up(self) -> DGNet:
        """Take the first steps on both domains, the target's crops without any labels."""
        network = self._network(trained=START, generators=2)
        halfway = self._halfway()
        clusters = self._clusters(network, 0) if halfway is None else halfway.clusters
        learner = self._learner(network, "warmup", WARM, self._teacher())
        if halfway is not None:
            learner.load_state_dict(halfway.learner)
        # Every crop is somebody of their own; outliers are left out, as in the rounds.
        feed = self._feed(warmup_labels(clusters, self.size.batch), WARM, source_pairs=True)
        self._take(learner, feed, self.recipe.warmup_steps, WARM, clusters)
        return network

    def adapt(self) -> DGNet:
        """Cluster the target and learn from its clusters, round after round."""
        network, halfway = self._network(trained=WARMUP, generators=2), self._halfway()
        first = 1 if halfway is None else halfway.round
        self.advance((first - 1) * self.recipe.round_steps)
        for number in range(first, self.recipe.rounds + 1):
            self._round(network, number, halfway if number == first else None)
        return network

    def _round(self, network: DGNet, number: int, halfway: _Halfway | None) -> None:
        clusters = self._clusters(network, number) if halfway is None else halfway.clusters
        if (clusters >= 0).sum() < self.size.batch and self.whole.alone:
            clusters = np.arange(len(clusters))
        if (clusters >= 0).sum() < self.size.batch:
            self.advance(self.recipe.round_steps)  # nobody was found to learn from: as it was
            return
        stage = ROUNDS + number
        labels = start_round(network, clusters, self.people, self._chance(stage, FIRST_WEIGHTS))
        learner = self._learner(network, "adapt", stage, None)
        if halfway is not None:
            learner.load_state_dict(halfway.learner)
        feed = self._feed(labels, stage, source_pairs=False)
        self._take(learner, feed, self.recipe.round_steps, stage, clusters)

    def _feed(self, labels: list[int], stage: int, *, source_pairs: bool) -> PairLoader:
        pairs = DomainPairSampler(
            self.source.labels,
            labels,
            batch=self.size.batch,
            source_pairs=source_pairs,
            generator=self._chance(stage, PAIRS),
        )
        domains = (self.source, LabelledCrops(self.target, labels))
        extra = None if source_pairs or not self._extra_count else self._warps
        return PairLoader(pairs, domains, self.recipe.transforms, extra)

    @property
    def _extra_count(self) -> int:
        return round(self.recipe.ratio * self.size.batch)

    @cached_property
    def _warps(self) -> ExtraCrops:
        """The arm's crops on top, the same in all rounds: decoded once."""
        target = self.domains.target
        crops, roots = target.extra[self.name], target.extra_roots.get(self.name, ())
        return ExtraCrops(
            self._crops(crops), self.domains.origins(self.name), self._extra_count, roots
        )

    def _take(
        self, learner: DGNetTrainer, feed: PairLoader, steps: int, stage: int, clusters: ndarray
    ) -> None:
        """Take the steps of a stage that are left."""
        number = max(0, stage - ROUNDS)
        before = max(0, number - 1) * self.recipe.round_steps
        batches = feed.batches(
            steps, seed=self._seed(stage, VARIATION), start=learner.steps, device=self.device
        )
        self.advance(learner.steps)
        for first, second, warps in batches:
            record = learner.step(first, second, warps)
            if not math.isfinite(record["loss"]):
                raise ReidaugError(
                    f"{self.name}, seed {self.seed}, step {learner.steps}: the loss is not finite; "
                    f"lower the rates"
                )
            if learner.steps % LOG_EVERY == 0 or learner.steps == steps:
                self._log(number, step=learner.steps, **record)
            if (before + learner.steps) % self.recipe.save_every == 0:
                self._save(_Halfway(number, clusters, learner.state_dict()))
            self.advance(1)

    def _clusters(self, network: DGNet, number: int) -> Int[ndarray, "n"]:
        features = embed(
            network.encoder,
            self.target,
            fine_weight=self.recipe.fine_similarity,
            bfloat16=self.half,
            device=self.device,
        )
        how = asdict(self.recipe.cluster)
        found = pseudo_labels(features, memory_mb=self.recipe.memory_mb, **how)
        self._log(number, clusters=found.clusters, outliers=found.outliers, quality=found.quality)
        return found.labels

    def _teacher(self) -> PersonResNet:
        """Train the teacher, or read it where that has been done."""
        network = build_teacher(
            self.size, self.people, generator=self._chance(LESSONS, FIRST_WEIGHTS)
        )
        network.to(self.device).to(memory_format=torch.channels_last)
        path = self.whole.path(TEACHER, self.seed)
        if path.exists():
            load_weights(network, path)
            if self.name == START:
                self.advance(self.recipe.teacher.steps)
            return network
        if self.recipe.pretrained is not None:
            load_weights(network, self.recipe.pretrained)
        how, crops = self.recipe.teacher, self.source.crops
        options = TrainingOptions(
            people=how.people,
            images=how.images,
            ratio=0.0,
            transforms=self.recipe.transforms,
            objective=Objective(smoothing=0.0, triplet_weight=0.0),
            optimiser="sgd",
            learning_rate=how.rate,
            head_rate=how.head_rate,
            warmup=0.0,
            recalibrate_norm=False,
        )

        def after_step(step: int, record: dict[str, float]) -> None:
            if step % LOG_EVERY == 0 or step == how.steps:
                self._log(0, part="teacher", step=step, **record)
            self.advance(1)

        train(
            network,
            TrainingBatches(crops, self.source.labels, crops, self.source.labels),
            options,
            steps=how.steps,
            seed=self._seed(LESSONS, VARIATION),
            after_step=after_step,
            bfloat16=self.half,
        )
        save_weights(network, path)
        return network

    def _network(self, trained: str | None = None, generators: int = 1) -> DGNet:
        chance = self._chance(SOURCE if generators == 1 else WARM, FIRST_WEIGHTS)
        network = build_dgnet(self.size, self.people, generator=chance)
        if trained == START:
            self._read(network, START)
        if generators > 1:
            network = adapt_dgnet(network, self.size, generator=chance)
        if trained == WARMUP:
            self._read(network, WARMUP)
        return network.to(self.device).to(memory_format=torch.channels_last)

    def _read(self, network: DGNet, name: str) -> None:
        network.load_state_dict(safetensors.torch.load_file(self.whole.path(name, self.seed)))

    def _learner(
        self, network: DGNet, phase: Phase, stage: int, teacher: PersonResNet | None
    ) -> DGNetTrainer:
        recipe = self.recipe
        return DGNetTrainer(
            network,
            phase,
            recipe,
            teacher=None if teacher is None else Teacher(teacher),
            bfloat16=self.half,
            seed=self._seed(stage, LEARNER),
        )

    def _halfway(self) -> _Halfway | None:
        path = self.whole.path(self.name, self.seed, "state.pt")
        if not path.exists():
            return None
        state = torch.load(path, map_location=self.device, weights_only=True)
        return _Halfway(state["round"], state["clusters"].cpu().numpy(), state["learner"])

    def _save(self, halfway: _Halfway) -> None:
        content = BytesIO()
        clusters = torch.from_numpy(halfway.clusters)
        torch.save({**halfway._asdict(), "clusters": clusters}, content)
        path = self.whole.path(self.name, self.seed, "state.pt")
        write_atomically(path, content.getvalue())

    def _log(self, number: int, **record: Any) -> None:
        self.whole.folder.log(stage=self.name, seed=self.seed, round=number, **record)

    def _chance(self, stage: int, purpose: int) -> torch.Generator:
        return torch.Generator().manual_seed(self._seed(stage, purpose))

    def _seed(self, stage: int, purpose: int) -> int:
        state = np.random.SeedSequence([self.seed, stage, purpose]).generate_state(1, np.uint64)[0]
        return int(state >> np.uint64(1))

    def _crops(self, people: tuple[Person, ...]) -> Crops:
        paths = [person.path for person in people]
        return Crops(paths, size=self.recipe.networks().size, cache_mb=self.recipe.cache_mb // 3)
