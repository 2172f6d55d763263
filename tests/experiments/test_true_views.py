import json
import shutil
from dataclasses import replace

import pytest
from augmented import content
from rendered import MARKET

from reidaug.data.images import read_image, read_mask
from reidaug.data.manifest import read_manifest, write_manifest
from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.true_views import render_views
from reidaug.people3d.market_dataset import TABLE, render_market


def test_true_views_show_every_training_image_in_every_pose(rendered_market, tmp_path):
    root = rendered_market
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


def test_other_backgrounds_are_those_of_other_people(rendered_market, tmp_path):
    root = rendered_market
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


def test_other_backgrounds_need_another_person(tmp_path):
    root = tmp_path / "one"
    render_market(root, replace(MARKET, people=1), workers=1)
    poses = tmp_path / "poses.json"
    poses.write_text(json.dumps({"poses": []}))
    with pytest.raises(UsageError, match="at least two people"):
        render_views(root, tmp_path / "out", poses=poses, background="other")


def test_views_of_what_was_not_rendered_are_refused(rendered_market, tmp_path):
    root = rendered_market
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
    with pytest.raises(ReidaugError, match=r"recipe.yaml is damaged"):
        render_views(tmp_path, tmp_path / "out", poses=poses)


def test_views_of_other_files_than_they_were_made_from_are_told(rendered_market, tmp_path):
    root = tmp_path / "market"
    shutil.copytree(rendered_market, root)
    (root / "checksums.json").unlink()  # changes are meant
    poses = tmp_path / "poses.json"
    images = sorted(path.name for path in (root / TRAIN).iterdir())
    poses.write_text(json.dumps({"poses": [{"image": images[0]}]}))
    for background in ("grey", "other"):
        render_views(root, tmp_path / background, poses=poses, background=background, workers=1)
    before = content(tmp_path / "other")
    for path in (*(root / TRAIN).iterdir(), *(root / "masks").iterdir()):
        path.touch()
    assert render_views(root, tmp_path / "other", poses=poses, background="other") == {
        "crops": 4, "images": 4
    }  # fmt: skip
    (root / TRAIN / images[0]).write_bytes((root / TRAIN / images[1]).read_bytes())
    told = rf"backgrounds: 1 changed \({images[0]}\); name another folder with --out"
    with pytest.raises(ReidaugError, match=told):
        render_views(root, tmp_path / "other", poses=poses, background="other")
    render_views(root, tmp_path / "grey", poses=poses)  # no image is read
    rows = read_manifest(root / TABLE)
    turned = next(row for row in rows if row["name"] == images[1])
    turned["noise_seed"] += 1
    write_manifest(root / TABLE, rows)
    with pytest.raises(ReidaugError, match=rf"rendered images: 1 changed \({images[1]}\)"):
        render_views(root, tmp_path / "grey", poses=poses)
    assert content(tmp_path / "other").items() >= before.items()
