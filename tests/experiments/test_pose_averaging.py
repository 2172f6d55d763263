"""Test-time averaging: features of crops with those of their warps, also through the command."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from commandline import reidaug
from torch.nn.functional import normalize

from reidaug.augment.warp_manifest import MANIFEST
from reidaug.data.images import read_image
from reidaug.data.market1501 import GALLERY, TRAIN, Person, read_market1501
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.pose_averaging import (
    Averaging,
    average_with_warps,
    link_crops,
    make_views,
)
from reidaug.reid.evaluation.retrieval import evaluate

pytestmark = pytest.mark.usefixtures("blazepose")
NETWORK = {"backbone": "resnet18", "backbone_options": {"width": 8}, "size": [64, 32]}


def colours(people):
    """A feature: the mean colour of the rows of a crop, in eight parts."""
    rows = [read_image(person.path).float().mean(2) for person in people]
    return torch.stack([row.unflatten(1, (8, -1)).mean(2).flatten() for row in rows])


def test_crops_are_averaged_with_their_own_warps_by_quality(rendered_market, tmp_path):
    people = read_market1501(rendered_market).query
    features = colours(people)
    how = Averaging(3, weight=0.7, flow="torso-affine")
    found = average_with_warps(people, features, colours, how, tmp_path / "run", workers=1)
    table = pq.read_table(tmp_path / "run" / "warps" / MANIFEST).to_pandas()
    assert table.groupby("source").size().eq(3).all()
    warps = tmp_path / "run" / "warps" / TRAIN
    for number, feature in enumerate(features):
        mine = table[table["source"].str.startswith(f"{number:08d}")]
        expected = normalize(feature, dim=0)
        if len(mine):
            files = [type("Crop", (), {"path": warps / file}) for file in mine["file"]]
            views = normalize(colours(files), dim=1)
            quality = torch.tensor(mine["quality"].to_numpy(), dtype=torch.float32)
            if quality.sum() > 0:
                expected = expected + 0.7 * (quality @ views) / quality.sum()
        assert torch.allclose(found[number], normalize(expected, dim=0), atol=1e-5)
    assert table["source"].nunique() > 0.8 * len(people)


def test_crops_of_the_same_name_are_told_apart(rendered_market, tmp_path):
    first = read_market1501(rendered_market).query[:2]
    linked = link_crops((*first, *first), tmp_path / "links")
    assert [path.resolve() for path in sorted(linked.iterdir())] == [
        person.path.resolve() for person in (*first, *first)
    ]


def test_links_follow_their_crops(tmp_path):
    people = []
    for k in range(4):
        (tmp_path / f"{k}.jpg").write_text(f"{k}")
        people.append(Person(tmp_path / f"{k}.jpg", k, 1))
    folder = tmp_path / "links"
    first = link_crops(people[:3], folder)
    kept = {path: path.lstat().st_mtime_ns for path in first.iterdir()}
    assert {
        path: path.lstat().st_mtime_ns for path in link_crops(people[:3], folder).iterdir()
    } == kept
    link_crops((people[0], people[3]), folder)
    assert [path.read_text() for path in sorted(folder.iterdir())] == ["0", "3"]
    (folder / "00000001.jpg").unlink()
    (folder / "00000001.jpg").write_bytes(b"a crop of somebody else")
    with pytest.raises(ReidaugError, match=r"00000001.jpg: is no link to a crop"):
        link_crops((people[0], people[3]), folder)


def test_the_own_pose_is_one_more_pass_or_one_a_ground():
    own = Averaging(6, flow="identity")
    assert own.passes == 2 and Averaging(6).passes == 7
    (options,) = own.augmentations()
    assert "poses" not in options.model_fields_set
    grounds = Averaging(6, flow="identity", background="other")
    assert grounds.passes == 7
    assert [o.seed for o in grounds.augmentations()] == list(range(6))
    assert "6 grounds of other crops" in grounds.text()
    assert len(Averaging(6, background="other").augmentations()) == 1


def test_every_warp_counts_on_the_ground_that_is_named():
    for background in ("grey", "other"):
        for options in Averaging(2, background=background).augmentations():
            assert (options.background, options.min_quality) == (background, 0.0)


def test_reports_of_before_there_were_grounds_are_read():
    how = Averaging(3, background="other")
    assert Averaging.of(how.as_dict()) == how
    assert Averaging.of({"poses": 3, "weight": 0.5, "flow": "market"}) == Averaging(3)
    assert "background" not in Averaging(3).options()
    assert how.options().endswith(" --average-background other")


@pytest.mark.parametrize("flow", ["identity", "torso-affine"])
def test_grounds_are_those_of_other_crops(rendered_market, tmp_path, flow):
    dataset = read_market1501(rendered_market)
    crops = link_crops((*dataset.query, *dataset.gallery)[:6], tmp_path / "crops")
    views = {
        ground: make_views(
            crops, tmp_path / ground, Averaging(2, flow=flow, background=ground), workers=1
        )
        for ground in ("grey", "other")
    }
    twice = views["other"]
    assert twice.crop.tolist() == sorted(twice.crop.tolist())
    assert torch.equal(twice.crop.unique(), views["grey"].crop.unique())
    assert (twice.crop.bincount()[twice.crop.unique()] == 2).all(), "poses, or grounds, of each"
    pictures = [read_image(path) for path in twice.paths]
    pairs = zip(pictures[::2], pictures[1::2], strict=True)
    assert not all(torch.equal(first, second) for first, second in pairs)
    if flow == "identity":  # the person is the same on every ground
        grey = [read_image(path) for path in views["grey"].paths]
        level = torch.tensor(128)
        for k, own in enumerate(grey):
            person = ((own.int() - level).abs() > 40).any(0)
            for one in pictures[2 * k : 2 * k + 2]:
                assert (one.int() - own.int()).abs()[:, person].float().mean() < 15
        # Joints are found once.
        assert len(list((tmp_path / "other").rglob("keypoints.csv"))) == 1


def test_what_cannot_be_averaged_is_told_before_the_work():
    with pytest.raises(UsageError, match="--average-poses: poses: only 50 poses come with"):
        Averaging(51).check()
    with pytest.raises(UsageError, match="nor a checkpoint folder"):
        Averaging(3, flow="nothing").check()


def recipe(root: Path, folder: Path) -> Path:
    values = {"dataset": str(root), **NETWORK, "steps": 1, "pretrain_steps": 2, "people": 2}
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump({**values, "arms": {"real_only": [None]}, "seeds": [0]}))
    return file


def test_the_command_reports_them_beside_the_plain_search(rendered_market, tmp_path, capsys):
    file, trained = recipe(rendered_market, tmp_path), tmp_path / "trained"
    assert reidaug("finetune-eval", file, "--out", trained, "--workers", 1) == 0
    start = next((trained / "checkpoints").glob("start*.safetensors"))
    capsys.readouterr()
    out = tmp_path / "run"
    options = ["--eval-only", "--out", out, "--set", f"checkpoint={start}", "--workers", 1]
    options += ["--average-poses", 2, "--average-flow", "torso-affine", "--rerank", "k_reciprocal"]
    options += ["--average-background", "other"]
    assert reidaug("finetune-eval", file, *options) == 0
    printed = capsys.readouterr().out
    assert (
        "averaged: 0.5 x the mean of each crop in 2 poses on grounds of other crops (torso-affine)"
        in printed
    )
    assert "3 passes of the network a crop" in printed
    report = json.loads((out / "report.json").read_text())
    assert report["averaged"]["poses"] == 2 and report["averaged"]["passes"] == 3
    assert report["averaged"]["background"] == "other"
    assert report["averaged"]["ap"] != report["ap"]
    assert report["averaged_reranked"]["by"] == report["reranked"]["by"] == "k_reciprocal"
    assert report["averaged_reranked"]["ap"] != report["reranked"]["ap"]
    assert reidaug("finetune-eval", file, *options, "--resume") == 0
    assert capsys.readouterr().out == printed


def test_held_out_people_stay_one_set(rendered_market, tmp_path, monkeypatch):
    """Re-ranking must not find each of them twice, and none is warped twice."""
    searched = []

    def scored(features, **keywords):
        searched.append(features)
        return evaluate(features, **keywords)

    market = shutil.copytree(rendered_market, tmp_path / "market")
    (market / "checksums.json").unlink()
    for crop in (market / GALLERY).glob("000[34]*"):  # more people to hold out
        shutil.copy(crop, market / TRAIN)
    file, trained = recipe(rendered_market, tmp_path), tmp_path / "trained"
    assert reidaug("finetune-eval", file, "--out", trained, "--workers", 1) == 0
    start = next((trained / "checkpoints").glob("start*.safetensors"))
    monkeypatch.setattr("reidaug.experiments.evaluation.evaluate", scored)
    options = ["--eval-only", "--out", tmp_path / "run", "--set", f"checkpoint={start}"]
    options += [
        "--set",
        f"dataset={market}",
        "--set",
        "evaluate_on=held_out",
        "--set",
        "held_out=0.7",
        "--workers",
        1,
    ]
    options += ["--average-poses", 2, "--average-flow", "torso-affine", "--rerank", "k_reciprocal"]
    assert reidaug("finetune-eval", file, *options) == 0
    assert len(searched) == 4
    assert all(found.query_features is found.gallery_features for found in searched)
    assert sorted(path.name for path in (tmp_path / "run" / "averaging").iterdir()) == ["query"]
