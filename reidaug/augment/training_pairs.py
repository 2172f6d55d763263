"""Training pairs of a flow estimator: all ordered pairs of training images of one person."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reidaug.augment.estimated_poses import FOLDER, find_or_estimate
from reidaug.augment.inputs import Source, check_outlines, join_poses
from reidaug.augment.output_folder import show_split
from reidaug.augment.warp_inputs import same_options
from reidaug.checksums import check_written
from reidaug.data.crop_names import PATTERN
from reidaug.data.deepfashion import same_person_pairs, write_pairs_csv
from reidaug.data.image_folders import check_readable
from reidaug.data.images import image_size
from reidaug.data.keypoints import write_patn
from reidaug.data.layouts import LAYOUTS
from reidaug.data.loose_crops import read_people
from reidaug.data.market1501 import ReIDDataset, names_read
from reidaug.errors import ReidaugError
from reidaug.files import collected_checksums, remove_partials, write_atomically
from reidaug.fingerprint import Inputs
from reidaug.geometry.pose import Pose
from reidaug.runs import RunFolder, check_lock
from reidaug.verbosity import progress_line

DISTRACTOR = 0
DECIMALS = 2
LEFT_OUT = "left_out.txt"


class PairsReport(NamedTuple):
    """Content of ``report.json``; ``read`` counts the images of the dataset."""

    pairs: int
    images: int
    people: int
    masks: bool
    left_out: int
    read: int


def make_pairs(
    dataset: Path,
    out: Path,
    *,
    keypoints: Path | None = None,
    model: Path | None = None,
    pattern: str | None = None,
    layout: str | None = None,
    allow_left_out: bool = False,
    workers: int | None = None,
) -> PairsReport:
    """List all pairs of training images of one person; see ``reidaug pairs --help``.

    Args:
        dataset: A Market-1501 root, or a folder of crops whose names give the person.
        out: The folder to make.
        keypoints: Keypoint file; default as in `reidaug.augment.augmented_dataset.augment_dataset`.
        model: File of the network that estimates poses; None finds it.
        pattern: Regular expression that reads person and camera from file names.
        layout: The layout of the dataset, of `reidaug.data.layouts.LAYOUTS`, in place of it.
        allow_left_out: Whether more than a tenth of the images may be left out.
        workers: Processes that estimate poses; by default one per core.

    Raises:
        ReidaugError: There is nothing to pair, or a file cannot be read or written.
        UsageError: An argument is wrong.
    """
    check_lock(out)
    found = read_people(dataset, pattern=pattern, layout=layout, allow_left_out=allow_left_out)
    check_written(found.root)
    crops = [person.path for person in found.train]
    damaged = check_readable(found.root, crops, allowed=allow_left_out)
    known, masks = find_or_estimate(found, out, keypoints=keypoints, model=model, workers=workers)
    joined, left_out = join_poses(found, known)
    check_outlines(joined, masks)
    if damaged:
        joined = tuple(s for s in joined if image_size(s.person.path) is not None)
        left_out = (*left_out, *damaged)
    everyone = pattern is not None or not (LAYOUTS[found.layout].nobody if found.layout else True)
    strangers = [] if everyone else [source for source in joined if _distractor(source)]
    sources = [source for source in joined if everyone or not _distractor(source)]
    left_out += tuple(f"{s.person.path}: a distractor (pid 0)" for s in strangers)
    folder = _folder_of(found)
    named = {source.person.path.relative_to(folder).as_posix(): source for source in sources}
    people = {name: str(source.person.pid) for name, source in named.items()}
    poses = {name: source.pose for name, source in named.items()}
    pairs = same_person_pairs(poses, people.get)
    if not pairs:
        raise ReidaugError(
            f"{found.root}: no two training images of one person show shoulders and hips"
        )
    recipe = {
        "command": "pairs",
        "dataset": str(found.root.resolve()),
        "keypoints": str(known.resolve()),
        "pattern": pattern,
        **({"layout": found.layout} if found.layout else {}),
    }
    if not (out / FOLDER).is_dir():
        progress_line(names_read(found))
    kept = _inputs(out, people, poses)
    run = RunFolder.open(
        out, recipe, resume=True, known=(FOLDER,), grows=same_options, inputs=kept,
        places=("dataset", "keypoints"),
    )  # fmt: skip
    remove_partials(out)
    run.renew(kept)
    show_split(folder.resolve(), out / "train")
    masked = masks is not None and show_split(masks, out / "masks")
    lines = (*found.left_out, *left_out)
    with collected_checksums() as files:
        write_patn(out / "market-annotation-train.csv", poses, decimals=DECIMALS)
        write_pairs_csv(out / "market-pairs-train.csv", pairs)
        write_atomically(out / LEFT_OUT, "".join(f"{line}\n" for line in lines).encode())
    report = PairsReport(
        pairs=len(pairs),
        images=len({name for pair in pairs for name in pair}),
        people=len({people[source] for source, _ in pairs}),
        masks=masked,
        left_out=len(lines),
        read=len(found.train) + len(found.left_out),
    )
    run.report(report._asdict(), files)
    return report


def _distractor(source: Source) -> bool:
    """Recognise Market-1501's distractors by their names: MSMT17 has a person 0."""
    person = source.person
    return person.pid == DISTRACTOR and re.match(PATTERN, person.path.name) is not None


def _inputs(out: Path, people: Mapping[str, str], poses: Mapping[str, Pose]) -> Inputs:
    """Fingerprint the joints and persons of the images; the images themselves are linked."""
    kept, digests = Inputs(out), {}
    for name, pose in poses.items():
        numbers = b"".join(part.numpy().tobytes() for part in pose)
        digest = hashlib.sha256(people[name].encode() + numbers)
        digests[name] = digest.hexdigest()[:32]
    kept.note("joints", digests)
    return kept


def _folder_of(dataset: ReIDDataset) -> Path:
    """Find the folder below which all training images lie: MSMT17 has one more for each person."""
    return Path(os.path.commonpath([person.path.parent for person in dataset.train]))
