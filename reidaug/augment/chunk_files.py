"""Files of a chunk of warps: what is written next is recorded first.

So those of a killed run are told by their content from files that the user put among them.
"""

from pathlib import Path

from reidaug.augment.warp_manifest import ChunkRecord
from reidaug.checksums import SUMS, Checksums, describe, is_one_of
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError
from reidaug.files import checksum_of, write_atomically
from reidaug.jobs import Records

STALE = "stale"
"""In place of the digest of a chunk's inputs: its files may be of others."""
AT_ONCE = 2**24
"""Bytes of warps that are held in memory."""


class ChunkFiles:
    """Writes the warps of a chunk, some at a time.

    Args:
        out: The augmented dataset.
        records: Records of its chunks.
        index: Number of the chunk.
        of: Digest of what its warps are made of.
        train: The folder of the warps in the dataset.
    """

    def __init__(
        self, out: Path, records: Records, index: int, of: str, train: str = TRAIN
    ) -> None:
        self.train, self.folder = train, out / train
        self.out, self.records, self.index = out, records, index
        self.before = ChunkRecord.read(records.read(index))
        self.same = self.before is not None and self.before.of == of
        self.damaged = self.before is None and records.path(index).exists()
        self.sums: dict[str, str] = {}
        self._unwritten: dict[str, bytes] = {}
        self._begun = set(self.before.begun) if self.before is not None else set()

    def add(self, name: str, content: bytes) -> None:
        """Write a warp, now or with the next ones.

        Raises:
            ReidaugError: A file of the user's would be overwritten.
        """
        self.sums[name] = checksum_of(content)
        self._unwritten[name] = content
        if sum(map(len, self._unwritten.values())) > AT_ONCE:
            self.write()

    def write(self) -> None:
        """Write what is not written yet; errors as of `add`."""
        if self.damaged:
            self._check_strangers()
        if not self.same and self._unwritten:  # files of others will be overwritten
            self._begun |= {(name, self.sums[name]) for name in self._unwritten}
            record = self.before or ChunkRecord([], [], {})
            begun = tuple(sorted(self._begun))
            self.records.write(self.index, record._replace(of=STALE, begun=begun)._asdict())
        for name, content in self._unwritten.items():
            if "/" in name:
                (self.folder / name).parent.mkdir(exist_ok=True)
            write_atomically(self.folder / name, content)
        self._unwritten.clear()

    def _check_strangers(self) -> None:
        """Check what would be overwritten where no record tells whose it is."""
        known = Checksums(self.out / SUMS).read() or {}
        files = {name: self.folder / name for name in sorted(self._unwritten)}
        left = {
            name: file
            for name, file in files.items()
            if f"{self.train}/{name}" not in known and file.exists()
        }
        check_owned([file for name, file in left.items() if not is_own(file, {self.sums[name]})])

    def former(self, kept: set[str]) -> tuple[str, ...]:
        """Name the files that the chunk had, or had begun to write, without those it keeps."""
        if self.before is None:
            return ()
        begun = {name for name, own in self.before.begun if is_own(self.folder / name, {own})}
        return tuple(sorted({*self.before.former, *self.before.names, *begun} - kept))


def is_own(file: Path, sums: set[str]) -> bool:
    """Whether a file that a killed run may have written has one of some checksums, or no content.

    Files that power failed on may have none.
    """
    return is_one_of(file, sums) or (file.is_file() and not file.stat().st_size)


def check_owned(strangers: list[Path]) -> None:
    """Raise `ReidaugError` where there are files of the user's that would be overwritten."""
    if strangers:
        told = describe(
            {str(file): "not of this run and would be overwritten" for file in strangers}
        )
        raise ReidaugError(f"{told}; move it, or name another folder with --out")
