"""A whole dataset into new poses: fixed chunks of sources, any number of workers, safe to kill.

A chunk is a run of consecutive sources. What is in it depends on the order of the sources alone,
and one thread computes it, so its files are the same whoever makes them and whenever. It is done
when its record is in ``OUT/.chunks``; a rerun makes the others.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from joblib import delayed

from reidaug.augment.other_backgrounds import draw_pool
from reidaug.augment.warping import COLUMNS, Plan, Source, read_crops, warp_crops
from reidaug.data.manifest import write_manifest
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import remove_partials, write_atomically
from reidaug.flow.estimator import FlowEstimator
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, stack
from reidaug.jobs import run_tasks
from reidaug.machine import one_thread

RECORDS = ".chunks"
MANIFEST = "manifest.parquet"
PIXELS_AT_ONCE = 32 * 128 * 64  # source pixels of a chunk


class Done(NamedTuple):
    """A chunk that is done.

    Attributes:
        sources: How many sources were in it.
        made: How many files were written just now; 0 when it was done before.
    """

    sources: int
    made: int


class Totals(NamedTuple):
    """What a finished run made.

    Attributes:
        sources: Sources that were warped.
        images: Files written.
        rejected: Warps below the least quality.
        turned: Half turns that were dropped.
        quality: Mean quality of the files.
        pck: Mean agreement of the poses read off them with those asked for, 0 to 1; None where
            poses were not checked.
        left_out: ``file: reason`` for each source that could not be used.
    """

    sources: int
    images: int
    rejected: int
    turned: int
    quality: float
    pck: float | None
    left_out: tuple[str, ...]


def check_fit(estimator: FlowEstimator, pose: Pose, size: Size) -> None:
    """Find out before the work whether an estimator takes images of a size.

    Args:
        estimator: The estimator; it is put into evaluation mode.
        pose: Any pose (18, 2) in pixels of such an image.
        size: (height, width) of the warps.

    Raises:
        UsageError: It does not.
    """
    told = f"{size[0]}x{size[1]}"
    cells: tuple[int, ...] = size
    if min(size) > 1:
        one = stack([pose])
        try:
            with torch.inference_mode():
                cells = estimator.eval()(torch.zeros(1, 3, *size), one, one).shape[-2:]
        except ValueError as error:
            raise UsageError(f"the flow does not suit images of {told}: {error}") from None
    if min(cells) < 2:
        raise UsageError(f"images of {told}, as most of the poses' are, are too small to be warped")


def into_chunks(sources: Sequence[Source], size: Size) -> list[Sequence[Source]]:
    """Divide sources into chunks; a worker holds one of them at a time.

    Args:
        sources: All sources, in an order that does not change between runs.
        size: (height, width) of the warps.

    Returns:
        Chunks of 32 sources at 128 x 64, of fewer where images are larger.
    """
    each = _at_once(size)
    return [sources[k : k + each] for k in range(0, len(sources), each)]


def _at_once(size: Size) -> int:
    return max(1, min(32, PIXELS_AT_ONCE // (size[0] * size[1])))


def run_chunks(
    plan: Plan, size: Size, chunks: Sequence[Sequence[Source]], *, workers: int, backend: str
) -> Iterator[Done]:
    """Make every chunk that is not done yet.

    Args:
        plan: What to do; ``plan.out`` holds ``poses.json``.
        size: (height, width) of the warps.
        chunks: The sources.
        workers: Number of processes.
        backend: ``loky``: processes of this machine. ``dask``: those of the dask cluster that
            dask's own settings name (``DASK_SCHEDULER_ADDRESS``), or of a local one; all of
            them must see the same files.

    Yields:
        Each chunk's count, in order.

    Raises:
        ReidaugError: A file cannot be written, or a worker was killed.
        UsageError: The backend is unknown or not installed.
    """
    for folder in (plan.out / TRAIN, plan.out / RECORDS):
        folder.mkdir(exist_ok=True)
    clean(plan.out)
    everyone = [source for chunk in chunks for source in chunk]
    people = [source.person.pid for source in everyone]
    jobs = (
        delayed(make_chunk)(
            plan, size, k, chunk, [everyone[n] for n in _places(plan, size, k, chunk, people)]
        )
        for k, chunk in enumerate(chunks)
    )
    yield from run_tasks(jobs, min(workers, len(chunks)), backend=backend)


def _places(
    plan: Plan, size: Size, index: int, chunk: Sequence[Source], people: Sequence[int]
) -> list[int]:
    """Choose the sources whose backgrounds a chunk may use, by whom every source shows."""
    if plan.background != "other":
        return []
    asking = [source.person.pid for source in chunk]
    return draw_pool(people, asking, count=max(2, _at_once(size)), seed=(plan.seed, index))


def make_chunk(
    plan: Plan,
    size: Size,
    index: int,
    sources: Sequence[Source],
    places: Sequence[Source] = (),
) -> Done:
    """Warp some sources into every pose, unless that is done already.

    Args:
        plan: What to do.
        size: (height, width) of the warps.
        index: Which chunk this is.
        sources: Its sources.
        places: Sources to take other backgrounds from.

    Returns:
        The chunk's count.

    Raises:
        ReidaugError: A file cannot be written, or what `reidaug.augment.warping.warp_crops` says.
    """
    record = _record(plan.out, index)
    if _is_done(plan, size, record, sources):
        return Done(len(sources), 0)
    rows: list[list[Any]] = []
    with one_thread(), torch.inference_mode():
        crops, left_out = read_crops(sources, size, plan.masks)
        grounds, _ = read_crops(places if crops else (), size, plan.masks)
        for warp in warp_crops(plan, crops, grounds) if crops else ():
            if warp.jpeg is not None:
                write_atomically(plan.out / TRAIN / warp.row[0], warp.jpeg)
            rows.append(warp.row)
    content = json.dumps({"rows": rows, "left_out": left_out}, separators=(",", ":"))
    write_atomically(record, content.encode())
    return Done(len(sources), sum(row[-1] for row in rows))


def merge(out: Path, chunks: int) -> Totals:
    """Write ``manifest.parquet`` from the records of all chunks, one at a time.

    Args:
        out: The dataset made.
        chunks: How many chunks there are, all done.

    Returns:
        What was made in all.

    Raises:
        ReidaugError: Not one file was written.
    """
    counts = Counter[str]()
    left_out = list[str]()

    def rows() -> Iterator[dict[str, Any]]:
        for index in range(chunks):
            record = json.loads(_record(out, index).read_text(encoding="utf-8"))
            left_out.extend(record["left_out"])
            counts["sources"] += len({row[1] for row in record["rows"]})
            for row in record["rows"]:
                named = dict(zip(COLUMNS, row, strict=True))
                counts[named["left_out"]] += 1
                if named["kept"]:
                    sums["quality"] += named["quality"]
                    sums["pck"] += named["pck"] or 0.0
                    counts["checked"] += named["pck"] is not None
                # A column of numbers, whether or not there are any.
                yield named | {"pck": math.nan if named["pck"] is None else named["pck"]}

    sums = {"quality": 0.0, "pck": 0.0}
    write_manifest(out / MANIFEST, rows())
    images, rejected, turned = counts[""], counts["quality"], counts["turn"]
    if not images:
        reason = f"of {rejected + turned} warps {rejected} are below the least quality and "
        reason += f"{turned} are half turns"
        raise ReidaugError(f"not one image could be warped: {left_out[0] if left_out else reason}")
    return Totals(
        counts["sources"], images, rejected, turned, sums["quality"] / images,
        sums["pck"] / counts["checked"] if counts["checked"] else None, tuple(left_out),
    )  # fmt: skip


def clean(out: Path) -> None:
    """Remove what a killed run left half written.

    Args:
        out: The dataset made.
    """
    for folder in (out, out / TRAIN, out / RECORDS):
        remove_partials(folder)


def _record(out: Path, index: int) -> Path:
    return out / RECORDS / f"{index:06d}.json"


def _is_done(plan: Plan, size: Size, path: Path, sources: Sequence[Source]) -> bool:
    """Tell whether a chunk has its record, every file in it, and no source mended since."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        rows, left_out = record["rows"], record["left_out"]
    except (OSError, ValueError, KeyError):
        return False
    there = all((plan.out / TRAIN / row[0]).is_file() for row in rows if row[-1])
    return there and (not left_out or read_crops(sources, size, plan.masks)[1] == left_out)
