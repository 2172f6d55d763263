from pathlib import Path

import pytest
from stick_market import stick_market

from reidaug.augment.training_pairs import make_pairs
from reidaug.data.deepfashion import read_deepfashion
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError
from reidaug.flow.training.recipe import TrainFlow
from reidaug.flow.training.train import train
from reidaug.recipes import load

KEYPOINTS = "market-annotation-train.csv"


RECIPE = Path(__file__).parents[2] / "recipes" / "market1501" / "train_flow.yaml"


@pytest.fixture
def market(tmp_path: Path) -> Path:
    return stick_market(tmp_path / "market", people=4, images=3)


def test_the_recipe_for_market1501_trains_on_them(market: Path, tmp_path: Path) -> None:
    make_pairs(market, tmp_path / "pairs")
    small = ("schedule.steps=2", "batch=2", "workers=0", "estimator.preset=small", "stlpips=[]")
    less = (
        "cycle=[affine,reconstruction]",
        "weights={affine: 10.0}",
        "held_out=0.5",
        "size=[64,32]",
    )
    recipe = load(RECIPE, TrainFlow, (f"pairs={tmp_path / 'pairs'}", "held_out=0.5", *small, *less))
    report = train(recipe, tmp_path / "flow")
    assert report is not None
    assert report.evaluate_on == "held_out"


def test_folders_below_the_split_keep_their_names(market: Path, tmp_path: Path) -> None:
    text = (market / KEYPOINTS).read_text()
    root = tmp_path / "MSMT17_V2"
    lines = []
    for path in sorted((market / TRAIN).iterdir()):
        pid = int(path.name[:4])
        new = root / "train" / f"{pid:04d}" / f"{pid:04d}_000_01_{path.stem}.jpg"
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(path.read_bytes())
        text = text.replace(path.name, new.name)
        lines.append(f"{pid:04d}/{new.name} {pid}\n")
    (root / "list_train.txt").write_text("".join(lines))
    (tmp_path / "joints.csv").write_text(text)
    make_pairs(root, tmp_path / "pairs", keypoints=tmp_path / "joints.csv")
    read = read_deepfashion(tmp_path / "pairs", "train")
    assert len(read.pairs) == 24
    assert all("/" in name for name in read.poses)


def test_mended_joints_and_persons_are_told_and_listed_again(
    market: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root, out = market, tmp_path / "pairs"
    first = make_pairs(root, out)
    before = {path: path.stat().st_mtime_ns for path in out.glob("[!.]*.*")}
    assert make_pairs(root, out) == first
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "again" not in capfd.readouterr().err
    wrong = min((root / TRAIN).iterdir())
    right = wrong.with_name(wrong.name.replace("0001", "0002", 1).replace("_000", "_009", 1))
    wrong.rename(right)
    (root / KEYPOINTS).write_text((root / KEYPOINTS).read_text().replace(wrong.name, right.name))
    second = make_pairs(root, out)
    assert f"joints: 1 new ({right.name}), 1 gone ({wrong.name})" in capfd.readouterr().err
    assert second == make_pairs(root, tmp_path / "afresh")
    for name in ("market-pairs-train.csv", "market-annotation-train.csv", "report.json"):
        assert (out / name).read_bytes() == (tmp_path / "afresh" / name).read_bytes()


def test_images_that_cannot_be_read_are_in_no_pair(market: Path, tmp_path: Path) -> None:
    first, second, *_ = sorted((market / TRAIN).iterdir())
    first.write_bytes(b"")
    report = make_pairs(market, tmp_path / "pairs")
    assert (report.pairs, report.images, report.left_out) == (3 * 6 + 2, 11, 1)
    assert first.name in (tmp_path / "pairs" / "left_out.txt").read_text()
    second.write_bytes(b"")
    with pytest.raises(ReidaugError, match="2 of 12 images would be left out"):
        make_pairs(market, tmp_path / "other")
    assert make_pairs(market, tmp_path / "other", allow_left_out=True).left_out == 2
