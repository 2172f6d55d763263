"""One cell of an adaptation: its crops, seeds, networks, and a training loop that can resume."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from accelerate import PartialState
from jaxtyping import Int
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from reidaug.checksums import finite_or_null, flaw_of
from reidaug.data.market1501 import Person
from reidaug.errors import ReidaugError
from reidaug.experiments.adaptation_config import START, WARMUP, AdaptationRecipe
from reidaug.experiments.adaptation_data import AdaptationData
from reidaug.experiments.adaptation_start import start_weights
from reidaug.experiments.run_grid import (
    CELLS,
    CLUSTERINGS,
    TRAINED,
    CellKey,
    weight_file,
)
from reidaug.files import checksum
from reidaug.finite import NotFiniteError, first_not_finite
from reidaug.jobs import Records, StateFile, derive_seed, torch_generator
from reidaug.reid.backbones import PersonResNet
from reidaug.reid.batches import first_files
from reidaug.reid.crops import Crops
from reidaug.reid.dgnet.batches import ExtraCrops, LabelledCrops, PairLoader
from reidaug.reid.dgnet.networks import DGNet, adapt_dgnet, build_dgnet
from reidaug.reid.dgnet.phases import Phase
from reidaug.reid.dgnet.teacher import Teacher
from reidaug.reid.dgnet.trainer import DGNetTrainer
from reidaug.runs import RunFolder
from reidaug.verbosity import Advance

LOG_EVERY = 20
COUNTS = ("clusters", "outliers", "quality")
"""What is recorded of a clustering."""
N = TypeVar("N", bound=nn.Module)

# Stages, each with random seeds of its own; round n (from 1) is stage ROUNDS + n.
TEACHER_STAGE, SOURCE_STAGE, WARMUP_STAGE, ROUNDS = range(4)
# Purposes of the random seeds of a stage.
WEIGHTS, SAMPLING, TRANSFORMS, TRAINER = range(4)


class CellState(NamedTuple):
    """State of an unfinished cell.

    Attributes:
        round: Number of the round, from 1; 0 before the rounds.
        clusters: Cluster of each target crop (N,), -1 for an outlier; None on the source.
        trainer: State of the trainer.
    """

    round: int
    clusters: Int[ndarray, "n"] | None
    trainer: Mapping[str, Any]


class AdaptationCell:
    """What the stages of one cell share.

    Args:
        recipe: The experiment.
        data: Its crops.
        key: `START`, `WARMUP` or an arm, and a seed.
        folder: Run folder.
        advance: Called after every step.

    Attributes:
        recipe: The experiment with the changes of the arm.
        size: Sizes of crops, batches and networks.
        device: Device of the networks.
        bfloat16: Whether they compute in bfloat16.
        source: The labelled source.
        target: Training crops of the target.
        views: Views of them for clustering, and their crops; None where there are none.
        people: Number of source identities.
    """

    def __init__(
        self,
        recipe: AdaptationRecipe,
        data: AdaptationData,
        key: CellKey,
        folder: RunFolder,
        advance: Advance,
    ) -> None:
        self.recipe, self.data, self.key = recipe.of_arm(key.name), data, key
        self.folder, self.advance = folder, advance
        self.size, self.device = recipe.networks(), PartialState().device
        self.bfloat16 = recipe.bfloat16(self.device)
        self.views = data.views.get(key.name)
        self.source = LabelledCrops(self._crops(data.source), data.source_labels())
        self.target = self._crops(data.target.train)
        self.people = len(data.pids)

    def seed(self, stage: int, purpose: int) -> int:
        """Derive the random seed of a purpose of a stage."""
        return derive_seed(self.key.seed, stage, purpose)

    def generator(self, stage: int, purpose: int) -> torch.Generator:
        """Make the random generator of a purpose of a stage."""
        return torch_generator(self.key.seed, stage, purpose)

    def log(self, number: int, **record: Any) -> None:
        """Log a record of a round; number 0 is before the rounds."""
        self.folder.log(stage=self.key.name, seed=self.key.seed, round=number, **record)

    def weight_file(self, name: str) -> Path:
        """Name the weight file of the teacher or of another cell of this seed."""
        return weight_file(self.folder, CellKey(name, self.key.seed))

    def is_trained(self, name: str) -> bool:
        """Whether the teacher or another cell of this seed has weights, undamaged."""
        return is_trained(self.folder, CellKey(name, self.key.seed))

    def note_trained(self, name: str) -> None:
        """Keep the checksum of the weights just written of the teacher or a cell of this seed."""
        self._trained.write(self._key(name), checksum(self.weight_file(name)))

    def clusterings(self) -> list[Any]:
        """Read what the clusterings of this cell found, in the order of the rounds."""
        records = clusterings(self.folder).read_all()
        found = {
            record["round"]: record
            for record in (*self.folder.records(), *records)  # the log, should one be damaged
            if isinstance(record, dict)
            and {"stage", "seed", "round", *COUNTS} <= record.keys()
            and (record["stage"], record["seed"]) == self.key
        }
        return [{count: found[number][count] for count in COUNTS} for number in sorted(found)]

    def record_clustering(self, number: int, counts: Mapping[str, Any]) -> None:
        """Keep what the clustering of a round found; finite numbers or null."""
        record = {"stage": self.key.name, "seed": self.key.seed, "round": number, **counts}
        clusterings(self.folder).write(f"{self.key}-round{number}", finite_or_null(record))

    @property
    def _trained(self) -> Records:
        return Records(self.folder.path / TRAINED)

    def _key(self, name: str) -> str:
        return str(CellKey(name, self.key.seed))

    @cached_property
    def extra(self) -> ExtraCrops | None:
        """Extra crops of the arm, decoded once for all rounds; None where the ratio is 0."""
        name, target = self.key.name, self.data.target
        if not (per_batch := self.recipe.extra_per_batch()):
            return None
        crops, roots = self._crops(target.extra[name]), target.extra_roots.get(name, ())
        return ExtraCrops(crops, self.data.origins(name), per_batch, roots)

    @cached_property
    def view_crops(self) -> Crops:
        """The crops of `views`, decoded once for all rounds."""
        return self._crops(() if self.views is None else self.views.people)

    def dgnet(self) -> DGNet:
        """Build DG-Net with initial weights."""
        generator = self.generator(SOURCE_STAGE, WEIGHTS)
        return self.place(build_dgnet(self.size, self.people, generator=generator))

    def dgnetpp(self, trained: str | None = None) -> DGNet:
        """Build DG-Net++ with the weights of another cell.

        Args:
            trained: `START`: DG-Net's weights, twice where there are two generators. `WARMUP`:
                those after the warm-up. None: initial weights.
        """
        generator = self.generator(WARMUP_STAGE, WEIGHTS)
        network = build_dgnet(self.size, self.people, generator=generator)
        if trained == START:
            network.load_state_dict(self._stored(START))
        network = adapt_dgnet(network, self.size, generator=generator)
        if trained == WARMUP:
            network.load_state_dict(self._stored(WARMUP))
        return self.place(network)

    def trained(self) -> DGNet:
        """Read the cell's own networks, trained before, for evaluation.

        Classifiers of pseudo-labels, on which no feature depends, keep initial weights.
        """
        if self.recipe.start is not None:
            network = self.dgnetpp()
        else:
            network = self.dgnet() if self.key.name == START else self.dgnetpp(START)
        own, stored = network.state_dict(), self._stored(self.key.name)
        fits = {key: t for key, t in stored.items() if key in own and own[key].shape == t.shape}
        network.load_state_dict(fits, strict=False)
        return network

    def started(self) -> DGNet:
        """Build DG-Net++ as the run ``start`` left it; classifiers have initial weights."""
        network = self.dgnetpp()
        network.load_state_dict(start_weights(self.recipe, self.key.seed), strict=False)
        return network

    def _stored(self, name: str) -> dict[str, Tensor]:
        """Read the weights of a cell of this seed."""
        path = self.weight_file(name)
        try:
            return load_file(path)
        except (SafetensorError, OSError):
            raise ReidaugError(
                f"{path}: no readable weights; remove it and its record in "
                f"{self.folder.path / CELLS}, and {name} is trained again"
            ) from None

    def place(self, network: N) -> N:
        """Move a network to the device, in the memory format that is fastest."""
        return network.to(self.device).to(memory_format=torch.channels_last)

    def trainer(
        self,
        network: DGNet,
        phase: Phase,
        stage: int,
        state: CellState | None,
        teacher: PersonResNet | None = None,
    ) -> DGNetTrainer:
        """Build the trainer of a stage, as it was when a state was saved."""
        trainer = DGNetTrainer(
            network,
            phase,
            self.recipe,
            teacher=None if teacher is None else Teacher(teacher, style=self.recipe.teacher.style),
            bfloat16=self.bfloat16,
            seed=self.seed(stage, TRAINER),
        )
        if state is not None:
            trainer.load_state_dict(state.trainer)
        return trainer

    @property
    def state_file(self) -> StateFile:
        """The file of the latest state."""
        return state_file(self.weight_file(self.key.name))

    def read_state(self) -> CellState | None:
        """Read the latest state of an interrupted training, if there is one."""
        state = self.state_file.read(self.device)
        if state is None:
            return None
        clusters = state["clusters"]
        return CellState(
            state["round"], None if clusters is None else clusters.cpu().numpy(), state["trainer"]
        )

    def train(
        self,
        trainer: DGNetTrainer,
        loader: PairLoader,
        stage: int,
        steps: int,
        clusters: Int[ndarray, "n"] | None = None,
    ) -> None:
        """Take the remaining steps of a stage; log them and save states for resuming.

        Args:
            trainer: Trainer, which may have taken some steps already.
            loader: Loader of the batches.
            stage: Stage number.
            steps: Length of the stage.
            clusters: Cluster of each target crop, kept in the state.

        Raises:
            ReidaugError: The loss is not finite.
        """
        number = max(0, stage - ROUNDS)
        before = max(0, number - 1) * self.recipe.round_steps
        self.advance(trainer.steps, before=True)
        seed, start = self.seed(stage, TRANSFORMS), trainer.steps
        for batches in loader.batches(steps, seed=seed, start=start, device=self.device):
            try:
                record = trainer.step(*batches)
            except NotFiniteError as error:
                kept = self.state_file.path
                last = f"the last good state is {kept}" if kept.exists() else "no state was kept"
                crops = loader.domains[batches.a.domain].crops
                shown = ", ".join(str(file) for file in first_files(crops, batches.a.numbers))
                raise ReidaugError(
                    f"{self.key.name}, seed {self.key.seed}, step {trainer.steps + 1}: {error}; "
                    f"its batch begins with {shown}; {last}; lower the rates"
                ) from None
            if trainer.steps % LOG_EVERY == 0 or trainer.steps == steps:
                self.log(number, step=trainer.steps, **record)
            due = (before + trainer.steps) % self.recipe.save_every == 0
            if due and not first_not_finite(trainer.network.state_dict()):
                tensor = None if clusters is None else torch.from_numpy(clusters)
                state = CellState(number, clusters, trainer.state_dict())
                self.state_file.write({**state._asdict(), "clusters": tensor})
            self.advance(1)

    def _crops(self, people: Sequence[Person]) -> Crops:
        paths = [person.path for person in people]
        # A part of the cache each for the crops of source, target and arm, and for views.
        parts = 3 + (self.views is not None)
        return Crops(paths, size=self.size.size, cache_mb=self.recipe.cache_mb // parts)


def clusterings(folder: RunFolder) -> Records:
    """The records of what clusterings found, by cell and round."""
    return Records(folder.path / CLUSTERINGS)


def is_trained(folder: RunFolder, key: CellKey) -> bool:
    """Whether a cell that is perhaps not evaluated has weights, as they were written."""
    own = Records(folder.path / TRAINED).read(str(key))
    return own is not None and not flaw_of(weight_file(folder, key), str(own))


def state_file(weights: Path) -> StateFile:
    """Name the file of the latest state of a cell by its weight file."""
    return StateFile(weights.with_suffix(".state.pt"))
