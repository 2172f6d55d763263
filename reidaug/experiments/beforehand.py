"""Checks of an experiment's crops before its first step: what would spoil it after hours of work.

Every image is opened; queries have something to find, and find it by what they show rather than by
being a copy of it or of a training crop; the warps of an arm are of the crops that it trains on.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import TypeVar

from reidaug.augment.output_folder import origin_stem, warp_stem
from reidaug.augment.warp_inputs import IMAGES, KnownImages
from reidaug.checksums import SUMS
from reidaug.data.crop_names import JUNK, warp_source
from reidaug.data.dataset_roots import DatasetRoot
from reidaug.data.images import open_image, pixel_digest, read_mask, upright_rgb
from reidaug.data.market1501 import Person
from reidaug.data.plain_images import check_not_plain
from reidaug.dataset_check.identities import DISTRACTOR
from reidaug.dataset_check.retrieval import (
    Copies,
    copied_queries,
    leaked_images,
    unmatched_queries,
)
from reidaug.errors import ReidaugError
from reidaug.experiments.arms import ExperimentOptions
from reidaug.fingerprint import Inputs
from reidaug.machine import cores
from reidaug.runs import counter, notice, stored_recipe

LONG = 20_000  # images; beyond, opening them takes long enough to show progress
SAMPLED = 20  # crops of two datasets that are compared
PLAIN = "name a folder with a copy of its images alone"  # which nothing is known of, and asked
T = TypeVar("T")


def check_retrieval(query: Sequence[Person], gallery: Sequence[Person], *, root: Path) -> None:
    """Check that queries have matches: crops of their person by another camera; tell those without.

    Queries of unknown people, of person -1, have none and do not count.

    Args:
        query: Query crops.
        gallery: Gallery crops.
        root: Their dataset, for messages.

    Raises:
        ReidaugError: No query has a match, or the gallery shows one person alone.
    """
    query = [person for person in query if person.pid != JUNK]
    lost = unmatched_queries(query, gallery)
    if lost.total < len(query) and len({p.pid for p in gallery} - {JUNK}) == 1:
        raise ReidaugError(
            f"{root}: the gallery shows one person alone, {gallery[0].who}: every search finds "
            f"that one, whatever the model, and there is nothing to measure; add crops of others, "
            f"or with evaluate_on: held_out hold out more people"
        )
    if not lost.total:
        return
    reasons = {
        "whose person is not in the gallery": len(lost.absent),
        "whose person only their own camera saw, which does not count": len(lost.same_camera),
    }
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    first = (*lost.absent, *lost.same_camera)[0]
    line = f"{root}: {lost.total} of {len(query)} queries have no match, such as "
    line += f"{first.path.name}: {why}"
    if lost.total == len(query):
        raise ReidaugError(f"{line}; there is nothing to measure: are cameras read from the names?")
    notice(f"{line}; they do not count")


def check_apart(
    train: Sequence[Person], test: Sequence[Person], *, root: Path, place: DatasetRoot
) -> None:
    """Tell where test crops of a dataset are of its training people: scores say too much then.

    Args:
        train: Training crops.
        test: Query and gallery crops.
        root: The dataset, for messages.
        place: How it is read; lists of files number the people of each split separately.
    """
    nobody = {DISTRACTOR} if place.rule.nobody else set[int]()
    shared = {p.pid for p in train} & {p.pid for p in test} - nobody
    if shared and not place.listed:
        first = next(person for person in test if person.pid in shared)
        notice(
            f"{root}: {len(shared)} of {len({p.pid for p in test})} people of query and gallery, "
            f"such as {first.who}, are training people by their numbers: if they are the same, "
            f"scores say too much; keep each person in one part"
        )


def check_images(
    query: Sequence[Person],
    gallery: Sequence[Person],
    train: Sequence[Person] = (),
    others: Iterable[Sequence[Person]] = (),
    masks: Sequence[Path] = (),
) -> None:
    """Open every image and mask, and look for copies that would make the scores mean nothing.

    Args:
        query: Query crops.
        gallery: Gallery crops.
        train: Real crops to train on.
        others: Further crops; with ``train`` these are trained on too, such as warps.
        masks: Person masks.

    Raises:
        ReidaugError: A file cannot be read, most images of a part show one plain colour, or more
            than a hundredth of the queries are copies of their matches, or of query and gallery
            crops of training crops.
    """
    searched = list(dict.fromkeys(person.path for person in (*query, *gallery, *train)))
    known, others = set(searched), tuple(others)
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
        digests = look(_digest, [*searched, *rest])
        look(_opened_mask, masks)
    if errors:
        raise ReidaugError(
            f"{len(errors)} of {total} images cannot be read: {'; '.join(errors[:3])}"
            f"{' ...' if len(errors) > 3 else ''}; replace or remove them"
        )
    for part in (query, gallery, train, *others):
        if part:
            check_not_plain(part[0].path.parent, [person.path for person in part])
    trained = dict.fromkeys((*train, *chain.from_iterable(others))) if train else ()
    _check_copies(query, gallery, tuple(trained), digests)


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
        ReidaugError: A warp is of none of them, or of another crop of the same name; or the root is
            a run folder without checksums, of whose warps nobody knows whether they are as written.
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
    if stored_recipe(root).get("command") and not (root / SUMS).exists():
        raise ReidaugError(
            f"{root}: has no {SUMS} any more, and whether the warps of arm {arm} are as they were "
            f"written is not known; run the command that wrote them again as it was, which writes "
            f"it, or {PLAIN} if they were changed on purpose"
        )
    sources = [own[name] for name in sorted({origin_stem(p) for p in crops} & own.keys())]
    if _check_content(root, sources, arm=arm, dataset=dataset):
        return
    other = _made_of(root)
    if other is None or other.resolve() == dataset.resolve():
        return
    for mine in sources[:: max(1, len(sources) // SAMPLED)]:
        theirs = other / os.path.relpath(mine, dataset)
        if theirs.is_file() and theirs.read_bytes() != mine.read_bytes():
            raise ReidaugError(
                f"{root}: the warps of arm {arm} were made of {other}, whose {mine.name} is "
                f"another image than that of {dataset}: they show other people"
            )


def check_compared(options: ExperimentOptions) -> None:
    """Tell where arms that are compared by default are none of a recipe's, which names no others.

    No gain is then computed. A recipe of one arm compares nothing.
    """
    roles = options.roles()
    lost = [role for role in ("method", "baseline", "controls") if roles[role]]
    lost = [role for role in lost if not options.arms.keys() & {*roles[role]}]
    if lost and len(options.arms) > 1:
        meant = [f"the {role} ({', '.join(roles[role])})" for role in lost]
        asked = ", ".join(repr(role) for role in lost)
        notice(
            f"no arm is {' or '.join(meant)}, which is meant by default: no gain of or over it is "
            f"computed; say which of {', '.join(options.arms)} it is with {asked}"
        )


def check_grounds(options: ExperimentOptions) -> None:
    """Tell where the method is on another ground than all controls that have extra crops.

    What the ground gains would count as its own. Grounds are read from the roots' recipes; roots
    that were not made by `reidaug augment` tell none, and the sources' own ground is that of the
    real crops.

    Args:
        options: The experiment.
    """
    known = {name: _grounds(options.arms[name].crops) for name in options.arms}
    mine = known.get(options.method, set()) - {"source", "keep"}
    theirs = set().union(*(known[name] for name in options.controls if name in known))
    if theirs and (alone := mine - theirs):
        there = ", ".join(sorted(theirs))
        notice(
            f"arm {options.method} is on the background {sorted(alone)[0]!r} and its controls on "
            f"{there}: what the background gains counts as its own; let 'controls' name "
            f"own-pose and torso-affine crops made with --background {sorted(alone)[0]}"
        )


def _grounds(crops: Iterable[Path | None]) -> set[str]:
    recipes = [stored_recipe(root) for root in crops if root is not None]
    return {recipe["background"] for recipe in recipes if isinstance(recipe.get("background"), str)}


def _check_content(root: Path, sources: Sequence[Path], *, arm: str, dataset: Path) -> bool:
    """Check that warps were made of images as they are now, where their root knows of what.

    Args:
        root: Their root, a run folder.
        sources: The images.
        arm: Name of the arm, for messages.
        dataset: The dataset of the images.

    Returns:
        Whether it knows.

    Raises:
        ReidaugError: An image is another one now.
    """
    found = KnownImages.of(root, sources)
    if found is None:
        if stored_recipe(root).get("command") == "augment":
            notice(
                f"{root}: does not tell any more of which images the warps of arm {arm} were "
                f"made; whether these changed since is not known"
            )
        return False
    if found.changed:
        raise ReidaugError(
            f"{root}: the warps of arm {arm} were made of other images than {dataset} holds: "
            f"{len(found.changed):,} of {found.known:,} changed ({', '.join(found.changed[:3])}"
            f"{', ...' if len(found.changed) > 3 else ''}); run `reidaug augment` again as it "
            f"was, or remove {Inputs(root).file(IMAGES)} if the change is meant"
        )
    return True


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


def _digest(path: Path) -> int:
    with open_image(path) as image:
        return pixel_digest(upright_rgb(image))


def _opened_mask(path: Path) -> None:
    read_mask(path)


def _check_copies(
    query: Sequence[Person],
    gallery: Sequence[Person],
    train: Sequence[Person],
    digests: Mapping[Path, int],
) -> None:
    of_pixels = [[digests[person.path] for person in part] for part in (query, gallery, train)]
    copied = copied_queries(query, of_pixels[0], gallery, of_pixels[1])
    _tell(
        copied,
        f"{len(copied.pairs)} of {len(query)} queries are copies of gallery crops of their person",
        "they find themselves",
        "take queries out of the gallery, or give both the same camera",
    )
    test = (*query, *gallery) if gallery is not query else query
    leaked = leaked_images(test, [digests[person.path] for person in test], train, of_pixels[2])
    _tell(
        leaked,
        f"{len(leaked.pairs)} of {len(test)} query and gallery crops are training crops too",
        "the model has seen them",
        "remove them from one side",
    )


def _tell(copies: Copies, what: str, why: str, advice: str) -> None:
    if not copies.pairs:
        return
    mine, other = copies.pairs[0]
    line = (
        f"{mine.path.parent.parent}: {what}, such as {mine.path.name} of {other.path.name}: {why}"
    )
    if copies.many:
        raise ReidaugError(f"{line}, and scores mean nothing; {advice}")
    notice(line)
