import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from augmented import ON_GREY
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from PIL import Image
from stick_market import stick_market
from torch import Tensor
from torch.nn.functional import max_pool2d

from reidaug.augment import warping
from reidaug.augment.engine import (
    RECORDS,
    Models,
    WarpJob,
    check_size,
    chunk_tasks,
    into_chunks,
    warp_crops,
)
from reidaug.augment.inputs import AugmentInputs, Source, read_inputs
from reidaug.augment.options import AugmentOptions
from reidaug.augment.outlines import person_mask, target_outlines
from reidaug.augment.own_files import remove_leftovers
from reidaug.augment.target_poses import POSES, write_poses
from reidaug.augment.warp_manifest import ChunkRecord, Totals, WarpRow, write_warp_manifest
from reidaug.augment.warping import poses_of, read_crops
from reidaug.data.compositing import soft_matte
from reidaug.data.crop_names import warp_name
from reidaug.data.images import encode_jpeg, encode_png, read_image, read_mask, to_bytes, to_float
from reidaug.data.market1501 import TRAIN, Person, read_market1501
from reidaug.errors import ReidaugError
from reidaug.flow.closed_form import Identity
from reidaug.flow.estimator import FlowEstimator, NamedFlow
from reidaug.geometry.flow import from_affine
from reidaug.geometry.pose import Pose, normalised, select
from reidaug.geometry.warp import warp
from reidaug.jobs import run_tasks
from reidaug.perception.pose_estimator import PoseEstimate


class NeckToNeck(FlowEstimator):
    """Shifts the source so that the necks meet, on a grid of its own."""

    def forward(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Float[Tensor, "b 2 9 5"]:
        size = (source.shape[2], source.shape[3])
        shift = normalised(source_pose, size)[:, 1] - normalised(target_pose, size)[:, 1]
        return from_affine(torch.eye(2).expand(len(shift), 2, 2), shift, (9, 5))


class OwnNeck(NeckToNeck):
    """The same, which keeps everybody's pose."""

    keeps_pose = True


def build(name: str) -> FlowEstimator:
    return {"neck": NeckToNeck, "own": OwnNeck}[name]()


class Run(NamedTuple):
    root: Path
    inputs: AugmentInputs
    job: WarpJob

    @property
    def out(self) -> Path:
        return self.job.out

    def go(self, **changes: object) -> int:
        """Run all chunks; how many files were written."""
        job = self.job._replace(options=self.job.options.model_copy(update=changes))
        size = self.inputs.targets.size
        for folder in (self.out / TRAIN, self.out / RECORDS):
            folder.mkdir(exist_ok=True)
        remove_leftovers(self.out)
        tasks = chunk_tasks(job, size, into_chunks(self.inputs.sources, size))
        return sum(made for _, made in run_tasks(tasks, 1))

    def totals(self) -> Totals:
        record = ChunkRecord.read(self.job.records.read(0))
        assert record is not None
        return write_warp_manifest(self.out / "manifest.parquet", [record])

    def table(self) -> pd.DataFrame:
        self.totals()
        return pd.read_parquet(self.out / "manifest.parquet")

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.out)): path.read_bytes()
            for path in sorted(self.out.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Run]:
    def make(*, count: int = 3, flow: str = "neck", masks: bool = False) -> Run:
        root = stick_market(tmp_path / "market", people=3, images=3)
        out = tmp_path / "out"
        out.mkdir()
        folder = root / "masks" if masks else None
        inputs = read_inputs(
            read_market1501(root, splits=(TRAIN,)),
            root / "market-annotation-train.csv",
            AugmentOptions(poses=count, seed=1),
            own_pose=flow == "own",
        )
        if folder is not None:
            folder.mkdir()
            for source in inputs.sources[::2]:
                mask = torch.zeros(64, 32, dtype=torch.bool)
                mask[5:60, 10:22] = True
                name = source.person.path.with_suffix(".png").name
                (folder / name).write_bytes(encode_png(mask))
        write_poses(out / POSES, inputs.targets)
        options = AugmentOptions(masks=folder, poses=count, **ON_GREY)
        return Run(root, inputs, WarpJob(out, NamedFlow(flow, build), options))

    return make


def slow_warp(source: Source, target: Pose, outline: Tensor) -> Tensor:
    """One pair at a time, in floats."""
    image = to_float(read_image(source.person.path))[None]
    one = Pose(source.pose.xy[None], source.pose.visible[None])
    other = Pose(target.xy[None], target.visible[None])
    warped = warp(image, NeckToNeck()(image, one, other))
    weights = soft_matte(outline[None])
    return (warped * weights + 128 / 255 * (1 - weights))[0]


def test_every_warp_equals_a_literal_loop_over_pairs(start: Callable[..., Run]) -> None:
    run = start()
    assert run.go(spread=False) == 27
    targets = run.inputs.targets
    for source in run.inputs.sources:
        for k, image in enumerate(targets.images):
            target = select(targets.pose, k)
            outline = person_mask(image, target, targets.size, None)
            content = encode_jpeg(to_bytes(slow_warp(source, target, outline)), 95)
            expected = Image.open(io.BytesIO(content))
            found = Image.open(run.out / TRAIN / warp_name(source.name, k))
            # Rounding may fall the other way before the file is compressed.
            away = np.abs(np.asarray(found, dtype=int) - np.asarray(expected, dtype=int))
            assert away.max() <= 10
            assert away.mean() < 0.4


def test_in_its_own_pose_an_image_stays_itself_on_grey(start: Callable[..., Run]) -> None:
    run = start(flow="own", masks=True)
    assert run.go() == 9
    source = run.inputs.sources[0]
    image = read_image(run.out / TRAIN / warp_name(source.name, 0)).int()
    original = read_image(source.person.path).int()
    person = (slice(None), slice(7, 58), slice(12, 20))
    assert float((image - original)[person].abs().float().mean()) < 3
    assert float((image[:, :3] - 128).abs().float().mean()) < 2
    table = run.table()
    assert (table["pose_image"] == table["source"]).all()
    assert (table["quality"] > 0.99).all()


def test_what_misses_the_person_takes_a_colour_of_the_person(start: Callable[..., Run]) -> None:
    run = start(masks=True)
    source = run.inputs.sources[0]
    image = read_image(source.person.path)
    mask = read_mask(run.job.options.masks / f"{source.name[:-4]}.png")
    image[:, mask], image[:, ~mask] = 30, 220
    source.person.path.write_bytes(encode_png(image))  # read by content, not by name
    brightest = []
    for spread in (False, True):
        run.go(spread=spread)
        for k, name in enumerate(run.inputs.targets.images):
            target = select(run.inputs.targets.pose, k)
            outline = person_mask(name, target, (64, 32), run.job.options.masks)
            inner = -max_pool2d(-outline[None].float(), 5, 1, 2)[0] > 0
            warped = read_image(run.out / TRAIN / warp_name(source.name, k))[:, inner]
            brightest.append(int(warped.max()))
        for path in (run.out / RECORDS).iterdir():
            path.unlink()
    assert max(brightest[:3]) > 200
    assert max(brightest[3:]) < 60


def test_a_second_run_makes_only_what_is_missing(start: Callable[..., Run]) -> None:
    run = start()
    run.go()
    before = run.files()
    assert run.go() == 0
    one = next((run.out / TRAIN).iterdir())
    one.unlink()
    half_written = run.out / TRAIN / f".{one.name}.1.part"
    half_written.write_bytes(b"half")
    assert run.go() == 27
    assert run.files() == before
    (run.out / RECORDS / "000000.json").write_text('{"rows": [')
    assert run.go() == 27
    assert run.files() == before


def test_an_unreadable_image_is_left_out_until_it_is_mended(start: Callable[..., Run]) -> None:
    run = start()
    broken = next(
        s for s in run.inputs.sources if s.person.path.name not in run.inputs.targets.images
    )
    content = broken.person.path.read_bytes()
    broken.person.path.write_bytes(content[:300])
    assert run.go() == 24
    totals = run.totals()
    assert (totals.sources, totals.images) == (8, 24)
    assert len(totals.left_out) == 1
    assert totals.left_out[0].startswith(f"{broken.person.path}: not a readable image")
    assert run.go() == 0
    broken.person.path.write_bytes(content)
    assert run.go() == 27
    assert run.totals().left_out == ()


def test_a_poor_warp_is_recorded_and_not_written(start: Callable[..., Run]) -> None:
    run = start()
    run.go()
    quality = run.table()["quality"]
    bound = float(np.median(quality))
    for path in [*(run.out / RECORDS).iterdir(), *(run.out / TRAIN).iterdir()]:
        path.unlink()
    run.go(min_quality=bound)
    totals, table = run.totals(), run.table()
    assert list(table["quality"]) == list(quality)
    assert list(table["kept"]) == list(quality >= bound)
    assert {p.name for p in (run.out / TRAIN).iterdir()} == set(table["file"][table["kept"]])
    assert totals.images + totals.rejected == 27
    assert 0 < totals.rejected < 27


def test_the_manifest_names_the_source_of_each_file(start: Callable[..., Run]) -> None:
    run = start()
    run.go()
    table = run.table()
    assert tuple(table.columns) == WarpRow._fields
    assert len(table) == 27
    for row in table.itertuples():
        assert row.file == warp_name(row.source, row.pose)
        assert row.pose_image == run.inputs.targets.images[row.pose]
        assert row.file.startswith(f"{row.pid:04d}_c{row.camid}s")
        assert (run.out / TRAIN / row.file).is_file()
    for share in ("joints", "foreground", "inside", "folded", "seen", "quality"):
        assert table[share].between(0, 1).all()
    assert table["pck"].isna().all()
    assert (table["left_out"] == "").all()


@pytest.mark.parametrize("turns", ["allow", "mirror"])
def test_each_image_is_warped_into_poses_of_its_own(start: Callable[..., Run], turns: str) -> None:
    run = start()
    run.go(turns=turns)
    every = run.files()
    for path in [*(run.out / RECORDS).iterdir(), *(run.out / TRAIN).iterdir()]:
        path.unlink()
    assert run.go(poses_each=2, turns=turns) == 18
    table = run.table()
    drawn = table.groupby("source")["pose"].apply(tuple)
    assert len(table) == 18
    assert set(drawn) == {(0, 1), (0, 2), (1, 2)}  # nine images do not all draw alike
    for name, content in run.files().items():
        if name.startswith(TRAIN):
            assert content == every[name], "a warp is the same among fewer"


def test_poses_of_an_image_depend_on_its_name_and_the_seed_alone() -> None:
    few = AugmentOptions(poses=25, poses_each=4, seed=1)
    names = [f"{k:04d}_c1s1_000001_00.jpg" for k in range(40)]
    drawn = [poses_of(name, 25, few) for name in names]
    assert drawn == [poses_of(name, 25, few) for name in names]
    assert drawn != [poses_of(name, 25, few.model_copy(update={"seed": 2})) for name in names]
    assert all(len(set(poses)) == 4 and poses == sorted(poses) for poses in drawn)
    assert {pose for poses in drawn for pose in poses} == set(range(25))
    assert poses_of(names[0], 25, AugmentOptions()) == list(range(25))


class AlwaysStanding:
    """Finds one and the same pose in every picture."""

    def estimate(self, image: np.ndarray) -> PoseEstimate:
        assert image.shape == (64, 32, 3)
        assert image.dtype == np.uint8
        pose = Pose(torch.full((18, 2), 16.0), torch.ones(18, dtype=torch.bool))
        return PoseEstimate(pose, torch.ones(18), 1.0, np.ones((64, 32), dtype=bool))


def test_poses_of_the_warps_that_are_kept_are_checked(start: Callable[..., Run]) -> None:
    run = start()
    targets = run.inputs.targets
    models = Models(NeckToNeck(), target_outlines(targets, None), AlwaysStanding())
    crops, _ = read_crops(run.inputs.sources, targets.size, None)
    with torch.inference_mode():
        warps = list(warp_crops(models, crops, AugmentOptions(background="grey", min_quality=0.3)))
    checked = [row for row, _ in warps if row.pck is not None]
    assert checked == [row for row, _ in warps if row.kept]
    assert 0 < len(checked) < 27
    for row in checked:
        pose = select(targets.pose, row.pose)
        near = (pose.xy - 16).norm(dim=-1) <= 6.4
        assert row.pck == pytest.approx(float(near[pose.visible].float().mean()), abs=1e-4)


@pytest.mark.parametrize("bound", [0.0, 0.5])
def test_a_quality_that_is_no_number_is_below_every_minimum(
    start: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, bound: float
) -> None:
    measure = warping.measure_quality

    def broken(*given: Any, **named: Any) -> Any:
        found = measure(*given, **named)
        return found._replace(quality=found.quality * torch.nan)

    monkeypatch.setattr(warping, "measure_quality", broken)
    run = start()
    targets = run.inputs.targets
    models = Models(NeckToNeck(), target_outlines(targets, None), None)
    crops, _ = read_crops(run.inputs.sources, targets.size, None)
    with torch.inference_mode():
        options = AugmentOptions(background="grey", min_quality=bound)
        rows = [row for row, _ in warp_crops(models, crops, options)]
    assert {(row.kept, row.left_out, row.quality) for row in rows} == {(False, "quality", 0.0)}


def test_half_turns_are_allowed_mirrored_or_dropped(start: Callable[..., Run]) -> None:
    tables, files = {}, {}
    run = start(count=6)
    for turns in ("allow", "mirror", "drop"):
        run.go(turns=turns)
        tables[turns] = run.table().set_index("file")
        files[turns] = {p.name: p.read_bytes() for p in (run.out / TRAIN).iterdir()}
        for path in [*(run.out / RECORDS).iterdir(), *(run.out / TRAIN).iterdir()]:
            path.unlink()
    turned = tables["allow"]["turned"]
    assert 0 < turned.sum() < len(turned)
    assert all((table["turned"] == turned).all() for table in tables.values())
    assert set(files["drop"]) == set(turned.index[~turned])
    assert (tables["drop"]["left_out"] == turned.map({True: "turn", False: ""})).all()
    assert set(files["mirror"]) == set(files["allow"]) == set(turned.index)
    better = tables["mirror"]["quality"] - tables["allow"]["quality"]
    assert (better[turned] > 0).mean() > 0.9
    assert (better[~turned] == 0).all()
    straight = turned.index[~turned]
    assert all(files["mirror"][name] == files["allow"][name] for name in straight)


@pytest.mark.parametrize("background", ["source", "other", "imagenet-mean", "keep"])
def test_the_background_is_the_chosen_one(start: Callable[..., Run], background: str) -> None:
    run = start(masks=True)
    for source in run.inputs.sources:  # a wall of one colour for each person
        image = torch.full((3, 64, 32), 60 * source.person.pid, dtype=torch.uint8)
        source.person.path.write_bytes(encode_png(image))
    run.go(background=background)
    for row in run.table().itertuples():
        corner = read_image(run.out / TRAIN / row.file)[:, :3].float().mean((1, 2))
        if background == "imagenet-mean":
            assert corner.tolist() == pytest.approx([124, 116, 104], abs=3)
        elif background == "other":
            assert min(abs(float(corner.mean()) - 60 * p) for p in {1, 2, 3} - {row.pid}) < 3
        else:
            assert corner.tolist() == pytest.approx([60 * row.pid] * 3, abs=3)


def test_with_one_person_there_is_no_other_background(start: Callable[..., Run]) -> None:
    run = start()
    alone = tuple(s for s in run.inputs.sources if s.person.pid == 1)
    with pytest.raises(ReidaugError, match="anybody but person 1"):
        run._replace(inputs=run.inputs._replace(sources=alone)).go(background="other")


@given(
    count=st.integers(0, 200), height=st.sampled_from([64, 128, 256, 512]), ratio=st.integers(1, 2)
)
def test_chunks_keep_the_order_and_bound_the_pixels(count: int, height: int, ratio: int) -> None:
    pose = Pose(torch.zeros(18, 2), torch.ones(18, dtype=torch.bool))
    sources = [Source(Person(Path(f"{k}.jpg"), k, 1), f"{k}.jpg", pose) for k in range(count)]
    size = (height, height // ratio)
    chunks = into_chunks(sources, size)
    assert [source for chunk in chunks for source in chunk] == sources
    assert all(len(c) == 1 or len(c) * size[0] * size[1] <= 32 * 128 * 64 for c in chunks)


def test_how_many_poses_are_warped_at_once_changes_nothing(
    start: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(count=5)
    run.go(background="other")
    before = run.files()
    for path in [*(run.out / RECORDS).iterdir(), *(run.out / TRAIN).iterdir()]:
        path.unlink()
    monkeypatch.setattr(warping, "POSES_AT_ONCE", 2)
    run.go(background="other")
    assert run.files() == before


class Counting(NeckToNeck):
    """Remembers how many pairs it was asked for at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[int] = []

    def forward(self, source: Tensor, source_pose: Pose, target_pose: Pose) -> Tensor:
        self.pairs.append(len(source))
        return super().forward(source, source_pose, target_pose)


def test_memory_does_not_grow_with_the_poses(start: Callable[..., Run]) -> None:
    run = start()
    few, size = target_outlines(run.inputs.targets, None), run.inputs.targets.size
    crops, _ = read_crops(run.inputs.sources, size, None)
    asked = {}
    for times in (1, 100):
        many = list(range(len(few.images))) * times
        estimator = Counting()
        warps = warp_crops(
            Models(estimator, few.part(many), None), crops, AugmentOptions(**ON_GREY)
        )
        rows = [row for row, _ in warps]
        assert len({row.file for row in rows}) == len(rows) == len(many) * len(crops)
        asked[times] = max(estimator.pairs)
    assert asked[100] <= 64 * len(crops) < 300 * len(crops)


class _Endless(Identity):
    """A flow that is infinite somewhere, as of weights of a diverged training."""

    def forward(self, source: Tensor, source_pose: Pose, target_pose: Pose) -> Tensor:
        """Give it."""
        flow = super().forward(source, source_pose, target_pose)
        flow[..., 0, 0] = torch.inf
        return flow


def test_a_flow_that_is_not_finite_is_refused_before_the_work() -> None:
    pose = Pose(torch.ones(18, 2), torch.ones(18, dtype=torch.bool))
    check_size(Identity(), pose, (64, 32))
    told = r"the flow for images of 64x32 is not finite: .* damaged, .*; name another one"
    with pytest.raises(ReidaugError, match=told):
        check_size(_Endless(), pose, (64, 32))
