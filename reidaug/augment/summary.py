"""Report of a finished augmentation."""

from pathlib import Path
from typing import Any, NamedTuple

from reidaug.augment.inputs import AugmentInputs
from reidaug.augment.outlines import mask_file
from reidaug.augment.warp_manifest import Totals


class AugmentReport(NamedTuple):
    """Content of the ``report.json`` of an augmented dataset.

    Attributes:
        sources: Training images that were warped.
        poses: Number of target poses.
        images: Warps written.
        rejected: Warps below the minimum quality.
        turned: Half turns that were dropped.
        left_out: Entries that could not be used.
        training_images: Training images of the dataset.
        quality: Mean quality of the warps.
        pck: Mean PCK of the poses found in them; None where poses were not checked.
        size: [height, width] of the warps.
        flow: Name of the flow estimator.
        precision: Number format of the flow network.
        pose_masks: Target poses whose outline is a mask file.
        originals: Training images copied beside the warps.
        linked: Other splits shown in the dataset.
        images_per_s: Rate of the warps made just now.
        seconds: Time they took.
        workers: Processes.
        own_pose: Whether each image keeps its own pose.
    """

    sources: int
    poses: int
    images: int
    rejected: int
    turned: int
    left_out: int
    training_images: int
    quality: float
    pck: float | None
    size: list[int]
    flow: str
    precision: str
    pose_masks: int
    originals: int
    linked: list[str]
    images_per_s: float
    seconds: float
    workers: int
    own_pose: bool = False


def summarise(
    inputs: AugmentInputs, totals: Totals, masks: Path | None, **run: Any
) -> AugmentReport:
    """Sum up a finished run.

    Args:
        inputs: What it was made from.
        totals: What was made.
        masks: Folder of person masks, or None.
        **run: The other fields of the report.

    Returns:
        The report.
    """
    targets = inputs.targets
    return AugmentReport(
        sources=totals.sources,
        poses=max(len(targets.images), 1),
        images=totals.images,
        rejected=totals.rejected,
        turned=totals.turned,
        left_out=len(inputs.left_out) + len(totals.left_out),
        training_images=len(inputs.dataset.train),
        quality=round(totals.quality, 4),
        pck=None if totals.pck is None else round(totals.pck, 4),
        size=list(targets.size),
        pose_masks=sum(mask_file(name, masks) is not None for name in targets.images),
        **run,
    )
