"""Queries of people whom nobody knows: no score counts them, and every one of them is listed."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from small_experiment import recipe
from stick_market import stick_market

from reidaug.checksums import SUMS, Checksums
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN
from reidaug.errors import ReidaugError
from reidaug.experiments.evaluation import EvaluationReport, evaluate_checkpoint
from reidaug.experiments.evaluation_data import read_evaluation_data, unknown_queries
from reidaug.experiments.finetune_config import build_network
from reidaug.files import checksum
from reidaug.reid.weights import save_weights


@pytest.fixture
def root(tmp_path: Path) -> Path:
    stick_market(tmp_path / "market", people=4, images=2)
    save_weights(build_network(recipe(tmp_path), 4, 0, None)[0], tmp_path / "m.safetensors")
    return tmp_path


def rename(root: Path, to: str, split: str = QUERY) -> list[Path]:
    """Name all images of a split by their number."""
    paths = sorted((root / "market" / split).iterdir())
    return [path.rename(path.with_name(to.format(k))) for k, path in enumerate(paths)]


def evaluated(root: Path, **changes: object) -> EvaluationReport:
    settings = recipe(root, arms={"real_only": None}, checkpoint=str(root / "m.safetensors"))
    return evaluate_checkpoint(settings.model_copy(update=changes), root / "run")


@pytest.mark.parametrize(
    ("name", "allow"), [("-1_c1s1_{:06d}_00.jpg", False), ("photo{}.jpg", True)]
)
def test_queries_of_unknown_people_alone_are_listed_and_not_scored(
    root: Path, name: str, allow: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = rename(root, name)
    report = evaluated(root, allow_left_out=allow)
    told = capsys.readouterr().err
    assert f"8 of 8 queries, such as {queries[0].name}, show unknown people" in told
    assert report.evaluation.ap == [None] * 8
    assert set(report.evaluation.scores.values()) == {None}
    rows = list(csv.DictReader((root / "run" / "queries.csv").read_text().splitlines()))
    assert [row["query"] for row in rows] == [path.name for path in queries]
    for row in rows:
        assert (row["person"], row["ap"], row["first_match"], row["right"]) == ("-1", "", "", "")
        assert (root / "market" / GALLERY / row["nearest"]).is_file()
        assert float(row["distance"]) >= 0
    written = json.loads((root / "run" / "report.json").read_text())
    assert written["scores"]["mAP"] is None
    assert [row["kind"] for row in written["ranked"]] == ["unknown"] * 6
    assert {result["right"] for row in written["ranked"] for result in row["results"]} == {None}
    assert EvaluationReport.of(written).as_dict() == written
    text = report.text()
    assert "no query shows a known person: scores are not defined" in text
    assert "nan" not in text
    assert (root / "run" / "ranked.png").is_file()
    assert not (root / "run" / "cmc.png").exists()


def test_names_that_give_nobody_stop_unless_that_is_meant(root: Path) -> None:
    rename(root, "photo{}.jpg")
    with pytest.raises(ReidaugError, match=r"none that counts.*allow_left_out: true"):
        evaluated(root)
    assert not (root / "run").exists()


def test_some_unknown_people_change_no_score(root: Path) -> None:
    before = evaluated(root)
    shutil.rmtree(root / "run")
    first = sorted((root / "market" / QUERY).iterdir())[0]
    (root / "market" / QUERY / "-1_c3s1_000001_00.jpg").write_bytes(first.read_bytes())
    after = evaluated(root)
    assert after.evaluation == before.evaluation


def test_damaged_crops_of_a_dataset_of_ours_are_told(root: Path) -> None:
    image = min((root / "market" / GALLERY).iterdir())
    Checksums(root / "market" / SUMS).write({f"{GALLERY}/{image.name}": checksum(image)})
    evaluated(root)
    image.write_bytes(image.read_bytes() + b"!")
    with pytest.raises(ReidaugError, match=f"{image.name} is not as it was written"):
        evaluated(root)


def test_damaged_pictures_of_unknown_people_are_told_beforehand(root: Path) -> None:
    (root / "market" / QUERY / "-1_c3s1_000001_00.jpg").write_bytes(b"broken")
    with pytest.raises(ReidaugError, match=r"1 of 17 images cannot be read: .*-1_c3s1"):
        evaluated(root)
    assert not (root / "run").exists()


def test_an_evaluation_needs_no_training_images(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_evaluation_data(recipe(root)).crops
    for path in (root / "market" / TRAIN).iterdir():
        path.unlink()
    (root / "market" / TRAIN).rmdir()
    assert evaluated(root).subsets["train"].images == 0
    assert "no training crops are counted" in capsys.readouterr().err
    after = read_evaluation_data(recipe(root)).crops
    assert (after.query, after.gallery) == (before.query, before.gallery)


def test_person_minus_one_is_unknown_and_others_if_that_is_meant(root: Path) -> None:
    folder = root / "market" / QUERY
    for name in ("-1_c1s1_000001_00.jpg", "0000_c1s1_000001_00.jpg", "photo.jpg"):
        (folder / name).write_bytes(b"")
    found, others = unknown_queries(root / "market")
    assert [(p.path.name, p.pid, p.camid) for p in found] == [("-1_c1s1_000001_00.jpg", -1, 1)]
    assert others
    found, _ = unknown_queries(root / "market", unnamed=True)
    assert [(p.path.name, p.pid, p.camid) for p in found][1:] == [("photo.jpg", -1, -1)]
