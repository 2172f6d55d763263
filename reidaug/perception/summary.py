"""What a survey found: who is missing, which joints are seen, and where to look twice."""

import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.geometry.pose import OPENPOSE_18, Pose
from reidaug.perception.dataset_poses import Page, Row

SHOWN = 40  # crops on the sheet
# BlazePose is always sure of the face: its joints say nothing about how sure it is of the crop.
BODY = tuple(k for k, name in enumerate(OPENPOSE_18) if not name.endswith(("nose", "eye", "ear")))


class Tally:
    """Counts what goes by, and remembers only the crops to look at twice.

    Attributes:
        crops: How many crops went by.
        people: How many of them show a person.
        left_out: ``file: reason`` for each crop without a pose.
    """

    def __init__(self) -> None:
        self.crops = 0
        self.people = 0
        self.left_out: list[str] = []
        self._seen = np.zeros(len(OPENPOSE_18), dtype=np.int64)
        self._share = 0.0
        self._nobody = 0
        self._doubtful: list[tuple[float, int, Path, Row]] = []

    def poses(self, pages: Iterable[Page]) -> Iterator[tuple[str, Pose]]:
        """Count pages while their poses pass through.

        Args:
            pages: What came of each chunk.

        Yields:
            File name and pose of every crop that could be read.
        """
        for page in pages:
            self.crops += len(page.crops)
            self.left_out += page.left_out
            paths = {path.name: path for path in page.crops}
            for row in page.rows:
                self._count(paths[row.name], row)
                yield row.name, row.pose

    def _count(self, path: Path, row: Row) -> None:
        if row.found:
            self.people += 1
            self._seen += row.pose.visible.numpy()
            self._share += row.share
        else:
            self._nobody += 1
            self.left_out.append(f"{path}: nobody found in it ({row.person:.2f})")
        # The least certain come first; of equals those that went by first.
        entry = (-trust(row), -self.crops, path, row)
        if len(self._doubtful) < SHOWN:
            heapq.heappush(self._doubtful, entry)
        elif entry[0] > self._doubtful[0][0]:
            heapq.heapreplace(self._doubtful, entry)

    def doubtful(self) -> list[tuple[Path, Row]]:
        """Give the crops to look at twice, the least certain first."""
        ordered = sorted(self._doubtful, key=lambda entry: (-entry[0], entry[2]))
        return [(path, row) for _, _, path, row in ordered]

    def report(self) -> dict[str, Any]:
        """Sum up.

        Returns:
            JSON values: counts, for each joint the share of people that show it, the mean share
            of a crop inside the outline, the names of the least certain crops.
        """
        people = max(self.people, 1)
        shares = (self._seen / people).round(4).tolist()
        return {
            "crops": self.crops,
            "people": self.people,
            "without_person": self._nobody,
            "not_readable": len(self.left_out) - self._nobody,
            "joints": dict(zip(OPENPOSE_18, shares, strict=True)),
            "foreground": round(self._share / people, 4),
            "least_certain": [path.name for path, _ in self.doubtful()],
        }


def trust(row: Row) -> float:
    """Tell how far a reading can be trusted.

    Args:
        row: The reading.

    Returns:
        Mean certainty of the 13 joints of the body, times that of there being a person; 0 where
        nobody was found.
    """
    body = float(np.mean([row.certainty[joint] for joint in BODY]))
    return row.person * body if row.found else 0.0
