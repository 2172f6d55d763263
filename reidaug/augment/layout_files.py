"""Files of an augmented dataset that its layout asks for beside the warps: other splits, lists."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from reidaug.augment.output_folder import base_name, show_split
from reidaug.data.layouts import LAYOUTS
from reidaug.data.listed_crops import list_lines
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN, ReIDDataset, split_folder
from reidaug.files import write_atomically


def show_beside(dataset: ReIDDataset, out: Path) -> list[str]:
    """Show what belongs to query and gallery of a dataset beside its warps; returns what is there.

    Args:
        dataset: The dataset that is augmented.
        out: The augmented dataset, in the same layout.

    Raises:
        ReidaugError: Something else is in the place, or a copy of it as it was.
    """
    if not dataset.layout:
        folders = {name: split_folder(dataset.root, name) for name in (QUERY, GALLERY)}
        names = {name: folder for name, folder in folders.items() if not folder.is_file()}
    else:
        names = {name: dataset.root / name for name in LAYOUTS[dataset.layout].beside}
    return [name for name, source in names.items() if show_split(source, out / name)]


def write_lists(
    out: Path, dataset: ReIDDataset, people: Mapping[str, int], originals: Sequence[Path]
) -> list[Path]:
    """Write the lists of training crops that a layout has; returns their files.

    Further lists of the layout are empty: all crops are in the first.

    Args:
        out: The augmented dataset.
        dataset: The dataset that is augmented.
        people: The person of each warp, by its name below the folder of training crops.
        originals: Copies of training crops beside the warps.
    """
    names = LAYOUTS[dataset.layout].lists.get(TRAIN, ()) if dataset.layout else ()
    if not names:
        return []
    copied = {path.relative_to(out / dataset.train_folder).as_posix() for path in originals}
    real = {name: p.pid for p in dataset.train if (name := base_name(p)) in copied}
    contents = [list_lines({**people, **real}), *("" for _ in names[1:])]
    for name, content in zip(names, contents, strict=True):
        write_atomically(out / name, content.encode())
    return [out / name for name in names]
