"""The folder of an augmented dataset: file names, links and copies."""

import hashlib
import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from reidaug.augment.chunk_files import is_own
from reidaug.checksums import flaw_of
from reidaug.data.crop_names import PATTERN, ids_in, warp_source
from reidaug.data.image_folders import check_left_out
from reidaug.data.images import encode_jpeg, is_jpeg, read_image
from reidaug.data.layouts import LAYOUTS
from reidaug.data.market1501 import TRAIN, Person
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import checksum_of, write_atomically
from reidaug.jobs import Records
from reidaug.runs import stored_recipe

LONGEST = 180
"""Bytes of a name's stem that are kept: person, camera and pose are added, and 255 is the limit."""
ORIGINALS = "originals"
"""Record of the copies of training images, with the digests of what they are of."""
AT_ONCE = 2**26
"""Bytes of originals that are held in memory."""
_MARKET = re.compile(PATTERN)


def base_name(person: Person) -> str:
    """Name a training image (``.jpg``) so that every toolkit reads person and camera from it.

    It is the image's own name where that gives both; otherwise person and camera come before it,
    and the person as written where the name does not tell. A name too long for what is added to it
    is cut, and stays one of its own. A crop of a dataset in a layout keeps its place in it.
    """
    if person.place:
        folder, slash, name = person.place.rpartition("/")
        return f"{folder}{slash}{_shortened(name.removesuffix('.jpg'))}.jpg"
    stem = person.path.stem
    word = re.sub(r"[^\w.-]", "-", person.words[0])
    if word not in stem:
        stem = f"{word}_{stem}"
    stem = _shortened(stem)
    if _MARKET.match(stem) and ids_in(_MARKET, stem) == (person.pid, person.camid):
        return f"{stem}.jpg"
    return f"{person.pid:04d}_c{person.camid}_{stem}.jpg"


def _shortened(stem: str) -> str:
    if len(stem.encode()) <= LONGEST:
        return stem
    digest = hashlib.sha256(stem.encode()).hexdigest()[:12]
    return f"{stem.encode()[: LONGEST - 13].decode(errors='ignore')}-{digest}"


def warp_stem(person: Person) -> str:
    """Name, without its ending, that the warps of a crop begin with."""
    return base_name(person).removesuffix(".jpg")


def origin_stem(person: Person) -> str:
    """Find the `warp_stem` of the crop that a warp was made of; a crop's own where it is none."""
    source = warp_source(person.file)
    return warp_stem(person) if source is None else source[0].removesuffix(".jpg")


def training_folder(out: Path) -> Path:
    """Find the folder of the warps of an augmented dataset, as its layout has it."""
    layout = LAYOUTS.get(str(stored_recipe(out).get("layout")))
    return out / TRAIN if layout is None else layout.folder(out, TRAIN)


def files_in(folder: Path) -> list[str]:
    """List what is in a folder and in folders of it, as NAME or FOLDER/NAME, in no order."""
    with os.scandir(folder) as entries:  # half a million files
        found = [(entry.name, entry.is_dir()) for entry in entries]
    within = [f"{name}/{one}" for name, is_folder in found if is_folder
              for one in files_in(folder / name)]  # fmt: skip
    return [*(name for name, _ in found), *within]


def warps_among(files: Iterable[str], sources: Collection[str]) -> set[str]:
    """Find the file names that are those of warps of some sources, by `Source.name`."""
    return {name for name in files if (found := warp_source(name)) and found[0] in sources}


def show_split(source: Path, link: Path) -> bool:
    """Show a folder or file, if it is there, at a link, or by a copy where links are not possible.

    A link that leads nowhere, as the folder was moved or is no more, is removed first. Returns
    whether there is such a folder.

    Raises:
        ReidaugError: Something else is at ``link``, or a copy of the folder as it was, or the
            folder is a link that leads nowhere.
    """
    if link.is_symlink() and not link.exists():
        link.unlink()
    if not source.exists():
        if source.is_symlink():
            raise ReidaugError(f"{source}: a link that leads nowhere; mend it, or remove it")
        return False
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() or link.exists():
        if not _shows(source, link):
            raise ReidaugError(
                f"{link} does not show {source} as it is now; remove it, and it is made again"
            )
        return True
    try:
        link.symlink_to(source.resolve(), target_is_directory=source.is_dir())
    except OSError:
        partial = link.with_name(f".{link.name}.part")
        shutil.rmtree(partial, ignore_errors=True)
        if source.is_dir():
            shutil.copytree(source, partial)
        else:
            shutil.copy2(source, partial)
        partial.replace(link)
    return True


def _shows(source: Path, link: Path) -> bool:
    """Whether a link leads to a folder, or a copy has its files."""
    if link.is_file() and source.is_file():
        return link.read_bytes() == source.read_bytes()
    if link.is_symlink() or not link.is_dir():
        return link.resolve() == source.resolve()
    sizes = []
    for folder in (source, link):
        files = (path for path in folder.rglob("*") if path.is_file())
        sizes.append({path.relative_to(folder): path.stat().st_size for path in files})
    return sizes[0] == sizes[1]


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


def check_warp_names(people: Sequence[Person], root: Path, *, allow_left_out: bool) -> None:
    """Check that the images are no warps, and that few of their warps would have others' names.

    Args:
        people: The training images.
        root: The dataset.
        allow_left_out: Whether more than a tenth of the images may be left out for their names.

    Raises:
        ReidaugError: More would be left out, and it is not allowed; or `augment` made the images.
    """
    recipe = stored_recipe(root)
    made = recipe.get("command") == "augment"
    if warps := [one.path.name for one in people if made and warp_source(one.path.name)]:
        raise ReidaugError(
            f"{root}: {len(warps):,} of {len(people):,} training images, such as {warps[0]}, are "
            f"warps that `reidaug augment` made; name the dataset that they are of, "
            f"{recipe.get('dataset')}"
        )
    first = dict[str, Person]()
    doubles = [
        f"{person.path}, whose warps would have the names of those of {earlier.path.name}"
        for person in people
        if (earlier := first.setdefault(base_name(person), person)) != person
    ]
    check_left_out(root, doubles, len(people), allowed=allow_left_out, advice="rename them apart")


def copy_originals(
    people: Iterable[Person],
    out: Path,
    digests: Mapping[Path, str],
    records: Records,
    train: str = TRAIN,
) -> list[Path]:
    """Copy training images beside their warps; returns the files that are there now.

    Unreadable ones are left out, and those of the name of an earlier one. JPEG files are copied
    byte for byte, others, whatever their names, are stored as JPEG: toolkits read no other. Copies
    of images that are no more are removed, and damaged ones made again.

    Args:
        people: The training images.
        out: The augmented dataset.
        digests: Digest of the content of each image.
        records: Of the run; one of them keeps what each copy is of, and its checksum.
        train: The folder of the warps in it.
    """
    before = _copies(records)
    copied, unwritten = dict[str, list[str]](), dict[Path, bytes]()
    size = 0
    for person in people:
        name, digest = base_name(person), digests[person.path]
        path = out / train / name
        if name in copied:
            continue
        known = before.get(name)
        if known is None or known[0] != digest or flaw_of(path, known[1]):
            content = _as_jpeg(person.path)
            if content is None:
                continue
            unwritten[path] = content
            former = () if known is None else known[1:]
            known = [*dict.fromkeys((digest, checksum_of(content), *former))]
            size += len(content)
        copied[name] = known
        if size > AT_ONCE:
            _write(unwritten, records, before | copied)
            size = 0
    _write(unwritten, records, before | copied)
    for name in before.keys() - copied.keys():
        if is_own(out / train / name, {*before[name][1:]}):
            (out / train / name).unlink(missing_ok=True)
    records.write(ORIGINALS, {name: known[:2] for name, known in copied.items()})
    return [out / train / name for name in copied]


def read_copies(records: Records) -> dict[str, list[str]]:
    """Give the checksums that each copy of a training image has, or had, by its name."""
    return {name: known[1:] for name, known in _copies(records).items()}


def shows_copy(file: Path, image: Path) -> bool:
    """Whether a file has the content that the copy of a training image has."""
    content = _as_jpeg(image)
    return content is not None and is_own(file, {checksum_of(content)})


def _copies(records: Records) -> dict[str, list[str]]:
    """Read the record of copies: the digest of what each is of, its checksum, and former ones."""
    found = records.read(ORIGINALS)
    found = found if isinstance(found, dict) else {}
    return {k: v for k, v in found.items() if isinstance(v, list) and len(v) > 1}


def _write(files: dict[Path, bytes], records: Records, record: Mapping[str, list[str]]) -> None:
    """Write copies, their record first: a killed run's are told from files of the user's."""
    if files:
        records.write(ORIGINALS, record)
    for path, content in files.items():
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, content)
    files.clear()


def _as_jpeg(image: Path) -> bytes | None:
    """Give the JPEG file of an image, its own where it is one; None where it cannot be read."""
    try:
        pixels = read_image(image)
        return image.read_bytes() if is_jpeg(image) else encode_jpeg(pixels)
    except ReidaugError:
        return None
