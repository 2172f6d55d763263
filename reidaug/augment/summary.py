"""Report of a finished augmentation."""

from pathlib import Path
from typing import Any, NamedTuple

from reidaug.augment.inputs import AugmentInputs
from reidaug.augment.outlines import mask_file
from reidaug.augment.warp_manifest import Totals


class AugmentReport(NamedTuple):
    """Content of the ``report.json`` of an augmented dataset."""

    sources: int  # training images that were warped
    poses: int  # number of target poses
    images: int  # warps written
    rejected: int  # warps below the minimum quality
    turned: int  # half turns that were dropped
    left_out: int  # entries that could not be used
    training_images: int  # training images of the dataset
    quality: float  # mean quality of the warps
    pck: float | None  # mean PCK of the poses found in them; None where poses were not checked
    size: list[int]  # [height, width] of the warps
    flow: str  # name of the flow estimator
    precision: str  # number format of the flow network
    pose_masks: int  # target poses whose outline is a mask file
    originals: int  # training images copied beside the warps
    linked: list[str]  # other splits shown in the dataset
    images_per_s: float  # rate of the warps made just now
    seconds: float  # time they took
    workers: int  # processes
    own_pose: bool = False  # whether each image keeps its own pose


def summarise(
    inputs: AugmentInputs, totals: Totals, masks: Path | None, **run: Any
) -> AugmentReport:
    """Sum up a finished run.

    Args:
        inputs: What it was made from.
        totals: What was made.
        masks: Folder of person masks, or None.
        **run: The other fields of the report.
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
