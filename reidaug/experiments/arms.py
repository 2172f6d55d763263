"""Which crops every arm of an experiment learns from, and on whom it is tried."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reidaug.data.crop_names import warp_source
from reidaug.data.manifest import read_manifest
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, Person, read_market1501
from reidaug.errors import ReidaugError

MANIFEST = "manifest.parquet"


class Material(NamedTuple):
    """The crops of an experiment.

    Attributes:
        train: Real training crops.
        query: Crops to search for.
        gallery: Crops to search among.
        extra: Extra crops of every arm, beside the real ones.
        roots: For every arm that mixes roots, which one each of its crops is from.
    """

    train: tuple[Person, ...]
    query: tuple[Person, ...]
    gallery: tuple[Person, ...]
    extra: dict[str, tuple[Person, ...]]
    roots: dict[str, tuple[int, ...]]

    @property
    def pids(self) -> tuple[int, ...]:
        """The training people; the place of one is its label, in real crops and warps alike."""
        return tuple(sorted({person.pid for person in self.train}))

    def labels(self, people: Sequence[Person]) -> list[int]:
        """Label crops of training people.

        Args:
            people: Crops.

        Returns:
            Label of each.
        """
        places = {pid: place for place, pid in enumerate(self.pids)}
        return [places[person.pid] for person in people]


class LowData(NamedTuple):
    """How much of the training data is left.

    Attributes:
        people: Share of the training people, at least one; larger shares hold the smaller ones.
        images: Crops a person at most; None for all. More crops hold the fewer ones.
    """

    people: float = 1.0
    images: int | None = None


ALL = LowData()


def gather(
    dataset: Path,
    arms: Mapping[str, Sequence[Path | None]],
    *,
    test: Path | None = None,
    held_out: float | None = None,
    low: LowData = ALL,
    split_seed: int = 0,
    min_quality: float = 0.0,
    fill: bool = True,
) -> Material:
    """Read the crops of an experiment.

    Args:
        dataset: Market-1501-format root with the real crops.
        arms: Name to the roots whose training crops come on top; None for the real ones again.
        test: Root whose query and gallery everything is tried on; None for the dataset's own.
        held_out: Share of the training people that nobody learns from and everything is tried
            on, each of their crops as query and in the gallery; None for the test set.
        low: How much of the training data is left; what was warped from crops that are not is left
            out too.
        split_seed: Decides who is held out, and which crops are left.
        min_quality: Warps below it by their manifest are left out.
        fill: Whether a person without any crop in an arm gets the real ones there.

    Returns:
        The crops.

    Raises:
        ReidaugError: A root cannot be read, holds other people, or nothing is left of it.
    """
    if held_out is None:
        train = read_market1501(dataset, splits=(TRAIN,)).train
        _, _, query, gallery, *_ = read_market1501(test or dataset, splits=(QUERY, GALLERY))
    else:
        people = read_market1501(dataset, splits=(TRAIN,)).train
        train, query = hold_out(people, held_out, seed=split_seed)
        gallery = query
    known = {person.pid for person in (train if held_out is None else (*train, *query))}
    whole, train = train, fewer(train, low, seed=split_seed)
    gone = {person.path.stem for person in whole} - {person.path.stem for person in train}
    mine = {person.pid for person in train}
    extra, mixed = {}, {}
    for name, roots in arms.items():
        crops: tuple[Person, ...] = ()
        origins: tuple[int, ...] = ()
        for place, root in enumerate(roots):
            found = train if root is None else _others(root, name, known, dataset, min_quality)
            found = tuple(p for p in found if p.pid in mine and origin(p.path) not in gone)
            crops, origins = crops + found, origins + (place,) * len(found)
        have = {person.pid for person in crops}
        filling = tuple(person for person in train if fill and person.pid not in have)
        crops, origins = crops + filling, origins + (0,) * len(filling)
        extra[name] = train if crops == train else crops
        if len(roots) > 1:
            mixed[name] = origins
    return Material(train, query, gallery, extra, mixed)


def hold_out(
    people: Sequence[Person], share: float, *, seed: int
) -> tuple[tuple[Person, ...], tuple[Person, ...]]:
    """Set some people aside, with all their crops.

    Args:
        people: Crops.
        share: Share of the people to set aside, at least one.
        seed: Decides who.

    Returns:
        The crops of those who stay and of those set aside.

    Raises:
        ReidaugError: Nobody would stay.
    """
    pids = sorted({person.pid for person in people})
    count = max(1, round(share * len(pids)))
    if count >= len(pids):
        raise ReidaugError(f"holding out {share:.0%} of {len(pids)} people leaves nobody to learn")
    chosen = set(np.random.default_rng(seed).permutation(pids)[:count].tolist())
    stay = tuple(person for person in people if person.pid not in chosen)
    return stay, tuple(person for person in people if person.pid in chosen)


def fewer(people: Sequence[Person], low: LowData, *, seed: int) -> tuple[Person, ...]:
    """Leave some training crops.

    Args:
        people: Crops.
        low: How many.
        seed: Decides which.

    Returns:
        The crops that are left, in their order.

    Raises:
        ReidaugError: Nothing is left.
    """
    if not 0 < low.people <= 1 or (low.images is not None and low.images < 1):
        raise ReidaugError(f"{low.people:g} of the people and {low.images} images each is nothing")
    crops: dict[int, list[int]] = {}
    for place, person in enumerate(people):
        crops.setdefault(person.pid, []).append(place)
    pids = sorted(crops)
    count = max(1, round(low.people * len(pids)))
    chosen = np.random.default_rng([seed, 1]).permutation(pids)[:count].tolist()
    kept: set[int] = set()
    for pid in chosen:
        order = np.random.default_rng([seed, 2, pid]).permutation(crops[pid])
        kept.update(order[: low.images].tolist())
    return tuple(person for place, person in enumerate(people) if place in kept)


def origin(path: Path) -> str:
    """Tell what a crop was warped from.

    Args:
        path: The crop.

    Returns:
        Name of that crop without its ending; its own when it is no warp.
    """
    source = warp_source(path.name)
    return path.stem if source is None else Path(source[0]).stem


def _others(
    root: Path, arm: str, known: set[int], dataset: Path, min_quality: float
) -> tuple[Person, ...]:
    warps = _warps(root, min_quality)
    strangers = {person.pid for person in warps} - known
    if strangers:
        raise ReidaugError(
            f"{root}: {len(strangers)} people of arm {arm} are not among the training people "
            f"of {dataset}, such as {min(strangers)}"
        )
    return warps


def _warps(root: Path, min_quality: float) -> tuple[Person, ...]:
    read = read_market1501(root, splits=(TRAIN,))
    table = read.root / MANIFEST
    if not min_quality or not table.is_file():
        return read.train
    rows = read_manifest(table)
    if any(not {"file", "quality"} <= row.keys() for row in rows[:1]):
        raise ReidaugError(f"{table}: has no columns 'file' and 'quality' to filter warps by")
    good = {Path(row["file"]).name for row in rows if (row["quality"] or 0.0) >= min_quality}
    warps = tuple(person for person in read.train if person.path.name in good)
    if not warps:
        raise ReidaugError(f"{table}: no warp has a quality of {min_quality} or more")
    return warps
