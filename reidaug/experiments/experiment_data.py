"""Crops of an experiment: training, query and gallery crops, and the extra crops of every arm."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from reidaug.augment.output_folder import origin_stem, warp_stem
from reidaug.checksums import check_written
from reidaug.data.images import mask_path
from reidaug.data.loose_crops import find_crops, find_folder, read_people
from reidaug.data.market1501 import (
    GALLERY,
    QUERY,
    Person,
    ReIDDataset,
    read_market1501,
)
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.arms import Arm, ExperimentOptions
from reidaug.experiments.beforehand import PLAIN, check_images, check_retrieval, check_sources
from reidaug.experiments.warp_quality import MANIFEST, good_crops, has_quality
from reidaug.files import summarise_left_out
from reidaug.runs import notice


class ExperimentData(NamedTuple):
    """The crops of an experiment."""

    train: tuple[Person, ...]  # real training crops
    query: tuple[Person, ...]  # query crops
    gallery: tuple[Person, ...]  # gallery crops; the same object as `query` for held-out people
    extra: dict[str, tuple[Person, ...]]  # extra crops of every arm
    # By arm that mixes roots, the root index of each extra crop.
    extra_roots: dict[str, tuple[int, ...]]
    left_out: tuple[str, ...] = ()  # one line for every image that cannot be used
    # By arm, the training people of whom it has no extra crop, where there are some.
    without_extra: Mapping[str, int] = MappingProxyType({})

    @property
    def pids(self) -> tuple[int, ...]:
        """The training people; their indices are the labels of real and extra crops."""
        return tuple(sorted({person.pid for person in self.train}))

    @property
    def query_pids(self) -> Int[ndarray, "q"]:
        """The person (Q,) of every query."""
        return np.array([person.pid for person in self.query], dtype=np.int64)

    def summary_of_left_out(self) -> str:
        """Say how many images cannot be used, and why; nothing where all can."""
        crops = {
            p for part in (self.train, self.query, self.gallery, *self.extra.values()) for p in part
        }
        total = len(crops) + len(self.left_out)
        return summarise_left_out(self.left_out, total, what="images")

    def labels(self, people: Sequence[Person]) -> list[int]:
        """Label crops of training people."""
        labels = {pid: label for label, pid in enumerate(self.pids)}
        return [labels[person.pid] for person in people]


def read_experiment_data(
    options: ExperimentOptions,
    *,
    test: Path | None = None,
    test_pattern: str | None = None,
    test_layout: str | None = None,
    people_share: float = 1.0,
    images_each: int | None = None,
    cameras_each: int | None = None,
    fill: bool = True,
) -> ExperimentData:
    """Read the crops of an experiment.

    Args:
        options: The experiment.
        test: Root of query and gallery; None for the experiment's dataset.
        test_pattern: Pattern of the names there; the experiment's dataset has its own.
        test_layout: Layout of the dataset there, likewise.
        people_share: Share of the training people that is left.
        images_each: Crops that are left of a training person; None for all. Warps of crops that
            are not left are left out too.
        cameras_each: Cameras whose crops are left of a training person; None for all.
        fill: Whether a training person without extra crops in an arm gets the real ones there.

    Raises:
        ReidaugError: A root cannot be read, holds people that the dataset does not, or nothing is
            left of it.
    """
    real = _real_crops(options, test, test_pattern, test_layout)
    whole, query, gallery = real.train, real.query, real.gallery
    everyone = (*whole, *query) if options.evaluate_on == "held_out" else whole
    known = {person.pid for person in everyone}
    train = subset(
        whole, people_share, images_each, cameras_each=cameras_each, seed=options.split_seed
    )
    dropped = {warp_stem(person) for person in whole} - {warp_stem(person) for person in train}
    pids = {person.pid for person in train}
    extra, extra_roots, without_extra, lines = {}, {}, {}, [*real.left_out]
    for name, arm in options.arms.items():
        crops: list[Person] = []
        roots: list[int] = []
        for index, root in enumerate(arm.crops):
            found = train
            if root is not None:
                arm_set = read_extra_crops(root, name, known, everyone, options)
                found, lines = arm_set.train, [*lines, *arm_set.left_out]
            kept = [p for p in found if p.pid in pids and origin_stem(p) not in dropped]
            crops, roots = crops + kept, roots + [index] * len(kept)
        covered = {person.pid for person in crops}
        filling = [person for person in train if fill and person.pid not in covered]
        if lost := pids - covered:
            without_extra[name] = len(lost)
            names = sorted({person.who for person in train if person.pid in lost})
            _tell_without(name, arm, names, len(pids), options.min_quality, fill=fill)
        crops, roots = crops + filling, roots + [0] * len(filling)
        extra[name] = train if tuple(crops) == train else tuple(crops)
        if len(arm.crops) > 1:
            extra_roots[name] = tuple(roots)
    left_out = tuple(lines)
    return ExperimentData(train, query, gallery, extra, extra_roots, left_out, without_extra)


def _tell_without(
    name: str, arm: Arm, lost: Sequence[str], people: int, min_quality: float, *, fill: bool
) -> None:
    """Say of how many people an arm has no extra crop, and what it trains on instead."""
    roots = ", ".join(str(root) for root in arm.crops if root is not None)
    why = f" of a quality from {min_quality:g}" if min_quality else ""
    then = "their real crops stand in" if fill else "they have none"
    notice(
        f"arm {name}: no crop{why} in {roots} of {len(lost):,} of {people:,} training people, such "
        f"as {lost[0]}; {then}"
    )


def read_extra_crops(
    root: Path, arm: str, known: set[int], real: Sequence[Person], options: ExperimentOptions
) -> ReIDDataset:
    """Read the training crops of a root of warps, those that are good enough.

    Args:
        root: The root.
        arm: Name of the arm they are for, for messages.
        known: People that they may show.
        real: Crops that they may be warps of.
        options: The experiment.

    Raises:
        ReidaugError: The root cannot be read, or holds warps of other crops or people.
        UsageError: It is in another layout than the dataset is read in.
    """
    dataset = _good_crops(root, options)
    check_written(dataset.root, meant=PLAIN)
    place = find_crops(options.dataset, pattern=options.pattern, layout=options.layout).place
    if dataset.layout and place.rule.name != dataset.layout:
        raise UsageError(
            f"{root}: arm {arm} is in the layout {dataset.layout}, in which {options.dataset} is "
            f"not read; set layout: {dataset.layout}, or make warps of it as it is read"
        )
    if unknown := {person.pid for person in dataset.train} - known:
        first = min((p for p in dataset.train if p.pid in unknown), key=lambda p: p.pid)
        raise ReidaugError(
            f"{root}: {len(unknown)} people of arm {arm} are not among the training people of "
            f"{options.dataset}, such as {first.who} of {first.path.name}"
        )
    check_sources(dataset.root, dataset.train, real, arm=arm, dataset=place.folder)
    return dataset


def check_crops(
    data: ExperimentData,
    *others: Sequence[Person],
    root: Path,
    masks: Path | None = None,
    training: bool = True,
) -> None:
    """Check all that can be known of the crops of an experiment before its first step.

    Args:
        data: The crops.
        others: Crops that are in no part of it: to train on, or without training to search for.
        root: Dataset of query and gallery, for messages.
        masks: Folder with the masks of training crops, where they are used.
        training: Whether there is a training; otherwise query and gallery are checked alone.

    Raises:
        ReidaugError: No query can be found, queries are copies of gallery crops, test crops are
            training crops, or an image cannot be read.
    """
    check_retrieval(data.query, data.gallery, root=root)
    if not training:
        check_images(data.query, data.gallery, others=others)
        return
    files = [] if masks is None else [mask_path(masks, p.key) for p in data.train]
    masked = [file for file in files if file.is_file()]
    train = tuple(dict.fromkeys((*data.train, *(p for part in others for p in part))))
    check_images(data.query, data.gallery, train, data.extra.values(), masks=masked)


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


def _real_crops(
    options: ExperimentOptions,
    test: Path | None,
    test_pattern: str | None,
    test_layout: str | None,
) -> ReIDDataset:
    """Read training, query and gallery crops."""
    allow = options.allow_left_out
    whole = read_people(
        options.dataset, pattern=options.pattern, layout=options.layout, allow_left_out=allow
    )
    check_written(whole.root)
    if options.evaluate_on == "held_out":
        train, query = hold_out(whole.train, options.held_out, seed=options.split_seed)
        return whole._replace(train=train, query=query, gallery=query)
    people = read_test(options, test, test_pattern, test_layout)
    if people.root != whole.root:
        check_written(people.root)
    left_out = (*whole.left_out, *people.left_out)
    return whole._replace(query=people.query, gallery=people.gallery, left_out=left_out)


def read_test(
    options: ExperimentOptions,
    test: Path | None,
    test_pattern: str | None,
    test_layout: str | None,
    splits: Sequence[str] = (QUERY, GALLERY),
) -> ReIDDataset:
    """Read query and gallery crops, or one of both; see `read_experiment_data`.

    Raises:
        ReidaugError: A split cannot be read, or is none of a folder of crops.
    """
    pattern, layout = options.pattern, options.layout
    if test is not None:
        pattern, layout = test_pattern, test_layout
    elif not find_crops(options.dataset, pattern=pattern, layout=layout).is_root:
        raise ReidaugError(
            f"{options.dataset}: a folder of crops has no query and gallery; name a Market-1501 "
            "root, or evaluate_on: held_out"
        )
    return read_market1501(
        test or options.dataset,
        pattern=pattern,
        layout=layout,
        splits=splits,
        allow_left_out=options.allow_left_out,
    )


def _good_crops(root: Path, options: ExperimentOptions) -> ReIDDataset:
    """Read the training crops of a root that its manifest, if it has one, calls good enough.

    Names in a root with a manifest are those that `reidaug augment` gives; others are as in the
    experiment's dataset.
    """
    root = find_folder(root)
    min_quality, own = options.min_quality, (root / MANIFEST).is_file()
    dataset = read_people(
        root,
        pattern=None if own else options.pattern,
        layout=None if own else options.layout,
        allow_left_out=options.allow_left_out,
    )
    if not min_quality or not has_quality(root, dataset.train):
        return dataset
    crops = good_crops(root, dataset.train, min_quality, allow_left_out=options.allow_left_out)
    return dataset._replace(train=crops)
