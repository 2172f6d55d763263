"""Checks of a keypoint file against the training images."""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from reidaug.augment.target_poses import DEFAULT_POSES
from reidaug.data.image_poses import read_image_poses
from reidaug.data.joint_placement import misplacement, strays
from reidaug.data.market1501 import TRAIN, Person, image_names
from reidaug.data.pose_matching import other_ending
from reidaug.dataset_check.findings import AUGMENT, Finding, Tally, number
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import OPENPOSE_18, TORSO, Pose, shows_torso, stack

SELDOM = 0.5  # share of images; a joint visible in fewer is reported
_EXPECTED = "PATN's CSV, COCO, OpenPose or MMPose JSON, 14-joint .mat"


def joint_findings(
    people: Sequence[Person], sizes: NDArray[np.int64], keypoints: Path, *, root: Path
) -> list[Finding]:
    """Report problems of a file of joints of the training images of the dataset ``root``.

    ``sizes`` are the images' (height, width), (N, 2); 0 where unknown.
    """
    folder = root / TRAIN
    names = image_names(folder) if folder.is_dir() else [p.key for p in people]
    where = keypoints.name
    try:
        known, keys = read_image_poses([p.path for p in people], keypoints, names=names)
    except ReidaugError as error:
        advice = f"make it anew, or name another with --keypoints ({_EXPECTED})"
        return [Finding.problem(where, str(error), advice, Tally(), (AUGMENT,))]
    with_pose = [(k, keys[p.path]) for k, p in enumerate(people) if p.path in keys]
    findings = _matching(people, known.poses.keys(), keys, names, where)
    for note in known.notes:
        findings.append(Finding.remark(where, note, "look at the poses of a few", Tally()))
    if known.left_out:
        what = f"{number(len(known.left_out), 'entry', 'entries')} cannot be used"
        advice = "these images are left out"
        findings.append(Finding.advise(where, what, advice, Tally(known.left_out)))
    if with_pose:
        poses = stack([known.poses[key] for _, key in with_pose])
        findings += _visibility(poses, where)
        own_sizes = torch.from_numpy(sizes[[k for k, _ in with_pose]]).float()
        findings += _placement(poses, own_sizes, where)
    return findings


def _matching(
    people: Sequence[Person],
    have: Set[str],
    keys: Mapping[Path, str],
    names: Sequence[str],
    where: str,
) -> list[Finding]:
    without = Tally(p.path.name for p in people if p.path not in keys)
    nobody = Tally(sorted(have - set(names) - set(keys.values())))
    findings = []
    if people and without.count == len(people):
        what = f"none of {number(len(people), 'training image')} is in it"
        first = next(iter(nobody.examples), min(have))  # at worst of junk
        advice = f"the names must be equal; it contains, for instance, {first}"
        advice += other_ending((p.path for p in people), have)
        findings.append(Finding.problem(where, what, advice, without, (AUGMENT,)))
    elif without.count:
        what = f"{without.count:,} of {number(len(people), 'training image')} have no keypoints"
        advice = "augment warps them by poses of others" + other_ending(
            (p.path for p in people if p.path not in keys), have
        )
        findings.append(Finding.advise(where, what, advice, without))
    if nobody.count and without.count < len(people):
        what = f"keypoints of {number(nobody.count, 'image')} that are not in {TRAIN}"
        findings.append(Finding.remark(where, what, "they are ignored", nobody))
    return findings


def _visibility(poses: Pose, where: str) -> list[Finding]:
    total = len(poses.xy)
    shares = poses.visible.float().mean(0).tolist()
    seldom = [
        (name, share) for name, share in zip(OPENPOSE_18, shares, strict=True) if share < SELDOM
    ]
    findings = []
    if seldom:
        names = ", ".join(f"{name} {share:.0%}" for name, share in seldom)
        what = f"joints visible in fewer than half of the images: {names}"
        torso = any(OPENPOSE_18.index(name) in TORSO for name, _ in seldom)
        advice = "flows follow the joints visible in both poses" + (
            "; without shoulders and hips hardly any image can be a target pose" if torso else ""
        )
        findings.append((Finding.advise if torso else Finding.remark)(where, what, advice, Tally()))
    complete = sum(shows_torso(Pose(poses.xy[k], poses.visible[k])) for k in range(total))
    if complete == 0:
        what, advice = "no image shows both shoulders and both hips", "no target pose to warp into"
        findings.append(Finding.problem(where, what, advice, Tally(), (AUGMENT,)))
    elif complete < DEFAULT_POSES:
        what = f"{number(complete, 'image')} with both shoulders and both hips"
        advice = f"that many poses at most: reidaug augment --poses {complete}"
        findings.append(Finding.advise(where, what, advice, Tally()))
    return findings


def _placement(poses: Pose, sizes: Float[Tensor, "n 2"], where: str) -> list[Finding]:
    wrong = misplacement(poses, sizes)
    if wrong is not None:
        return [Finding.problem(where, wrong.what, wrong.advice, Tally(), (AUGMENT,))]
    away = Tally(why for why in strays(poses, sizes) if why)
    if not away.count:
        return []
    what = f"{number(away.count, 'pose')} outside of the image"
    return [Finding.advise(where, what, "augment leaves them out", away)]
