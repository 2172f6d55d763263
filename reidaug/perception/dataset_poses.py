"""Poses and masks of a whole dataset: a keypoint file, and what to check in it."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from reidaug.data.images import image_files
from reidaug.data.keypoints import fits_patn, write_patn
from reidaug.data.loose_crops import crops_in
from reidaug.data.market1501 import GALLERY, QUERY, SPLITS, TRAIN, find_root, read_market1501
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.files import remove_partials, write_atomically
from reidaug.geometry.pose import Pose
from reidaug.jobs import chunks_of, run_chunks
from reidaug.machine import cores
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_records import (
    CHUNK,
    DECIMALS,
    PoseJob,
    chunk_tasks,
    fingerprint,
    mask_path,
    read_chunks,
)
from reidaug.perception.pose_report import PoseReport, PoseStatistics, trust
from reidaug.perception.pose_sheet import pose_sheet
from reidaug.perception.provenance import provenance_file, write_provenance
from reidaug.perception.weights import find_model, model_name

SPLIT_NAMES = {"train": TRAIN, "query": QUERY, "gallery": GALLERY, "test": GALLERY}
REPORT, LEFT_OUT, SHEET = ".report.json", ".left_out.txt", ".sheet.png"


def crops_of(dataset: Path, splits: Sequence[str] = (TRAIN,)) -> list[Path]:
    """List the crops of a dataset by name, split after split.

    Args:
        dataset: A Market-1501 root or one of its usual parents, or a folder of crops.
        splits: Which splits of a root: of `SPLITS`, or ``train``, ``query``, ``gallery``, ``test``.

    Raises:
        ReidaugError: There is no such folder, or no image in it.
        UsageError: There is no such split.
    """
    folders = [SPLIT_NAMES.get(name.strip(), name.strip()) for name in splits]
    for name in folders:
        if name not in SPLITS:
            raise UsageError(f"--splits {name}: there are train, query and gallery")
    try:
        root = find_root(dataset)
    except ReidaugError:
        if not dataset.is_dir():
            raise
        return list(crops_in(dataset))
    if not any((root / name).is_dir() for name in SPLITS):  # MSMT17: lists of images
        found = read_market1501(root, splits=folders)
        return [p.path for people in (found.train, found.query, found.gallery) for p in people]
    listed: list[Path] = []
    for name in dict.fromkeys(folders):
        images = image_files(root / name) if (root / name).is_dir() else ()
        if not images:
            raise ReidaugError(f"{root / name}: no folder with images; leave it out of --splits")
        listed += images
    return listed


def estimate_poses(
    crops: Sequence[Path],
    out: Path,
    *,
    masks: Path | None = None,
    model: Path | None = None,
    workers: int | None = None,
) -> PoseReport:
    """Estimate poses and masks of crops and return the report; see ``reidaug pose --help``.

    Args:
        crops: Image files whose names differ.
        out: The PATN CSV to write; an unfinished run is continued.
        masks: Folder for the masks, or None.
        model: File of the network; None finds it, see `reidaug.perception.weights.find_model`.
        workers: Processes; by default one per core.

    Raises:
        ReidaugError: The model cannot be found, no crop can be read, a file cannot be read or
            written, or ``out`` or ``masks`` hold something else.
        UsageError: An argument is wrong, or the extra ``pose`` is missing.
    """
    require_extra("pose", "ai_edge_litert")
    _check_crops(crops, out, masks)
    file = find_model(model)
    folder = out.with_name(f".{out.name}.records")
    job = PoseJob(folder, masks and masks.resolve(), file, model_name(file))
    inputs = fingerprint(job.network, crops)
    finished = _finished(job, out, crops, inputs)
    if finished is not None:
        return finished
    _check_masks(job, crops)
    made = [path for path in (out.parent, masks, folder) if path and not path.exists()]
    for path in made:
        path.mkdir(parents=True, exist_ok=True)
    remove_partials(out.parent, of=f"{out.stem}.")
    if masks is not None:
        remove_partials(masks)
    workers, chunks = workers or cores(), chunks_of(crops, CHUNK)
    tasks, processes = chunk_tasks(job, chunks), min(workers, len(chunks))
    work = run_chunks(tasks, processes, total=len(crops), what="pose", unit="crop")
    statistics = _write(job, chunks, out, made)
    report = statistics.report(
        network=job.network,
        masks=masks is not None,
        inputs=inputs,
        crops_per_s=work.rate,
        seconds=round(work.seconds, 1),
        workers=workers,
    )
    content = json.dumps(report._asdict(), indent=1) + "\n"
    write_atomically(beside(out, REPORT), content.encode())
    job.records.remove()
    return report


def beside(out: Path, ending: str) -> Path:
    """Return the path next to a keypoint file with the ending `REPORT`, `LEFT_OUT` or `SHEET`."""
    return out.with_name(f"{out.stem}{ending}")


def _write(
    job: PoseJob, chunks: Sequence[Sequence[Path]], out: Path, made: Sequence[Path]
) -> PoseStatistics:
    """Write the keypoint file and the files next to it, except the report."""
    statistics = PoseStatistics()
    try:
        write_patn(out, _poses(statistics, job, chunks), decimals=DECIMALS)
    except ReidaugError:
        job.records.remove()
        for folder in reversed(made):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise
    write_provenance(out, (row for chunk in read_chunks(job, chunks) for row in chunk.rows))
    text = "".join(f"{line}\n" for line in statistics.left_out)
    write_atomically(beside(out, LEFT_OUT), text.encode())
    doubtful = statistics.doubtful()
    captions = [f"{trust(row):.2f} {path.stem}" for path, row in doubtful]
    sheet = pose_sheet(BlazePose(job.model), [path for path, _ in doubtful], captions)
    write_atomically(beside(out, SHEET), sheet)
    return statistics


def _poses(
    statistics: PoseStatistics, job: PoseJob, chunks: Sequence[Sequence[Path]]
) -> Iterator[tuple[str, Pose]]:
    count = 0
    for count, pair in enumerate(statistics.poses(read_chunks(job, chunks)), 1):  # noqa: B007
        yield pair
    if not count:
        first = statistics.left_out[0]
        raise ReidaugError(f"not one of {statistics.crops} crops can be read: {first}")


def _check_crops(crops: Sequence[Path], out: Path, masks: Path | None) -> None:
    """Reject crops that a keypoint file cannot distinguish, and files that would be overwritten."""
    if out.suffix != ".csv" or out.is_dir():
        raise UsageError(f"--out {out}: name a file that ends in .csv")
    if masks is not None and masks.exists() and not masks.is_dir():
        raise UsageError(f"--masks {masks}: this is a file; name a folder")
    for path in crops:
        if not fits_patn(path.name):
            raise ReidaugError(f"{path}: such a name cannot stand in a keypoint file; rename it")
    parts = Counter(path.name if masks is None else path.stem for path in crops)
    name, count = parts.most_common(1)[0]
    if count > 1:
        raise UsageError(
            f"{count} crops are called {name}; read folders that share names one by one"
        )
    if masks is not None and masks.resolve() in {path.parent.resolve() for path in crops}:
        raise UsageError(f"--masks {masks}: this is where the crops are; name another folder")


def _finished(job: PoseJob, out: Path, crops: Sequence[Path], inputs: str) -> PoseReport | None:
    """Read the report of the same work done before; None where something is left to do."""
    if not out.exists() or job.folder.exists():
        return None
    try:
        report = PoseReport(**json.loads(beside(out, REPORT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        report = None
    if report is None or report.inputs != inputs:
        raise ReidaugError(
            f"{out} is there already, and not of these crops as they are now, or by another "
            "network or version; name another file with --out, or delete it"
        )
    needed = (beside(out, LEFT_OUT), beside(out, SHEET), provenance_file(out))
    complete = all(path.exists() for path in needed)
    if job.masks is not None:
        masks = sum(mask_path(job.masks, path.name).exists() for path in crops)
        complete = complete and masks >= report.outlines
    return report if complete else None


def _check_masks(job: PoseJob, crops: Sequence[Path]) -> None:
    """Refuse to overwrite masks of another run."""
    if job.masks is None or not job.masks.is_dir() or job.folder.exists():
        return
    for path in crops:
        if mask_path(job.masks, path.name).exists():
            raise ReidaugError(
                f"{mask_path(job.masks, path.name)} is there already; name another folder with "
                "--masks"
            )
