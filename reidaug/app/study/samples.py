"""Samples of a study: one person in one target pose by every method, from runs that made them."""

from collections.abc import Iterator, Mapping, Sequence
from filecmp import cmp
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reidaug.augment.output_folder import training_folder
from reidaug.augment.target_poses import POSES, TargetPoses, read_poses
from reidaug.augment.warp_inputs import KnownImages
from reidaug.augment.warp_manifest import MANIFEST
from reidaug.checksums import REPORT
from reidaug.data.images import read_image, to_bytes
from reidaug.data.loose_crops import read_training
from reidaug.data.manifest import read_manifest
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.compared_warps import (
    compared_estimators,
    compared_pairs,
    finished_comparison,
    warped_pairs,
)
from reidaug.flow.training.pair_sources import subsample
from reidaug.geometry.flow import Size, size_of
from reidaug.geometry.pose import Pose, select
from reidaug.report.figures import Picture, blank, draw_skeleton
from reidaug.runs import stored_recipe

DARK = (40, 44, 52)
READABLE_HEIGHT = 256


class Sample(NamedTuple):
    """One person in one target pose."""

    name: str  # of the source, and the target
    source: Picture
    target: Picture  # skeleton of the target pose
    results: dict[str, Picture]  # by method


class Samples(NamedTuple):
    """Samples that were found, read one by one."""

    methods: tuple[str, ...]
    available: int  # samples there are
    read: Iterator[Sample]  # as many as were asked for, or as there are


def samples_of_comparison(run: Path, methods: Sequence[str], count: int) -> Samples:
    """Take samples from the test pairs of a comparison, evenly spaced, and warp them again.

    Args:
        run: Run folder of `reidaug compare`.
        methods: Its rows; by default all of its recipe, that of its ``reference`` first.
        count: Number of samples.

    Raises:
        ReidaugError: The run is not finished, or its files or pairs cannot be read.
        UsageError: There is no such row.
    """
    recipe = finished_comparison(run)
    estimators = compared_estimators(recipe, run, methods)
    pairs = compared_pairs(recipe)
    shown = subsample(pairs, count)

    def read() -> Iterator[Sample]:
        names = iter(shown.pairs)
        for batch, warps in warped_pairs(recipe, shown, estimators):
            for k, name in zip(range(len(batch.source)), names, strict=False):
                size = size_of(batch.target[k])
                yield Sample(
                    " -> ".join(name),
                    to_bytes(batch.source[k]),
                    skeleton(select(batch.target_pose, k), size),
                    {method: to_bytes(warped[k]) for method, warped in warps.items()},
                )

    return Samples(tuple(estimators), len(pairs.pairs), read())


def samples_of_roots(
    roots: Mapping[str, Path], count: int, *, dataset: Path | None = None, seed: int = 0
) -> Samples:
    """Draw samples from augmented datasets: warps that all have, of a source into a pose.

    As many sources as possible are drawn before one is drawn again, in another pose.

    Args:
        roots: Augmented datasets by method.
        count: Number of samples.
        dataset: The dataset they were made of; by default the one that the first of them names.
        seed: Random seed.

    Raises:
        ReidaugError: A root is not finished, the roots share no warp, were made of different
            poses or images, or two of them hold the same warps.
    """
    targets = _same_poses(roots)
    files = {method: _warps(root) for method, root in roots.items()}
    shared = set.intersection(*(set(of_root) for of_root in files.values()))
    shared = {key for key in shared if 0 <= key[1] < len(targets.images)}
    if not shared:
        raise ReidaugError(f"{_all(roots)}: no source is in one and the same pose in all of them")
    drawn = _draw(sorted(shared), count, seed)
    sources = _sources(roots, {source for source, _ in drawn}, dataset)

    folders = {method: training_folder(root) for method, root in roots.items()}
    for one, other in combinations(roots, 2):
        first, second = ([folders[m] / files[m][key] for key in drawn] for m in (one, other))
        if all(cmp(a, b, shallow=False) for a, b in zip(first, second, strict=True)):
            raise ReidaugError(
                f"{roots[one]} and {roots[other]} hold the same warps: nobody can prefer one of "
                "them; name one of both"
            )

    def read() -> Iterator[Sample]:
        for source, pose in drawn:
            yield Sample(
                f"{source} -> {targets.images[pose]}",
                read_image(sources[source]),
                skeleton(select(targets.pose, pose), targets.size),
                {m: read_image(folders[m] / files[m][source, pose]) for m in roots},
            )

    return Samples(tuple(roots), len(shared), read())


def skeleton(pose: Pose, size: Size) -> Picture:
    """Draw a pose of an image of (height, width) alone, enlarged so that it can be read."""
    return draw_skeleton(blank(size, DARK), pose, scale=max(1, READABLE_HEIGHT // size[0]))


def _same_poses(roots: Mapping[str, Path]) -> TargetPoses:
    """Read the target poses that all roots have."""
    for root in roots.values():
        if stored_recipe(root).get("command") != "augment" or not (root / REPORT).is_file():
            raise ReidaugError(f"{root}: no finished run of `reidaug compare` or `reidaug augment`")
    read = {root: read_poses(root / POSES) for root in roots.values()}
    first, *others = read
    for other in others:
        one, two = read[first], read[other]
        same = (one.size, one.images) == (two.size, two.images)
        if not (same and one.pose.xy.equal(two.pose.xy)):
            raise ReidaugError(
                f"{first} and {other} were warped into different poses; make both with the same "
                "--seed, --poses and --pool"
            )
    return read[first]


def _warps(root: Path) -> dict[tuple[str, int], str]:
    """Read the file names of a root's warps by source and pose."""
    columns = {"file": str, "source": str, "pose": int, "kept": bool}
    rows = read_manifest(root / MANIFEST, columns)
    return {(row["source"], row["pose"]): row["file"] for row in rows if row["kept"]}


def _draw(shared: Sequence[tuple[str, int]], count: int, seed: int) -> list[tuple[str, int]]:
    order = [shared[k] for k in np.random.default_rng(seed).permutation(len(shared))]
    before: dict[str, int] = {}
    times = []
    for source, _ in order:
        times.append(before.get(source, 0))
        before[source] = times[-1] + 1
    return [order[k] for k in np.argsort(times, kind="stable")[:count]]


def _sources(roots: Mapping[str, Path], names: set[str], dataset: Path | None) -> dict[str, Path]:
    """Find the images that roots were made of, by their names in manifests."""
    recipes = {root: stored_recipe(root) for root in roots.values()}
    first = next(iter(recipes))
    place = dataset or Path(str(recipes[first].get("dataset", "")))
    pattern, layout = (recipes[first].get(key) for key in ("pattern", "layout"))
    try:
        crops = read_training(place, pattern=pattern, layout=layout, allow_left_out=True)[0].train
    except ReidaugError as error:
        raise UsageError(f"{error}; name the dataset of the warps with --dataset") from None
    found = {person.key: person.path for person in crops if person.key in names}
    if missing := sorted(names - found.keys()):
        raise UsageError(
            f"{place}: no image {missing[0]}; name the dataset of the warps with --dataset"
        )
    for root in recipes:
        known = KnownImages.of(root, found.values())
        if known is not None and known.changed:
            raise ReidaugError(f"{root}: made of another image {known.changed[0]} than {place} has")
    return found


def _all(roots: Mapping[str, Path]) -> str:
    return ", ".join(str(root) for root in roots.values())
