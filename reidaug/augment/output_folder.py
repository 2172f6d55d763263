"""The folder of an augmented dataset: file names, links and copies."""

import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from reidaug.data.crop_names import PATTERN, ids_in, warp_source
from reidaug.data.images import encode_jpeg, read_image
from reidaug.data.market1501 import TRAIN, Person
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import write_atomically
from reidaug.jobs import Records

LONGEST = 180
"""Bytes of a name's stem that are kept: person, camera and pose are added, and 255 is the limit."""
ORIGINALS = "originals"
"""Record of the copies of training images, with the digests of what they are of."""
_MARKET = re.compile(PATTERN)


def base_name(person: Person) -> str:
    """Name a training image (``.jpg``) so that every toolkit reads person and camera from it.

    It is the image's own name where that gives both; otherwise person and camera come before it.
    A name too long for what is added to it is cut, and stays one of its own.
    """
    stem = person.path.stem
    if len(stem.encode()) > LONGEST:
        digest = hashlib.sha256(stem.encode()).hexdigest()[:12]
        stem = f"{stem.encode()[: LONGEST - 13].decode(errors='ignore')}-{digest}"
    if _MARKET.match(stem) and ids_in(_MARKET, stem) == (person.pid, person.camid):
        return f"{stem}.jpg"
    return f"{person.pid:04d}_c{person.camid}_{stem}.jpg"


def warp_stem(person: Person) -> str:
    """Name, without its ending, that the warps of a crop begin with."""
    return Path(base_name(person)).stem


def origin_stem(person: Person) -> str:
    """Find the `warp_stem` of the crop that a warp was made of; a crop's own where it is none."""
    source = warp_source(person.path.name)
    return warp_stem(person) if source is None else Path(source[0]).stem


def show_split(source: Path, link: Path) -> bool:
    """Show a folder, if there is one, at a link, or by a copy where links are not possible.

    Nothing happens when something is at ``link`` already. Returns whether there is such a folder.
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


def check_originals(people: Sequence[Person], root: Path) -> None:
    """Check that no training image has the name of a warp of another: one would hide the other.

    Args:
        people: The training images, all to be copied beside their warps.
        root: The dataset, for the error.

    Raises:
        UsageError: One has, as in an augmented dataset.
    """
    names = {base_name(person) for person in people}
    doubtful = [name for name in sorted(names) if (warp_source(name) or ("",))[0] in names]
    if doubtful:
        raise UsageError(
            f"--keep-original: {len(doubtful):,} of the {len(people):,} images of {root} have "
            f"names of warps of others in it, such as {doubtful[0]}, which new warps may have; "
            "augment the dataset they were made of, or leave --keep-original out"
        )


def copy_originals(
    people: Iterable[Person], out: Path, digests: Mapping[Path, str], records: Records
) -> int:
    """Copy training images beside their warps; returns the number of files that are there now.

    Unreadable ones are left out, and those of the name of an earlier one. JPEG files are copied
    byte for byte, others are stored as JPEG: toolkits read no other. Copies of images that are no
    more are removed.

    Args:
        people: The training images.
        out: The augmented dataset.
        digests: Digest of the content of each image.
        records: Of the run; one of them keeps what each copy is of.
    """
    before = records.read(ORIGINALS)
    before = before if isinstance(before, dict) else {}
    copied = dict[str, str]()
    for person in people:
        name, digest = base_name(person), digests[person.path]
        path = out / TRAIN / name
        if name in copied:
            continue
        if before.get(name) != digest or not path.is_file():
            try:
                image = read_image(person.path)
            except ReidaugError:
                continue
            whole = person.path.suffix.lower() in (".jpg", ".jpeg")
            write_atomically(path, person.path.read_bytes() if whole else encode_jpeg(image))
        copied[name] = digest
    for name in before.keys() - copied.keys():
        (out / TRAIN / name).unlink(missing_ok=True)
    records.write(ORIGINALS, copied)
    return len(copied)
