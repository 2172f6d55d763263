"""Files of estimated poses: a keypoint file, those beside it, masks; whose they are."""

import json
from collections.abc import Sequence
from pathlib import Path

from reidaug.checksums import CHANGED
from reidaug.data.image_folders import POSE_SHEET
from reidaug.data.images import mask_path
from reidaug.errors import ReidaugError
from reidaug.files import read_text, remove_partials
from reidaug.perception.pose_records import PoseJob
from reidaug.perception.pose_report import PoseReport
from reidaug.perception.pose_sums import flaws, name_of, read_sums, sums_file, write_sums
from reidaug.perception.provenance import provenance_file

REPORT, LEFT_OUT, SHEET = ".report.json", ".left_out.txt", POSE_SHEET
MASKS = "masks"
"""Record of the folder of masks a run writes to."""
WRITING = "writing"
"""Record of whether a run has begun to write its keypoint file and those beside it."""


def beside(out: Path, ending: str) -> Path:
    """Return the path next to a keypoint file with the ending `REPORT`, `LEFT_OUT` or `SHEET`."""
    return out.with_name(f"{out.stem}{ending}")


def is_outdated(out: Path, inputs: str) -> bool:
    """Whether the report beside a keypoint file is of other inputs, or the file is gone."""
    report = _report(out)
    return report is not None and (report.inputs != inputs or not out.exists())


def finished_report(
    job: PoseJob, out: Path, crops: Sequence[Path], inputs: str
) -> PoseReport | None:
    """Read the report of the same work done before; None where something is left to do.

    Raises:
        ReidaugError: ``out`` is of other work.
    """
    if not out.exists() or job.folder.exists():
        return None
    report, sums = _report(out), read_sums(out)
    known = sums or report
    if known is None or known.inputs != inputs:
        raise ReidaugError(
            f"{out} is there already, and not of these crops as they are now, or by another "
            "network or version; name another file with --out, or delete it"
        )
    masks = _masks(job, crops)
    found = flaws(out, [out, *_files_beside(out), *masks])
    for path in (out, *masks):  # which may have been mended by hand
        if found.get(path) == CHANGED:
            raise ReidaugError(
                f"{path} is {CHANGED} by this command; delete it, and it is made again, or name "
                "another file with --out"
            )
    complete = report is not None and not found and all(p.exists() for p in _files_beside(out))
    if complete and report is not None and job.masks is not None:
        complete = sum(path.exists() for path in masks) >= report.outlines
    if complete and sums is None:  # an older version, or damaged
        write_sums(out, inputs, [*_files_beside(out), *(path for path in masks if path.exists())])
    return report if complete else None


def note_files(job: PoseJob, out: Path, crops: Sequence[Path], inputs: str) -> None:
    """Write the checksums of the files of a run that is done."""
    masks = (path for path in _masks(job, crops) if path.exists())
    write_sums(out, inputs, [*_files_beside(out), *masks])


def check_own(job: PoseJob, crops: Sequence[Path], out: Path) -> None:
    """Check that nothing of the user's would be overwritten, and remove what a killed run left.

    Files are a run's own where it left its records, or a report beside ``out``.

    Raises:
        ReidaugError: A file beside ``out`` or a mask is there already.
    """
    beside_out = [*_files_beside(out), sums_file(out)]
    if job.folder.exists():
        remove_partials(out.parent, of=[out.name, *(path.name for path in beside_out)])
        if not job.records.read(WRITING):
            _check_unwritten(out, beside_out)
        if job.records.read(MASKS) != str(job.masks):  # those in this folder are of others
            _check_masks(job, out, crops)
        _remove_partial_masks(job, crops)
        return
    if _report(out) is None and read_sums(out) is None:
        _check_free(beside_out)
    _check_masks(job, out, crops)


def _check_unwritten(out: Path, beside_out: Sequence[Path]) -> None:
    """Check the files of a run that was killed before it wrote them: they are of the run before."""
    if _report(out) is None and read_sums(out) is None:
        _check_free([out, *beside_out])
    for path, flaw in flaws(out, [out, *_files_beside(out)]).items():
        if flaw == CHANGED:
            raise ReidaugError(
                f"{path} was changed since, and would be overwritten; name another file with "
                "--out, or delete it"
            )


def _check_free(files: Sequence[Path]) -> None:
    for path in files:
        if path.exists() or path.is_symlink():
            raise ReidaugError(
                f"{path} is there already, and not of this command; name another file with "
                "--out, or move it"
            )


def _files_beside(out: Path) -> list[Path]:
    """List the files that a finished run leaves beside a keypoint file."""
    return [*(beside(out, ending) for ending in (REPORT, LEFT_OUT, SHEET)), provenance_file(out)]


def _masks(job: PoseJob, crops: Sequence[Path]) -> list[Path]:
    """List the files that masks of crops have, if there are any."""
    return [] if job.masks is None else [mask_path(job.masks, job.name(path)) for path in crops]


def _report(out: Path) -> PoseReport | None:
    """Read the report beside a keypoint file; None where there is none, or it is of other work."""
    try:
        return PoseReport(**json.loads(read_text(beside(out, REPORT))))
    except (ReidaugError, ValueError, TypeError):
        return None


def _remove_partial_masks(job: PoseJob, crops: Sequence[Path]) -> None:
    files = _masks(job, crops)
    for folder in {file.parent for file in files}:
        remove_partials(folder, of={file.name for file in files if file.parent == folder})


def _check_masks(job: PoseJob, out: Path, crops: Sequence[Path]) -> None:
    """Refuse to overwrite masks of another run, or that were changed since."""
    if job.masks is None or not job.masks.is_dir():
        return
    files, sums = _masks(job, crops), read_sums(out)
    own = () if sums is None else {file for file in files if name_of(out, file) in sums.files}
    changed = flaws(out, own)
    for file in files:
        mine = file in own and changed.get(file) != CHANGED
        if file.exists() and not mine:
            raise ReidaugError(f"{file} is there already; name another folder with --masks")
