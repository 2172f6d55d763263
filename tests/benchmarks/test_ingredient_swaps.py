import numpy as np
import pandas as pd
import pytest
import torch
from augmented import augmented
from ingredient_swaps import SWAPS, render_swaps

from reidaug.data.images import read_image, read_mask
from reidaug.data.market1501 import read_market1501
from reidaug.errors import ReidaugError
from reidaug.experiments.true_views import render_views


@pytest.fixture(scope="module")
def warps(rendered_market, tmp_path_factory):
    out = tmp_path_factory.mktemp("warped") / "warps"
    augmented(rendered_market, out, flow="joint-blend", poses=3, min_quality=0.35, workers=1)
    return out


@pytest.fixture(scope="module")
def swaps(rendered_market, warps, tmp_path_factory):
    out = tmp_path_factory.mktemp("swapped") / "swaps"
    return out, render_swaps(rendered_market, out, warps=warps, workers=1)


def pictures(root):
    folder = root / "bounding_box_train"
    return {path.name: read_image(path).float() for path in sorted(folder.iterdir())}


def test_swaps_are_arms_with_the_names_and_the_manifest_of_the_warps(rendered_market, warps, swaps):
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


def test_each_swap_comes_nearer_to_the_true_view_by_its_own_part(
    rendered_market, warps, swaps, tmp_path
):
    out, _ = swaps
    render_views(rendered_market, tmp_path / "views", poses=warps / "poses.json", workers=1)
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


def test_a_picture_in_its_own_pose_is_itself_where_the_flow_is_true(rendered_market, warps, swaps):
    root, (out, _) = rendered_market, swaps
    table = pd.read_parquet(out / "true_flow_grey" / "manifest.parquet")
    own = table[table["source"] == table["pose_image"]]
    assert len(own)
    for row in own.to_dict("records"):
        assert row["shown"] > 0.97
        mask = read_mask(root / "masks" / f"{row['source'][:-4]}.png")
        source = read_image(root / "bounding_box_train" / row["source"]).float()
        image = pictures(out / "true_flow_grey")[row["file"]]
        assert (image - source).abs()[:, mask].mean() < 8


def test_swaps_of_other_warps_are_refused(rendered_market, warps, tmp_path):
    root = rendered_market
    for text, words in (
        ("command: synth views", "not made by 'reidaug augment'"),
        ("command: [", "or its recipe.yaml is damaged"),
        ("command: augment\ndataset: /elsewhere", "warps of /elsewhere"),
        (f"command: augment\ndataset: {root.resolve()}\nbackground: other\nturns: drop",
         "background other and turns drop"),
    ):  # fmt: skip
        (tmp_path / "recipe.yaml").write_text(text)
        (tmp_path / "poses.json").write_bytes((warps / "poses.json").read_bytes())
        with pytest.raises(ReidaugError, match=words):
            render_swaps(root, tmp_path / "out", warps=tmp_path)
    for flow in ("identity", "random-affine"):
        augmented(root, tmp_path / flow, flow=flow, poses=2, workers=1)
        with pytest.raises(ReidaugError, match=f"--flow {flow} needs no target pose"):
            render_swaps(root, tmp_path / "out", warps=tmp_path / flow)
