"""Names of keypoint files and the images they mean: paths, as long as they tell images apart."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from reidaug.data.crop_names import spelled
from reidaug.errors import ReidaugError


def match_images(keys: Iterable[str], images: Sequence[Path], *, file: Path) -> dict[Path, str]:
    """Find the name by which a keypoint file means each image.

    A name means an image where it ends the image's path, folder by folder, or where the image's
    path below the folder of all images ends the name: ``train/a.jpg`` and ``a.jpg`` both mean
    ``root/bounding_box_train/a.jpg``, and only ``x/a.jpg`` or ``a.jpg`` mean ``root/x/a.jpg`` where
    there is a ``root/y`` too. Of several names the one counts that shares most folders with the
    path, and of these one that ends it. A letter with an accent is the same in either of its
    spellings, see `reidaug.data.crop_names.spelled`.

    Args:
        keys: Names in the keypoint file, with ``/``.
        images: The image files.
        file: The keypoint file, for errors.

    Returns:
        The name of each image that has one.

    Raises:
        ReidaugError: A name means two images, or two names mean an image equally well.
    """
    by_name: dict[str, list[tuple[str, ...]]] = {}
    for key in keys:
        parts = tuple(spelled(key).replace("\\", "/").split("/"))
        by_name.setdefault(parts[-1], []).append((key, *parts))
    if not images:
        return {}
    common = len(Path(os.path.commonpath([path.absolute().parent for path in images])).parts)
    found: dict[Path, str] = {}
    owner: dict[str, Path] = {}
    for image in images:
        own = _parts(image)
        candidates = by_name.get(own[-1], ())
        same = [one for one in candidates if one[0].endswith(image.name)]
        best = _longest(same or candidates, own, own[common:])
        if len(best) > 1:
            raise ReidaugError(
                f"{file}: {image} may be {best[0]} or {best[1]}; name images by their paths below "
                "the dataset"
            )
        if not best:
            continue
        key = best[0]
        if key in owner and owner[key] != image:
            raise ReidaugError(
                f"{file}: {key} may be {owner[key]} or {image}; name images by their paths below "
                "the dataset"
            )
        found[image], owner[key] = key, image
    return found


def _parts(image: Path) -> tuple[str, ...]:
    return tuple(spelled(part) for part in image.absolute().parts)


def _longest(
    candidates: Iterable[tuple[str, ...]], own: tuple[str, ...], below: tuple[str, ...]
) -> list[str]:
    """List the names that mean an image best, given its parts, and those below the dataset."""
    best, most = list[str](), (0, False)
    for key, *parts in candidates:
        clean = tuple(part for part in parts if part not in ("", "."))
        shared = 0
        while shared < min(len(clean), len(own)) and clean[-1 - shared] == own[-1 - shared]:
            shared += 1
        whole = shared == len(clean)
        if not whole and shared < len(below):
            continue
        if (shared, whole) > most:
            best, most = [key], (shared, whole)
        elif (shared, whole) == most:
            best.append(key)
    return best


def other_ending(images: Iterable[Path], keys: Iterable[str]) -> str:
    """Say which image a keypoint file has with another ending; nothing where it has none so.

    Images that were converted have such names: ``a.png`` where the file says ``a.jpg``.
    """
    stems = {spelled(Path(key.replace("\\", "/")).stem): key for key in keys}
    for image in images:
        key = stems.get(spelled(image.stem))
        if key is not None and Path(key).suffix != image.suffix:
            return f" ({image.name} is called {key} in it: give both one ending)"
    return ""


NamesByLast = Mapping[str, Sequence[str]]
"""Names of a keypoint file by their last part."""


def by_last_name(names: Iterable[str]) -> NamesByLast:
    """Arrange names of a keypoint file by their last part."""
    arranged: dict[str, list[str]] = {}
    for name in names:
        last = spelled(name).replace("\\", "/").rsplit("/", 1)[-1]
        arranged.setdefault(last, []).append(name)
    return arranged


def names_of(image: Path, names: NamesByLast) -> list[str]:
    """List the names that may mean an image: they end its path, or its path ends them."""
    own = _parts(image)
    found = []
    for name in names.get(own[-1], ()):
        parts = [
            part for part in spelled(name).replace("\\", "/").split("/") if part not in ("", ".")
        ]
        if all(a == b for a, b in zip(reversed(parts), reversed(own), strict=False)):
            found.append(name)
    return found
