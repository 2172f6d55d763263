"""Quality of warps as extra crops, as the manifests of their roots tell it."""

from collections.abc import Sequence
from pathlib import Path

from reidaug.data.crop_names import warp_source
from reidaug.data.image_folders import check_left_out
from reidaug.data.loose_crops import find_folder
from reidaug.data.manifest import read_manifest
from reidaug.data.market1501 import TRAIN, Person
from reidaug.errors import ReidaugError
from reidaug.runs import notice, stored_recipe

MANIFEST = "manifest.parquet"
QUALITIES = {"file": str, "quality": float}
"""Columns of a manifest that tell the quality of warps."""
_AGAIN = "run `reidaug augment` again as it was"


def read_quality(root: Path) -> dict[str, float]:
    """Read the quality in [0, 1] of a root's warps by `Person.file`.

    Raises:
        ReidaugError: There is no such table, or it gives a warp none in [0, 1], or two.
    """
    table, known = root / MANIFEST, dict[str, float]()
    for row in read_manifest(table, QUALITIES):
        name, quality = row["file"].removeprefix(f"{TRAIN}/"), row["quality"]
        if not 0 <= quality <= 1:
            raise ReidaugError(
                f"{table}: {name} has a quality of {quality:g}, and all are from 0 to 1; {_AGAIN}"
            )
        if known.setdefault(name, quality) != quality:
            raise ReidaugError(
                f"{table}: {name} is there twice, of quality {known[name]:g} and {quality:g}; "
                f"{_AGAIN}"
            )
    return known


def good_crops(
    root: Path, crops: Sequence[Person], least: float, *, allow_left_out: bool
) -> tuple[Person, ...]:
    """Choose the crops of a root that are no warps, or of a quality from ``least`` on.

    Raises:
        ReidaugError: The manifest is damaged, no warp is so good, or the manifest does not list
            more than a tenth of the warps, and ``allow_left_out`` is not said.
    """
    table, known, warps = root / MANIFEST, read_quality(root), _warps(crops)
    lines = [f"{p.path}: not in {MANIFEST}" for p in warps if p.file not in known]
    if not any(known.get(person.file, -1.0) >= least for person in warps):
        raise ReidaugError(f"{table}: no warp has a quality of {least} or more")
    check_left_out(root, lines, len(warps), allowed=allow_left_out, advice=_AGAIN)
    if lines:
        notice(f"{table}: does not list {len(lines):,} of {len(warps):,} warps, left out")
    bad = {p.path for p in warps if not known.get(p.file, -1.0) >= least}
    return tuple(person for person in crops if person.path not in bad)


def has_quality(root: Path, crops: Sequence[Person]) -> bool:
    """Whether a root has a manifest, which tells the quality of its warps; true views have none.

    Raises:
        ReidaugError: There are warps among its crops, and the manifest is gone.
    """
    table = root / MANIFEST
    if table.is_file() or stored_recipe(root).get("command") == "synth views":
        return table.is_file()
    if warps := _warps(crops):
        raise ReidaugError(
            f"{table}: no such table, and the quality of {len(warps):,} warps is asked for; "
            f"{_AGAIN}"
        )
    return False


def qualities(
    crops: Sequence[Person], roots: Sequence[Path | None], *, needed: bool = True
) -> list[float]:
    """Look the quality of crops up, each in the manifest of its own root.

    Files of several roots may have one name.

    Args:
        crops: N crops.
        roots: Roots that they are from; None: real crops.
        needed: Whether roots of warps need a manifest.

    Returns:
        N values in [0, 1]; 1 for what is no warp, or has no known quality, which is told.

    Raises:
        ReidaugError: A manifest is missing where it is needed, or holds no quality.
    """
    places = [find_folder(root) for root in roots if root is not None]
    if needed and places and not any((place / MANIFEST).is_file() for place in places):
        raise ReidaugError(
            f"{places[0] / MANIFEST}: no such table, and objective.extra_quality needs the quality "
            "of warps"
        )
    known: dict[Path, float] = {}
    for place in places:
        own = [person for person in crops if person.path.is_relative_to(place)]
        if not (has_quality(place, own) if needed else (place / MANIFEST).is_file()):
            continue
        found = read_quality(place)
        listed = {p.path: found[p.file] for p in own if p.file in found}
        if unlisted := [p for p in _warps(own) if p.path not in listed]:
            notice(
                f"{place / MANIFEST}: does not list {len(unlisted):,} of {len(own):,} warps, such "
                f"as {unlisted[0].path.name}; they count as of quality 1"
            )
        known |= listed
    return [known.get(person.path, 1.0) for person in crops]


def _warps(crops: Sequence[Person]) -> list[Person]:
    return [person for person in crops if warp_source(person.path.name)]
