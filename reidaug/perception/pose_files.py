"""Files of estimated poses: a keypoint file, those beside it, masks; whose they are."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from reidaug.checksums import CHANGED, flaw_of, is_one_of
from reidaug.data.image_folders import POSE_SHEET
from reidaug.data.images import mask_path
from reidaug.errors import ReidaugError
from reidaug.files import read_text, remove_partials, write_atomically
from reidaug.fingerprint import content_digest
from reidaug.perception.mask_folders import MASKS
from reidaug.perception.pose_records import (
    CropChunk,
    PoseJob,
    own_masks,
    read_chunks,
)
from reidaug.perception.pose_report import PoseReport
from reidaug.perception.pose_sums import (
    flaws,
    name_of,
    read_sums,
    renew_sums,
    sums_file,
    write_sums,
)
from reidaug.perception.provenance import provenance_file

REPORT, LEFT_OUT, SHEET = ".report.json", ".left_out.txt", POSE_SHEET
WRITTEN = "written"
"""Record of the digest of a keypoint file as it was written."""
WRITING = "writing"
"""Record of whether a run has begun to write its keypoint file and those beside it."""


class TakenFileError(ReidaugError):
    """A file is there that a run would overwrite, and that is not its own or was changed since."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what}; {advice}")
        self.what = what


def beside(out: Path, ending: str) -> Path:
    """Return the path next to a keypoint file with the ending `REPORT`, `LEFT_OUT` or `SHEET`."""
    return out.with_name(f"{out.stem}{ending}")


def is_outdated(out: Path, inputs: str) -> bool:
    """Whether a keypoint file is of other inputs, is gone, or what lies beside it cannot tell.

    Checksums that were removed do not count: changes are then meant.
    """
    known = read_sums(out) or _report(out)
    damaged = sums_file(out).exists() and read_sums(out) is None
    return known is None or known.inputs != inputs or not out.exists() or damaged


def finished_report(
    job: PoseJob, out: Path, inputs: str, content: Mapping[str, str]
) -> PoseReport | None:
    """Read the report of the same work done before; None where something is left to do.

    Args:
        job: The work.
        out: The keypoint file.
        inputs: Digest of the work.
        content: Digest of the content of each crop by its name, see `PoseJob.name`.

    Raises:
        ReidaugError: ``out`` is of other work.
    """
    if not out.exists() or job.folder.exists():
        return None
    report, sums = _report(out), read_sums(out)
    known = sums or report
    if known is None or known.inputs != inputs:
        raise TakenFileError(
            f"{out} is there already, and not of these crops as they are now, or by another "
            "network or version",
            "name another file with --out, or delete it",
        )
    masks = _masks(job, content)
    found = flaws(out, [out, *_files_beside(out), *masks])
    for path in (out, *masks):  # which may have been mended by hand
        if found.get(path) == CHANGED:
            raise TakenFileError(
                f"{path} is {CHANGED} by this command",
                "delete it, and it is made again, or name another file with --out",
            )
    complete = report is not None and not found and _are_whole(out)
    if sums is not None:  # what else is in the folder of masks is the user's
        masks = [path for path in masks if name_of(out, path) in sums.files]
    if complete and report is not None and job.masks is not None:
        complete = sum(path.exists() for path in masks) >= report.outlines
    if complete and (sums is None or sums.crops is None):  # an older version, or damaged
        there = [path for path in masks if path.exists()]
        write_sums(out, inputs, [*_files_beside(out), *there], content)
    return report if complete else None


def write_report(out: Path, report: PoseReport) -> None:
    """Write the report beside a keypoint file."""
    content = json.dumps(report._asdict(), indent=1) + "\n"
    write_atomically(beside(out, REPORT), content.encode())


def renew_left_out(out: Path, report: PoseReport, left_out: Sequence[str]) -> PoseReport:
    """Renew what a finished run tells of images that are not among its crops.

    Args:
        out: The keypoint file.
        report: The report beside it.
        left_out: A line for each such image as it is now.

    Returns:
        The report as it is now.
    """
    counted = report.without_person + report.not_readable
    lines = read_text(beside(out, LEFT_OUT)).splitlines()
    before, of_crops = lines[: len(lines) - counted], lines[len(lines) - counted :]
    if before == list(left_out):
        return report
    report = report._replace(left_out=len(left_out) + counted)
    text = "".join(f"{line}\n" for line in (*left_out, *of_crops))
    write_atomically(beside(out, LEFT_OUT), text.encode())
    write_report(out, report)
    renew_sums(out, [beside(out, REPORT), beside(out, LEFT_OUT)])
    return report


def note_files(
    job: PoseJob,
    out: Path,
    chunks: Sequence[CropChunk],
    inputs: str,
    content: Mapping[str, str],
) -> None:
    """Write the checksums of the files of a run that is done; see `finished_report`."""

    def masks() -> Iterator[Path]:
        for chunk in read_chunks(job, chunks) if job.masks is not None else ():
            yield from _masks(job, [row.name for row in chunk.rows if row.outlined])

    write_sums(out, inputs, [*_files_beside(out), *masks()], content)


def check_own(job: PoseJob, chunks: Sequence[CropChunk], out: Path) -> None:
    """Check that nothing of the user's would be overwritten, and remove what a killed run left.

    Files are a run's own where it left its records, or a report beside ``out``.

    Raises:
        ReidaugError: A file beside ``out`` or a mask is there already.
    """
    beside_out = [*_files_beside(out), sums_file(out)]
    if job.folder.exists():
        remove_partials(out.parent, of=[out.name, *(path.name for path in beside_out)])
        if not job.records.read(WRITING):
            _check_unwritten(job, out, beside_out)
        check_masks(job, chunks, out, own=job.records.read(MASKS) == str(job.masks))
        _remove_partial_masks(job, chunks)
        return
    if _report(out) is None and read_sums(out) is None:
        _check_free(beside_out)
    check_masks(job, chunks, out, own=False)


def _check_unwritten(job: PoseJob, out: Path, beside_out: Sequence[Path]) -> None:
    """Check the files of a run that was killed before it wrote them: they are of the run before."""
    if _report(out) is None and read_sums(out) is None:
        written = job.records.read(WRITTEN)
        if written is None or content_digest(out) != written:
            _check_free([out, *beside_out])
    for path, flaw in flaws(out, [out]).items():
        if flaw == CHANGED:  # what lies beside it, and is damaged, is made again
            raise TakenFileError(
                f"{path} was changed since, and would be overwritten",
                "name another file with --out, or delete it",
            )


def _check_free(files: Sequence[Path]) -> None:
    for path in files:
        if path.exists() or path.is_symlink():
            raise TakenFileError(
                f"{path} is there already, and not of this command",
                "name another file with --out, or move it",
            )


def _files_beside(out: Path) -> list[Path]:
    """List the files that a finished run leaves beside a keypoint file."""
    return [*(beside(out, ending) for ending in (REPORT, LEFT_OUT, SHEET)), provenance_file(out)]


def _are_whole(out: Path) -> bool:
    """Whether the files beside a keypoint file are there, and the list of them can be read."""
    try:
        read_text(beside(out, LEFT_OUT))
    except ReidaugError:
        return False
    return all(path.exists() for path in _files_beside(out))


def _masks(job: PoseJob, names: Iterable[str]) -> list[Path]:
    """List the files that masks of crops have, by the crops' names, if there are any."""
    return [] if job.masks is None else [mask_path(job.masks, name) for name in names]


def _names(job: PoseJob, chunks: Sequence[CropChunk]) -> list[str]:
    return [job.name(path) for chunk in chunks for path in chunk.crops]


def _report(out: Path) -> PoseReport | None:
    """Read the report beside a keypoint file; None where there is none, or it is of other work."""
    try:
        return PoseReport(**json.loads(read_text(beside(out, REPORT))))
    except (ReidaugError, ValueError, TypeError):
        return None


def _remove_partial_masks(job: PoseJob, chunks: Sequence[CropChunk]) -> None:
    files = _masks(job, _names(job, chunks))
    for folder in {file.parent for file in files}:
        remove_partials(folder, of={file.name for file in files if file.parent == folder})


def check_former_masks(job: PoseJob, out: Path) -> None:
    """Check that a run leaves behind no masks of the one before it, in another folder.

    They would be masks of crops as they were, and nobody could tell.

    Raises:
        ReidaugError: There are such masks.
    """
    sums, folder = read_sums(out), out.parent.resolve()
    beside_out = {out.resolve(), *(path.resolve() for path in _files_beside(out))}
    former = {Path(os.path.normpath(folder / name)) for name in (sums.files if sums else ())}
    before = job.records.read(MASKS)
    if isinstance(before, str) and before != str(job.masks):
        masks = ((mask_path(Path(before), name), own) for name, own in own_masks(job, ()).items())
        former |= {path for path, own in masks if is_one_of(path, own)}
    there = [path for path in sorted(former - beside_out) if path.is_file()]
    left = [path for path in there if job.masks is None or job.masks not in path.parents]
    if left:
        raise TakenFileError(
            f"{out} has masks in {left[0].parent}, such as {left[0].name}, which would be left "
            "behind",
            "give the same --masks, name another file with --out, or move these masks away",
        )


def check_masks(job: PoseJob, chunks: Sequence[CropChunk], out: Path, *, own: bool) -> None:
    """Check that no mask of the user's, made or changed by hand, would be overwritten.

    Args:
        job: The work; its folder holds the records.
        chunks: The crops.
        out: The keypoint file, beside which are the checksums of a finished run.
        own: Whether the records are of masks in this folder.

    Raises:
        ReidaugError: One would.
    """
    if job.masks is None or not job.masks.is_dir():
        return
    sums, written = read_sums(out), own_masks(job, chunks) if own else {}
    for name in _names(job, chunks):
        file = mask_path(job.masks, name)
        if not (file.exists() or file.is_symlink()):
            continue
        known = written.get(name, set())
        if sums is not None and (mine := sums.files.get(name_of(out, file))) is not None:
            known = {*known, mine}
        if not known:
            raise TakenFileError(
                f"{file} is there already", "name another folder with --masks, or move it"
            )
        if not is_one_of(file, known) and flaw_of(file, min(known)) == CHANGED:
            raise TakenFileError(
                f"{file} was changed since, and would be overwritten",
                "delete it, and it is made again, or name another file and folder with --out and "
                "--masks",
            )
