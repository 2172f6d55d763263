"""Files of an augmented dataset: those of its run, and those that the user put among them.

A file is the run's own where a record of a chunk or of the originals has its name, where the run's
checksums have it, or where it has the content that a killed run was about to write.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from reidaug.augment.chunk_files import check_owned, is_own
from reidaug.augment.engine import RECORDS, WarpJob
from reidaug.augment.inputs import Source
from reidaug.augment.output_folder import (
    ORIGINALS,
    base_name,
    files_in,
    read_copies,
    shows_copy,
    warps_among,
)
from reidaug.augment.warp_manifest import ChunkRecord
from reidaug.checksums import SUMS, Checksums
from reidaug.data.market1501 import TRAIN, Person
from reidaug.files import remove_partials


def check_strangers(
    job: WarpJob, chunks: Sequence[Sequence[Source]], copied: Sequence[Person] = ()
) -> None:
    """Check before the work that no file of the user's would be overwritten.

    Args:
        job: The work; its folder may hold warps already.
        chunks: Its sources.
        copied: Training images whose copies belong beside the warps.

    Raises:
        ReidaugError: A file of the name of a warp or of a copy is of no run; the first are named.
    """
    folder = job.folder
    if not folder.is_dir():
        return
    there = {*files_in(folder)}
    sources = {source.name for chunk in chunks for source in chunk}
    originals = {name: one.path for one in reversed(copied) if (name := base_name(one)) in there}
    left = {*warps_among(there, sources), *originals}
    known = Checksums(job.out / SUMS).read() or {}
    left.difference_update(name.removeprefix(f"{job.train}/") for name in known)
    if job.records.damaged(ORIGINALS):
        copies = {*originals} & left
        left.difference_update(n for n in copies if shows_copy(folder / n, originals[n]))
    begun = [(name, own) for name, own in read_copies(job.records).items() if name in left]
    for index, record in _records(job) if left else ():
        if record is not None:
            left.difference_update(record.names, record.former)
            begun.extend((name, [own]) for name, own in record.begun)
        elif index < len(chunks):  # damaged: its warps are compared when they are made again
            left.difference_update(warps_among(left, {source.name for source in chunks[index]}))
    left.difference_update(name for name, own in begun if is_own(folder / name, {*own}))
    check_owned([folder / name for name in sorted(left)])


def remove_former(job: WarpJob, chunks: int) -> None:
    """Remove the warps of sources that are no more, once all of so many chunks are made."""
    former, past = set[str](), list[int]()
    for index, record in _records(job):
        if index >= chunks or (record is not None and record.former):
            past.append(index)
        if record is not None:
            former.update(record.former, record.names if index >= chunks else ())
    for index, record in _records(job) if former else ():
        former.difference_update(record.names if record and index < chunks else ())
    for name in former:
        (job.folder / name).unlink(missing_ok=True)
    _remove_empty({(job.folder / name).parent for name in former} - {job.folder})
    for index in past:
        _forget(job, index, whole=index >= chunks)


def _remove_empty(folders: set[Path]) -> None:
    """Remove folders of persons that have no warp any more."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _forget(job: WarpJob, index: int, *, whole: bool) -> None:
    """Remove a record, or the names in it that are free for the user now."""
    record = ChunkRecord.read(job.records.read(index))
    if whole or record is None:
        job.records.path(index).unlink()
    else:
        job.records.write(index, record._replace(former=())._asdict())


def remove_leftovers(out: Path, train: str = TRAIN) -> None:
    """Remove what a killed run left half written in an augmented dataset; ``train``: its warps."""
    with os.scandir(out / train) as entries:
        people = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    for folder in (out, out / train, *people, out / RECORDS):
        remove_partials(folder)


def _records(job: WarpJob) -> Iterator[tuple[int, ChunkRecord | None]]:
    """Read the records of chunks by number; None for each damaged one."""
    for path in sorted(job.records.folder.glob("[0-9]*.json")):
        if path.stem.isdecimal():
            yield int(path.stem), ChunkRecord.read(job.records.read(path.stem))
