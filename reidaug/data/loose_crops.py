"""Training images of a dataset, or a folder of crops with any names."""

from pathlib import Path

from reidaug.data.crop_names import JUNK, PATTERN, compile_pattern, ids_in
from reidaug.data.images import image_files
from reidaug.data.market1501 import SPLITS, TRAIN, Person, ReIDDataset, find_root, read_market1501
from reidaug.errors import ReidaugError


def read_training(dataset: Path, *, pattern: str | None = None) -> tuple[ReIDDataset, bool]:
    """Read the training images of a dataset, or a folder of crops.

    Args:
        dataset: A Market-1501 root or one of its usual parents, or a folder of images.
        pattern: Regular expression that reads person and camera from names, see
            `reidaug.data.market1501.read_market1501`. Without it, where no name in a folder of
            crops is like Market-1501's, each crop counts as a person of its own, numbered from 1
            by name, under camera 1.

    Returns:
        The images (of a folder of crops in any format, without junk), and whether each crop counts
        as a person of its own.

    Raises:
        ReidaugError: There is no such folder, or nothing in it to read.
        UsageError: The pattern is no regular expression with these groups.
    """
    try:
        root = find_root(dataset)
    except ReidaugError:
        if dataset.name in SPLITS or not dataset.expanduser().is_dir():
            raise
        return _loose(dataset.expanduser(), crops_in(dataset), pattern)
    return read_market1501(root, pattern=pattern, splits=(TRAIN,)), False


def crops_in(folder: Path) -> tuple[Path, ...]:
    """List the images of a folder of crops by name.

    Raises:
        ReidaugError: There is none.
    """
    crops = image_files(folder.expanduser())
    if not crops:
        raise ReidaugError(
            f"{folder}: neither images in it nor a folder {TRAIN}; name a folder of crops or a "
            "Market-1501 root"
        )
    return crops


def _loose(folder: Path, crops: tuple[Path, ...], pattern: str | None) -> tuple[ReIDDataset, bool]:
    compiled = compile_pattern(pattern or PATTERN)
    ids = [ids_in(compiled, path.name) for path in crops]
    if pattern is None and not any(ids):
        people = tuple(Person(path, number, 1) for number, path in enumerate(crops, 1))
        return ReIDDataset(folder, people, (), ()), True
    named = zip(crops, ids, strict=True)
    people = tuple(Person(path, *own) for path, own in named if own and own[0] != JUNK)
    left_out = tuple(
        f"{path}: the name does not match {compiled.pattern}"
        for path, own in zip(crops, ids, strict=True)
        if own is None
    )
    if not people:
        raise ReidaugError(
            f"{folder}: of {len(crops)} images none has a name that matches {compiled.pattern}"
        )
    return ReIDDataset(folder, people, (), (), left_out), False
