"""Warp a dataset in chunks of consecutive sources: any number of workers, resumable.

Chunks depend on the order of the sources alone, and one thread computes each, so files are the
same on any run. A finished chunk has a record in ``OUT/.chunks``; a rerun makes the others.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from joblib import delayed
from torch import Tensor

from reidaug.augment.background import BACKGROUNDS, BackgroundPool, draw_pool
from reidaug.augment.chunk_files import ChunkFiles
from reidaug.augment.inputs import Source
from reidaug.augment.options import AugmentOptions
from reidaug.augment.outlines import Targets, target_outlines
from reidaug.augment.quality import WarpQuality, pck
from reidaug.augment.target_poses import POSES, read_poses
from reidaug.augment.warp_inputs import ChunkInputs, WarpInputs, outlines_digest
from reidaug.augment.warp_manifest import ChunkRecord, WarpRow
from reidaug.augment.warping import (
    Crop,
    WarpField,
    estimate_flows,
    field_quality,
    read_crops,
    warp_pixels,
)
from reidaug.checksums import flaw_of
from reidaug.data.crop_names import warp_name
from reidaug.data.images import channels_last, encode_jpeg
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError, UsageError
from reidaug.flow.estimator import FlowEstimator, NamedFlow
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, select, stack
from reidaug.jobs import Records, Task, chunks_of
from reidaug.machine import one_thread
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_estimator import PoseEstimator
from reidaug.runs import notice

RECORDS = ".chunks"
PIXELS_AT_ONCE = 32 * 128 * 64  # source pixels of a chunk
LARGE = 2**18  # pixels of a warp, eight times those that networks see
DECIMALS = 4
NO_DIGESTS = ChunkInputs()
Reads = Callable[[], tuple[list[Crop], list[str]]]


class WarpJob(NamedTuple):
    """Settings of every worker; small, and equal to its own copy in another process."""

    out: Path  # the augmented dataset; its ``poses.json`` holds the target poses
    flow: NamedFlow
    options: AugmentOptions  # paths absolute, precision chosen
    train: str = TRAIN  # the folder of the warps in it
    of: str = ""  # digest of target poses and weights: a process may have loaded others before
    outlines: str = ""  # digest of the masks of the target poses; empty: they are not compared

    @property
    def folder(self) -> Path:
        """The folder of the warps."""
        return self.out / self.train

    @property
    def records(self) -> Records:
        """Records of the finished chunks."""
        return Records(self.out / RECORDS)


class Models(NamedTuple):
    """Networks and target poses that a process loads once for all chunks of a job."""

    estimator: FlowEstimator  # the flow estimator in evaluation mode
    targets: Targets  # the target poses with their outlines
    pose_estimator: PoseEstimator | None  # for the poses of the warps; None where not checked


@lru_cache(maxsize=1)
def load_models(job: WarpJob) -> Models:
    """Load the estimators and the target poses of a job.

    Raises:
        ReidaugError: The poses cannot be read, their masks are others by now, or an estimator
            cannot be built.
    """
    masks = job.options.masks
    targets = target_outlines(read_poses(job.out / POSES), masks)
    if job.outlines and job.outlines != outlines_digest(targets.images, masks):
        raise ReidaugError(
            f"{masks}: masks of target poses were changed or removed while this command was at "
            "work; run the same command again"
        )
    model = job.options.model
    pose_estimator = BlazePose(model) if job.options.check_poses and model else None
    return Models(job.flow.estimator(), targets, pose_estimator)


def check_size(estimator: FlowEstimator, pose: Pose, size: Size) -> None:
    """Check before the work that an estimator takes images of a size, by any pose (18, 2) in one.

    Raises:
        ReidaugError: Its flow is not finite.
        UsageError: It does not take them.
    """
    text = f"{size[0]}x{size[1]}"
    cells: tuple[int, ...] = size
    if min(size) > 1:
        one = stack([pose])
        try:
            with torch.inference_mode():
                flow = estimator(torch.zeros(1, 3, *size), one, one)
        except ValueError as error:
            raise UsageError(f"the flow does not suit images of {text}: {error}") from None
        if not bool(flow.isfinite().all()):
            raise ReidaugError(
                f"the flow for images of {text} is not finite: the weights of --flow are damaged, "
                "or their training has diverged; name another one"
            )
        cells = flow.shape[-2:]
    if min(cells) < 2:
        raise UsageError(f"images of {text}, as most of the poses' are, are too small to be warped")
    if size[0] * size[1] > LARGE:
        notice(
            f"warps have {text} pixels, as most of the poses' images: each takes "
            f"{size[0] * size[1] // (256 * 128)} times as long as one of 256x128, the size that "
            "re-ID networks see; smaller crops are enough"
        )


def into_chunks(sources: Sequence[Source], size: Size) -> list[Sequence[Source]]:
    """Divide sources into chunks of 32 at 128 x 64, of fewer where images are larger.

    A worker holds one chunk at a time.
    """
    return chunks_of(sources, _chunk_length(size))


def _chunk_length(size: Size) -> int:
    return max(1, min(32, PIXELS_AT_ONCE // (size[0] * size[1])))


def chunk_tasks(
    job: WarpJob,
    size: Size,
    chunks: Sequence[Sequence[Source]],
    made_of: WarpInputs | None = None,
) -> Iterator[Task]:
    """Give the task of every chunk of sources, for warps of a (height, width); see `make_chunk`.

    ``made_of`` has the digests of its inputs; None: they do not change.
    """
    everyone = [source for chunk in chunks for source in chunk]
    people = [source.person.pid for source in everyone]
    for index, chunk in enumerate(chunks):
        pool: list[int] = []
        if BACKGROUNDS[job.options.background].needs_pool:
            mine = [source.person.pid for source in chunk]
            count, seed = max(2, _chunk_length(size)), (job.options.seed, index)
            pool = draw_pool(people, mine, count=count, seed=seed)
        others = [everyone[k] for k in pool]
        inputs = NO_DIGESTS if made_of is None else made_of.of_chunk(chunk, others)
        yield delayed(make_chunk)(job, size, index, chunk, others, inputs)


def make_chunk(
    job: WarpJob,
    size: Size,
    index: int,
    sources: Sequence[Source],
    pool: Sequence[Source] = (),
    inputs: ChunkInputs = NO_DIGESTS,
) -> tuple[int, int]:
    """Warp the sources of a chunk into every pose, unless that is done already.

    Files that come out as they are stay untouched.

    Args:
        job: Output folder, flow and options.
        size: (height, width) of the warps.
        index: Number of the chunk.
        sources: Its sources.
        pool: Sources of other backgrounds.
        inputs: Digests of all that the warps are made of.

    Returns:
        Number of sources in the chunk, and number of files written just now.

    Raises:
        ReidaugError: A file cannot be read or written, or there is no background of another person.
    """
    files = ChunkFiles(job.out, job.records, index, inputs.of, job.train)
    masks, count, before = job.options.masks, len(sources), files.before
    read = partial(read_crops, sources, size, masks, inputs.content[:count])
    read_pool = partial(read_crops, pool, size, masks, inputs.content[count:])
    if before and _is_done(job, before, inputs.of) and _reads_the_same(before, read, read_pool):
        return count, 0
    rows: list[WarpRow] = []
    with one_thread(), torch.inference_mode():
        (crops, left_out), (others, unread) = read(), read_pool()
        for row, jpeg in warp_crops(load_models(job), crops, job.options, others) if crops else ():
            if jpeg is not None:
                files.add(row.file, jpeg)
            rows.append(row)
        files.write()
    order = {crop.source.person.key: k for k, crop in enumerate(crops)}
    rows.sort(key=lambda row: order[row.source])  # with many poses they come a part at a time
    sums = {row.file: files.sums[row.file] for row in rows if row.kept}
    record = ChunkRecord(
        rows, left_out, sums, inputs.of, files.former({*sums}), unread=tuple(unread)
    )
    job.records.write(index, record._asdict())
    return count, sum(row.kept for row in rows)


def warp_crops(
    models: Models, crops: Sequence[Crop], options: AugmentOptions, others: Sequence[Crop] = ()
) -> Iterator[tuple[WarpRow, bytes | None]]:
    """Warp crops on the canvas of the targets into every pose; ``others`` give other backgrounds.

    Yields:
        Row and JPEG file of each warp, None where it is not kept; in the order of `estimate_flows`.
    """
    pool = None
    if others:
        people = [other.source.person.pid for other in others]
        images, masks = ([getattr(o, part) for o in others] for part in ("image", "mask"))
        pool = BackgroundPool.of(people, images, masks)
    for field in estimate_flows(models.estimator, crops, models.targets, options):
        yield from _warp_crop(models, field, options, pool)


def _warp_crop(
    models: Models, field: WarpField, options: AugmentOptions, pool: BackgroundPool | None
) -> Iterator[tuple[WarpRow, bytes | None]]:
    crop, targets, flow = field.crop, field.targets, field.flow
    names = [warp_name(crop.source.name, number) for number in field.poses]
    joints, quality = field_quality(field)
    warps = warp_pixels(crop, flow, targets, names, options, pool)
    for k, pixels in enumerate(warps):
        row = _row(names[k], k, field, float(joints[k]), quality, options)
        if row.kept and models.pose_estimator is not None:
            image = channels_last(pixels)
            found = models.pose_estimator.estimate(image).pose
            size = (image.shape[0], image.shape[1])
            row = row._replace(pck=round(pck(found, select(targets.pose, k), size), DECIMALS))
        yield row, encode_jpeg(pixels, options.jpeg_quality) if row.kept else None


def _row(
    name: str,
    k: int,
    field: WarpField,
    joints: float,
    quality: WarpQuality,
    options: AugmentOptions,
) -> WarpRow:
    """Write the row of the k-th warp of a field; its pose is not checked yet."""
    person, turned = field.crop.source.person, bool(field.half_turn[k])
    names = ("foreground", "inside", "folded", "seen", "stretch", "stretch_95", "quality")
    numbers = {part: round(float(getattr(quality, part)[k]), DECIMALS) for part in names}
    left_out = "turn" if turned and options.turns == "drop" else ""
    if not numbers["quality"] >= options.min_quality:  # not `<`: NaN is below every minimum
        left_out = left_out or "quality"
    numbers = {part: number if math.isfinite(number) else 0.0 for part, number in numbers.items()}
    return WarpRow(
        file=name,
        source=person.key,
        pose=field.poses[k],
        pose_image=field.targets.images[k],
        pid=person.pid,
        camid=person.camid,
        pose_from=field.crop.source.pose_from,
        joints=round(joints, DECIMALS),
        mirrored=bool(quality.mirrored[k]),
        turned=turned,
        pck=None,
        left_out=left_out,
        kept=not left_out,
        other_side=_known(quality.other_side[k]),
        other_face=_known(quality.other_face[k]),
        invented=_known(quality.invented[k]),
        **numbers,
    )


def _known(value: Float[Tensor, ""]) -> float | None:
    return round(float(value), DECIMALS) if value.isfinite() else None


def _is_done(job: WarpJob, record: ChunkRecord, of: str) -> bool:
    """Check that a chunk has its files as written, and that no input changed since."""
    if record.of != of:
        return False
    folder = job.folder
    if record.files is None and not all((folder / file).is_file() for file in record.names):
        return False
    return not any(flaw_of(folder / name, own) for name, own in (record.files or {}).items())


def _reads_the_same(record: ChunkRecord, read: Reads, read_pool: Reads) -> bool:
    """Check that what could not be read of sources and pool is as it was."""
    if not record.left_out and not record.unread:
        return True
    return (read()[1], read_pool()[1]) == (record.left_out, [*record.unread])
