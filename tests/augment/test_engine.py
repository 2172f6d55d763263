import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from PIL import Image
from stick_market import stick_market
from torch import Tensor
from torch.nn.functional import max_pool2d

from reidaug.augment.background import person_mask, soft_edge
from reidaug.augment.contact_sheet import contact_sheet, pick
from reidaug.augment.engine import RECORDS, clean, into_chunks, merge, run_chunks
from reidaug.augment.inputs import Material, fingerprint, gather_material
from reidaug.augment.target_poses import write_poses
from reidaug.augment.warping import COLUMNS, POSES, Plan, Source
from reidaug.data.crop_names import warp_name
from reidaug.data.images import encode_jpeg, encode_png, read_image, read_mask, to_bytes, to_float
from reidaug.data.market1501 import TRAIN, Person, read_market1501
from reidaug.errors import ReidaugError, UsageError
from reidaug.flow.estimator import FlowEstimator
from reidaug.geometry.flow import from_affine
from reidaug.geometry.pose import Pose, normalised, select
from reidaug.geometry.warp import warp


class NeckToNeck(FlowEstimator):
    """Shifts the source so that the necks meet, on a grid of its own."""

    def forward(
        self, source: Float[Tensor, "b 3 H W"], source_pose: Pose, target_pose: Pose
    ) -> Float[Tensor, "b 2 9 5"]:
        size = (source.shape[2], source.shape[3])
        shift = normalised(source_pose, size)[:, 1] - normalised(target_pose, size)[:, 1]
        return from_affine(torch.eye(2).expand(len(shift), 2, 2), shift, (9, 5))


def build(name: str) -> FlowEstimator:
    assert name == "neck"
    return NeckToNeck()


class Run(NamedTuple):
    root: Path
    material: Material
    plan: Plan

    def go(self, **changes: object) -> int:
        """Run all chunks; how many files were written."""
        plan, targets = self.plan._replace(**changes), self.material.targets
        chunks = into_chunks(self.material.sources, targets.size)
        done = run_chunks(plan, targets.size, chunks, workers=1, backend="loky")
        return sum(chunk.made for chunk in done)

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.plan.out)): path.read_bytes()
            for path in sorted(self.plan.out.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Run]:
    def make(*, count: int = 3, own_pose: bool = False, masks: bool = False) -> Run:
        root = stick_market(tmp_path / "market", people=3, images=3)
        out = tmp_path / "out"
        out.mkdir()
        material = gather_material(
            read_market1501(root, splits=(TRAIN,)),
            root / "market-annotation-train.csv",
            count=count,
            how="random",
            seed=1,
            own_pose=own_pose,
        )
        folder = root / "masks" if masks else None
        if folder is not None:
            folder.mkdir()
            for source in material.sources[::2]:
                mask = torch.zeros(64, 32, dtype=torch.bool)
                mask[5:60, 10:22] = True
                name = source.person.path.with_suffix(".png").name
                (folder / name).write_bytes(encode_png(mask))
        write_poses(out / POSES, material.targets)
        return Run(root, material, Plan(out, build, "neck", folder, own_pose=own_pose))

    return make


def slow_warp(source: Source, target: Pose, outline: Tensor) -> Tensor:
    """One pair at a time, in floats."""
    image = to_float(read_image(source.person.path))[None]
    one = Pose(source.pose.xy[None], source.pose.visible[None])
    other = Pose(target.xy[None], target.visible[None])
    warped = warp(image, NeckToNeck()(image, one, other))
    weights = soft_edge(outline[None])
    return (warped * weights + 128 / 255 * (1 - weights))[0]


def test_every_warp_equals_a_literal_loop_over_pairs(start: Callable[..., Run]) -> None:
    run = start()
    assert run.go(spread=False) == 27
    targets = run.material.targets
    for source in run.material.sources:
        for k, image in enumerate(targets.images):
            target = select(targets.pose, k)
            outline = person_mask(image, target, targets.size, None)
            content = encode_jpeg(to_bytes(slow_warp(source, target, outline)), 95)
            expected = Image.open(io.BytesIO(content))
            found = Image.open(run.plan.out / TRAIN / warp_name(source.name, k))
            # Rounding may fall the other way before the file is compressed.
            away = np.abs(np.asarray(found, dtype=int) - np.asarray(expected, dtype=int))
            assert away.max() <= 10
            assert away.mean() < 0.4


def test_in_its_own_pose_an_image_stays_itself_on_grey(start: Callable[..., Run]) -> None:
    run = start(own_pose=True, masks=True)
    assert run.go() == 9
    source = run.material.sources[0]
    image = read_image(run.plan.out / TRAIN / warp_name(source.name, 0)).int()
    original = read_image(source.person.path).int()
    person = (slice(None), slice(7, 58), slice(12, 20))
    assert float((image - original)[person].abs().float().mean()) < 3
    assert float((image[:, :3] - 128).abs().float().mean()) < 2
    merge(run.plan.out, 1)
    table = pd.read_parquet(run.plan.out / "manifest.parquet")
    assert (table["pose_image"] == table["source"]).all()
    assert (table["quality"] > 0.99).all()


def test_what_misses_the_person_takes_a_colour_of_the_person(start: Callable[..., Run]) -> None:
    run = start(masks=True)
    source = run.material.sources[0]
    image = read_image(source.person.path)
    mask = read_mask(run.plan.masks / f"{source.name[:-4]}.png")
    image[:, mask], image[:, ~mask] = 30, 220
    source.person.path.write_bytes(encode_png(image))  # read by content, not by name
    brightest = []
    for spread in (False, True):
        run.go(spread=spread)
        for k, name in enumerate(run.material.targets.images):
            target = select(run.material.targets.pose, k)
            outline = person_mask(name, target, (64, 32), run.plan.masks)
            inner = -max_pool2d(-outline[None].float(), 5, 1, 2)[0] > 0
            warped = read_image(run.plan.out / TRAIN / warp_name(source.name, k))[:, inner]
            brightest.append(int(warped.max()))
        for path in (run.plan.out / RECORDS).iterdir():
            path.unlink()
    assert max(brightest[:3]) > 200
    assert max(brightest[3:]) < 60


def test_a_second_run_makes_only_what_is_missing(start: Callable[..., Run]) -> None:
    run = start()
    run.go()
    before = run.files()
    assert run.go() == 0
    one = next((run.plan.out / TRAIN).iterdir())
    one.unlink()
    half_written = run.plan.out / TRAIN / f".{one.name}.1.part"
    half_written.write_bytes(b"half")
    assert run.go() == 27
    assert run.files() == before
    (run.plan.out / RECORDS / "000000.json").write_text('{"rows": [')
    assert run.go() == 27
    assert run.files() == before


def test_an_unreadable_image_is_left_out_until_it_is_mended(start: Callable[..., Run]) -> None:
    run = start()
    broken = next(
        s for s in run.material.sources if s.person.path.name not in run.material.targets.images
    )
    content = broken.person.path.read_bytes()
    broken.person.path.write_bytes(content[:300])
    assert run.go() == 24
    totals = merge(run.plan.out, 1)
    assert (totals.sources, totals.images) == (8, 24)
    assert len(totals.left_out) == 1
    assert totals.left_out[0].startswith(f"{broken.person.path}: not a readable image")
    assert run.go() == 0
    broken.person.path.write_bytes(content)
    assert run.go() == 27
    assert merge(run.plan.out, 1).left_out == ()


def test_a_poor_warp_is_recorded_and_not_written(start: Callable[..., Run]) -> None:
    run = start()
    run.go()
    merge(run.plan.out, 1)
    quality = pd.read_parquet(run.plan.out / "manifest.parquet")["quality"]
    bound = float(np.median(quality))
    for path in [*(run.plan.out / RECORDS).iterdir(), *(run.plan.out / TRAIN).iterdir()]:
        path.unlink()
    run.go(least_quality=bound)
    totals = merge(run.plan.out, 1)
    table = pd.read_parquet(run.plan.out / "manifest.parquet")
    assert list(table["quality"]) == list(quality)
    assert list(table["kept"]) == list(quality >= bound)
    assert {p.name for p in (run.plan.out / TRAIN).iterdir()} == set(table["file"][table["kept"]])
    assert totals.images + totals.rejected == 27
    assert 0 < totals.rejected < 27


def test_the_manifest_says_where_each_file_comes_from(start: Callable[..., Run]) -> None:
    run = start()
    run.go()
    merge(run.plan.out, 1)
    table = pd.read_parquet(run.plan.out / "manifest.parquet")
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 27
    for row in table.itertuples():
        assert row.file == warp_name(row.source, row.pose)
        assert row.pose_image == run.material.targets.images[row.pose]
        assert row.file.startswith(f"{row.pid:04d}_c{row.camid}s")
        assert (run.plan.out / TRAIN / row.file).is_file()
    for share in ("joints", "foreground", "inside", "folded", "seen", "quality"):
        assert table[share].between(0, 1).all()
    assert table["pck"].isna().all()
    assert (table["left_out"] == "").all()


class Seer(NamedTuple):
    """What `AlwaysStanding` finds."""

    pose: Pose


class AlwaysStanding:
    """Reads one and the same pose off every picture."""

    def read(self, image: np.ndarray) -> Seer:
        assert image.shape == (64, 32, 3)
        assert image.dtype == np.uint8
        return Seer(Pose(torch.full((18, 2), 16.0), torch.ones(18, dtype=torch.bool)))


def test_poses_are_read_off_the_warps_that_are_kept(start: Callable[..., Run]) -> None:
    run = start()
    run.go(reader=AlwaysStanding)
    totals = merge(run.plan.out, 1)
    table = pd.read_parquet(run.plan.out / "manifest.parquet")
    for row in table.itertuples():
        pose = select(run.material.targets.pose, row.pose)
        near = (pose.xy - 16).norm(dim=-1) <= 6.4
        expected = float(near[pose.visible].float().mean())
        assert row.pck == pytest.approx(expected, abs=1e-4)
    assert totals.pck == pytest.approx(table["pck"].mean())


def test_half_turns_are_allowed_mirrored_or_dropped(start: Callable[..., Run]) -> None:
    tables, files = {}, {}
    run = start(count=6)
    for turns in ("allow", "mirror", "drop"):
        run.go(turns=turns)
        merge(run.plan.out, 1)
        tables[turns] = pd.read_parquet(run.plan.out / "manifest.parquet").set_index("file")
        files[turns] = {p.name: p.read_bytes() for p in (run.plan.out / TRAIN).iterdir()}
        for path in [*(run.plan.out / RECORDS).iterdir(), *(run.plan.out / TRAIN).iterdir()]:
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
def test_around_the_person_is_what_was_asked_for(
    start: Callable[..., Run], background: str
) -> None:
    run = start(masks=True)
    for source in run.material.sources:  # a wall of one colour for each person
        image = torch.full((3, 64, 32), 60 * source.person.pid, dtype=torch.uint8)
        source.person.path.write_bytes(encode_png(image))
    run.go(background=background)
    merge(run.plan.out, 1)
    for row in pd.read_parquet(run.plan.out / "manifest.parquet").itertuples():
        corner = read_image(run.plan.out / TRAIN / row.file)[:, :3].float().mean((1, 2))
        if background == "imagenet-mean":
            assert corner.tolist() == pytest.approx([124, 116, 104], abs=3)
        elif background == "other":
            assert min(abs(float(corner.mean()) - 60 * p) for p in {1, 2, 3} - {row.pid}) < 3
        else:
            assert corner.tolist() == pytest.approx([60 * row.pid] * 3, abs=3)


def test_with_one_person_there_is_no_other_background(start: Callable[..., Run]) -> None:
    run = start()
    alone = tuple(s for s in run.material.sources if s.person.pid == 1)
    with pytest.raises(ReidaugError, match="anybody but person 1"):
        run._replace(material=run.material._replace(sources=alone)).go(background="other")


def test_nothing_left_is_an_error(start: Callable[..., Run]) -> None:
    run = start()
    run.go()
    (run.plan.out / RECORDS / "000000.json").write_text(
        json.dumps({"rows": [], "left_out": ["a.jpg: gone"]})
    )
    with pytest.raises(ReidaugError, match=r"not one image could be warped: a\.jpg: gone"):
        merge(run.plan.out, 1)


def test_an_unknown_backend_is_refused(start: Callable[..., Run]) -> None:
    with pytest.raises(UsageError, match="loky, dask"):
        list(run_chunks(start().plan, (64, 32), [], workers=1, backend="threads"))


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


def test_targets_that_cannot_be_read_are_not_chosen(tmp_path: Path) -> None:
    root = stick_market(tmp_path / "market", people=2, images=2)
    names = sorted(p.name for p in (root / TRAIN).iterdir())
    (root / TRAIN / names[0]).write_text("text")

    def gathered(count: int) -> Material:
        return gather_material(
            read_market1501(root, splits=(TRAIN,)),
            root / "market-annotation-train.csv",
            count=count,
            how="random",
            seed=0,
            own_pose=False,
        )

    material = gathered(3)
    assert sorted(material.targets.images) == names[1:]
    assert len(material.sources) == 4
    with pytest.raises(ReidaugError, match="only 3 training images"):
        gathered(4)


def test_a_fingerprint_changes_with_poses_and_weights(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    material = start().material
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"1")
    first = fingerprint(material, [weights])
    assert fingerprint(material, [weights]) == first
    weights.write_bytes(b"2")
    moved = material.sources[0]
    moved = moved._replace(pose=Pose(moved.pose.xy + 1, moved.pose.visible))
    changed = material._replace(sources=(moved, *material.sources[1:]))
    assert len({first, fingerprint(material, [weights]), fingerprint(changed, [weights])}) == 3


def test_the_contact_sheet_shows_every_pose_of_several_people(start: Callable[..., Run]) -> None:
    run = start()
    run.go()
    shown = pick(run.material.sources, 2)
    assert [s.person.pid for s in shown] == [1, 2]
    targets = run.material.targets
    paths = [run.root / TRAIN / name for name in targets.images]
    path = run.root / "sheet.png"
    path.write_bytes(contact_sheet(run.plan.out, shown, targets, paths))
    sheet = read_image(path)
    assert sheet.shape == (3, 4 * (64 + 4) + 4, 4 * (32 + 4) + 4)
    last = read_image(run.plan.out / TRAIN / warp_name(shown[1].name, 2))
    assert torch.equal(sheet[:, -68:-4, -36:-4], last)
    clean(run.plan.out)
