import json

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from reidaug.commands import synth
from reidaug.commands.augment import augment_dataset
from reidaug.commands.synth import command, render_market, render_pairs
from reidaug.commands.synth_swaps import SWAPS, render_swaps
from reidaug.data.deepfashion import read_deepfashion
from reidaug.data.images import read_image, read_mask
from reidaug.data.keypoints import read_keypoints
from reidaug.data.market1501 import read_market1501
from reidaug.data.pairs import PairDataset
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.true_views import render_views
from reidaug.geometry.warp import warp
from reidaug.people3d.rendering import parse_size


def contents(root):
    """Give every file's bytes, but for the log and its times."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(p.relative_to(root)): p.read_bytes() for p in files if p.name != "log.jsonl"}


MARKET = {"people": 2, "test_people": 2, "test_crops": 3, "distractors": 1, "junk": 1, "workers": 1}


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    root = tmp_path_factory.mktemp("synth") / "market"
    return root, render_market(root, **MARKET)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    root = tmp_path_factory.mktemp("synth") / "pairs"
    settings = {"people": 2, "test_people": 1, "views": 3, "pairs_each": 4, "workers": 1}
    return root, render_pairs(root, **settings)


def test_pairs_are_what_the_reader_reads(pairs):
    root, report = pairs
    assert report == {"crops": 9, "train_pairs": 8, "test_pairs": 4}
    for split, count in (("train", 8), ("test", 4)):
        found = read_deepfashion(root, split)
        assert len(found.pairs) == count and not found.left_out
        pair = PairDataset(found, size=None)[0]
        assert pair.source.shape == pair.target.shape == (3, 128, 64)
        error = (warp(pair.source[None], pair.flow[None])[0] - pair.target).abs().mean(0)
        assert pair.visible.sum() > 20 and error[pair.visible].mean() < 0.15


def test_every_picture_has_a_mask_that_fits_it(pairs, market):
    for root, _ in (pairs, market):
        images = [p for p in root.rglob("*.jpg")]
        assert images
        for image in images:
            mask = read_mask(root / "masks" / f"{image.stem}.png")
            assert mask.shape == read_image(image).shape[1:] and mask.any()


def test_a_rendered_dataset_is_a_market_root(market):
    root, report = market
    found = read_market1501(root)
    assert report["crops"] == 12
    assert len(found.train) == 4 and {p.pid for p in found.train} == {1, 2}
    assert len(found.query) == 2 and {p.pid for p in found.query} == {3, 4}
    assert sorted({p.pid for p in found.gallery}) == [0, 3, 4]  # junk is left out
    for person in found.query:
        assert any(g.pid == person.pid and g.camid != person.camid for g in found.gallery)
    poses = read_keypoints(root / "market-annotation-train.csv").poses
    assert set(poses) == {p.path.name for p in found.train}
    table = pd.read_parquet(root / "renders.parquet")
    assert len(table) == 12 and {"name", "person", "camera", "view.yaw"} <= set(table)


def test_workers_and_interruptions_do_not_change_a_byte(market, tmp_path, monkeypatch):
    root, _ = market
    again = tmp_path / "again"
    # Stop after the second person, as a kill would.
    work, calls = synth.market_person, []

    def stops(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return work(*arguments)

    monkeypatch.setattr(synth, "market_person", stops)
    with pytest.raises(KeyboardInterrupt):
        render_market(again, **MARKET)
    assert not (again / "report.json").exists()
    monkeypatch.undo()
    render_market(again, **MARKET | {"workers": 2})
    assert contents(again) == contents(root)


def test_a_finished_run_is_not_rendered_again_and_another_one_not_overwritten(market):
    root, report = market
    before = contents(root)
    assert render_market(root, **MARKET) == report
    assert contents(root) == before
    with pytest.raises(ReidaugError, match="another run"):
        render_market(root, **MARKET | {"seed": 1})


def test_true_views_show_every_training_picture_in_every_pose(market, tmp_path):
    root, _ = market
    models = sorted(p.path.name for p in read_market1501(root).train)[:3]
    entries = [{"index": k, "image": name} for k, name in enumerate(models)]
    poses = tmp_path / "poses.json"
    poses.write_text(json.dumps({"size": [128, 64], "seed": 0, "poses": entries}))
    out = tmp_path / "views"
    assert render_views(root, out, poses=poses, workers=1) == {"crops": 12, "images": 12}
    found = read_market1501(out)
    assert {p.pid for p in found.train} == {1, 2} and len(found.query) == 2
    for pid in (1, 2):
        numbers = sorted(int(p.path.stem[-2:]) for p in found.train if p.pid == pid)
        assert numbers == sorted(2 * [0, 1, 2])
    # A person in the pose of its own picture has the outline of that picture, on grey.
    own = next(p for p in found.train if p.path.stem == f"{models[0][:-4]}_w00")
    mask = read_mask(root / "masks" / f"{models[0][:-4]}.png")
    image, source = (
        read_image(own.path).float(),
        read_image(root / "bounding_box_train" / models[0]),
    )
    assert (image[:, ~mask] - 128).abs().mean() < 6
    assert (image - source.float()).abs()[:, mask].mean() < 6


def test_true_views_stand_where_others_stood(market, tmp_path):
    root, _ = market
    poses = tmp_path / "poses.json"
    name = min(p.path.name for p in read_market1501(root).train)
    poses.write_text(json.dumps({"poses": [{"image": name}]}))
    read = {}
    for background in ("grey", "other"):
        out = tmp_path / background
        render_views(root, out, poses=poses, background=background, workers=1)
        read[background] = read_image(out / "bounding_box_train" / f"{name[:-4]}_w00.jpg").float()
    mask = read_mask(root / "masks" / f"{name[:-4]}.png")
    apart = (read["grey"] - read["other"]).abs()
    assert apart[:, mask].mean() < 6 < apart[:, ~mask].mean()
    source = read_image(root / "bounding_box_train" / name).float()
    assert (read["other"] - source).abs()[:, ~mask].mean() > 6


def test_nobody_stands_elsewhere_alone(tmp_path):
    root = tmp_path / "one"
    render_market(root, **MARKET | {"people": 1})
    poses = tmp_path / "poses.json"
    poses.write_text(json.dumps({"poses": []}))
    with pytest.raises(UsageError, match="at least two people"):
        render_views(root, tmp_path / "out", poses=poses, background="other")


def test_views_of_what_was_not_rendered_are_refused(market, tmp_path):
    root, _ = market
    poses = tmp_path / "poses.json"
    with pytest.raises(ReidaugError, match="no such file"):
        render_views(root, tmp_path / "out", poses=poses)
    poses.write_text("[]")
    with pytest.raises(ReidaugError, match=r"not a poses.json"):
        render_views(root, tmp_path / "out", poses=poses)
    poses.write_text('{"poses": [{"image": "nobody.jpg"}]}')
    with pytest.raises(ReidaugError, match=r"nobody.jpg is no training image"):
        render_views(root, tmp_path / "out", poses=poses)
    with pytest.raises(ReidaugError, match="not made by"):
        render_views(tmp_path, tmp_path / "out", poses=poses)
    (tmp_path / "recipe.yaml").write_text("command: synth market\nworld: [")
    with pytest.raises(ReidaugError, match=r"recipe.yaml: not valid YAML"):
        render_views(tmp_path, tmp_path / "out", poses=poses)


@pytest.fixture(scope="module")
def warps(market, tmp_path_factory):
    out = tmp_path_factory.mktemp("warped") / "warps"
    augment_dataset(market[0], out, flow="joint-blend", poses=3, least_quality=0.35, workers=1)
    return out


@pytest.fixture(scope="module")
def swaps(market, warps, tmp_path_factory):
    out = tmp_path_factory.mktemp("swapped") / "swaps"
    return out, render_swaps(market[0], out, warps=warps, workers=1)


def pictures(root):
    folder = root / "bounding_box_train"
    return {path.name: read_image(path).float() for path in sorted(folder.iterdir())}


def test_swaps_are_arms_with_the_names_and_the_manifest_of_the_warps(market, warps, swaps):
    out, report = swaps
    before, table = pictures(warps), pd.read_parquet(warps / "manifest.parquet")
    assert 0 < len(before) < len(table)  # some were below the least quality
    assert report["images"] == len(before)
    for swap in SWAPS:
        assert pictures(out / swap).keys() == before.keys()
        assert len(read_market1501(out / swap).query) == 2
        found = pd.read_parquet(out / swap / "manifest.parquet")
        assert found["shown"].between(0, 1).all() and found["shown"].nunique() > 1
        assert found.drop(columns="shown").equals(table)
        assert (out / swap / "contact_sheet.png").is_file()


def test_each_swap_comes_nearer_to_the_true_view_by_its_own_part(market, warps, swaps, tmp_path):
    out, _ = swaps
    render_views(market[0], tmp_path / "views", poses=warps / "poses.json", workers=1)
    true, before = pictures(tmp_path / "views"), pictures(warps)
    roots = {swap: pictures(out / swap) for swap in SWAPS}
    apart = {
        name: np.mean([float((images[k] - true[k]).abs().mean()) for k in before])
        for name, images in (("warps", before), *roots.items())
    }
    assert apart["true_flow_grey"] < apart["true_mask_grey"] < apart["warps"]
    assert apart["true_texture_grey"] < apart["warps"]
    for k in before:
        person = (true[k] - 128).abs().amax(0) > 12  # far from grey, also after JPEG
        off = ~torch.nn.functional.max_pool2d(person[None].float(), 9, 1, 4)[0].bool()
        for swap in ("true_flow_grey", "true_mask_grey"):
            assert (roots[swap][k][:, off] - 128).abs().max() < 12  # the true outline
        # Another texture leaves the outline as it was: what was grey is grey.
        left = torch.nn.functional.max_pool2d(
            ((before[k] - 128).abs().amax(0) > 6)[None].float(), 5, 1, 2
        )[0].bool()
        assert (roots["true_texture_grey"][k][:, ~left] - 128).abs().max() < 16


def test_a_picture_in_its_own_pose_is_itself_where_the_flow_is_true(market, warps, swaps):
    root, (out, _) = market[0], swaps
    table = pd.read_parquet(out / "true_flow_grey" / "manifest.parquet")
    own = table[table["source"] == table["pose_image"]]
    assert len(own)
    for row in own.to_dict("records"):
        assert row["shown"] > 0.97
        mask = read_mask(root / "masks" / f"{row['source'][:-4]}.png")
        source = read_image(root / "bounding_box_train" / row["source"]).float()
        image = pictures(out / "true_flow_grey")[row["file"]]
        assert (image - source).abs()[:, mask].mean() < 8


def test_swaps_of_other_warps_are_refused(market, warps, tmp_path):
    root, _ = market
    for text, words in (
        ("command: synth views", "not made by 'reidaug augment'"),
        ("command: [", "not valid YAML"),
        ("command: augment\ndataset: /elsewhere", "warps of /elsewhere"),
        (f"command: augment\ndataset: {root.resolve()}\nbackground: other\nturns: drop",
         "background other and turns drop"),
    ):  # fmt: skip
        (tmp_path / "recipe.yaml").write_text(text)
        (tmp_path / "poses.json").write_bytes((warps / "poses.json").read_bytes())
        with pytest.raises(ReidaugError, match=words):
            render_swaps(root, tmp_path / "out", warps=tmp_path)
    for flow in ("identity", "random-affine"):
        augment_dataset(root, tmp_path / flow, flow=flow, poses=2, workers=1)
        with pytest.raises(ReidaugError, match=f"--flow {flow} asks for no pose"):
            render_swaps(root, tmp_path / "out", warps=tmp_path / flow)


def test_the_command_line_makes_the_same_swaps(market, warps, swaps, tmp_path):
    out, _ = swaps
    again = tmp_path / "again"
    arguments = f"swaps {market[0]} --warps {warps} --out {again} --workers 1"
    assert CliRunner().invoke(command, arguments.split()).exit_code == 0
    assert contents(again) == contents(out)


def test_sizes_are_read_or_refused():
    assert parse_size("256x256") == (256, 256)
    for wrong in ("128", "128x", "ax64", "8x8", "128x64x3"):
        with pytest.raises(UsageError, match="such as 128x64"):
            parse_size(wrong)


def test_numbers_are_checked_before_anything_is_written(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="--people 0: at least 1"):
        render_pairs(out, people=0)
    with pytest.raises(UsageError, match="no world 'moon'"):
        render_market(out, people=1, world="moon")
    with pytest.raises(UsageError, match="--seed -1: at least 0"):
        render_market(out, people=1, seed=-1)
    assert not out.exists()


@pytest.mark.parametrize("wrong", ["--seed -1", "--workers 0", "--workers -3"])
def test_wrong_options_are_refused(tmp_path, wrong):
    out = tmp_path / "out"
    result = CliRunner().invoke(command, f"pairs --out {out} --people 1 {wrong}".split())
    assert result.exit_code == 2 and "is not in the range" in result.output
    assert not out.exists()


def test_the_command_line_renders_white_catalogue_pictures(tmp_path):
    out = tmp_path / "white"
    arguments = f"pairs --out {out} --people 1 --test-people 0 --views 2 --size 256x256 --workers 1"
    result = CliRunner().invoke(command, arguments.split())
    assert result.exit_code == 0 and "2 crops, 2 training pairs" in result.output
    image = read_image(next((out / "train").glob("*.jpg")))
    assert image.shape == (3, 256, 256) and torch.median(image[:, :20, :20]) > 240
    with np.load(next((out / "flows" / "train").glob("*.npz"))) as flow:
        assert flow["flow"].shape == (2, 256, 256) and flow["flow"].dtype == np.float16
