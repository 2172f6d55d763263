import json
import warnings
from pathlib import Path

import pandas as pd
import pytest
from augmented import augmented, content
from stick_market import stick_market

from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.errors import ReidaugError, UsageError


@pytest.fixture
def market(tmp_path: Path) -> Path:
    return stick_market(tmp_path / "market")


def test_the_identity_is_one_grey_copy_an_image(market: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = augmented(market, out, flow="identity", workers=1)
    assert (report.sources, report.poses, report.images) == (6, 1, 6)
    names = {p.name for p in (out / TRAIN).iterdir()}
    assert names == {p.name.replace(".jpg", "_w00.jpg") for p in (market / TRAIN).iterdir()}
    assert json.loads((out / "poses.json").read_text())["poses"] == []


@pytest.mark.parametrize("turns", ["drop", "mirror"])
def test_turns_are_refused_where_the_pose_is_kept(market: Path, tmp_path: Path, turns: str) -> None:
    with pytest.raises(UsageError, match=f"--turns {turns}.*--flow identity"):
        augmented(market, tmp_path / "out", flow="identity", turns=turns, workers=1)
    assert not (tmp_path / "out").exists()


def test_twice_gives_the_same_bytes_whatever_the_workers(market: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    options = {"flow": "joint-blend", "poses": 4, "choose": "medoids", "seed": 3}
    options |= {"background": "other", "turns": "mirror"}
    augmented(market, first, **options, workers=1)
    done = content(first)
    report = (first / "report.json").read_bytes()
    augmented(market, first, **options, workers=1)
    assert content(first) == done
    assert (first / "report.json").read_bytes() == report
    augmented(market, second, **options, workers=2)
    assert content(second) == done


def test_an_image_with_a_damaged_mask_is_left_out(market: Path, tmp_path: Path) -> None:
    masks = market / "masks"
    masks.mkdir(exist_ok=True)
    damaged = sorted((market / TRAIN).iterdir())[0]
    (masks / f"{damaged.stem}.png").write_bytes(b"no mask")
    options = {"flow": "torso-affine", "poses": 5}
    with pytest.raises(ReidaugError, match="1 of 6 images would be left out"):
        augmented(market, tmp_path / "out", **options)
    report = augmented(market, tmp_path / "out", **options, allow_left_out=True)
    assert (report.sources, report.left_out) == (5, 1)
    targets = json.loads((tmp_path / "out/poses.json").read_text())["poses"]
    assert damaged.name not in {pose["image"] for pose in targets}


def test_torchreid_reads_the_result(market: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torchreid = pytest.importorskip("torchreid", reason="needs the extra [torchreid]")
    out = tmp_path / "data" / "market1501" / "Market-1501-v15.09.15"
    augmented(market, out, flow="torso-affine", poses=5, workers=1)
    read = torchreid.data.datasets.image.market1501.Market1501(root=str(tmp_path / "data"))
    ours = read_market1501(out)
    for theirs, people in ((read.query, ours.query), (read.gallery, ours.gallery)):
        found = {(Path(path).name, pid, camid) for path, pid, camid, *_ in theirs}
        assert found == {(p.path.name, p.pid, p.camid - 1) for p in people}
    manifest = pd.read_parquet(out / "manifest.parquet").set_index("file")
    assert len(read.train) == len(manifest) == 30
    labels = {}
    for path, label, camid, *_ in read.train:
        row = manifest.loc[Path(path).name]
        assert camid == row["camid"] - 1
        assert labels.setdefault(label, row["pid"]) == row["pid"]
    assert sorted(labels.values()) == [1, 2, 3]


def test_the_result_is_no_part_of_what_is_read(market: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is the dataset itself"):
        augmented(market, market, flow="identity")
    with pytest.raises(UsageError, match=f"lies in the dataset's {TRAIN}"):
        augmented(market, market / TRAIN / "warps", flow="identity")
    crops = tmp_path / "crops"
    crops.mkdir()
    for path in sorted((market / TRAIN).iterdir()):
        (crops / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match="lies in the folder of crops"):
        augmented(crops, crops / "warps", flow="identity")
    assert not (crops / "warps").exists() and not (market / TRAIN / "warps").exists()


def test_warps_are_not_warped_again(market: Path, tmp_path: Path) -> None:
    warps = tmp_path / "warps"
    augmented(market, warps, flow="torso-affine", poses=5, poses_each=1, keep_original=True)
    says = rf"6 of 12 training images, such as \S+_w0\d.jpg, are warps .* are of, {market}"
    with pytest.raises(ReidaugError, match=says):
        augmented(warps, tmp_path / "again", flow="torso-affine", poses=5)
