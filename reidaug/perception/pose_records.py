"""Pose estimates of many crops: records of finished chunks, made by any number of workers.

A record is named after the content of its crops. It is done when every mask it lists exists; rows
of crops that another record has already are taken from there.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import UInt8
from joblib import delayed
from torch import Tensor

from reidaug.checksums import flaw_of, is_one_of
from reidaug.data.images import channels_last, encode_png, mask_path, read_image
from reidaug.errors import ReidaugError
from reidaug.files import checksum_of, write_atomically
from reidaug.fingerprint import content_digest, digest_of
from reidaug.geometry.pose import Pose
from reidaug.jobs import Records, Task, chunks_of
from reidaug.machine import one_thread
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.pose_estimator import shows_outline
from reidaug.perception.second_tries import (
    MIN_PERSON_AGAIN,
    SECOND_TRIES,
    PersonSearch,
    find_person,
)
from reidaug.perception.unseen_legs import LEAST_IN_LOW_CROP, LEAST_STANDING, LOW_CROP

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
    mask: str = ""  # checksum of the mask file, where one was written

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


class CropChunk(NamedTuple):
    """Consecutive crops, and what they are: the same ones have the same record."""

    key: str  # name of its record
    crops: Sequence[Path]
    digests: Sequence[str]  # of what decides the estimate of each crop


class _Stored(NamedTuple):
    """A record as it is stored."""

    of: list[str]  # digest of each crop, in order
    rows: list[PoseRecord]
    left_out: dict[str, str]  # by digest, ``file: reason``

    @classmethod
    def read(cls, values: Any) -> "_Stored | None":
        """Take a record from JSON values; None where it is missing or damaged."""
        try:
            rows = [PoseRecord(*row) for row in values["rows"]]
            return cls(list(values["of"]), rows, dict(values["left_out"]))
        except (KeyError, TypeError, ValueError):
            return None

    def by_digest(self) -> dict[str, PoseRecord]:
        """Give the rows by the digests of their crops."""
        return dict(zip((d for d in self.of if d not in self.left_out), self.rows, strict=False))


def crop_digests(job: PoseJob, crops: Sequence[Path], content: Mapping[Path, str]) -> list[str]:
    """Digest what decides the estimate of each crop: its name and content, network and rules."""
    rules = (SECOND_TRIES, MIN_PERSON_AGAIN, LEAST_STANDING, LEAST_IN_LOW_CROP, LOW_CROP)
    shared = repr((job.network, rules))
    return [digest_of(shared, job.name(path), content[path]) for path in crops]


def is_as_digested(job: PoseJob, crop: Path, digest: str) -> bool:
    """Whether a crop is what its `crop_digests` was made of."""
    return crop_digests(job, [crop], {crop: content_digest(crop)}) == [digest]


def fingerprint(digests: Sequence[str]) -> str:
    """Digest the work on crops by their `crop_digests`."""
    return digest_of(*digests)[:16]


def into_chunks(crops: Sequence[Path], digests: Sequence[str]) -> list[CropChunk]:
    """Divide crops into chunks."""
    parts = zip(chunks_of(crops, CHUNK), chunks_of(digests, CHUNK), strict=True)
    return [CropChunk(fingerprint(of), paths, of) for paths, of in parts]


def chunk_tasks(job: PoseJob, chunks: Sequence[CropChunk]) -> Iterator[Task]:
    """Return the task of every chunk, see `make_chunk`."""
    missing = {d for chunk in chunks if not _is_done(job, chunk) for d in chunk.digests}
    places = _places(job, chunks, missing) if missing else {}
    for chunk in chunks:
        known = dict.fromkeys(places[d] for d in chunk.digests if d in places)
        yield delayed(make_chunk)(job, chunk, tuple(known))


def _places(job: PoseJob, chunks: Sequence[CropChunk], missing: Set[str]) -> dict[str, str]:
    """Find the records that have crops which are looked for, by the digests of these.

    What records have of crops that are others now is crossed out first: their masks will be
    overwritten.
    """
    now = {job.name(p): d for c in chunks for p, d in zip(c.crops, c.digests, strict=True)}
    places: dict[str, str] = {}
    for path in sorted(job.folder.glob("*.json")):
        record = _Stored.read(job.records.read(path.stem))
        if record is None:
            continue
        others = {d for d, row in record.by_digest().items() if now.get(row.name, d) != d}
        if others:
            record = record._replace(of=["" if d in others else d for d in record.of])
            job.records.write(path.stem, record._asdict())
        places.update((d, path.stem) for d in record.of if d in missing)
    return places


def make_chunk(job: PoseJob, chunk: CropChunk, known: Sequence[str] = ()) -> tuple[int, int]:
    """Estimate the poses of some crops, unless already done; the folder of masks exists.

    Args:
        job: Settings.
        chunk: The crops.
        known: Names of records that have some of them.

    Returns:
        Number of crops in the chunk, and number of those read just now.

    Raises:
        ReidaugError: A file cannot be written, or the model not be opened.
    """
    if _is_done(job, chunk):
        return len(chunk.crops), 0
    found = dict[str, PoseRecord]()
    for name in (*known, chunk.key):
        record = _Stored.read(job.records.read(name))
        found.update({} if record is None else record.by_digest())
    found = {digest: row for digest, row in found.items() if _has_mask(job, row)}
    rows: list[PoseRecord] = []
    left_out: dict[str, str] = {}
    masks: dict[Path, bytes] = {}
    made = 0
    with one_thread():
        for path, digest in zip(chunk.crops, chunk.digests, strict=True):
            if digest in found:
                rows.append(found[digest])
                continue
            made += 1
            try:
                image = _read(job, path, digest)
            except ReidaugError as error:
                left_out[digest] = str(error)
                continue
            search = find_person(_estimator(job.model, job.network), channels_last(image))
            rows.append(PoseRecord.of(job.name(path), search))
            if job.masks is not None and rows[-1].outlined:
                content = encode_png(torch.from_numpy(search.estimate.mask))
                masks[mask_path(job.masks, rows[-1].name)] = content
                rows[-1] = rows[-1]._replace(mask=checksum_of(content))
    # Before the masks: after a kill it tells them from those of the user.
    job.records.write(chunk.key, _Stored([*chunk.digests], rows, left_out)._asdict())
    for file, content in masks.items():
        file.parent.mkdir(exist_ok=True)
        write_atomically(file, content)
    return len(chunk.crops), made


def _read(job: PoseJob, crop: Path, digest: str) -> UInt8[Tensor, "3 H W"]:
    """Read a crop; `ReidaugError` where it cannot be read, or is not what was digested."""
    image = read_image(crop)
    if not is_as_digested(job, crop, digest):
        raise ReidaugError(f"{crop}: was changed while this command was at work")
    return image


def read_chunks(job: PoseJob, chunks: Sequence[CropChunk]) -> Iterator[PoseChunk]:
    """Read the records of all chunks, one at a time; `ReidaugError` where one is damaged."""
    for chunk in chunks:
        record = _Stored.read(job.records.read(chunk.key))
        if record is None:
            raise ReidaugError(f"{job.records.path(chunk.key)}: damaged; run the command again")
        crops = {job.name(path): path for path in chunk.crops}
        yield PoseChunk(crops, record.rows, [*record.left_out.values()])


def estimated(job: PoseJob) -> set[str]:
    """List the `crop_digests` that records have estimates of."""
    records = (_Stored.read(job.records.read(path.stem)) for path in job.folder.glob("*.json"))
    return {digest for record in records if record for digest in record.by_digest()} - {""}


def own_masks(job: PoseJob, chunks: Sequence[CropChunk]) -> dict[str, set[str]]:
    """List the masks that a run wrote, perhaps for crops as they were: checksums by crop's name.

    An empty checksum stands for any mask: of chunks whose record is damaged, and of records of
    older versions.
    """
    own: dict[str, set[str]] = {}
    for path in job.folder.glob("*.json"):
        if record := _Stored.read(job.records.read(path.stem)):
            for row in record.rows:
                if row.outlined:
                    own.setdefault(row.name, set()).add(row.mask)
    for chunk in chunks:
        stored = job.records.path(chunk.key).exists()
        if stored and _Stored.read(job.records.read(chunk.key)) is None:
            for crop in chunk.crops:
                own.setdefault(job.name(crop), set()).add("")
    return own


def readable_again(job: PoseJob, chunks: Sequence[CropChunk]) -> list[Path]:
    """List the crops that records left out, and that can be read by now or not for other reasons.

    Their content is as it was: a disk was away, or the user was not allowed to read them.
    """
    left_out: dict[str, str] = {}
    for path in job.folder.glob("*.json"):
        if record := _Stored.read(job.records.read(path.stem)):
            left_out |= record.left_out
    return [path for chunk in chunks for path in _readable_again(chunk, left_out)]


def _readable_again(chunk: CropChunk, left_out: Mapping[str, str]) -> Iterator[Path]:
    for path, digest in zip(chunk.crops, chunk.digests, strict=True):
        if digest in left_out:
            try:
                read_image(path)
            except ReidaugError as error:
                if str(error) == left_out[digest]:
                    continue
            yield path


def remove_former(job: PoseJob, chunks: Sequence[CropChunk], *, masks: bool) -> None:
    """Remove records of crops that are no more, or are others now; with ``masks`` also theirs."""
    current = {chunk.key for chunk in chunks}
    former = dict[Path, _Stored]()
    for path in sorted(job.folder.glob("*.json")):
        record = _Stored.read(job.records.read(path.stem))
        if record is not None and path.stem not in current:
            former[path] = record
    if former and masks and job.masks is not None:
        names = {row.name for record in former.values() for row in record.rows if row.outlined}
        for chunk in read_chunks(job, chunks):
            names.difference_update(row.name for row in chunk.rows if row.outlined)
        own = own_masks(job, ())
        for name in names:
            file = mask_path(job.masks, name)
            if is_one_of(file, own[name]):  # not one that the user put there
                file.unlink(missing_ok=True)
    for path in former:
        path.unlink()


@lru_cache(maxsize=1)
def _estimator(model: Path, network: str) -> BlazePose:
    """Open a file of a network; another file may have the same path by now."""
    return BlazePose(model)


def _is_done(job: PoseJob, chunk: CropChunk) -> bool:
    record = _Stored.read(job.records.read(chunk.key))
    if record is None or record.of != list(chunk.digests):
        return False
    if any(_readable_again(chunk, record.left_out)):
        return False
    return all(_has_mask(job, row) for row in record.rows)


def _has_mask(job: PoseJob, row: PoseRecord) -> bool:
    """Whether the mask of a row is there as it was written, if it has one."""
    if not row.outlined or job.masks is None:
        return True
    file = mask_path(job.masks, row.name)
    return not flaw_of(file, row.mask) if row.mask else file.is_file()
