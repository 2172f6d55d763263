"""Keypoints and masks of a dataset: found beside it, or estimated into the folder of a run."""

import os
from pathlib import Path
from typing import NamedTuple

from reidaug.augment import options
from reidaug.checksums import RECIPE
from reidaug.data.market1501 import ReIDDataset, names_read
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.perception.dataset_poses import estimate_poses
from reidaug.perception.pose_files import TakenFileError
from reidaug.perception.pose_sums import check_finished, check_poses
from reidaug.perception.provenance import read_provenance
from reidaug.perception.weights import find_model
from reidaug.runs import check_folder, stored_recipe
from reidaug.verbosity import progress_line

FOLDER = "pose"
KEYPOINTS = Path(FOLDER, "keypoints.csv")
MASKS = Path(FOLDER, "masks")


class PoseFiles(NamedTuple):
    """The keypoint file of training images, and their folder of masks or None."""

    keypoints: Path
    masks: Path | None


def find_keypoints(root: Path, keypoints: Path | None = None) -> Path | None:
    """Find the keypoint file of a dataset: the given one, or `options.KEYPOINTS` if it is there.

    Raises:
        ReidaugError: `reidaug pose` has not finished it.
        UsageError: The given file does not exist, or a link to it leads nowhere.
    """
    check_finished(keypoints or root / options.KEYPOINTS)
    return _find(keypoints, root / options.KEYPOINTS, "keypoint file")


def find_masks(root: Path, masks: Path | None = None) -> Path | None:
    """Find the folder of person masks of a dataset: the given one, or ``masks`` if it is there.

    Raises:
        UsageError: The given folder does not exist, or ``masks`` is no folder.
    """
    return _find(masks, root / options.MASKS, "folder of masks")


def _find(given: Path | None, default: Path, what: str) -> Path | None:
    path = given or default
    there = path.is_dir() if what.startswith("folder") else path.exists()
    if not there and (given or os.path.lexists(path)):
        broken = path.is_symlink() and not path.exists()
        raise UsageError(f"{path}: {'a link that leads nowhere' if broken else f'no such {what}'}")
    return path.resolve() if there else None


def find_or_estimate(
    found: ReIDDataset,
    out: Path,
    *,
    keypoints: Path | None = None,
    masks: Path | None = None,
    model: Path | None = None,
    model_used: bool = False,
    workers: int | None = None,
) -> PoseFiles:
    """Find keypoints and masks of training images; estimate them where there are no keypoints.

    Args:
        found: The dataset.
        out: The folder of a run that is yet to open; an unfinished estimation is continued.
        keypoints: The user's keypoint file, or None.
        masks: The user's folder of masks, or None.
        model: The user's file of the pose network, or None.
        model_used: Whether the network has work to do also where there are keypoints. Where they
            are its own it has: target poses are compared with those in the mirrored crops.
        workers: Processes; by default one per core.

    Returns:
        Absolute paths.

    Raises:
        ReidaugError: ``out`` holds something else, or the poses cannot be estimated.
        UsageError: A file does not exist, the network has nothing to read, or the extra ``pose``
            is missing.
    """
    own_masks, known = find_masks(found.root, masks), find_keypoints(found.root, keypoints)
    if known is not None:
        check_poses(known, own_masks)
        if model and not (model_used or read_provenance(known)):
            raise UsageError(f"--model has nothing to read: keypoints come from {known}")
        return PoseFiles(known, own_masks)
    _check(out, model)
    fresh, what = not out.exists(), "poses" if own_masks else "poses and masks"
    progress_line(
        f"no keypoint file: {what} of {len(found.train):,} images are estimated by BlazePose, into "
        f"{out / FOLDER}"
    )
    if found.examples:
        progress_line(names_read(found))
    new_masks = None if own_masks else out / MASKS
    crops = [person.path for person in found.train]
    try:
        report = estimate_poses(
            crops, out / KEYPOINTS, masks=new_masks, model=model, workers=workers,
            in_folders=any(person.folder for person in found.train),
        )  # fmt: skip
    except TakenFileError as error:
        raise ReidaugError(
            f"{error.what}; delete {out / FOLDER}, and it is made again, or keep joints of your "
            "own in another place and name them with --keypoints"
        ) from None
    except ReidaugError:
        if fresh and out.is_dir() and not any(out.iterdir()):
            out.rmdir()
        raise
    if not report.people:
        raise ReidaugError(
            f"BlazePose found nobody in {report.crops:,} training images of {found.root}: are they "
            "crops of whole people? --keypoints takes their joints from another estimator"
        )
    return PoseFiles(out.resolve() / KEYPOINTS, own_masks or out.resolve() / MASKS)


def _check(out: Path, model: Path | None) -> None:
    """Check that poses can be estimated into a folder."""
    check_folder(out, known=(FOLDER,))
    estimated = (out / FOLDER).is_dir() or stored_recipe(out).get("keypoints") == str(KEYPOINTS)
    if (out / RECIPE).exists() and not estimated:
        raise ReidaugError(f"{out} holds another run; name another folder with --out")
    try:
        require_extra("pose", "ai_edge_litert")
    except UsageError as error:
        raise UsageError(f"{error}, or give the images' keypoints with --keypoints FILE") from None
    find_model(model)
