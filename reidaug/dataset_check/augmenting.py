"""What would stop `reidaug augment` before its work: its own tests, asked beforehand."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from reidaug.augment.background import BACKGROUNDS
from reidaug.augment.inputs import Source, choose_targets, join_most, with_own_poses
from reidaug.augment.limb_edges import doubtful_joints
from reidaug.augment.mask_placement import check_masks
from reidaug.augment.options import KEYPOINTS, AugmentOptions
from reidaug.augment.outlines import check_mask_names
from reidaug.augment.output_folder import check_warp_names
from reidaug.data.image_folders import check_readable
from reidaug.data.market1501 import TRAIN, Person, ReIDDataset
from reidaug.dataset_check.findings import AUGMENT, Finding, Tally
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import shows_torso
from reidaug.perception.dataset_poses import check_names
from reidaug.perception.mask_folders import check_mask_folder
from reidaug.perception.pose_sums import check_finished, check_poses

_LOOK = "look at the joints of a few images; with masks of the same images more is known"
_MEND = "mend this, and check again"


def augment_findings(
    people: Sequence[Person],
    root: Path,
    *,
    keypoints: Path | None,
    masks: Path | None,
    allow_left_out: bool,
) -> list[Finding]:
    """Report what stops augment though images, names and joints, each by itself, are fine.

    Args:
        people: The training images, at least one.
        root: The dataset.
        keypoints: Their keypoint file; None: poses are to be estimated.
        masks: Their folder of masks, or None.
        allow_left_out: Whether more than a tenth of the images may be left out.
    """
    doubt, findings = "", list[Finding]()
    try:
        check_warp_names(people, root, allow_left_out=allow_left_out)
        check_readable(root, [person.path for person in people], allowed=allow_left_out)
        if keypoints is None:
            check_finished(root / KEYPOINTS)
            check_names({person.path: person.key for person in people}, masks=masks is None)
            used = [person.path for person in people]
        else:
            check_poses(keypoints, masks)
            joined = join_most(ReIDDataset(root, tuple(people), (), ()), keypoints)
            used = [source.person.path for source in joined.sources]
            check_mask_folder(masks, used, keypoints=keypoints)
            posed = with_own_poses(joined.sources)
            check_masks(masks, posed)
            doubt = doubtful_joints(posed)
            findings += _target_findings(joined.sources, masks, keypoints.name)
        check_mask_names(used, masks)
    except ReidaugError as error:
        what, _, advice = str(error).rpartition("; ")
        return [
            Finding.problem(TRAIN, what or advice, advice if what else _MEND, Tally(), (AUGMENT,))
        ]
    if doubt and keypoints is not None:
        findings.append(Finding.advise(keypoints.name, doubt, _LOOK, Tally()))
    background = AugmentOptions().background
    if BACKGROUNDS[background].needs_pool and len({person.pid for person in people}) < 2:
        what = f"only one person, and augment's --background {background} takes others' grounds"
        findings.append(Finding.advise(TRAIN, what, "augment with --background grey", Tally()))
    return findings


def _target_findings(
    sources: Sequence[Source], masks: Path | None, where: str
) -> Iterator[Finding]:
    """Report that fewer images are good target poses than show shoulders and hips, or are asked."""
    asked = AugmentOptions()
    complete = sum(shows_torso(source.pose) for source in sources)
    count = min(asked.poses, complete)
    try:
        if count:
            choose_targets(sources, masks=masks, count=count, how=asked.choose, seed=asked.seed)
    except ReidaugError as error:
        what, _, advice = str(error).partition("; ")
        yield Finding.advise(where, what, advice, Tally())
