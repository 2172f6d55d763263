"""Pose estimates of many crops: records of finished chunks, made by any number of workers.

A chunk depends on the order of the crops alone. It is done when its record is of the same crops
(names and file sizes) and every mask it lists exists.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from joblib import delayed

from reidaug.data.images import channels_last, encode_png, mask_path, read_image
from reidaug.errors import ReidaugError
from reidaug.files import write_atomically
from reidaug.geometry.pose import Pose
from reidaug.jobs import Records, Task
from reidaug.machine import one_thread
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_estimator import shows_outline
from reidaug.perception.second_tries import (
    MIN_PERSON_AGAIN,
    SECOND_TRIES,
    PersonSearch,
    find_person,
)
from reidaug.perception.unseen_legs import LEAST_IN_LOW_CROP, LEAST_STANDING

CHUNK = 64  # crops; a worker holds one of them at a time
DECIMALS = 2  # of positions in pixels


class PoseJob(NamedTuple):
    """Settings of every worker."""

    folder: Path  # folder of the records
    masks: Path | None  # folder for ``<stem of the crop>.png``, or None
    model: Path  # file of the network
    network: str  # its name, see `reidaug.perception.weights.KNOWN`
    in_folders: bool = False  # whether crops are named FOLDER/NAME, see `reidaug.data.market1501`

    def name(self, crop: Path) -> str:
        """Name a crop in the keypoint file."""
        return f"{crop.parent.name}/{crop.name}" if self.in_folders else crop.name

    @property
    def records(self) -> Records:
        """Records of the finished chunks."""
        return Records(self.folder)


class PoseRecord(NamedTuple):
    """The saved values of one estimate."""

    name: str  # name of the crop, see `PoseJob.name`
    joints: list[list[float]]  # x, y and whether it is visible (0 or 1) of the 18 joints
    certainty: list[float]  # probability that each joint is visible
    person: float  # probability that there is a person
    share: float  # share of the crop inside the person's outline
    attempt: int  # number of the try that found a person, see `find_person`; 0: none did
    outlined: bool  # whether the outline is probably a person's, see `shows_outline`

    @classmethod
    def of(cls, name: str, search: PersonSearch) -> "PoseRecord":
        """Round an estimate."""
        estimate, pose = search.estimate, search.estimate.pose
        joints = [
            [round(x, DECIMALS), round(y, DECIMALS), int(visible)]
            for (x, y), visible in zip(pose.xy.tolist(), pose.visible.tolist(), strict=True)
        ]
        certainty = [round(c, 4) for c in estimate.certainty.tolist()]
        share, person = round(float(estimate.mask.mean()), 4), round(estimate.person, 4)
        return cls(name, joints, certainty, person, share, search.attempt, shows_outline(estimate))

    @property
    def found(self) -> bool:
        """Whether the crop shows a person."""
        return self.attempt > 0

    @property
    def pose(self) -> Pose:
        """The 18 joints in pixels of the crop; all are missing where no person was found."""
        table = torch.tensor(self.joints)
        return Pose(table[:, :2], (table[:, 2] > 0) & self.found)


class PoseChunk(NamedTuple):
    """A finished chunk."""

    crops: Mapping[str, Path]  # its crops by name
    rows: list[PoseRecord]  # their records, in order
    left_out: list[str]  # ``file: reason`` for each crop that could not be read


def fingerprint(network: str, crops: Sequence[Path]) -> str:
    """Hash what decides the estimates: network, rules, names and file sizes of the crops."""
    rules = f"{SECOND_TRIES}{MIN_PERSON_AGAIN}{LEAST_STANDING}{LEAST_IN_LOW_CROP}"
    digest = hashlib.sha256(f"{network}{rules}".encode())
    for path in crops:
        size = path.stat().st_size if path.is_file() else -1
        digest.update(f"{path.name}\0{size}\0".encode())
    return digest.hexdigest()[:16]


def chunk_tasks(job: PoseJob, chunks: Sequence[Sequence[Path]]) -> Iterator[Task]:
    """Return the task of every chunk, see `make_chunk`."""
    for index, chunk in enumerate(chunks):
        yield delayed(make_chunk)(job, index, chunk)


def make_chunk(job: PoseJob, index: int, crops: Sequence[Path]) -> tuple[int, int]:
    """Estimate the poses of some crops, unless already done; the folder of masks exists.

    Returns:
        Number of crops in the chunk, and number of those read just now.

    Raises:
        ReidaugError: A file cannot be written, or the model not be opened.
    """
    of = fingerprint(job.network, crops)
    if _is_done(job, index, of):
        return len(crops), 0
    rows: list[PoseRecord] = []
    left_out: list[str] = []
    with one_thread():
        estimator = _estimator(job.model)
        for path in crops:
            try:
                image = read_image(path)
            except ReidaugError as error:
                left_out.append(str(error))
                continue
            search = find_person(estimator, channels_last(image))
            rows.append(PoseRecord.of(job.name(path), search))
            if job.masks is not None and rows[-1].outlined:
                content = encode_png(torch.from_numpy(search.estimate.mask))
                file = mask_path(job.masks, rows[-1].name)
                file.parent.mkdir(exist_ok=True)
                write_atomically(file, content)
    job.records.write(index, {"of": of, "rows": rows, "left_out": left_out})
    return len(crops), len(crops)


def read_chunks(job: PoseJob, chunks: Sequence[Sequence[Path]]) -> Iterator[PoseChunk]:
    """Read the records of all chunks, one at a time."""
    records = job.records
    for index, chunk in enumerate(chunks):
        record = records.read(index)
        crops = {job.name(path): path for path in chunk}
        yield PoseChunk(crops, [PoseRecord(*row) for row in record["rows"]], record["left_out"])


@lru_cache(maxsize=1)
def _estimator(model: Path) -> BlazePose:
    return BlazePose(model)


def _is_done(job: PoseJob, index: int, of: str) -> bool:
    record = job.records.read(index)
    try:
        rows = [PoseRecord(*row) for row in record["rows"]] if record["of"] == of else None
    except (KeyError, TypeError):
        rows = None
    masks = job.masks
    return rows is not None and (
        masks is None or all(mask_path(masks, row.name).is_file() for row in rows if row.outlined)
    )
