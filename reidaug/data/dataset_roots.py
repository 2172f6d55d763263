"""Roots of re-ID datasets: where one lies, below which folders, and in which layout."""

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from reidaug.data.crop_names import PATTERN, read_name
from reidaug.data.image_folders import has_images
from reidaug.data.images import SUFFIXES
from reidaug.data.layouts import LAYOUTS, SPLITS, TRAIN, Layout, check_names, first_folder
from reidaug.data.listed_crops import LISTS, MSMT17
from reidaug.data.name_patterns import FOLDERS, NamePattern
from reidaug.data.named_crops import NameRule
from reidaug.errors import ReidaugError, UsageError
from reidaug.runs import stored_recipe

_UNASKED = ("market1501", "msmt17", "image-folder")  # layouts that are read where none is asked for
_BELOW = ("", *(below for name in _UNASKED for below in LAYOUTS[name].below))
SAMPLED = 64  # images whose names decide whether a layout fits
FITS = 0.9  # share of them that it reads


class DatasetRoot(NamedTuple):
    """A dataset, and how it is read."""

    folder: Path  # that of the splits
    rule: NameRule  # what reads persons and cameras: the layout asked for, kept or recognised

    @property
    def listed(self) -> bool:
        """Whether lists, and not folders, tell the crops."""
        return bool(self.rule.lists)

    def split(self, split: str) -> Path:
        """Name the folder of a split; one that is not there where there is none."""
        return first_folder(self.folder, self.rule.folders[split])


def find_dataset(
    root: Path, *, pattern: str | None = None, layout: str | None = None
) -> DatasetRoot:
    """Find a dataset and how its names are read.

    Args:
        root: The folder of the splits, or one of its usual parents.
        pattern: Regular expression that reads person and camera from names.
        layout: A layout, of `LAYOUTS`. With neither, the layout that an augmented dataset keeps, or
            one that is recognised where Market-1501's folders and names are not there.

    Raises:
        ReidaugError: There is no such folder.
        UsageError: Pattern or layout are wrong, or the layout's folders are not there.
    """
    return read_by(root, layout_of(root, pattern=pattern, layout=layout), pattern)


def read_by(root: Path, layout: Layout | None, pattern: str | None) -> DatasetRoot:
    """Find a dataset that is read in a layout, or else by MSMT17's lists or a pattern.

    Raises:
        ReidaugError: There is no such folder.
        UsageError: The pattern is wrong, or the layout's folders are not there.
    """
    names, folder = NamePattern.of(pattern), find_root(root, layout)
    listed = MSMT17 if (folder / LISTS[TRAIN]).is_file() else None
    return DatasetRoot(folder, layout or listed or names)


def layout_of(
    root: Path, *, pattern: str | None = None, layout: str | None = None
) -> Layout | None:
    """Decide in which layout a dataset is read; None: Market-1501's, or a pattern's.

    Raises:
        UsageError: Pattern or layout are wrong, or the folders fit several layouts.
    """
    check_names(pattern, layout)
    if layout is not None:
        return LAYOUTS[layout]
    if pattern is not None:
        return None
    kept = stored_recipe(root.expanduser())
    if kept.get("command") == "augment" and kept.get("layout") in LAYOUTS:
        return LAYOUTS[str(kept["layout"])]
    return recognise(root.expanduser())


def find_root(root: Path, layout: Layout | None = None) -> Path:
    """Find the folder that holds the splits of a layout.

    Without one, any of `SPLITS`, or MSMT17's ``list_train.txt``. ``root`` is the folder itself, or
    one above ``Market-1501-v15.09.15``, ``market1501/Market-1501-v15.09.15``, layumi's ``pytorch``
    or MSMT17's folders.

    Raises:
        ReidaugError: None of them does.
        UsageError: A layout's folders are not there.
    """
    if layout is not None:
        return _find_layout_root(root, layout)
    root = _folder(root, NamePattern.holds)
    for below in _BELOW:
        folder = root / below
        if any((folder / name).is_dir() for name in SPLITS) or (folder / LISTS[TRAIN]).is_file():
            return folder
        if any((folder / name).is_dir() for name in FOLDERS[TRAIN][1:]) and list_people(folder):
            return folder
    if root.name in SPLITS:
        raise ReidaugError(f"{root}: this is one split; point at the folder above, {root.parent}")
    raise ReidaugError(
        f"{root}: no folder {TRAIN} here or in {_BELOW[1]} or {_BELOW[2]} below; "
        f"{NamePattern.holds}"
    )


def split_folder(root: Path, split: str) -> Path:
    """Name the folder of a split, of `FOLDERS`; ``ROOT/SPLIT`` where there is none."""
    return first_folder(root, FOLDERS[split])


def list_people(folder: Path) -> bool:
    """Decide whether a folder's training images lie in folders, one for each person."""
    train = split_folder(folder, TRAIN)
    with_images = (path for path in train.iterdir() if path.is_dir() and has_images(path))
    return not has_images(train) and next(with_images, None) is not None


def recognise(root: Path) -> Layout | None:
    """Recognise the layout of a dataset that has not Market-1501's folders and names.

    Raises:
        UsageError: Its folders and names fit several layouts.
    """
    fitting = [layout for layout in LAYOUTS.values() if layout.recognised and _fits(layout, root)]
    if not fitting or _is_market(root):
        return None
    if len(fitting) > 1:
        options = " or ".join(f"--layout {layout.name}" for layout in fitting)
        raise UsageError(f"{root}: folders and names fit several layouts; {options} decides")
    return fitting[0]


def _find_layout_root(root: Path, layout: Layout) -> Path:
    """Find the folder in which a layout's splits are: the given one, or one of its usual folders.

    Raises:
        ReidaugError: There is no such folder.
        UsageError: The layout's folders are not there; what was looked for, and what fits, is told.
    """
    root = _folder(root, layout.holds)
    if (found := _place_of(layout, root)) is not None:
        return found
    others = [name for name, other in LAYOUTS.items() if _fits(other, root)]
    fits = f"what is here fits --layout {' or '.join(others)}" if others else "no layout fits"
    raise UsageError(f"{root}: {layout.holds}, as in {layout.example}, and none is here; {fits}")


def _folder(root: Path, holds: str) -> Path:
    """Check that there is a folder; what it should hold is told where there is none."""
    root = root.expanduser()
    if not root.is_dir():
        what = "a file, and no folder" if root.is_file() else "no such folder"
        raise ReidaugError(f"{root}: {what}; {holds}")
    return root


def _place_of(layout: Layout, root: Path) -> Path | None:
    """Find a layout's folders in a folder, or in a usual one below it."""
    places = (root / below for below in ("", *layout.below))
    return next((place for place in places if layout.lies_in(place)), None)


def _fits(layout: Layout, root: Path) -> bool:
    """Whether a layout's folders are there and it reads the names in them."""
    place = _place_of(layout, root)
    if place is None:
        return False
    train = layout.folder(place, TRAIN)
    sample = _sample(train) if train.is_dir() else []
    return sum(layout.read(path) is not None for path in sample) >= max(1, FITS * len(sample))


def _is_market(root: Path) -> bool:
    """Whether Market-1501's folders are there and some of the names in them are like its."""
    try:
        train = split_folder(find_root(root), TRAIN)
    except ReidaugError:
        return False
    names = [path.name for path in _sample(train)] if train.is_dir() else []
    return any(read_name(re.compile(PATTERN), name) for name in names)


def _sample(folder: Path) -> list[Path]:
    """List some images of a folder, or where there are none some of the folders in it."""
    images = list(islice(_images(folder), SAMPLED))
    if images:
        return images
    folders = sorted(path for path in folder.iterdir() if path.is_dir())[:8]
    return [path for one in folders for path in islice(_images(one), SAMPLED // 8)]


def _images(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:  # noqa: PTH122
                yield folder / name
