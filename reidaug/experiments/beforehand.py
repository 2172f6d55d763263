"""Checks of an experiment's crops before its first step: what would spoil it after hours of work.

Every image is opened; queries have something to find, and find it by what they show rather than by
being a copy of it; the warps of an arm are warps of the crops that it trains on.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from reidaug.augment.output_folder import origin_stem, warp_stem
from reidaug.data.crop_names import warp_source
from reidaug.data.images import read_image, read_mask
from reidaug.data.market1501 import Person
from reidaug.errors import ReidaugError
from reidaug.machine import cores
from reidaug.runs import counter, notice, stored_recipe

COPIES = 0.01  # largest share of the queries that may be copies of their own matches
LONG = 20_000  # images; beyond, opening them takes long enough to show progress
SAMPLED = 20  # crops of two datasets that are compared
T = TypeVar("T")


def check_retrieval(query: Sequence[Person], gallery: Sequence[Person], *, root: Path) -> None:
    """Check that queries have matches: crops of their person by another camera; tell those without.

    Args:
        query: Query crops.
        gallery: Gallery crops.
        root: Their dataset, for messages.

    Raises:
        ReidaugError: No query has a match.
    """
    cameras: dict[int, set[int]] = {}
    for person in gallery:
        cameras.setdefault(person.pid, set()).add(person.camid)
    lost = [p for p in query if not cameras.get(p.pid, set()) - {p.camid}]
    if not lost:
        return
    absent = sum(person.pid not in cameras for person in lost)
    reasons = {
        "whose person is not in the gallery": absent,
        "whose person only their own camera saw, which does not count": len(lost) - absent,
    }
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    line = f"{root}: {len(lost)} of {len(query)} queries have no match, such as "
    line += f"{lost[0].path.name}: {why}"
    if len(lost) == len(query):
        raise ReidaugError(f"{line}; there is nothing to measure: are cameras read from the names?")
    notice(f"{line}; they do not count")


def check_images(
    query: Sequence[Person],
    gallery: Sequence[Person],
    *others: Sequence[Person],
    masks: Sequence[Path] = (),
) -> None:
    """Open every image and mask, and look for queries that are copies of their matches.

    Args:
        query: Query crops.
        gallery: Gallery crops.
        others: Further crops, such as those to train on.
        masks: Person masks.

    Raises:
        ReidaugError: A file cannot be read, or more than a hundredth of the queries are copies.
    """
    searched = list(dict.fromkeys(person.path for person in (*query, *gallery)))
    known = set(searched)
    rest = list(dict.fromkeys(p.path for part in others for p in part if p.path not in known))
    errors: list[str] = []
    total = len(searched) + len(rest) + len(masks)

    def look(read: Callable[[Path], T], paths: Sequence[Path]) -> Mapping[Path, T]:
        found: dict[Path, T] = {}
        with ThreadPoolExecutor(cores()) as readers:
            for path, (value, error) in zip(
                paths, readers.map(lambda path: _tried(read, path), paths), strict=True
            ):
                if error is not None:
                    errors.append(error)
                elif value is not None:
                    found[path] = value
                advance(1)
        return found

    with counter(total=total + (total < LONG), what="open images", unit="image") as advance:
        digests = dict(look(_digest, searched))
        look(_opened, rest)
        look(_opened_mask, masks)
    if errors:
        raise ReidaugError(
            f"{len(errors)} of {total} images cannot be read: {'; '.join(errors[:3])}"
            f"{' ...' if len(errors) > 3 else ''}; replace or remove them"
        )
    _check_copies(query, gallery, digests)


def check_sources(
    root: Path, crops: Sequence[Person], real: Sequence[Person], *, arm: str, dataset: Path
) -> None:
    """Check that the warps of an arm are warps of a dataset's training crops.

    Args:
        root: The root that holds the warps, its run folder.
        crops: Its training crops.
        real: The training crops of the dataset.
        arm: Name of the arm, for messages.
        dataset: The dataset.

    Raises:
        ReidaugError: A warp is of none of them, or of another crop of the same name.
    """
    own = {warp_stem(person): person.path for person in real}
    warped = [p for p in crops if warp_stem(p) not in own and warp_source(p.path.name)]
    strangers = [person.path for person in warped if origin_stem(person) not in own]
    if strangers:
        raise ReidaugError(
            f"{root}: {len(strangers)} of {len(crops)} warps of arm {arm} are of no training crop "
            f"of {dataset}, such as {strangers[0].name}: perhaps they show other people; make "
            f"warps of that dataset, or remove those of crops that it lacks"
        )
    if unknown := [p for p in crops if warp_stem(p) not in own and not warp_source(p.path.name)]:
        notice(
            f"{root}: {len(unknown)} of {len(crops)} crops of arm {arm} are neither warps nor "
            f"named as training crops of {dataset}, such as {unknown[0].path.name}: are they of "
            f"the same people?"
        )
    other = _made_of(root)
    if other is None or other.resolve() == dataset.resolve():
        return
    sources = [own[name] for name in sorted({origin_stem(p) for p in crops} & own.keys())]
    for mine in sources[:: max(1, len(sources) // SAMPLED)]:
        theirs = other / os.path.relpath(mine, dataset)
        if theirs.is_file() and theirs.read_bytes() != mine.read_bytes():
            raise ReidaugError(
                f"{root}: the warps of arm {arm} were made of {other}, whose {mine.name} is "
                f"another image than that of {dataset}: they show other people"
            )


def _made_of(root: Path) -> Path | None:
    """Read from a root's recipe what dataset it was made of; None where it does not tell."""
    named = stored_recipe(root).get("dataset")
    folder = Path(named) if isinstance(named, str) else None
    return folder if folder is not None and folder.is_dir() else None


def _tried(read: Callable[[Path], T], path: Path) -> tuple[T | None, str | None]:
    try:
        return read(path), None
    except ReidaugError as error:
        return None, str(error)


def _digest(path: Path) -> bytes:
    """Hash the pixels of an image: copies in another file format have the same."""
    image = read_image(path)
    return hashlib.blake2b(
        image.numpy().tobytes() + repr(tuple(image.shape)).encode(), digest_size=16
    ).digest()


def _opened(path: Path) -> None:
    read_image(path)


def _opened_mask(path: Path) -> None:
    read_mask(path)


def _check_copies(
    query: Sequence[Person], gallery: Sequence[Person], digests: Mapping[Path, bytes]
) -> None:
    there: dict[tuple[bytes, int], list[Person]] = {}
    for person in gallery:
        there.setdefault((digests[person.path], person.pid), []).append(person)
    copies = []
    for person in query:
        same = there.get((digests[person.path], person.pid), ())
        if twin := next((other for other in same if other.camid != person.camid), None):
            copies.append((person.path, twin.path))
    if not copies:
        return
    mine, other = copies[0]
    line = (
        f"{mine.parent.parent}: {len(copies)} of {len(query)} queries are copies of gallery crops "
        f"of their person, such as {mine.name} of {other.name}: they find themselves"
    )
    if len(copies) > COPIES * len(query):
        raise ReidaugError(
            f"{line}, and scores mean nothing; take queries out of the gallery, or give both the "
            f"same camera"
        )
    notice(line)
