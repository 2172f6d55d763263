"""Round trips on photographs: what do warps keep of a person?

Called by `photographs.py`. Crops of people of a fixed part of Market-1501's training set
(`reidaug.data.people_split`), drawn among those on which BlazePose finds a person with shoulders
and hips, are warped into poses of others as `reidaug augment` does it; see `ROWS`. Every row has
the same pairs of crop and target pose, without those of a crop into its own pose; `raw` and
`own_pose_grey` have one picture a crop.

Identity: OSNet searches for the person of each picture among all crops of the part's people by
other cameras than the picture's own, and crops of training people that never match. `interval` is
that of Rank-1. `by_quality` divides Rank-1 by that of own pose on grey for the same pairs.

Pose: BlazePose reads the pictures. A joint is asked for where the target pose shows it, and in
place within a tenth of the height of where it is asked for; with half turns mirrored, left and
right of the target are exchanged. `asked`: joints in place over joints asked for, a missing joint
counts as wrong; `both`: the same over joints that the crop shows too; `body`: over all but nose,
eyes and ears; `found`: joints found anywhere over joints asked for; `pck`: in place over found;
`exchanged`: share of pictures in which more joints are in place with left and right exchanged.
A flow that keeps the person's own body asks for the target pose on that body, as its retargeting
finds it. Own pose on grey is asked for the crop's own joints: its reference is the same network.

Shape: BlazePose's joints and outline on warps and crops, see `body_shape.BodyShape`. `median` of
the ratios of warp to crop; `beyond`: share of warps that change a measure by more than 1.25, either
way; `from_source`: how much of the differences between crops is left in their warps into one target
(a slope: 1 all, 0 nothing); `from_target`: how much of the differences between the people whose
poses are the targets appears in the warps of one crop. `same_view`: only pairs from front to front
or back to back, for widths change with the view.

Intervals (95 %) draw people again. Finished work in --out is kept; the result of the full size is
written to results/photographs_round_trips.json. Needs the extra [pose] and onnxruntime.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from body_shape import BodyShape, PairNumbers, compare_shapes, relative_area, shoulder_width
from numpy.typing import NDArray
from osnet import check_network, features_of
from photograph_pairs import Draw, Pairs, draw_crops
from photograph_scores import (
    Found,
    Hits,
    by_quality,
    by_turn,
    differences,
    identity_scores,
    pose_scores,
)
from picture_scores import read_poses_of
from shipped import weights_of
from turns import VIEW_TURNS

from reidaug.augment.augmented_dataset import augment_dataset
from reidaug.augment.inputs import Source
from reidaug.augment.options import AugmentOptions
from reidaug.augment.outlines import mask_file, target_outlines
from reidaug.augment.quality import PCK_RADIUS
from reidaug.augment.target_poses import POSES, read_poses
from reidaug.augment.viewpoint import Turns, exchange_left_right
from reidaug.augment.warp_manifest import MANIFEST
from reidaug.augment.warping import estimate_flows, read_crops
from reidaug.data.images import read_mask
from reidaug.data.market1501 import TRAIN, Person
from reidaug.data.people_split import Part
from reidaug.flow.builtin import OWN_POSE, SHIPPED, SURFACE, load_flow, named_flow
from reidaug.flow.estimator import PersonFlowEstimator
from reidaug.geometry.pck import match_joints
from reidaug.geometry.pose import Pose, select, stack
from reidaug.jobs import chunks_of
from reidaug.reid.evaluation.metrics import Identities, score_queries
from reidaug.reid.evaluation.ranking import rank_matches

SEED = 0
FULL = {"crops": 300, "poses": 12, "distractors": 2500}
SMALL = {"crops": 60, "poses": 4, "distractors": 500}


class Row(NamedTuple):
    """How the pictures of a row are made: flow and turns of `reidaug augment`."""

    flow: str | None  # None: the crops themselves
    turns: Turns = "allow"

    @property
    def keeps_pose(self) -> bool:
        """Whether there is one picture a crop, in its own pose."""
        return self.flow in (None, OWN_POSE)


ROWS = {
    "raw": Row(None),
    "own_pose_grey": Row(OWN_POSE),
    "torso_affine": Row("torso-affine"),
    "joint_blend": Row("joint-blend"),
    "flow_allow": Row(SHIPPED),
    "flow_mirror": Row(SHIPPED, "mirror"),
    "surface_allow": Row(SURFACE),
    "surface_mirror": Row(SURFACE, "mirror"),
}
SMALL_ROWS = tuple(name for name in ROWS if name != "joint_blend")


class Pictures(NamedTuple):
    """The pictures of a row, M of them, for N pairs.

    Attributes:
        root: Their dataset.
        people: The pictures, with person and camera of their sources.
        of: Number of the picture of each pair (N,).
        asked: Joints asked for in each pair (N, 18, 2).
        quality: Quality of the warp of each pair (N,), see `reidaug.augment.quality`.
    """

    root: Path
    people: list[Person]
    of: NDArray[np.int64]
    asked: Pose
    quality: NDArray[np.float64]


class Bodies(NamedTuple):
    """What BlazePose reads in the pictures of a row."""

    pose: Pose  # joints (M, 18, 2)
    shape: BodyShape  # of M bodies


def measure(
    market: Path,
    out: Path,
    *,
    osnet: Path,
    part: Part,
    crops: int,
    poses: int,
    distractors: int,
    workers: int | None,
    rows: Sequence[str] = tuple(ROWS),
) -> dict[str, Any]:
    """Warp, search, read joints and outlines, and sum up: JSON values."""
    check_network(osnet)
    kept = out / part
    draw = draw_crops(market, kept, part, crops, distractors, seed=SEED, workers=workers)
    folder = kept / f"{crops}-crops-{poses}-poses"
    roots = warp_rows(draw, folder, rows, poses, workers)
    pairs = Pairs.of(draw, read_poses(roots["torso_affine"] / POSES))
    pictures = {
        name: pictures_of(ROWS[name], roots[name], pairs, own_joints(ROWS[name], roots[name], draw))
        for name in rows
    }
    found = search(pictures, draw, osnet, kept / f"gallery-{distractors}.npz", workers)
    bodies = {name: read_bodies(pictures[name], workers) for name in rows if name != "raw"}
    hits = {name: hits_of(bodies[name].pose, pictures[name], pairs) for name in bodies}
    people = pairs.people
    return {
        "part": part,
        "weights": weights_of(SHIPPED),
        "surface_weights": weights_of(SURFACE),
        "counts": {
            "crops": crops,
            "people": len(np.unique(people)),
            "poses": poses,
            "pairs": len(people),
            "candidates": draw.candidates,
            "gallery": len(draw.gallery),
            "distractors": draw.distractors,
        },
        "reid": {"file": osnet.name, "sha256": hashlib.sha256(osnet.read_bytes()).hexdigest()},
        "identity": {name: identity_scores(found[name], people) for name in rows},
        "over_torso_affine": differences(found, people, "torso_affine"),
        "pose": {name: pose_scores(hits[name], people) for name in hits},
        "shape": shapes(bodies, pictures, pairs, draw),
        "by_quality": {
            name: by_quality(found[name], found["own_pose_grey"], pictures[name].quality, people)
            for name in rows
            if not ROWS[name].keeps_pose
        },
        "by_turn": by_turn(found, hits, pairs.turn, people),
    }


def warp_rows(
    draw: Draw, folder: Path, rows: Sequence[str], poses: int, workers: int | None
) -> dict[str, Path]:
    """Warp the crops of all rows; the dataset of each row."""
    crops = draw.link_sources(folder / "crops")
    roots = {}
    for name in rows:
        flow, turns = ROWS[name]
        roots[name] = folder / name if flow else crops
        if flow:
            options = AugmentOptions(
                keypoints=draw.keypoints, masks=draw.masks, poses=poses, turns=turns, seed=SEED,
                pool="any", background="grey", min_quality=0.0,
            )  # fmt: skip
            augment_dataset(crops, roots[name], named_flow(flow), options, workers=workers)
    return roots


def pictures_of(row: Row, root: Path, pairs: Pairs, own: Pose | None = None) -> Pictures:
    """Find the picture, the joints asked for and the quality of every pair; see `own_joints`."""
    files = [person.path.name for person in pairs.sources]
    asked, quality = pairs.source if row.keeps_pose else pairs.target, np.ones(len(files))
    if row.flow:
        table = pd.read_parquet(root / MANIFEST).set_index(["source", "pose"])
        poses = np.zeros_like(pairs.pose) if row.keeps_pose else pairs.pose
        chosen = table.loc[list(zip(files, poses.tolist(), strict=True))]
        files, quality = chosen["file"].tolist(), chosen["quality"].to_numpy()
        if own is not None:
            index = torch.from_numpy(pairs.source_number), torch.from_numpy(pairs.pose)
            asked = Pose(own.xy[index], own.visible[index])
        elif row.turns == "mirror":
            asked = exchange_left_right(asked, torch.tensor(chosen["turned"].tolist()))
    names, pair, of = np.unique(files, return_index=True, return_inverse=True)
    people = [
        pairs.sources[k]._replace(path=root / TRAIN / name)
        for k, name in zip(pair.tolist(), names.tolist(), strict=True)
    ]
    return Pictures(root, people, of, asked, quality)


def own_joints(row: Row, root: Path, draw: Draw) -> Pose | None:
    """Find the joints (S, T, 18, 2) that a flow asks for on each source's own body.

    None if the row's flow asks for those of the target.
    """
    estimator = load_flow(row.flow or OWN_POSE)
    if not isinstance(estimator, PersonFlowEstimator):
        return None
    poses = read_poses(root / POSES)
    targets = target_outlines(poses, draw.masks)
    options = AugmentOptions(
        turns=row.turns, poses=len(poses.images), seed=SEED, background="grey", min_quality=0.0
    )
    sources = [
        Source(person, person.path.name, select(draw.pose, k))
        for k, person in enumerate(draw.sources)
    ]
    tables = []
    with torch.inference_mode():
        for some in chunks_of(sources, 32):
            crops, _ = read_crops(some, poses.size, draw.masks)
            fields = estimate_flows(estimator, crops, targets, options.for_estimator(estimator))
            tables += [field.targets.pose for field in fields]
    return stack(tables)


def search(
    pictures: dict[str, Pictures], draw: Draw, osnet: Path, kept: Path, workers: int | None
) -> dict[str, Found]:
    """Search for the person of each picture among the crops of other cameras than its source's."""
    gallery = features_of(osnet, [person.path for person in draw.gallery], kept, workers=workers)
    found = {}
    for name, row in pictures.items():
        file = row.root.with_name(f"{row.root.name}-features.npz")
        features = features_of(osnet, [p.path for p in row.people], file, workers=workers)
        found[name] = found_by(features, row.people, gallery, draw.gallery, row.of)
    return found


def found_by(
    features: torch.Tensor,
    people: Sequence[Person],
    gallery_features: torch.Tensor,
    gallery: Sequence[Person],
    of: NDArray[np.int64],
) -> Found:
    """Score the search for each pair's person; the source itself is of the same camera."""
    ids = Identities.of(people), Identities.of(gallery)
    scores = score_queries(rank_matches(features, ids[0], gallery_features, ids[1]))
    return Found(scores.first[of] == 0, scores.ap[of])


def read_bodies(pictures: Pictures, workers: int | None) -> Bodies:
    """Read joints and shapes of the pictures of a row."""
    masks = pictures.root.with_name(f"{pictures.root.name}-masks")
    names = [person.path.name for person in pictures.people]
    pose, _ = read_poses_of(pictures.root, names, workers, masks=masks)
    return Bodies(pose, shapes_of(names, pose, masks))


def shapes_of(names: Sequence[str], pose: Pose, masks: Path) -> BodyShape:
    """Measure the bodies of some pictures from their joints and their masks."""
    widths, areas = [], []
    for k, name in enumerate(names):
        one, file = select(pose, k), mask_file(name, masks)
        widths.append(shoulder_width(one))
        areas.append(relative_area(one, read_mask(file).numpy() if file else None))
    return BodyShape(np.array(widths), np.array(areas))


def hits_of(found: Pose, pictures: Pictures, pairs: Pairs) -> Hits:
    """Compare the joints found with those asked for, pair by pair."""
    seen = select(found, torch.from_numpy(pictures.of))
    matches = match_joints(seen, pictures.asked, PCK_RADIUS * pairs.size[0])
    return Hits.of(matches, pairs.source.visible)


def shapes(
    bodies: dict[str, Bodies], pictures: dict[str, Pictures], pairs: Pairs, draw: Draw
) -> dict[str, Any]:
    """Compare the bodies of each row with those of their crops."""
    crops = shapes_of([person.path.name for person in draw.sources], draw.pose, draw.masks)
    source, target = crops.of(pairs.source_number), crops.of(pairs.target_number)
    numbers = PairNumbers(pairs.people, pairs.source_number, pairs.target_number)
    same_view = pairs.turn == VIEW_TURNS.index("same view")
    return {
        name: compare_shapes(read.shape.of(pictures[name].of), source, target, numbers, same_view)
        for name, read in bodies.items()
    }
