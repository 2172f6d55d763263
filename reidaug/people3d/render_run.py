"""Resumable rendering of a dataset: one task and one record for each person."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from joblib import delayed
from numpy.typing import NDArray

from reidaug.checksums import REPORT, check_written, flaw_of
from reidaug.data.images import LONGEST_SIDE, MOST_PIXELS, encode_jpeg, encode_png
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.files import collected_checksums, write_atomically
from reidaug.fingerprint import Inputs
from reidaug.geometry.flow import Size, size_from
from reidaug.geometry.pose import Pose
from reidaug.jobs import Records, Task, run_tasks
from reidaug.machine import cores
from reidaug.people3d.body import load_body
from reidaug.people3d.render import Render
from reidaug.recipes import LARGEST_SEED
from reidaug.runs import RunFolder, counter, notice, stored_recipe

RECORDS = ".parts"
MOST = 1_000_000  # people, or images of one
Row = dict[str, Any]
"""A row of a Parquet table: text, numbers, booleans or None by column."""


class PersonRecord(NamedTuple):
    """Record of one rendered person for the tables of the dataset; JSON values."""

    crops: int  # number of images
    # The 18 joints by file name: x, y and whether they are visible (0 or 1).
    joints: Mapping[str, list[list[float]]]
    pairs: Sequence[Sequence[str]] = ()  # file names of the pairs, source then target
    rows: Sequence[Row] = ()  # rows of the dataset's table
    files: Mapping[str, str] = {}  # checksums of what was written, by name in the dataset


def render_people(
    out: Path,
    recipe: Mapping[str, Any],
    make_tasks: Callable[[], Mapping[int, Task]],
    write_tables: Callable[[list[PersonRecord]], dict[str, int]],
    *,
    crops: int,
    workers: int | None,
    inputs: Inputs | None = None,
) -> dict[str, int]:
    """Render every person that has no record yet, write the tables and return the report.

    Args:
        out: Folder of the run.
        recipe: What decides its bytes.
        make_tasks: Makes the folders; returns each person's task, whose result is a `PersonRecord`.
        write_tables: Writes the tables from all records, ordered as the tasks; returns counts for
            the report.
        crops: Number of images in all.
        workers: Processes; by default one per core.
        inputs: Fingerprints of the files that are read, if any are.

    Raises:
        ReidaugError: The folder holds something else or was made from other files, or a worker was
            killed.
        UsageError: The extra ``synth`` is not installed.
    """
    require_extra("synth", "anny", "warp")
    folder = RunFolder.open(out, recipe, resume=True, inputs=inputs, places=("dataset",))
    records = Records(out / RECORDS)
    if inputs is not None:
        if records.folder.is_dir() or (out / REPORT).exists():  # else nothing is of other files
            inputs.check(advice="name another folder with --out")
            if line := folder.changed(inputs):
                notice(f"{out}: {line}")
        inputs.save()
    if (report := folder.finished()) is not None:
        _remove_leftovers(records, out)
        return report
    load_body()  # builds its cache before the workers need it
    tasks = make_tasks()
    finished = {person: record for person in tasks if (record := _finished(out, records, person))}
    # No tasks for finished people: after a task that returns at once, the next one, which loads the
    # body model, looks like a memory leak, and joblib replaces the worker.
    missing = [
        delayed(_render_person)(records, person, task)
        for person, task in tasks.items()
        if person not in finished
    ]
    started = time.monotonic()
    with counter(total=crops, what="rendering", unit="crops") as advance:
        advance(sum(record.crops for record in finished.values()), before=True)
        for count in run_tasks(missing, min(workers or cores(), len(missing))):
            advance(count)
    complete = [PersonRecord(**records.read(person)) for person in tasks]
    with collected_checksums() as tables:
        report = {"crops": crops, **write_tables(complete)}
    folder.log(persons=len(missing), seconds=round(time.monotonic() - started, 2))
    sums = {name: own for record in complete for name, own in record.files.items()}
    folder.report(report, tables, sums)
    _remove_leftovers(records, out)
    return report


def _remove_leftovers(records: Records, out: Path) -> None:
    """Remove what a finished dataset needs no more, and what killed runs left half written."""
    records.remove()
    for partial in out.rglob(".*.part"):
        partial.unlink(missing_ok=True)


def _render_person(records: Records, person: int, task: Task) -> int:
    function, positional, named = task
    with collected_checksums() as sums:
        record: PersonRecord = function(*positional, **named)
    out = records.folder.parent
    own = {path: checksum for path, checksum in sums.items() if path.is_relative_to(out)}
    files = {path.relative_to(out).as_posix(): checksum for path, checksum in own.items()}
    records.write(person, record._replace(files=files)._asdict())
    return record.crops


def _finished(out: Path, records: Records, person: int) -> PersonRecord | None:
    """Read a person's record; None where it or a file of the person is missing or damaged."""
    try:
        record = PersonRecord(**records.read(person))
    except TypeError:
        return None
    damaged = any(flaw_of(out / name, own) for name, own in record.files.items())
    return None if damaged else record


def split_numbers(people: int, test_people: int) -> dict[str, range]:
    """Number the training people from 1 on, and the test people after them."""
    total = people + test_people
    return {"train": range(1, people + 1), "test": range(people + 1, total + 1)}


def split_tasks(
    out: Path,
    folder: str,
    splits: Mapping[str, range],
    render_person: Callable[..., PersonRecord],
    options: Any,
) -> dict[int, Task]:
    """Make the folders of two splits, and the task of each person.

    Args:
        out: Gets ``train``, ``test``, ``masks``, and both splits in ``folder``.
        folder: Of what is rendered beside the images.
        splits: Numbers of the people, see `split_numbers`.
        render_person: Called with ``out``, the split, the person's number and ``options``.
        options: What to render.
    """
    for split in splits:
        for path in (out / split, out / folder / split, out / "masks"):
            path.mkdir(parents=True, exist_ok=True)
    return {
        person: delayed(render_person)(out, split, person, options)
        for split, numbers in splits.items()
        for person in numbers
    }


def write_image(path: Path, image: NDArray[np.uint8], quality: int = 95) -> None:
    """Write RGB bytes (H, W, 3) as a JPEG file of a quality from 1 to 95."""
    pixels = np.ascontiguousarray(image.transpose(2, 0, 1))
    write_atomically(path, encode_jpeg(torch.from_numpy(pixels), quality))


def write_render(
    out: Path, split: str, name: str, render: Render, quality: int = 95
) -> list[list[float]]:
    """Write an image into its split and its mask into ``masks``; return the joints.

    They are 18 times x, y in pixels and whether the joint is visible (0 or 1). ``quality`` is that
    of the JPEG file.
    """
    write_image(out / split / name, render.image, quality)
    mask = encode_png(torch.from_numpy(render.mask))
    write_atomically(out / "masks" / f"{Path(name).stem}.png", mask)
    xy, visible = render.xy.round(2).tolist(), render.visible.tolist()
    return [[x, y, float(v)] for (x, y), v in zip(xy, visible, strict=True)]


def poses_of(records: Iterable[PersonRecord]) -> dict[str, Pose]:
    """Collect the 18 joints of all records by file name."""
    tables = {n: torch.tensor(j) for record in records for n, j in record.joints.items()}
    return {name: Pose(table[:, :2], table[:, 2] > 0) for name, table in tables.items()}


def check_counts(options: object, **least: int) -> None:
    """Check attributes of options against their least values, and that none is absurdly large.

    Raises:
        UsageError: A value is too small, or too large.
    """
    for name, minimum in least.items():
        value = getattr(options, name)
        if value < minimum:
            raise UsageError(f"--{name.replace('_', '-')} {value}: at least {minimum} needed")
        most = LARGEST_SEED if name == "seed" else MOST
        if value > most:
            raise UsageError(f"--{name.replace('_', '-')} {value}: at most {most}")


def read_recipe(root: Path, command: str, purpose: str) -> dict[str, Any]:
    """Read the recipe of a finished run of ``command``; ``purpose`` is what fails otherwise.

    Raises:
        ReidaugError: Another command wrote the folder, or its recipe or data are damaged.
    """
    check_written(root)
    recipe = dict(stored_recipe(root))
    if recipe.get("command") != command:
        raise ReidaugError(
            f"{root}: not made by 'reidaug {command}', or its recipe.yaml is damaged, so {purpose}"
        )
    return recipe


def size_text(size: Size) -> str:
    """Write (height, width) like ``128x64``; the inverse of `parse_size`."""
    return f"{size[0]}x{size[1]}"


def parse_size(text: str) -> Size:
    """Read (height, width) from a text like ``128x64``.

    Raises:
        UsageError: The text has another form, or a side is shorter than 32.
    """
    size = size_from(text)
    if size is None or min(size) < 32:
        raise UsageError(f"--size {text}: give height x width, at least 32, such as 128x64")
    if max(size) > LONGEST_SIDE or size[0] * size[1] > MOST_PIXELS:
        raise UsageError(
            f"--size {text}: at most {MOST_PIXELS // 10**6} million pixels, {LONGEST_SIDE:,} on a "
            "side, are read again"
        )
    return size
