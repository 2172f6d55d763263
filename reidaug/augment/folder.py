"""The folder of an augmented dataset: what is linked, what is copied, what things are called."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from reidaug.data.files import write_atomically
from reidaug.data.images import read_image
from reidaug.data.market1501 import PATTERN, TRAIN
from reidaug.data.people import Person
from reidaug.errors import ReidaugError


def base_name(person: Person) -> str:
    """Name a training image so that every toolkit reads person and camera from it.

    Args:
        person: A crop of any dataset.

    Returns:
        Its own file name where that says both; otherwise person and camera are put before it.
    """
    found = re.match(PATTERN, person.path.name)
    if found and (int(found[1]), int(found[2])) == (person.pid, person.camid):
        return person.path.name
    return f"{person.pid:04d}_c{person.camid}_{person.path.stem}.jpg"


def show_split(source: Path, link: Path) -> bool:
    """Show a folder in another place, by a link, or by a copy where links are not possible.

    Args:
        source: The folder.
        link: Where to show it; nothing happens when something is there.

    Returns:
        Whether there is such a folder.
    """
    if not source.is_dir():
        return False
    if link.is_symlink() or link.exists():
        return True
    try:
        link.symlink_to(source.resolve(), target_is_directory=True)
    except OSError:
        partial = link.with_name(f".{link.name}.part")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial)
        partial.replace(link)
    return True


def copy_originals(people: Iterable[Person], out: Path) -> int:
    """Copy training images beside their warps, byte for byte; unreadable ones are left out.

    Args:
        people: The training images.
        out: The augmented dataset.

    Returns:
        How many there are now.

    Raises:
        OSError: A file cannot be written.
    """
    copied = 0
    for person in people:
        path = out / TRAIN / base_name(person)
        if not path.is_file():
            try:
                read_image(person.path)
            except ReidaugError:
                continue
            write_atomically(path, person.path.read_bytes())
        copied += 1
    return copied
