import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from augmented import augmented
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

from reidaug.augment import PosedCrops, PosedImage, PoseWarp, as_source
from reidaug.augment.target_poses import TargetPoses
from reidaug.data.crop_names import warp_name
from reidaug.data.images import encode_jpeg, read_image
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError, UsageError
from reidaug.flow import load_flow
from reidaug.flow.checkpoint import build_estimator, save_checkpoint
from reidaug.flow.closed_form import Identity, JointBlend, TorsoAffine
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.random_warps import RandomAffine, RandomTPS
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import Pose

KEYPOINTS = "market-annotation-train.csv"
SMALL = {"class": "reidaug.flow.unwarpme:UnWarpME", "preset": "small"}


class Counted(FlowEstimator):
    """The identity, which looks at the picture's colours and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Float[Tensor, "b 2 8 4"]:
        self.calls += 1
        return identity(8, 4)[None] + 0.01 * source.mean()


FLOWS: dict[str, Callable[[Path], tuple[FlowEstimator, str]]] = {
    "torso-affine": lambda folder: (TorsoAffine(), "torso-affine"),
    "joint-blend": lambda folder: (JointBlend(), "joint-blend"),
    "random-tps": lambda folder: (RandomTPS(), "random-tps"),
    "checkpoint": lambda folder: (load_flow(str(folder)), str(folder)),
}


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize(
    ("background", "turns", "masked"),
    [("grey", "allow", True), ("keep", "mirror", False), ("source", "mirror", True)],
)
def test_a_warp_is_what_the_command_writes(
    market: Path, tmp_path: Path, name: str, background: str, turns: str, masked: bool
) -> None:
    save_checkpoint(tmp_path / "flow", build_estimator(SMALL), {"estimator": SMALL})
    flow, named = FLOWS[name](tmp_path / "flow")
    turns = "allow" if name == "random-tps" else turns  # it leads to no target pose
    masks = market / "masks" if masked else tmp_path / "none"
    masks.mkdir(exist_ok=True)
    out = tmp_path / "out"
    augmented(
        market, out, flow=named, poses=3, seed=2, background=background, turns=turns,
        masks=masks, workers=1,
    )  # fmt: skip
    crops = PosedCrops(market, masks=masks)
    warp = PoseWarp(flow, out, p=1.0, background=background, turns=turns, masks=crops.masks)
    for k, person in enumerate(crops.people):
        for target in range(3):
            image = warp.warp(crops.posed(k), target)
            content = io.BytesIO(encode_jpeg(image.as_subclass(Tensor), 95))
            found = np.asarray(Image.open(content), dtype=int)
            written = out / TRAIN / warp_name(person.path.name, target)
            away = np.abs(found - read_image(written).permute(1, 2, 0).numpy().astype(int))
            # Rounding may fall the other way before the file is compressed.
            assert away.max() <= 10
            assert away.mean() < 0.2


def stream(crops: PosedCrops, warp: PoseWarp, count: int, **options: object) -> Tensor:
    """All images of one epoch, seeded."""
    crops.transform = v2.Compose([warp, v2.Resize((64, 32))])
    state = torch.get_rng_state()
    loader = DataLoader(
        crops,
        batch_size=4,
        shuffle=True,
        generator=torch.Generator().manual_seed(count),
        **options,  # type: ignore[arg-type]
    )
    batches = [batch.image for batch in loader]
    assert torch.equal(torch.get_rng_state(), state) == bool(options.get("num_workers"))
    return torch.cat(batches)


@pytest.mark.parametrize(
    "context",
    ["fork", *(pytest.param(n, marks=pytest.mark.slow) for n in ("spawn", "forkserver"))],
)
def test_workers_give_the_same_crops_for_the_same_seed(market: Path, context: str) -> None:
    crops = PosedCrops(market)
    warp = PoseWarp(TorsoAffine(), crops.targets(5), p=0.7, masks=crops.masks)
    options = {"num_workers": 1, "multiprocessing_context": context}
    first = stream(crops, warp, 1, **options)
    assert first.shape == (9, 3, 64, 32)
    assert first.dtype == torch.uint8
    if context == "fork":  # starting a process anew takes seconds
        assert torch.equal(stream(crops, warp, 1, **options), first)
        assert not torch.equal(stream(crops, warp, 2, **options), first)


def test_a_generator_of_ones_own_leaves_torchs_alone(market: Path) -> None:
    crops = PosedCrops(market)
    state = torch.get_rng_state()

    def drawn(seed: int) -> list[int | None]:
        generator = torch.Generator().manual_seed(seed)
        warp = PoseWarp(Counted(), crops.targets(5), generator=generator)
        return [warp.make_params([])["target"] for _ in range(30)]

    first = drawn(3)
    assert drawn(3) == first
    assert drawn(4) != first
    assert set(first) == {None, 0, 1, 2, 3, 4}
    assert torch.equal(torch.get_rng_state(), state)


def test_workers_draw_apart_from_a_generator_of_ones_own(market: Path) -> None:
    crops = PosedCrops(market)
    warp = PoseWarp(
        TorsoAffine(), crops.targets(5), p=0.7, generator=torch.Generator().manual_seed(1)
    )
    options = {"num_workers": 2, "multiprocessing_context": "fork"}
    first = stream(crops, warp, 1, **options)
    assert torch.equal(stream(crops, warp, 1, **options), first)
    assert not torch.equal(stream(crops, warp, 2, **options), first)


def test_a_copy_in_another_process_draws_on_where_it_stood(market: Path) -> None:
    crops = PosedCrops(market)
    warp = PoseWarp(Counted(), crops.targets(5), p=1.0, generator=torch.Generator().manual_seed(1))
    warp(crops.posed(0))
    copy = pickle.loads(pickle.dumps(warp))
    assert len(pickle.dumps(copy)) < 50_000
    for k in range(4):
        assert torch.equal(copy(crops.posed(k)), warp(crops.posed(k)))


class _Tensors(pickle.Pickler):
    """Counts tensors that torch would send to a worker as an open file each."""

    count = 0

    def reducer_override(self, value: object) -> object:
        self.count += isinstance(value, Tensor)
        return NotImplemented


def test_workers_that_begin_anew_get_few_open_files(market: Path) -> None:
    """A file for every tensor: fork servers take 253 at most, and users may open 1,024."""
    crops = PosedCrops(market)
    crops.transform = PoseWarp(load_flow("surface"), crops.targets(5), masks=crops.masks)
    pickler = _Tensors(content := io.BytesIO())
    pickler.dump(crops)
    assert pickler.count < 10
    copy = pickle.loads(content.getvalue())
    assert len(copy.sources) == len(crops.sources)
    for k in range(len(crops)):
        one, other = copy.posed(k), crops.posed(k)
        assert torch.equal(one, other)
        assert one.source is not None and other.source is not None
        assert one.source.person == other.source.person
        assert torch.equal(one.source.pose.xy, other.source.pose.xy)
        assert torch.equal(one.source.pose.visible, other.source.pose.visible)
    state, made = (c.transform.estimator.state_dict() for c in (crops, copy))
    assert state.keys() == made.keys() and all(torch.equal(state[k], made[k]) for k in state)


@given(st.floats(0, 1))
def test_the_share_of_warped_crops_is_p(p: float) -> None:
    pool = TargetPoses((64, 32), 0, ("a.jpg",), standing(1))
    warp = PoseWarp(Identity(), pool, p=p, generator=torch.Generator().manual_seed(0))
    drawn = [warp.make_params([])["target"] is not None for _ in range(400)]
    assert abs(np.mean(drawn) - p) < 0.1
    if p in (0, 1):
        assert set(drawn) == {bool(p)}


def standing(count: int) -> Pose:
    xy = torch.rand(count, 18, 2, generator=torch.Generator().manual_seed(0)) * 30
    return Pose(xy, torch.ones(count, 18, dtype=torch.bool))


def test_a_flow_is_estimated_once_a_pair_and_the_store_is_bounded(market: Path) -> None:
    crops, flow = PosedCrops(market), Counted()
    warp = PoseWarp(flow, crops.targets(4), p=1.0)
    images = [crops.posed(k) for k in range(3)]
    first = [warp.warp(image, t) for image in images for t in range(4)]
    assert flow.calls == 12
    again = [warp.warp(image, t) for image in images for t in range(4)]
    assert flow.calls == 12
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    darker = PosedImage.of(images[0].as_subclass(Tensor) // 2, images[0].source)
    warp.warp(darker, 0)
    assert flow.calls == 13  # an estimator may look at the picture
    each = 8 * 4 * 2 * 4
    flow.calls = 0
    bounded = PoseWarp(flow, crops.targets(4), p=1.0, cache_mb=2.5 * each / 2**20)
    for target in (0, 1, 0, 2, 0, 1):  # 1 was used longest ago when 2 came
        bounded.warp(images[0], target)
    assert flow.calls == 4
    assert bounded._flow_bytes == 2 * each
    nothing = PoseWarp(flow, crops.targets(4), p=1.0, cache_mb=0.0)
    assert torch.equal(nothing.warp(images[0], 1), first[1])


def test_outlines_are_kept_within_bounds(market: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reidaug.augment.transform.OUTLINES_KEPT", 2)
    crops = PosedCrops(market)
    warp = PoseWarp(Identity(), crops.targets(4), p=1.0)
    for target in (0, 1, 2, 3, 0):
        warp.warp(crops.posed(0), target)
    assert warp._target.cache_info()[:2] == (0, 5)
    assert warp._target.cache_info().currsize == 2


def test_a_sample_of_any_shape_keeps_its_shape(market: Path) -> None:
    crops = PosedCrops(market)
    warp = PoseWarp(JointBlend(), crops.targets(3), p=1.0)
    sample = {"image": crops.posed(0), "ids": (3, torch.arange(4)), "name": "a"}
    done = warp(sample)
    assert type(done["image"]) is tv_tensors.Image
    assert done["image"].shape == (3, 64, 32)
    assert (done["ids"][0], done["name"]) == (3, "a")
    assert torch.equal(done["ids"][1], torch.arange(4))
    image, label = warp(crops.posed(0), 7)
    assert (type(image), label) == (tv_tensors.Image, 7)


def test_what_is_not_warped_stays_as_it_is(market: Path) -> None:
    crops = PosedCrops(market)
    never = PoseWarp(JointBlend(), crops.targets(3), p=0.0)
    assert torch.equal(never(crops.posed(1)), read_image(crops.people[1].path))
    always = PoseWarp(JointBlend(), crops.targets(3), p=1.0)
    unknown = PosedImage.of(read_image(crops.people[1].path), None)
    assert torch.equal(always(unknown), read_image(crops.people[1].path))
    assert type(always(unknown)) is tv_tensors.Image


def test_half_turns_are_left_alone_when_they_are_to_be_dropped(market: Path) -> None:
    back, pool = back_and_pool(market)
    for turns, turned in (("allow", False), ("mirror", False), ("drop", True)):
        warp = PoseWarp(JointBlend(), pool, p=1.0, turns=turns)
        left = torch.equal(warp.transform(back, {"target": 0}), back.as_subclass(Tensor))
        assert left == turned
        assert not torch.equal(warp.transform(back, {"target": 1}), back.as_subclass(Tensor))


def test_a_random_warp_is_no_half_turn(market: Path) -> None:
    back, pool = back_and_pool(market)
    warp = PoseWarp(RandomAffine(), pool, p=1.0, turns="drop")
    assert not torch.equal(warp.transform(back, {"target": 0}), back.as_subclass(Tensor))


def back_and_pool(market: Path) -> tuple[PosedImage, TargetPoses]:
    """A crop; its pose mirrored without exchanging the names of joints, and its pose itself."""
    back = PosedCrops(market).posed(0)
    assert back.source is not None
    pose = back.source.pose
    other = pose.xy.clone()
    other[:, 0] = 31 - other[:, 0]
    both = Pose(torch.stack((other, pose.xy)), torch.stack((pose.visible, pose.visible)))
    return back, TargetPoses((64, 32), 0, ("front.jpg", "same.jpg"), both)


def test_crops_of_any_size_come_out_in_the_pools_size(market: Path) -> None:
    crops = PosedCrops(market)
    pool = crops.targets(3)
    image = torch.zeros(3, 200, 70, dtype=torch.uint8)
    pose = Pose(torch.linspace(5, 65, 36).view(18, 2), torch.ones(18, dtype=torch.bool))
    posed = PosedImage.of(image, as_source(pose, "somebody.jpg"))
    assert PoseWarp(TorsoAffine(), pool, p=1.0)(posed).shape == (3, 64, 32)


def test_pose_warp_goes_first_or_raises(market: Path) -> None:
    crops = PosedCrops(market)
    warp = PoseWarp(TorsoAffine(), crops.targets(3), p=1.0)
    for lost in (
        v2.RandomHorizontalFlip(p=1.0)(crops.posed(0)),
        v2.ColorJitter(0.5)(crops.posed(0)),
        read_image(crops.people[0].path),
        crops.posed(0).clone(),
    ):
        with pytest.raises(UsageError, match="it goes first"):
            warp(lost)


def test_a_pipeline_in_training_mode_keeps_the_estimator_as_it_is(market: Path) -> None:
    crops = PosedCrops(market)
    estimator = build_estimator(SMALL).train()
    warp = PoseWarp(estimator, crops.targets(3), p=1.0)
    pipeline = torch.nn.Sequential(warp).train()
    assert pipeline.training
    assert not any(module.training for module in estimator.modules())
    image = warp.warp(crops.posed(0), 0)
    assert not image.requires_grad
    assert "3 poses, p=1.0, background=grey" in repr(warp)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"p": 1.5}, "p is a probability"),
        ({"cache_mb": -1.0}, "cache_mb is not negative"),
        ({"background": "pink"}, "pink"),
        ({"background": "other"}, "needs other crops"),
        ({"turns": "twice"}, "allow.*mirror.*drop"),
        ({"pool": "nowhere.json"}, "nowhere.json"),
        ({"pool": TargetPoses((64, 32), 0, (), standing(0))}, "the pool has no pose"),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments: dict[str, object], says: str) -> None:
    pool = TargetPoses((64, 32), 0, ("a.jpg",), standing(1))
    with pytest.raises(ReidaugError, match=says):
        PoseWarp(**{"flow": Identity(), "pool": pool, **arguments})  # type: ignore[arg-type]
