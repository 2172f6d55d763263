"""Samples for the page of the demo, chosen by number, never by looks."""

from pathlib import Path

import torch

from reidaug.augment.target_poses import TargetPoses
from reidaug.data.crop_names import warp_name
from reidaug.data.deepfashion import read_deepfashion
from reidaug.data.images import read_mask, resize_mask, to_bytes
from reidaug.data.keypoints import read_keypoints
from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.data.pairs import PairDataset, PosePair, collate
from reidaug.flow.estimator import FlowEstimator
from reidaug.geometry.flow import Size, resize
from reidaug.geometry.pose import Pose, select
from reidaug.geometry.warp import warp
from reidaug.report.flow_section import FlowSample
from reidaug.report.reid_section import Gallery


def spread(items: int, count: int) -> list[int]:
    """Choose at most ``count`` different numbers evenly from 0 to items - 1, in order."""
    count = min(items, count)
    return [(2 * k + 1) * items // (2 * count) for k in range(count)]


def flow_samples(
    pairs: Path, estimator: FlowEstimator, *, size: Size, count: int
) -> list[FlowSample]:
    """Estimate the flow of some test pairs that have exact flow.

    Args:
        pairs: Root made by ``reidaug synth pairs``.
        estimator: The trained estimator.
        size: (height, width) it was trained at.
        count: Number of pairs, spread over the list.
    """
    table = read_deepfashion(pairs, "test")
    dataset = PairDataset(table, size=size)
    return [
        _flow_sample(dataset[k], estimator, pairs / "masks" / f"{Path(table.pairs[k][1]).stem}.png")
        for k in spread(len(dataset), count)
    ]


def _flow_sample(pair: PosePair, estimator: FlowEstimator, mask: Path) -> FlowSample:
    batch = collate([pair])
    size = (pair.target.shape[-2], pair.target.shape[-1])
    with torch.inference_mode():
        flow = resize(estimator(batch.source, batch.source_pose, batch.target_pose), size)
        warped = warp(batch.source, flow)
    body = resize_mask(read_mask(mask), size)
    if pair.flow is None or pair.visible is None:
        raise ValueError("rendered pairs come with their exact flow")
    return FlowSample(
        source=to_bytes(pair.source),
        target=to_bytes(pair.target),
        source_pose=pair.source_pose,
        target_pose=pair.target_pose,
        exact=pair.flow,
        visible=pair.visible,
        body=body,
        estimated=flow[0].clone(),
        warp=to_bytes(warped[0].clone()),
    )


def pick_crops(market: Path, count: int) -> list[tuple[Path, Pose]]:
    """Choose ``count`` training crops, of different people, with joints from ``synth market``."""
    poses = read_keypoints(market / "market-annotation-train.csv").poses
    crops = [path for path in _first_crops(market) if path.name in poses]
    return [(crops[k], poses[crops[k].name]) for k in spread(len(crops), count)]


def pick_gallery(
    market: Path, warps: Path, views: Path, targets: TargetPoses, *, people: int, poses: int
) -> Gallery:
    """Choose people and poses to show: people spread over the dataset, the first poses drawn.

    Of a person's crops the one with a true view in the first pose is taken, and of the poses those
    that all these crops have true views in, so that warp and truth share camera and light.

    Args:
        market: Root of the training crops.
        warps: Root of their warps.
        views: Root of the true views.
        targets: The target poses.
        people: Number of people.
        poses: Number of poses.
    """
    crops = [path for path in _first_crops(market, views) if _file(warps, path, 0).is_file()]
    sources = [crops[k] for k in spread(len(crops), people)]
    every = range(len(targets.images))
    known = [t for t in every if all(_file(views, path, t).is_file() for path in sources)]
    shown = (known or list(every))[:poses]
    truths = [[_file(views, source, t) for t in shown] for source in sources]
    return Gallery(
        size=targets.size,
        poses=select(targets.pose, shown),
        sources=sources,
        warps=[[_file(warps, source, t) for t in shown] for source in sources],
        truths=[[path if path.is_file() else None for path in row] for row in truths],
    )


def _first_crops(market: Path, views: Path | None = None) -> list[Path]:
    """Take one crop of every training person, with a true view in the first pose if one has."""
    first: dict[int, Path] = {}
    for person in read_market1501(market, splits=(TRAIN,)).train:
        known = views is not None and _file(views, person.path, 0).is_file()
        if known or person.pid not in first:
            first[person.pid] = person.path
    return list(first.values())


def _file(root: Path, source: Path, pose: int) -> Path:
    return root / TRAIN / warp_name(source.name, pose)
