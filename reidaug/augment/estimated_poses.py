"""Poses and masks of a dataset without keypoints, estimated into the folder of a run."""

from collections.abc import Sequence
from pathlib import Path

from reidaug.augment.options import KEYPOINTS as GIVEN
from reidaug.data.market1501 import Person
from reidaug.errors import ReidaugError, UsageError, require_extra
from reidaug.perception.dataset_poses import estimate_poses
from reidaug.perception.weights import find_model
from reidaug.runs import check_folder, notice

FOLDER = "pose"
KEYPOINTS = Path(FOLDER, "keypoints.csv")
MASKS = Path(FOLDER, "masks")


def keypoint_file(
    root: Path, keypoints: Path | None, *, model: Path | None, model_used: bool = False
) -> Path | None:
    """Find the keypoints of a dataset's training images.

    Args:
        root: The dataset.
        keypoints: A file of the user's; None looks for `reidaug.augment.options.KEYPOINTS`.
        model: The user's file of the pose network, or None.
        model_used: Whether the network has work to do also where there are keypoints.

    Returns:
        The file's absolute path; None where there is none and poses have to be estimated.

    Raises:
        UsageError: There is no such file, or the network would have nothing to read.
    """
    path = keypoints or root / GIVEN
    if keypoints and not path.exists():
        raise UsageError(f"{path}: no such keypoint file")
    if not path.exists():
        return None
    path = path.resolve()
    if model and not model_used:
        raise UsageError(f"--model has nothing to read: keypoints come from {path}")
    return path


def estimate_into(
    out: Path,
    people: Sequence[Person],
    *,
    masks: bool,
    model: Path | None,
    workers: int | None,
) -> None:
    """Estimate poses, and masks, of training images before a run opens its folder.

    Args:
        out: The folder of the run; an unfinished estimation is continued.
        people: The training images.
        masks: Whether to write masks too.
        model: The pose network's file; None finds it.
        workers: Processes; by default one a core.

    Raises:
        ReidaugError: The folder holds something else, or the poses cannot be estimated.
        UsageError: The extra ``pose`` is missing.
    """
    check_folder(out, known=(FOLDER,))
    if (out / "recipe.yaml").exists() and not (out / FOLDER).is_dir():
        raise ReidaugError(f"{out} holds another run; name another folder with --out")
    try:
        require_extra("pose", "ai_edge_litert")
    except UsageError as error:
        raise UsageError(f"{error}, or give the images' keypoints with --keypoints FILE") from None
    find_model(model)
    fresh, what = not out.exists(), "poses and masks" if masks else "poses"
    notice(
        f"no keypoint file: {what} of {len(people):,} images are estimated by BlazePose, into "
        f"{out / FOLDER}"
    )
    try:
        estimate_poses(
            [person.path for person in people],
            out / KEYPOINTS,
            masks=out / MASKS if masks else None,
            model=model,
            workers=workers,
        )
    except ReidaugError:
        if fresh and out.is_dir() and not any(out.iterdir()):
            out.rmdir()
        raise
