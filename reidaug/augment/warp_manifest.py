"""The manifest of an augmented dataset: where each warp comes from, and its quality."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from reidaug.augment.quality import POOR
from reidaug.data.manifest import write_manifest
from reidaug.errors import ReidaugError

MANIFEST = "manifest.parquet"


UNKNOWN = ("other_side", "other_face", "invented", "pck")
"""Columns that may have no value."""


class WarpRow(NamedTuple):
    """A row of the manifest; see `reidaug.augment.quality.WarpQuality` and docs/quality.md."""

    file: str  # file name of the warp
    source: str  # file name of the source
    pose: int  # number of the target pose
    pose_image: str  # file name of the image the pose comes from
    pid: int  # person id of the source
    camid: int  # camera id of the source
    pose_from: str  # where the source's pose comes from, see `missing_poses.PoseFrom`
    joints: float  # share of the target's joints that the source shows
    foreground: float
    inside: float
    folded: float
    seen: float
    stretch: float
    stretch_95: float
    other_side: float | None  # this and the next two: None where the flow does not tell
    other_face: float | None
    invented: float | None
    mirrored: bool
    turned: bool  # whether it is a half turn
    pck: float | None  # see `reidaug.augment.quality.pck`; None where not checked
    quality: float  # see `measure_quality`
    left_out: str  # why the warp is not kept: ``quality``, ``turn``, or nothing
    kept: bool  # whether the file is written


class ChunkRecord(NamedTuple):
    """Record of a finished chunk: its warps, and ``file: reason`` for each unreadable source."""

    rows: list[WarpRow]
    left_out: list[str]
    # Checksums of the files of its warps by name; None in records of older versions.
    files: dict[str, str] | None = None
    of: str = ""  # digest of its inputs, see `reidaug.augment.warp_inputs.WarpInputs`
    former: tuple[str, ...] = ()  # files that it once had, of other inputs
    # Names and checksums of files that are being written, or that a killed run began to write.
    begun: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()  # ``file: reason`` for each unreadable image of its pool

    @property
    def names(self) -> list[str]:
        """Names of the files that are kept."""
        return [row.file for row in self.rows if row.kept]

    @classmethod
    def read(cls, values: Any) -> "ChunkRecord | None":
        """Take a record from JSON values; None where it is missing or damaged."""
        try:
            rows = [WarpRow(*row) for row in values["rows"]]
            former = tuple(values.get("former", ()))
            begun = tuple((str(name), str(own)) for name, own in values.get("begun", ()))
            files, of = values.get("files"), values.get("of", "")
            unread = tuple(values.get("unread", ()))
            return cls(rows, values["left_out"], files, of, former, begun, unread)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


class Totals(NamedTuple):
    """Totals of a finished run."""

    sources: int  # sources that were warped
    images: int  # files written
    rejected: int  # warps below the minimum quality
    dropped_half_turns: int  # of --turns drop
    quality: float  # mean quality of the files
    poor: int  # files of a quality below `POOR`, by flows that tell what they invent
    pck: float | None  # mean PCK of the poses found in them; None where not checked
    left_out: tuple[str, ...]  # ``file: reason`` for each source that could not be used


def write_warp_manifest(path: Path, records: Iterable[ChunkRecord]) -> Totals:
    """Write the manifest from the records of all chunks, in order, one at a time.

    Raises:
        ReidaugError: No warp is kept.
    """
    counts = Counter[str]()
    sums = {"quality": 0.0, "pck": 0.0}
    left_out = list[str]()

    def rows() -> Iterator[dict[str, Any]]:
        for record in records:
            left_out.extend(record.left_out)
            counts["sources"] += len({row.source for row in record.rows})
            for row in record.rows:
                counts[row.left_out] += 1
                if row.kept:
                    sums["quality"] += row.quality
                    sums["pck"] += row.pck or 0.0
                    counts["checked"] += row.pck is not None
                    counts["poor"] += row.invented is not None and row.quality < POOR
                # Columns of numbers, whether or not there are any.
                values = row._asdict()
                yield values | {name: math.nan for name in UNKNOWN if values[name] is None}

    write_manifest(path, rows())
    images, rejected, dropped = counts[""], counts["quality"], counts["turn"]
    if not images:
        reason = f"of {rejected + dropped:,} warps {rejected:,} are below --min-quality (a lower "
        reason += (
            f"one keeps more, 0 all) and {dropped:,} are half turns (--turns allow keeps them)"
        )
        why = reason if rejected + dropped else left_out[0] if left_out else "there is none"
        raise ReidaugError(f"not one image could be warped: {why}")
    checked = counts["checked"]
    return Totals(
        counts["sources"], images, rejected, dropped, sums["quality"] / images, counts["poor"],
        sums["pck"] / checked if checked else None, tuple(left_out),
    )  # fmt: skip
