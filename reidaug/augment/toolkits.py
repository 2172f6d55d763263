"""Augmented datasets in torchreid."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.augment.output_folder import base_name
from reidaug.augment.warp_inputs import KnownImages
from reidaug.checksums import REPORT, check_written
from reidaug.data.crop_names import warp_source
from reidaug.data.dataset_roots import find_dataset
from reidaug.data.image_folders import MOST_LEFT_OUT
from reidaug.data.loose_crops import read_people
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, Person, read_market1501
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.files import summarise_left_out
from reidaug.runs import notice, stored_recipe


def torchreid_dataset(
    warps: Path | str,
    *,
    originals: Path | str | None = None,
    ratio: float | None = None,
    repeat: int = 1,
    seed: int = 0,
    pattern: str | None = None,
    layout: str | None = None,
    allow_left_out: bool = False,
) -> Callable[..., Any]:
    """Make the factory that ``torchreid.data.register_image_dataset`` takes.

    It makes a ``torchreid.data.ImageDataset`` and can be sent to workers. Persons and cameras are
    numbered from 0 for training, as torchreid needs it, whatever their ids are: camera ids of
    several digits work as well.

    Args:
        warps: The augmented dataset; query and gallery are taken from it.
        originals: The root whose training images are used beside the warps; by default those that
            ``--keep-original`` left in ``warps``, if any.
        ratio: Mean number of warps kept of each source image, drawn once; by default all. With
            2.5, two or three. A ratio of 0 keeps none: the control.
        repeat: How often each original is listed, to weigh originals against warps.
        seed: Random seed.
        pattern: Regular expression for the file names of ``originals``, and of query and gallery,
            which are those of the dataset that was augmented.
        layout: The layout of ``originals``, in place of a pattern; by default that of ``warps``,
            which tell their own.
        allow_left_out: Whether more than a tenth of a split's images may be left out.

    Raises:
        ReidaugError: A root is missing or holds nothing to read, the warps are not finished,
            damaged or none, or were made of other images than ``originals`` holds.
        UsageError: torchreid is not installed, or an argument is out of range.
    """
    require_extra("torchreid", "torchreid")
    from reidaug.augment.torchreid_images import TorchreidDataset

    fits = ratio is None or (ratio >= 0 and math.isfinite(ratio))
    if not (isinstance(repeat, int) and repeat >= 1 and fits and seed >= 0):
        raise UsageError(
            f"repeat is a whole number from 1, ratio at least 0, seed from 0, not {repeat}, "
            f"{ratio} and {seed}"
        )
    _check_finished(Path(warps))
    read = partial(read_market1501, allow_left_out=allow_left_out)
    crops = read(Path(warps), splits=(TRAIN,))
    _check_test_crops(Path(warps), crops.train, pattern)
    made = read(Path(warps), pattern=pattern, splits=(QUERY, GALLERY))
    roots = [made, crops]
    real = [person for person in crops.train if warp_source(person.file) is None]
    warped = [person for person in crops.train if warp_source(person.file) is not None]
    if not warped and ratio != 0:
        raise ReidaugError(
            f"{warps}: no image in it has the name of a warp, such as 0002_c1s1_000451_03_w07.jpg; "
            "name the folder that `reidaug augment` made"
        )
    if originals is not None:
        if pattern is None and layout is None:
            layout = crops.layout or None
        own = read_people(
            Path(originals), pattern=pattern, layout=layout, allow_left_out=allow_left_out
        )
        real, roots = list(own.train), [*roots, own]
        _check_sources(Path(warps), warped, real, originals=own.root)
    if left_out := [line for root in roots for line in root.left_out]:
        images = sum(len(part) for root in roots for part in (root.train, root.query, root.gallery))
        notice(summarise_left_out(left_out, images + len(left_out), what="images"))
    train = [*(real * repeat), *draw_warps(warped, ratio, seed=seed)]
    if not train:
        raise UsageError(f"{warps}: ratio 0 leaves nothing to train on; name the originals")
    pids = sorted({person.pid for person in train})
    label = {pid: k for k, pid in enumerate(pids)}
    cameras = sorted({p.camid for p in (*train, *made.query, *made.gallery)})
    camera = {camid: k for k, camid in enumerate(cameras)}
    rows = (
        [(str(p.path), label[p.pid], camera[p.camid]) for p in train],
        [(str(p.path), p.pid, camera[p.camid]) for p in made.query],
        [(str(p.path), p.pid, camera[p.camid]) for p in made.gallery],
    )
    return partial(TorchreidDataset, *rows)


def _check_finished(warps: Path) -> None:
    """Check that a folder of warps is whole; one that is no run of ours passes."""
    check_written(warps)
    if stored_recipe(warps).get("command") == "augment" and not (warps / REPORT).is_file():
        raise ReidaugError(
            f"{warps}: `reidaug augment` has not finished it; run it again as it was"
        )


def _check_test_crops(warps: Path, train: Sequence[Person], pattern: str | None) -> None:
    """Check that there are queries, of which a folder of crops, and so of its warps, has none."""
    place = find_dataset(warps, pattern=pattern)
    if place.listed or place.split(QUERY).is_dir():
        return
    sources = {found[0] for person in train if (found := warp_source(person.file))}
    single = len(sources) == len({person.pid for person in train})
    alone = ", and each crop counts as a person of its own" if single else ""
    raise ReidaugError(
        f"{warps}: no {place.split(QUERY).name} and {place.split(GALLERY).name}, which torchreid "
        f"tests with{alone}, as in warps of a plain folder of crops; run `reidaug augment` on a "
        "dataset that has them and persons in its names (--pattern reads them), or put both "
        "folders there"
    )


def _check_sources(
    warps: Path, warped: Sequence[Person], real: Sequence[Person], *, originals: Path
) -> None:
    """Check that warps were made of these originals: of their names and, if known, content."""
    by_name = {base_name(person): person for person in real}
    sources = {found[0] for person in warped if (found := warp_source(person.file))}
    strange = sorted(sources - by_name.keys())
    if len(strange) > MOST_LEFT_OUT * len(sources):
        raise ReidaugError(
            f"{warps}: {len(strange):,} of {len(sources):,} images that it has warps of, such as "
            f"{strange[0]}, are not in {originals}; name the dataset they were made of"
        )
    kept = KnownImages.of(warps, (by_name[name].path for name in sorted(sources & by_name.keys())))
    if kept is not None and kept.changed:
        raise ReidaugError(
            f"{warps}: made of other images than {originals} holds: {len(kept.changed):,} of "
            f"{kept.known:,} differ, such as {kept.changed[0]}; name the dataset they were made "
            "of, or run `reidaug augment` again"
        )


def draw_warps(warps: Sequence[Person], ratio: float | None, *, seed: int) -> list[Person]:
    """Keep some warps of each source image, in the order of the sources.

    Args:
        warps: Warps, named by `reidaug.data.crop_names.warp_name`.
        ratio: Mean number kept of each source; None keeps all.
        seed: Random seed.
    """
    if ratio is None:
        return list(warps)
    of_source: dict[str, list[Person]] = defaultdict(list)
    for person in warps:
        found = warp_source(person.file)
        of_source[found[0] if found else person.file].append(person)
    rng, kept = np.random.default_rng(seed), list[Person]()
    for own in of_source.values():
        count = int(ratio) + int(rng.random() < ratio - int(ratio))
        kept += [own[k] for k in sorted(rng.permutation(len(own))[:count])]
    return kept
