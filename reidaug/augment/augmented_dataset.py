"""Augment a re-ID dataset: every training image, warped into the poses of others."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from reidaug.augment.background import BACKGROUNDS
from reidaug.augment.engine import (
    RECORDS,
    WarpJob,
    check_size,
    chunk_tasks,
    into_chunks,
)
from reidaug.augment.estimated_poses import FOLDER, find_or_estimate
from reidaug.augment.inputs import AugmentInputs, read_inputs
from reidaug.augment.layout_files import show_beside, write_lists
from reidaug.augment.missing_poses import POSE_FROM
from reidaug.augment.options import AugmentOptions
from reidaug.augment.outlines import mask_file
from reidaug.augment.output_folder import (
    check_originals,
    check_warp_names,
    copy_originals,
)
from reidaug.augment.own_files import check_strangers, remove_former, remove_leftovers
from reidaug.augment.pose_pool import count_flaws
from reidaug.augment.rare_poses import with_rare_poses
from reidaug.augment.shipped_poses import is_shipped
from reidaug.augment.target_poses import POSES, too_few, write_poses
from reidaug.augment.warp_inputs import WarpInputs, same_options
from reidaug.augment.warp_manifest import MANIFEST, ChunkRecord, Totals, write_warp_manifest
from reidaug.augment.warp_sheet import SHEET, warp_sheet
from reidaug.checksums import REPORT, check_written
from reidaug.data.image_folders import check_left_out, check_readable
from reidaug.data.layouts import LAYOUTS
from reidaug.data.loose_crops import read_training
from reidaug.data.market1501 import FOLDERS, Person, ReIDDataset, names_read
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.files import write_atomically
from reidaug.flow.estimator import FlowEstimator, NamedFlow
from reidaug.jobs import check_backend, run_chunks
from reidaug.machine import cores
from reidaug.own_code import own_code
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_estimator import PoseEstimator
from reidaug.perception.provenance import read_provenance
from reidaug.perception.weights import find_model
from reidaug.runs import RunFolder, check_lock, notice
from reidaug.verbosity import progress_line

LEFT_OUT = "left_out.txt"


class AugmentReport(NamedTuple):
    """Content of the ``report.json`` of an augmented dataset."""

    sources: int  # training images that were warped
    poses: int  # number of target poses
    images: int  # warps written
    rejected: int  # warps below the minimum quality
    turned: int  # half turns that were dropped
    left_out: int  # entries that could not be used: images, and lines of the keypoint file
    training_images: int  # training images of the dataset
    pose_from: dict[str, int]  # number of sources by where their poses come from, see `PoseFrom`
    quality: float  # mean quality of the warps
    pck: float | None  # mean PCK of the poses found in them; None where poses were not checked
    size: list[int]  # [height, width] of the warps
    flow: str  # name of the flow estimator
    precision: str  # number format of the flow network
    pose_masks: int  # target poses whose outline is a mask file
    originals: int  # training images copied beside the warps
    linked: list[str]  # other splits shown in the dataset
    images_per_s: float  # rate of the warps made just now, those that are left out not counted
    seconds: float  # time they took
    workers: int  # processes
    poor: int = 0  # warps of a quality below `reidaug.augment.quality.POOR`, where flows tell
    not_read: int = 0  # images beside the training images that are left out, by name or kind
    own_pose: bool = False  # whether each image keeps its own pose
    poses_each: int | None = None  # of the poses, how many each image is warped into; None: all
    # Training images drawn for target poses and refused, by their flaw, see
    # `reidaug.augment.pose_pool`.
    refused: dict[str, int] | None = None


def augment_dataset(
    dataset: Path,
    out: Path,
    flow: NamedFlow,
    options: AugmentOptions | None = None,
    *,
    workers: int | None = None,
    backend: str = "loky",
) -> AugmentReport:
    """Warp every training image of a dataset into poses of others; see ``reidaug augment --help``.

    Args:
        dataset: Market-1501 root or folder of crops, see `reidaug.data.loose_crops.read_training`.
        out: The folder to make; an unfinished run of the same options is continued.
        flow: The flow estimator, see `reidaug.flow.builtin.named_flow`.
        options: By default 25 random poses on the grounds of other people, poor warps left out.
            `reidaug.augment.options.PAPER` holds what the paper does in place of the defaults; how
            edges are painted is ours.
        workers: Processes; by default one per core.
        backend: ``loky`` or ``dask``, see `reidaug.jobs.run_tasks`.

    Raises:
        ReidaugError: There is nothing to warp, or a file cannot be read or written.
        UsageError: An option is wrong or without effect.
    """
    options = options or AugmentOptions()
    check_lock(out)
    check_backend(backend)
    found, numbered = read_training(
        dataset,
        pattern=options.pattern,
        layout=options.layout,
        allow_left_out=options.allow_left_out,
    )
    options = options.model_copy(update={"layout": found.layout or None})
    if numbered:
        notice(
            f"names in {found.root}, such as {found.train[0].path.name}, give no person ids: each "
            "crop counts as a person of its own (--pattern reads persons and cameras from names)"
        )
    _check_out(found, out)
    _check_people(found.train, options)
    check_written(found.root)
    if options.check_poses:
        require_extra("pose", "ai_edge_litert")
        options = options.model_copy(update={"model": find_model(options.model)})
    estimator = flow.estimator()
    _check_effect(estimator, flow.name, options)
    if not estimator.keeps_pose:
        _check_count(len(found.train), options)
    check_warp_names(found.train, found.root, allow_left_out=options.allow_left_out)
    check_readable(found.root, [p.path for p in found.train], allowed=options.allow_left_out)
    if options.keep_original:
        check_originals(found.train, found.root)
    pose_files = find_or_estimate(
        found, out, keypoints=options.keypoints, masks=options.masks, model=options.model,
        model_used=options.check_poses, workers=workers,
    )  # fmt: skip
    options = options.for_estimator(estimator).model_copy(update=pose_files._asdict())
    judge = None if estimator.keeps_pose else _mirror_judge(options, pose_files.keypoints)
    inputs = read_inputs(
        found, pose_files.keypoints, options, own_pose=estimator.keeps_pose, estimator=judge
    )
    if options.poses_each is not None and options.poses_each_by == "rare":
        inputs = with_rare_poses(inputs, options.poses_each)
    if found.examples and not (out / FOLDER).is_dir():
        progress_line(names_read(found))
    check_size(estimator, inputs.sources[0].pose, inputs.targets.size)
    _check_people([source.person for source in inputs.sources], options)
    networks = (options.model,) if options.check_poses and options.model else ()
    recipe = {
        "command": "augment",
        "dataset": str(found.root.resolve()),
        "flow": flow.name,
        **options.recipe(out.resolve()),
    }
    code = own_code({type(part).__module__ for part in estimator.modules()})
    made_of = WarpInputs.of(out, inputs, options.masks, (*flow.files, *networks), code)
    run = RunFolder.open(
        out, recipe, resume=True, known=(FOLDER,), grows=same_options, inputs=made_of.kept,
        places=("dataset", "keypoints", "masks", *(["flow"] if flow.files else [])),
    )  # fmt: skip
    job = WarpJob(out.resolve(), flow, options, found.train_folder,
                  made_of.shared, made_of.outlines)  # fmt: skip
    return _write_warps(run, job, inputs, made_of, workers=workers or cores(), backend=backend)


def _check_people(people: Sequence[Person], options: AugmentOptions) -> None:
    """Check that somebody else is there, whose ground a background may need."""
    if BACKGROUNDS[options.background].needs_pool and len({one.pid for one in people}) < 2:
        raise UsageError(
            f"--background {options.background} needs images of at least two people with "
            "keypoints; --background grey needs nobody else"
        )


def _check_count(images: int, options: AugmentOptions) -> None:
    """Check before the work that there are as many training images as poses drawn from them.

    Raises:
        ReidaugError: There are fewer.
    """
    if options.poses_from == "dataset" and images < options.poses:
        raise ReidaugError(
            f"there are only {images} training images to take poses from, "
            f"{too_few(options.poses, images)}"
        )


def _write_warps(
    run: RunFolder,
    job: WarpJob,
    inputs: AugmentInputs,
    made_of: WarpInputs,
    *,
    workers: int,
    backend: str,
) -> AugmentReport:
    """Write all warps that are missing, and the files beside them."""
    out, options, targets = job.out, job.options, inputs.targets
    chunks = into_chunks(inputs.sources, targets.size)
    copied = inputs.dataset.train if options.keep_original else ()
    check_strangers(job, chunks, copied)
    linked = show_beside(inputs.dataset, out)
    run.renew(made_of.kept)
    run.log(event="start", workers=workers, backend=backend, torch=torch.__version__)
    for folder in (job.folder, out / RECORDS):
        folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(out, job.train)
    write_poses(out / POSES, targets)
    each = options.poses_each or max(len(targets.images), 1)
    work = run_chunks(
        chunk_tasks(job, targets.size, chunks, made_of), min(workers, len(chunks)),
        backend=backend, total=len(inputs.sources) * each, step=each, what="warp", unit="warps",
    )  # fmt: skip
    remove_former(job, len(chunks))
    originals = (
        copy_originals(copied, out, made_of.images, job.records, job.train) if copied else []
    )
    sums: dict[str, str] = {}
    people: dict[str, int] = {}
    read = (job.records.read(k) for k in range(len(chunks)))
    records = _collecting(sums, people, read, job.train)
    totals = write_warp_manifest(out / MANIFEST, records)
    left_out = (*inputs.left_out, *totals.left_out)
    write_atomically(out / LEFT_OUT, "".join(f"{line}\n" for line in left_out).encode())
    allowed = options.allow_left_out  # files that are cut off are noticed by now
    check_left_out(inputs.dataset.root, totals.left_out, len(inputs.sources), allowed=allowed)
    write_atomically(out / SHEET, warp_sheet(out, inputs.sources, targets, job.train))
    lists = write_lists(out, inputs.dataset, people, originals)
    remove_leftovers(out, job.train)
    files = [*lists, *originals, *(out / name for name in (POSES, MANIFEST, LEFT_OUT, SHEET))]
    finished = None if work.pieces else _finished(run)
    report = _summarise(
        inputs, totals, options.masks, flow=job.flow.name, precision=options.precision,
        originals=len(originals), linked=linked, images_per_s=work.rate,
        seconds=round(work.seconds, 1), workers=workers, own_pose=not targets.images,
        poses_each=options.poses_each,
    )  # fmt: skip
    if finished is not None:  # nothing was made, but other counts may have changed
        own = ("images_per_s", "seconds", "workers")
        report = report._replace(**{name: getattr(finished, name) for name in own})
    run.report(report._asdict(), files, sums)
    if finished is not None:
        return report
    run.log(event="done", made=work.pieces, seconds=report.seconds)
    return report


def _collecting(
    sums: dict[str, str], people: dict[str, int], records: Iterable[Any], train: str
) -> Iterator[ChunkRecord]:
    """Pass the records of chunks on, and collect checksums and persons of their files."""
    for values in records:
        record = ChunkRecord.read(values)
        if record is not None:
            sums.update({f"{train}/{name}": own for name, own in (record.files or {}).items()})
            people.update({row.file: row.pid for row in record.rows if row.kept})
            yield record


def _finished(run: RunFolder) -> AugmentReport | None:
    """Read the report of a run whose files have just been looked at; None where it is damaged."""
    try:
        return AugmentReport(**(run.finished(only=(REPORT,)) or {}))
    except TypeError:
        return None


def _summarise(
    inputs: AugmentInputs, totals: Totals, masks: Path | None, **run: Any
) -> AugmentReport:
    """Sum up a finished run; ``run`` are the fields that depend on neither."""
    targets, counts = inputs.targets, Counter(source.pose_from for source in inputs.sources)
    return AugmentReport(
        sources=totals.sources,
        poses=max(len(targets.images), 1),
        images=totals.images,
        rejected=totals.rejected,
        turned=totals.dropped_half_turns,
        left_out=len(inputs.left_out) + len(totals.left_out),
        training_images=len(inputs.dataset.train),
        not_read=len(inputs.dataset.left_out),
        pose_from={kind: counts[kind] for kind in POSE_FROM if counts[kind]},
        quality=round(totals.quality, 4),
        poor=totals.poor,
        pck=None if totals.pck is None else round(totals.pck, 4),
        size=list(targets.size),
        pose_masks=sum(
            is_shipped(name) or mask_file(name, masks) is not None for name in targets.images
        ),
        refused=count_flaws(targets.refused),
        **run,
    )


def _mirror_judge(options: AugmentOptions, keypoints: Path) -> PoseEstimator | None:
    """Open the network that estimated the poses, to compare them with the mirrored crops.

    None where it did not estimate them or they are not tested; a notice where it is missing.
    """
    if options.pool == "any" or options.poses_from == "shipped" or not read_provenance(keypoints):
        return None
    try:
        return BlazePose(find_model(options.model))
    except ReidaugError as error:
        if options.model is not None:
            raise
        notice(f"target poses are not compared with those in the mirrored crops: {error}")
        return None


def _check_out(found: ReIDDataset, out: Path) -> None:
    root, out = found.root.resolve(), out.resolve()
    if out == root:
        raise UsageError(f"--out {out} is the dataset itself; name another folder")
    folders = LAYOUTS[found.layout].folders if found.layout else FOLDERS
    splits = [name for names in folders.values() for name in names]
    if root in out.parents and not any((root / name).is_dir() for name in splits):
        raise UsageError(
            f"--out {out} lies in the folder of crops, of which it would be read as a part; name "
            "a folder beside it"
        )
    inside = [name for name in splits if (root / name) in (out, *out.parents)]
    if inside:
        raise UsageError(f"--out {out} lies in the dataset's {inside[0]}; name another folder")


def _check_effect(estimator: FlowEstimator, flow: str, options: AugmentOptions) -> None:
    """Refuse options that have no effect where the flow keeps the pose or leads to no target."""
    own, free = estimator.keeps_pose, not estimator.to_target_pose
    used = {
        f"--turns {options.turns}": (own or free) and options.turns not in ("auto", "allow"),
        "--poses-from": (own or free) and options.poses_from == "shipped",
        "--poses-each": own and options.poses_each is not None,
        "--poses-each-by": free and options.poses_each_by != "random",
        "--check-poses": free and options.check_poses,
    }
    why = "keeps each image's own pose" if own else "leads to no target pose"
    for option, idle in used.items():
        if idle:
            raise UsageError(f"{option}: without effect, --flow {flow} {why}")
