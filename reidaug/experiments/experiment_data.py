"""Crops of an experiment: training, query and gallery crops, and the extra crops of every arm."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from reidaug.data.crop_names import warp_source
from reidaug.data.manifest import read_manifest
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, Person, read_market1501
from reidaug.errors import ReidaugError
from reidaug.experiments.arms import ExperimentOptions

MANIFEST = "manifest.parquet"


class ExperimentData(NamedTuple):
    """The crops of an experiment."""

    train: tuple[Person, ...]  # real training crops
    query: tuple[Person, ...]  # query crops
    gallery: tuple[Person, ...]  # gallery crops; the same object as `query` for held-out people
    extra: dict[str, tuple[Person, ...]]  # extra crops of every arm
    # By arm that mixes roots, the root index of each extra crop.
    extra_roots: dict[str, tuple[int, ...]]

    @property
    def pids(self) -> tuple[int, ...]:
        """The training people; their indices are the labels of real and extra crops."""
        return tuple(sorted({person.pid for person in self.train}))

    @property
    def query_pids(self) -> Int[ndarray, "q"]:
        """The person (Q,) of every query."""
        return np.array([person.pid for person in self.query], dtype=np.int64)

    def labels(self, people: Sequence[Person]) -> list[int]:
        """Label crops of training people."""
        labels = {pid: label for label, pid in enumerate(self.pids)}
        return [labels[person.pid] for person in people]


def read_experiment_data(
    options: ExperimentOptions,
    *,
    test: Path | None = None,
    people_share: float = 1.0,
    images_each: int | None = None,
    cameras_each: int | None = None,
    fill: bool = True,
) -> ExperimentData:
    """Read the crops of an experiment.

    Args:
        options: The experiment.
        test: Root of query and gallery; None for the experiment's dataset.
        people_share: Share of the training people that is left.
        images_each: Crops that are left of a training person; None for all. Warps of crops that
            are not left are left out too.
        cameras_each: Cameras whose crops are left of a training person; None for all.
        fill: Whether a training person without extra crops in an arm gets the real ones there.

    Raises:
        ReidaugError: A root cannot be read, holds people that the dataset does not, or nothing is
            left of it.
    """
    whole, query, gallery = _real_crops(options, test or options.dataset)
    known = {person.pid for person in whole}
    if options.evaluate_on == "held_out":
        known |= {person.pid for person in query}
    train = subset(
        whole, people_share, images_each, cameras_each=cameras_each, seed=options.split_seed
    )
    left_out = {person.path.stem for person in whole} - {person.path.stem for person in train}
    pids = {person.pid for person in train}
    extra, extra_roots = {}, {}
    for name, arm in options.arms.items():
        crops: list[Person] = []
        roots: list[int] = []
        for index, root in enumerate(arm.crops):
            found = train if root is None else _extra_crops(root, name, known, options)
            kept = [p for p in found if p.pid in pids and source_stem(p.path) not in left_out]
            crops, roots = crops + kept, roots + [index] * len(kept)
        covered = {person.pid for person in crops}
        filling = [person for person in train if fill and person.pid not in covered]
        crops, roots = crops + filling, roots + [0] * len(filling)
        extra[name] = train if tuple(crops) == train else tuple(crops)
        if len(arm.crops) > 1:
            extra_roots[name] = tuple(roots)
    return ExperimentData(train, query, gallery, extra, extra_roots)


def hold_out(
    people: Sequence[Person], share: float, *, seed: int
) -> tuple[tuple[Person, ...], tuple[Person, ...]]:
    """Hold out a share of the people, one at least, with all their crops.

    Returns:
        The crops of those who stay and of those held out.

    Raises:
        ReidaugError: Nobody would stay.
    """
    pids = sorted({person.pid for person in people})
    count = max(1, round(share * len(pids)))
    if count >= len(pids):
        raise ReidaugError(f"holding out {share:.0%} of {len(pids)} people leaves nobody to train")
    chosen = set(np.random.default_rng(seed).permutation(pids)[:count].tolist())
    stay = tuple(person for person in people if person.pid not in chosen)
    return stay, tuple(person for person in people if person.pid in chosen)


def subset(
    people: Sequence[Person],
    people_share: float,
    images_each: int | None,
    *,
    cameras_each: int | None = None,
    seed: int,
) -> tuple[Person, ...]:
    """Choose some people and some crops of each; larger subsets hold the smaller ones.

    Only more cameras with as many crops do not: the crops are drawn from all their cameras.

    Args:
        people: Crops, whose order stays.
        people_share: Share of the people in (0, 1], at least one.
        images_each: Crops per person; None for all.
        cameras_each: Cameras per person, whose crops `images_each` counts; None for all.
        seed: Random seed.
    """
    indices: dict[int, list[int]] = {}
    for index, person in enumerate(people):
        indices.setdefault(person.pid, []).append(index)
    pids = sorted(indices)
    count = max(1, round(people_share * len(pids)))
    chosen: set[int] = set()
    for pid in np.random.default_rng([seed, 1]).permutation(pids)[:count].tolist():
        cameras = sorted({people[index].camid for index in indices[pid]})
        drawn = np.random.default_rng([seed, 3, pid]).permutation(cameras)[:cameras_each].tolist()
        shuffled = np.random.default_rng([seed, 2, pid]).permutation(indices[pid]).tolist()
        chosen.update([index for index in shuffled if people[index].camid in drawn][:images_each])
    return tuple(person for index, person in enumerate(people) if index in chosen)


def source_stem(path: Path) -> str:
    """File stem of the crop that a warp was made of; a crop's own where it is no warp."""
    source = warp_source(path.name)
    return path.stem if source is None else Path(source[0]).stem


def _real_crops(options: ExperimentOptions, test: Path) -> tuple[tuple[Person, ...], ...]:
    """Read training, query and gallery crops."""
    train = read_market1501(options.dataset, splits=(TRAIN,)).train
    if options.evaluate_on == "held_out":
        train, query = hold_out(train, options.held_out, seed=options.split_seed)
        return train, query, query
    people = read_market1501(test, splits=(QUERY, GALLERY))
    return train, people.query, people.gallery


def _extra_crops(
    root: Path, arm: str, known: set[int], options: ExperimentOptions
) -> tuple[Person, ...]:
    crops = _good_crops(root, options.min_quality)
    if unknown := {person.pid for person in crops} - known:
        raise ReidaugError(
            f"{root}: {len(unknown)} people of arm {arm} are not among the training people of "
            f"{options.dataset}, such as {min(unknown)}"
        )
    return crops


def _good_crops(root: Path, min_quality: float) -> tuple[Person, ...]:
    """Read the training crops of a root that its manifest, if it has one, calls good enough."""
    dataset = read_market1501(root, splits=(TRAIN,))
    table = dataset.root / MANIFEST
    if not min_quality or not table.is_file():
        return dataset.train
    rows = read_manifest(table)
    if any(not {"file", "quality"} <= row.keys() for row in rows[:1]):
        raise ReidaugError(f"{table}: has no columns 'file' and 'quality' to filter warps by")
    good = {Path(row["file"]).name for row in rows if (row["quality"] or 0.0) >= min_quality}
    crops = tuple(person for person in dataset.train if person.path.name in good)
    if not crops:
        raise ReidaugError(f"{table}: no warp has a quality of {min_quality} or more")
    return crops
