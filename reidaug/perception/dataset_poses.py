"""Poses and masks of a whole dataset: a keypoint file, and what to check in it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from reidaug.data.image_folders import ImageFolder, check_left_out, list_images
from reidaug.data.images import mask_path
from reidaug.data.keypoints import fits_patn, write_patn
from reidaug.data.listed_crops import read_lists
from reidaug.data.loose_crops import crops_in, find_crops
from reidaug.data.market1501 import GALLERY, QUERY, SPLITS, TRAIN, reading_line
from reidaug.data.named_crops import NameRule, left_out_lines, read_crops
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.files import write_atomically
from reidaug.geometry.pose import Pose
from reidaug.jobs import run_chunks
from reidaug.locks import LOCK, lock
from reidaug.machine import cores
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.kept_estimates import KeptEstimates
from reidaug.perception.mask_folders import MASKS
from reidaug.perception.pose_files import (
    LEFT_OUT,
    SHEET,
    WRITING,
    beside,
    check_former_masks,
    check_own,
    finished_report,
    is_outdated,
    note_files,
    renew_left_out,
    write_report,
)
from reidaug.perception.pose_records import (
    DECIMALS,
    CropChunk,
    PoseJob,
    chunk_tasks,
    crop_digests,
    fingerprint,
    into_chunks,
    is_as_digested,
    read_chunks,
    remove_former,
)
from reidaug.perception.pose_report import PoseReport, PoseStatistics, trust
from reidaug.perception.pose_sheet import pose_sheet
from reidaug.perception.pose_sums import records_folder
from reidaug.perception.provenance import write_provenance
from reidaug.perception.weights import find_model, model_name
from reidaug.verbosity import progress_line

SPLIT_NAMES = {"train": TRAIN, "query": QUERY, "gallery": GALLERY, "test": GALLERY}


class CropList(NamedTuple):
    """The crops of a dataset."""

    crops: list[Path]  # by name, split after split
    left_out: tuple[str, ...] = ()  # one line for each image that cannot be used
    in_folders: bool = False  # whether only FOLDER/NAME tells them apart


def crops_of(
    dataset: Path,
    splits: Sequence[str] = (TRAIN,),
    *,
    pattern: str | None = None,
    layout: str | None = None,
    allow_left_out: bool = False,
) -> CropList:
    """List the crops of a dataset, junk included, whatever their names.

    Args:
        dataset: A Market-1501 root or one of its usual parents, or a folder of crops, or of folders
            of crops.
        splits: Which splits of a root: of `SPLITS`, or ``train``, ``query``, ``gallery``, ``test``.
        pattern: Regular expression: only crops count whose names it reads person and camera from,
            see `reidaug.data.market1501.read_market1501`.
        layout: The layout of the dataset, see there.
        allow_left_out: Whether more than a tenth of a split's images may be left out.

    Raises:
        ReidaugError: There is no such folder, no image in it, or too much is left out.
        UsageError: There is no such split or layout, or the pattern is none.
    """
    names = list(dict.fromkeys(SPLIT_NAMES.get(name.strip(), name.strip()) for name in splits))
    for name in names:
        if name not in SPLITS:
            raise UsageError(f"--splits {name}: there are train, query and gallery")
    place, is_root = find_crops(dataset, pattern=pattern, layout=layout, one_split=True)
    if not is_root:
        return _list(place.folder, crops_in(place.folder), place.rule, allow_left_out)
    if place.listed:  # MSMT17
        lists = [
            read_lists(place.folder, name, rule=place.rule, allow_left_out=allow_left_out)
            for name in names
        ]
        left_out = tuple(line for part in lists for line in part.left_out)
        return CropList([person.path for part in lists for person in part.people], left_out)
    parts, folders = list[CropList](), dict.fromkeys(place.split(name) for name in names)
    for folder in folders:
        images = list_images(folder) if folder.is_dir() else None
        if images is None or not images.images:
            raise ReidaugError(f"{folder}: no folder with images; leave it out of --splits")
        parts.append(_list(folder, images, place.rule, allow_left_out))
    return CropList(
        [path for part in parts for path in part.crops],
        tuple(line for part in parts for line in part.left_out),
        any(part.in_folders for part in parts),
    )


def _list(folder: Path, found: ImageFolder, rule: NameRule, allow_left_out: bool) -> CropList:
    """List the crops of one folder; a layout or a pattern of the user's leaves out other names."""
    crops, left_out, advice = list(found.images), found.unusable, ""
    if not rule.falls_back:
        files = read_crops(found, rule)
        left_out = left_out_lines(folder, files, rule)
        unmatched = {folder / name for name in files.unmatched}
        crops = [path for path in crops if path not in unmatched]
        advice = rule.advice(files.unmatched)
        if files.examples:
            progress_line(reading_line(rule.name, files.examples))
    total = len(crops) + len(left_out)
    check_left_out(folder, left_out, total, allowed=allow_left_out and bool(crops), advice=advice)
    return CropList(crops, left_out, found.shares_names)


def estimate_poses(
    crops: Sequence[Path],
    out: Path,
    *,
    masks: Path | None = None,
    model: Path | None = None,
    workers: int | None = None,
    in_folders: bool = False,
    left_out: Sequence[str] = (),
) -> PoseReport:
    """Estimate poses and masks of crops and return the report; see ``reidaug pose --help``.

    Args:
        crops: Image files whose names differ, or FOLDER/NAME with ``in_folders``.
        out: The PATN CSV to write; an unfinished run is continued.
        masks: Folder for the masks, or None.
        model: File of the network; None finds it, see `reidaug.perception.weights.find_model`.
        workers: Processes; by default one per core.
        in_folders: Whether crops are told apart by FOLDER/NAME, in the file and among the masks.
        left_out: A line for each image that is not among the crops, for the list of these.

    Raises:
        ReidaugError: The model cannot be found, no crop can be read, a file cannot be read or
            written, or ``out`` or ``masks`` hold something else.
        UsageError: An argument is wrong, or the extra ``pose`` is missing.
    """
    require_extra("pose", "ai_edge_litert")
    job = PoseJob(records_folder(out), masks and masks.resolve(), Path(), "", in_folders)
    _check_crops(job, crops, out, masks)
    file = find_model(model)
    job = job._replace(model=file, network=model_name(file))
    fresh = not out.parent.exists()
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with lock(out.with_name(f".{out.name}{LOCK}"), of=out):
            return _estimate(job, crops, out, workers or cores(), left_out)
    finally:
        if fresh and not any(out.parent.iterdir()):
            out.parent.rmdir()


def _estimate(
    job: PoseJob, crops: Sequence[Path], out: Path, workers: int, left_out: Sequence[str]
) -> PoseReport:
    """Do the work of `estimate_poses`."""
    kept = KeptEstimates(job, out)
    seen, found = kept.look(crops)
    digests = crop_digests(job, crops, found)
    inputs, content = fingerprint(digests), {job.name(path): found[path] for path in crops}
    chunks = into_chunks(crops, digests)
    readable = kept.readable_again(chunks)
    outdated = bool(readable) or is_outdated(out, inputs)
    finished = None if outdated else finished_report(job, out, inputs, content)
    if finished is None:
        check_former_masks(job, out)
        kept.reopen(seen, chunks, readable)
        finished = finished_report(job, out, inputs, content)
    if finished is not None:
        kept.keep_inputs(seen)
        return renew_left_out(out, finished, left_out)
    check_own(job, chunks, out)
    made = [path for path in (job.masks, job.folder) if path and not path.exists()]
    for path in made:
        path.mkdir(parents=True, exist_ok=True)
    own_masks = job.records.read(MASKS) == str(job.masks)
    job.records.write(MASKS, str(job.masks))
    kept.keep_inputs(seen)
    tasks, processes = chunk_tasks(job, chunks), min(workers, len(chunks))
    work = run_chunks(tasks, processes, total=len(crops), what="pose", unit="crop")
    job.records.write(WRITING, True)
    statistics = _write(job, chunks, out, made, left_out)
    report = statistics.report(
        network=job.network,
        masks=job.masks is not None,
        left_out=len(left_out) + len(statistics.left_out),
        inputs=inputs,
        crops_per_s=work.rate,
        seconds=round(work.seconds, 1),
        workers=workers,
    )
    write_report(out, report)
    remove_former(job, chunks, masks=own_masks)
    note_files(job, out, chunks, inputs, content)
    kept.finish()
    return report


def _write(
    job: PoseJob,
    chunks: Sequence[CropChunk],
    out: Path,
    made: Sequence[Path],
    left_out: Sequence[str],
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
    text = "".join(f"{line}\n" for line in (*left_out, *statistics.left_out))
    write_atomically(beside(out, LEFT_OUT), text.encode())
    doubtful = statistics.doubtful()
    captions = [f"{trust(row):.2f} {path.stem}" for path, row in doubtful]
    sheet = pose_sheet(BlazePose(job.model), [path for path, _ in doubtful], captions)
    _check_shown(job, chunks, {path for path, _ in doubtful})
    write_atomically(beside(out, SHEET), sheet)
    return statistics


def _check_shown(job: PoseJob, chunks: Sequence[CropChunk], shown: Set[Path]) -> None:
    """Check that crops on the sheet are those whose poses were estimated; else it shows others."""
    pairs = (pair for chunk in chunks for pair in zip(chunk.crops, chunk.digests, strict=True))
    for path, digest in pairs:
        if path in shown and not is_as_digested(job, path, digest):
            raise ReidaugError(
                f"{path} was changed or removed while this command was at work; run the same "
                "command again: estimates of other crops are kept"
            )


def _poses(
    statistics: PoseStatistics, job: PoseJob, chunks: Sequence[CropChunk]
) -> Iterator[tuple[str, Pose]]:
    count = 0
    for count, pair in enumerate(statistics.poses(read_chunks(job, chunks)), 1):  # noqa: B007
        yield pair
    if not count:
        first = statistics.left_out[0]
        raise ReidaugError(f"not one of {statistics.crops} crops can be read: {first}")


def check_names(names: Mapping[Path, str], *, masks: bool) -> None:
    """Check that a keypoint file, and a folder of masks, can tell crops apart.

    Args:
        names: The name of each crop in the file, see `reidaug.data.market1501.Person.key`.
        masks: Whether there is a folder of masks.

    Raises:
        ReidaugError: A name cannot stand in such a file.
        UsageError: Two crops have one name.
    """
    for path, name in names.items():
        if not fits_patn(name):
            raise ReidaugError(f"{path}: such a name cannot stand in a keypoint file; rename it")
    called = defaultdict[str, list[Path]](list)
    for path, name in names.items():
        called[str(mask_path(Path(), name).with_suffix("")) if masks else name].append(path)
    name, same = max(called.items(), key=lambda one: len(one[1]))
    if len(same) > 1:
        together = same[0].parent == same[1].parent
        mend = "rename one of them" if together else "read folders that share names one by one"
        raise UsageError(
            f"{len(same)} crops are called {name}, such as {same[0]} and {same[1]}; {mend}"
        )


def _check_crops(job: PoseJob, crops: Sequence[Path], out: Path, masks: Path | None) -> None:
    """Reject crops that a keypoint file cannot distinguish, and files that would be overwritten."""
    if out.suffix != ".csv" or out.is_dir():
        raise UsageError(f"--out {out}: name a file that ends in .csv")
    if masks is not None and masks.exists() and not masks.is_dir():
        raise UsageError(f"--masks {masks}: this is a file; name a folder")
    check_names({path: job.name(path) for path in crops}, masks=masks is not None)
    if masks is not None and masks.resolve() in {path.parent.resolve() for path in crops}:
        raise UsageError(f"--masks {masks}: this is where the crops are; name another folder")
