"""Report of estimated poses: missing people, visible joints, and the least certain crops."""

import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reidaug.geometry.pose import OPENPOSE_18, Pose
from reidaug.perception.pose_records import PoseChunk, PoseRecord

SHOWN = 40  # crops on the sheet
# BlazePose is always sure of the face, which says nothing about how sure it is of the crop.
BODY = tuple(k for k, name in enumerate(OPENPOSE_18) if not name.endswith(("nose", "eye", "ear")))


class PoseReport(NamedTuple):
    """Content of the report of a keypoint file."""

    crops: int  # number of crops
    people: int  # crops that show a person
    at_second_try: int  # those of them that only a second try found
    without_person: int  # crops that show none
    not_readable: int  # crops that could not be read
    joints: dict[str, float]  # for each joint the share of people that show it
    foreground: float  # mean share of a crop inside the outline
    outlines: int  # crops with a mask: some in which nobody was found have one too
    least_certain: list[str]  # names of the least certain crops
    network: str  # name of the network
    masks: bool  # whether masks were written
    inputs: str  # digest of network and crops
    crops_per_s: float  # rate of the crops read just now
    seconds: float  # time they took
    workers: int  # processes
    left_out: int = 0  # images without a pose, those included that are no usable files


class PoseStatistics:
    """Counts over all estimates, of which only the least certain ones are kept.

    ``crops`` and ``people`` count the crops so far and those that show a person, ``at_second_try``
    those that only a second try found, ``outlines`` those with a mask;
    ``left_out`` holds ``file: reason`` for each crop without a pose.
    """

    def __init__(self) -> None:
        self.crops = 0
        self.people = 0
        self.at_second_try = 0
        self.outlines = 0
        self.left_out: list[str] = []
        self._visible = np.zeros(len(OPENPOSE_18), dtype=np.int64)
        self._share = 0.0
        self._nobody = 0
        self._doubtful: list[tuple[float, int, Path, PoseRecord]] = []

    def poses(self, chunks: Iterable[PoseChunk]) -> Iterator[tuple[str, Pose]]:
        """Count the estimates of all chunks while file names and poses pass through."""
        for chunk in chunks:
            self.crops += len(chunk.crops)
            self.left_out += chunk.left_out
            paths = chunk.crops
            for row in chunk.rows:
                self._count(paths[row.name], row)
                yield row.name, row.pose

    def _count(self, path: Path, row: PoseRecord) -> None:
        self.outlines += row.outlined
        if row.found:
            self.people += 1
            self.at_second_try += row.attempt > 1
            self._visible += row.pose.visible.numpy()
            self._share += row.share
        else:
            self._nobody += 1
            self.left_out.append(f"{path}: nobody found in it ({row.person:.2f})")
        # The least certain come first; of equals the earlier one.
        entry = (-trust(row), -self.crops, path, row)
        if len(self._doubtful) < SHOWN:
            heapq.heappush(self._doubtful, entry)
        elif entry[0] > self._doubtful[0][0]:
            heapq.heapreplace(self._doubtful, entry)

    def doubtful(self) -> list[tuple[Path, PoseRecord]]:
        """Return the least certain crops, in rising order of certainty."""
        ordered = sorted(self._doubtful, key=lambda entry: (-entry[0], entry[2]))
        return [(path, row) for _, _, path, row in ordered]

    def report(self, **run: Any) -> PoseReport:
        """Summarise; ``run`` are the fields of the report that are no statistics."""
        people = max(self.people, 1)
        shares = (self._visible / people).round(4).tolist()
        return PoseReport(
            crops=self.crops,
            people=self.people,
            at_second_try=self.at_second_try,
            without_person=self._nobody,
            not_readable=len(self.left_out) - self._nobody,
            joints=dict(zip(OPENPOSE_18, shares, strict=True)),
            foreground=round(self._share / people, 4),
            outlines=self.outlines,
            least_certain=[path.name for path, _ in self.doubtful()],
            **run,
        )


def trust(row: PoseRecord) -> float:
    """Score the certainty of an estimate, 0 where no person was found.

    It is the mean certainty of the 13 joints of the body, times that of a person.
    """
    body = float(np.mean([row.certainty[joint] for joint in BODY]))
    return row.person * body if row.found else 0.0
