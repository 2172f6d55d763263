"""Many crops read by several processes, safe to kill: fixed chunks, a record for each.

What is in a chunk depends on the order of the crops alone. It is done when its record says so of
the same crops (their names and the sizes of their files) and every mask it names is there.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from joblib import delayed

from reidaug.data.images import encode_png, read_image
from reidaug.errors import ReidaugError
from reidaug.files import write_atomically
from reidaug.geometry.pose import Pose
from reidaug.jobs import run_tasks
from reidaug.machine import one_thread
from reidaug.perception.blazepose import PersonReader, Reading, shows_person

CHUNK = 64  # crops; a worker holds one of them at a time
DECIMALS = 2  # of positions in pixels


class Survey(NamedTuple):
    """What every worker must know.

    Attributes:
        records: Folder of the records.
        masks: Folder for ``<stem of the crop>.png``, or None.
        model: File of the network.
        network: Its name, see `reidaug.perception.models.KNOWN`.
    """

    records: Path
    masks: Path | None
    model: Path
    network: str


class Row(NamedTuple):
    """What is kept of one reading.

    Attributes:
        name: File name of the crop.
        joints: x, y and whether it is visible (0 or 1) of the 18 joints.
        certainty: Probability that each joint is in sight.
        person: Probability that somebody is there.
        share: Share of the crop inside the person's outline.
        found: Whether the crop shows a person, see `shows_person`.
    """

    name: str
    joints: list[list[float]]
    certainty: list[float]
    person: float
    share: float
    found: bool

    @property
    def pose(self) -> Pose:
        """The 18 joints in pixels of the crop; all are missing where nobody was found."""
        table = torch.tensor(self.joints)
        return Pose(table[:, :2], (table[:, 2] > 0) & self.found)


class Page(NamedTuple):
    """What came of one chunk.

    Attributes:
        crops: Its crops.
        rows: The readings, in order.
        left_out: ``file: reason`` for each crop that could not be read.
    """

    crops: Sequence[Path]
    rows: list[Row]
    left_out: list[str]


def into_chunks(crops: Sequence[Path]) -> list[Sequence[Path]]:
    """Divide crops into chunks.

    Args:
        crops: All crops, in an order that does not change between runs.

    Returns:
        Runs of `CHUNK` crops.
    """
    return [crops[k : k + CHUNK] for k in range(0, len(crops), CHUNK)]


def fingerprint(network: str, crops: Sequence[Path]) -> str:
    """Sum up what decides the readings.

    Args:
        network: Name of the network.
        crops: Their names and the sizes of their files count.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256(network.encode())
    for path in crops:
        size = path.stat().st_size if path.is_file() else -1
        digest.update(f"{path.name}\0{size}\0".encode())
    return digest.hexdigest()[:16]


def read_chunks(
    survey: Survey, chunks: Sequence[Sequence[Path]], *, workers: int
) -> Iterator[tuple[int, int]]:
    """Read every chunk that is not done yet.

    Args:
        survey: What to do; its folders exist.
        chunks: The crops.
        workers: Number of processes.

    Yields:
        For each chunk in order: how many crops are in it, and how many were read just now.

    Raises:
        ReidaugError: A file cannot be written, the model not be opened, or a worker was killed.
    """
    tasks = (delayed(read_chunk)(survey, k, chunk) for k, chunk in enumerate(chunks))
    yield from run_tasks(tasks, min(workers, len(chunks)))


def read_chunk(survey: Survey, index: int, crops: Sequence[Path]) -> tuple[int, int]:
    """Read some crops, unless that is done already.

    Args:
        survey: What to do.
        index: Which chunk this is.
        crops: Its crops.

    Returns:
        How many crops are in it, and how many were read just now.

    Raises:
        ReidaugError: A file cannot be written, or the model not be opened.
    """
    of = fingerprint(survey.network, crops)
    if _is_done(survey, index, of):
        return len(crops), 0
    rows: list[Row] = []
    left_out: list[str] = []
    with one_thread():
        reader = _reader(survey.model)
        for path in crops:
            try:
                image = read_image(path)
            except ReidaugError as error:
                left_out.append(str(error))
                continue
            reading = reader.read(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
            rows.append(_row(path.name, reading))
            if survey.masks is not None and rows[-1].found:
                content = encode_png(torch.from_numpy(reading.mask))
                write_atomically(mask_path(survey.masks, path.name), content)
    record = {"of": of, "rows": rows, "left_out": left_out}
    content = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    write_atomically(_record(survey, index), content)
    return len(crops), len(crops)


def read_pages(survey: Survey, chunks: Sequence[Sequence[Path]]) -> Iterator[Page]:
    """Give what came of all chunks, one at a time.

    Args:
        survey: What was done.
        chunks: The crops.

    Yields:
        A page a chunk, in order.
    """
    for index, crops in enumerate(chunks):
        record = json.loads(_record(survey, index).read_text(encoding="utf-8"))
        yield Page(crops, [Row(*row) for row in record["rows"]], record["left_out"])


def mask_path(masks: Path, name: str) -> Path:
    """Name the mask of a crop.

    Args:
        masks: Folder of masks.
        name: File name of the crop.

    Returns:
        ``<stem of the crop>.png`` in it.
    """
    return masks / f"{Path(name).stem}.png"


@lru_cache(maxsize=1)
def _reader(model: Path) -> PersonReader:
    return PersonReader(model)


def _row(name: str, reading: Reading) -> Row:
    pose = reading.pose
    joints = [
        [round(x, DECIMALS), round(y, DECIMALS), int(seen)]
        for (x, y), seen in zip(pose.xy.tolist(), pose.visible.tolist(), strict=True)
    ]
    certainty = [round(c, 4) for c in reading.certainty.tolist()]
    share = round(float(reading.mask.mean()), 4)
    return Row(name, joints, certainty, round(reading.person, 4), share, shows_person(reading))


def _record(survey: Survey, index: int) -> Path:
    return survey.records / f"{index:06d}.json"


def _is_done(survey: Survey, index: int, of: str) -> bool:
    try:
        record: dict[str, Any] = json.loads(_record(survey, index).read_text(encoding="utf-8"))
        rows = [Row(*row) for row in record["rows"]]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    masks = survey.masks
    return record.get("of") == of and (
        masks is None or all(mask_path(masks, row.name).is_file() for row in rows if row.found)
    )
