"""Kept estimates: the records of a finished keypoint file, for when some of its crops change."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from reidaug.fingerprint import FOLDER, Changes, Inputs, content_digest
from reidaug.perception.mask_folders import MASKS
from reidaug.perception.pose_files import WRITING, WRITTEN, TakenFileError, check_masks
from reidaug.perception.pose_records import CropChunk, PoseJob, estimated, readable_again
from reidaug.perception.pose_sums import CROPS, estimates_folder, flaws, read_sums
from reidaug.runs import notice


class KeptEstimates:
    """The records of a keypoint file, where they are kept once it is finished.

    Args:
        job: The work; its folder holds the records until then.
        out: The keypoint file.
    """

    def __init__(self, job: PoseJob, out: Path) -> None:
        self.job, self.out = job, out
        self.folder = estimates_folder(out)

    def look(self, crops: Sequence[Path]) -> tuple[Inputs, dict[Path, str]]:
        """Fingerprint crops, beside what is kept of them; give the digest of each."""
        unfinished = self.job.folder.exists()
        inputs = Inputs(self.job.folder if unfinished else self.folder)
        return inputs, inputs.each(CROPS, crops)

    def readable_again(self, chunks: Sequence[CropChunk]) -> list[Path]:
        """List the crops that a finished file has left out, and that can be read by now."""
        return readable_again(self.job._replace(folder=self.folder), chunks)

    def reopen(
        self, inputs: Inputs, chunks: Sequence[CropChunk], readable: Sequence[Path] = ()
    ) -> None:
        """Take a finished file's records up again: only crops that changed are estimated.

        Not where most of its estimates are of others: then it is probably of another dataset.

        Args:
            inputs: The fingerprints of the crops.
            chunks: The crops.
            readable: Those of them that the file left out, and that can be read by now.

        Raises:
            ReidaugError: The keypoint file or a mask is not as it was written, or a mask is not of
                this command; they would be overwritten.
        """
        if self.job.folder.exists() or not self.folder.is_dir():
            return
        found = inputs.changes().get(CROPS, Changes())
        job = self.job._replace(folder=self.folder)
        before = estimated(job)
        kept = len(before & {digest for chunk in chunks for digest in chunk.digests})
        if 2 * (kept + len(found.renamed)) < len(before):
            return
        told = Changes(changed=tuple(path.name for path in readable)).text()
        line = inputs.text() or told.replace("changed", "readable by now")
        if self.out.exists() and not self._is_as_written():
            raise TakenFileError(
                f"{self.out} was changed since, and would be overwritten: {line or 'other crops'}",
                "name another file with --out, or delete it",
            )
        beside = job.records.read(MASKS)
        masks = (self.out.parent / beside).resolve() if isinstance(beside, str) else None
        if job.records.damaged(MASKS):  # masks are compared with the records of each
            masks = self.job.masks
        check_masks(job, chunks, self.out, own=masks == self.job.masks)
        if line:
            notice(f"{self.out}: {line}; only these are estimated again")
        self.folder.rename(self.job.folder)
        self.job.records.path(WRITING).unlink(missing_ok=True)
        self.job.records.write(MASKS, str(masks))

    def _is_as_written(self) -> bool:
        if not self.out.stat().st_size:
            return True  # nobody's work
        kept = self.job._replace(folder=self.folder).records.read(WRITTEN)
        if kept is not None or read_sums(self.out) is None:
            return content_digest(self.out) == kept
        return not flaws(self.out, [self.out])  # the record is damaged

    def keep_inputs(self, inputs: Inputs) -> None:
        """Keep the fingerprints of crops beside the records."""
        folder = self.job.folder if self.job.folder.exists() else self.folder
        if folder.is_dir():
            inputs.folder = folder / FOLDER
            inputs.save()

    def finish(self) -> None:
        """Keep the records of a file that is finished; it and they can be moved together."""
        masks = self.job.masks
        beside = None if masks is None else os.path.relpath(masks, self.out.parent.resolve())
        self.job.records.write(MASKS, beside)
        self.job.records.write(WRITTEN, content_digest(self.out))
        shutil.rmtree(self.folder, ignore_errors=True)
        self.job.folder.rename(self.folder)
