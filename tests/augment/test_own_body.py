"""Warps by flows that keep the person's own body: whose outline, whose joints, which pose."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from augmented import ON_GREY
from jaxtyping import Bool, Float
from stick_market import stick_market
from torch import Tensor

from reidaug.augment import PosedCrops, PoseWarp
from reidaug.augment.engine import Models, warp_crops
from reidaug.augment.inputs import Source
from reidaug.augment.options import AugmentOptions
from reidaug.augment.outlines import Targets
from reidaug.augment.viewpoint import exchange_left_right, half_turns
from reidaug.augment.warping import Crop, estimate_flows, read_crops
from reidaug.data.keypoints import read_keypoints
from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.flow.estimator import Origin, PersonFlowEstimator, PersonFlows
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import Pose, mirror, select, stack

SIZE = (64, 32)


class OwnBody(PersonFlowEstimator):
    """The person stays where they are; the joints are the target's, a pixel lower."""

    def __init__(self, kind: Origin = Origin.SEEN) -> None:
        super().__init__()
        self.kind = kind
        self.asked: list[tuple[int, Tensor]] = []

    def forward(self, source: Tensor, source_pose: Pose, target_pose: Pose) -> Tensor:
        return identity(16, 8).expand(len(source), -1, -1, -1)

    def person_flows(
        self,
        source: Float[Tensor, "s 3 H W"],
        mask: Bool[Tensor, "s H W"],
        source_pose: Pose,
        target_pose: Pose,
        pairs: Sequence[tuple[int, int]],
    ) -> PersonFlows:
        self.asked += [(s, target_pose.xy[t]) for s, t in pairs]
        sources, targets = (list(part) for part in zip(*pairs, strict=True))
        pose = select(target_pose, targets)
        return PersonFlows(
            identity(16, 8).expand(len(pairs), -1, -1, -1),
            Pose(pose.xy + torch.tensor([0.0, 1.0]), pose.visible),
            mask[sources],
            torch.full((len(pairs), 16, 8), int(self.kind), dtype=torch.uint8),
        )


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stick_market(tmp_path_factory.mktemp("own") / "market", people=2, images=2, size=SIZE)


@pytest.fixture(scope="module")
def crops(market: Path) -> list[Crop]:
    poses = read_keypoints(market / "market-annotation-train.csv").poses
    people = read_market1501(market, splits=(TRAIN,)).train
    sources = [Source(p, p.path.name, poses[p.path.name]) for p in people]
    return read_crops(sources, SIZE, None)[0]


@pytest.fixture(scope="module")
def targets(crops: list[Crop]) -> Targets:
    """The first crop's pose, the same from the other side, and the last crop's pose."""
    first, last = crops[0].pose, crops[-1].pose
    pose = stack([first, mirror(first, SIZE[1]), last])
    turned = exchange_left_right(select(pose, [1]), torch.tensor([True]))
    pose = Pose(
        torch.stack([pose.xy[0], turned.xy[0], pose.xy[2]]),
        torch.stack([pose.visible[0], turned.visible[0], pose.visible[2]]),
    )
    outline = torch.zeros(3, *SIZE, dtype=torch.bool)
    return Targets.cut(("a.jpg", "b.jpg", "c.jpg"), pose, outline)


def test_warps_are_cut_by_the_persons_own_outline(crops: list[Crop], targets: Targets) -> None:
    fields = list(estimate_flows(OwnBody(), crops, targets, AugmentOptions(poses=3)))
    assert len(fields) == len(crops)
    for crop, field in zip(crops, fields, strict=True):
        assert field.crop is crop and field.poses == (0, 1, 2)
        assert field.targets.images == targets.images
        assert all(torch.equal(outline, crop.mask) for outline in field.targets.outline)
        lower = targets.pose.xy + torch.tensor([0.0, 1.0])
        assert torch.equal(field.targets.pose.xy, lower)
        assert field.origin is not None and (field.origin == Origin.SEEN).all()


def test_some_poses_of_each_source_are_the_right_ones(crops: list[Crop], targets: Targets) -> None:
    options = AugmentOptions(poses=3, poses_each=1, seed=4)
    estimator = OwnBody()
    fields = list(estimate_flows(estimator, crops, targets, options))
    for field, (_, asked) in zip(fields, estimator.asked, strict=True):
        (number,) = field.poses
        assert torch.equal(asked, targets.pose.xy[number])
        assert field.targets.images == (targets.images[number],)
    assert len({field.poses for field in fields}) > 1


def test_half_turns_alone_are_mirrored(crops: list[Crop], targets: Targets) -> None:
    estimator = OwnBody()
    fields = list(
        estimate_flows(estimator, crops, targets, AugmentOptions(poses=3, turns="mirror"))
    )
    turned = half_turns(stack([crop.pose for crop in crops]), targets.pose)
    assert turned.any() and not turned.all()
    everyone = torch.ones(3, dtype=torch.bool)
    exchanged = exchange_left_right(targets.pose, everyone)
    for k, field in enumerate(fields):
        assert torch.equal(field.half_turn, turned[k])
        for t in range(3):
            expected = (exchanged if turned[k, t] else targets.pose).xy[t]
            assert torch.equal(estimator.asked[3 * k + t][1], expected)


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        (Origin.MIRRORED, "other_side"),
        (Origin.OPPOSITE, "other_face"),
        (Origin.INVENTED, "invented"),
    ],
)
def test_the_manifest_tells_what_is_not_seen(
    crops: list[Crop], targets: Targets, kind: Origin, column: str
) -> None:
    options = AugmentOptions(poses=3, **ON_GREY)
    rows = [row for row, _ in warp_crops(Models(OwnBody(kind), targets, None), crops, options)]
    seen = [row for row, _ in warp_crops(Models(OwnBody(), targets, None), crops, options)]
    for row, other in zip(rows, seen, strict=True):
        shares = {name: getattr(row, name) for name in ("other_side", "other_face", "invented")}
        assert shares == {name: float(name == column) for name in shares}
        assert row.quality < other.quality


def test_the_transform_cuts_by_the_own_outline_too(market: Path, targets: Targets) -> None:
    posed = PosedCrops(market)
    warp = PoseWarp(OwnBody(), posed.targets(2), p=1.0, masks=posed.masks)
    first = warp.warp(posed.posed(0), 0)
    again, other = warp.warp(posed.posed(0), 0), warp.warp(posed.posed(0), 1)
    assert torch.equal(first, again) and torch.equal(first, other)  # the person stays
    assert len(warp.estimator.asked) == 2  # the second was kept
