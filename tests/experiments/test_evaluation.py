"""`reidaug finetune-eval --eval-only`: other people's models on drawn figures, and bad input."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from stick_market import stick_market

from reidaug.cli import main
from reidaug.data.market1501 import GALLERY, QUERY, read_market1501
from reidaug.experiments.evaluation import evaluate_checkpoint
from reidaug.experiments.finetune import finetune
from reidaug.experiments.finetune_config import FinetuneRecipe
from reidaug.recipes import resolve
from reidaug.reid.evaluation.retrieval import evaluate
from reidaug.reid.features import extract_features
from reidaug.reid.model_factory import build
from reidaug.reid.weights import load_weights

NETWORK = {"backbone": "fastreid:resnet18", "backbone_options": {"width": 8}, "size": [64, 32]}
NONE = "backbone_options={}"
OWN = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 6, 5, stride=4), nn.BatchNorm2d(6), nn.ReLU())
        self.classifier = nn.Linear(6, num_classes)
    def forward(self, images):
        feature = self.trunk(images).amax((2, 3))
        return (self.classifier(feature), feature) if self.training else feature

class Deaf(Net):
    def forward(self, images):
        raise ValueError("no ears")
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight people, and checkpoints of several networks with random weights."""
    folder = tmp_path_factory.mktemp("evaluation")
    stick_market(folder / "market", people=8, images=4)
    (folder / "my_net.py").write_text(OWN)
    chance = torch.Generator().manual_seed(0)
    torch.save(
        {"model": build("fastreid:resnet18", 3, width=8, generator=chance).state_dict()},
        folder / "model_final.pth",
    )
    save_file(build("resnet18", 3, width=8).state_dict(), folder / "ours.safetensors")
    (folder / "torn.pth").write_bytes((folder / "model_final.pth").read_bytes()[:999])
    return folder


@pytest.fixture
def at_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(root)


def ran(tmp_path: Path, *arguments: str, recipe: object = None) -> int:
    values = {"dataset": "market", "checkpoint": "model_final.pth", **NETWORK}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe or values))
    with pytest.raises(SystemExit) as ended:
        main(["finetune-eval", str(path), "--out", str(tmp_path / "run"), *arguments])
    return int(ended.value.code or 0)


def test_everything_is_printed_and_left_behind(
    at_root: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(tmp_path, "--eval-only") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert rows[0] == ["subset", "# ids", "# images", "# cameras"]
    assert rows[3] == ["query", "8", "32", "4"]
    assert lines[5] == "** Results **"
    assert (rows[12][0], rows[14][0]) == ("Dataset", "market")
    assert lines[15].startswith("mAP ")
    assert lines[17] == "features compared by cosine, computed in float32"
    assert len(lines) == 18
    assert err.splitlines()[0] == (
        "model_final.pth: 125 tensors loaded, 1 left out (heads.weight), 1 not in it (heads.weight)"
    )
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files == {
        ".inputs", ".recipe.json", "recipe.yaml", "report.json", "checksums.json", "cmc.png",
        "ranked.png",
        "queries.csv",
    }  # fmt: skip
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["subsets"]["gallery"] == {"ids": 8, "images": 32, "cameras": 4}
    with Image.open(tmp_path / "run" / "cmc.png") as picture:
        assert picture.size == pytest.approx((845, 634), abs=2)


def test_re_ranking_is_a_second_row(
    at_root: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(tmp_path, "--eval-only", "--rerank", "k_reciprocal") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[15].startswith("| market, k_reciprocal |")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["reranked"]["scores"] != report["scores"]
    assert ran(tmp_path, "--rerank", "gnn") == 2  # arms are compared by the plain search


def test_what_is_shown_is_what_was_scored(at_root: None, tmp_path: Path) -> None:
    recipe = resolve({"dataset": "market", "checkpoint": "model_final.pth", **NETWORK},
                     FinetuneRecipe, where="test")  # fmt: skip
    report = evaluate_checkpoint(recipe, tmp_path / "run")
    assert len(report.as_dict()["ranked"]) == 6
    for row in report.as_dict()["ranked"]:
        assert row["query"].startswith(f"{QUERY}/")
        pid, cam = Path(row["query"]).name[:4], Path(row["query"]).name[5:7]
        names = [Path(result["path"]).name for result in row["results"]]
        assert all(result["path"].startswith(f"{GALLERY}/") for result in row["results"])
        assert [name[:4] == pid for name in names] == [r["right"] for r in row["results"]]
        assert not any(name[:4] == pid and name[5:7] == cam for name in names)
        distances = [result["distance"] for result in row["results"]]
        assert distances == sorted(distances)
        # Three matches each: with all of them among the ten, average precision follows.
        hits = [rank for rank, result in enumerate(row["results"], 1) if result["right"]]
        if len(hits) == 3:
            assert row["ap"] == pytest.approx(
                100 * np.mean([k / rank for k, rank in enumerate(hits, 1)])
            )
    ap = [row["ap"] for row in report.as_dict()["ranked"]]
    assert (ap[0], ap[-1]) == (min(report.evaluation.ap), max(report.evaluation.ap))
    again = evaluate_checkpoint(recipe, tmp_path / "again")
    assert again == report
    assert evaluate_checkpoint(recipe, tmp_path / "again", resume=True) == report
    for name in ("report.json", "cmc.png", "ranked.png"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize("mirror", [True, False])
def test_a_class_of_ones_own_scores_what_its_features_say(
    at_root: None, tmp_path: Path, mirror: bool
) -> None:
    model = build("my_net:Net", 8)
    torch.save(model.network.state_dict(), tmp_path / "own.pt")
    recipe = resolve(
        {"dataset": "market", "backbone": "my_net:Net", "checkpoint": str(tmp_path / "own.pt"),
         "size": [64, 32], "mirror": mirror},
        FinetuneRecipe, where="test",
    )  # fmt: skip
    report = evaluate_checkpoint(recipe, tmp_path / "run")
    dataset = read_market1501(Path("market"))
    seen = extract_features(model, dataset.query, dataset.gallery, size=(64, 32), mirror=mirror)
    assert report.evaluation.scores == evaluate(seen).scores


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_features_are_float32_and_compared_by_the_recipes_metric(
    at_root: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], precision: str
) -> None:
    arguments = ("--eval-only", "--rerank", "k_reciprocal", "--set", "metric=euclidean")
    assert ran(tmp_path, *arguments, "--set", f"precision={precision}") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "features compared by Euclidean distance, computed in float32"
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert (report["metric"], report["feature_precision"]) == ("euclidean", "float32")
    model = build("fastreid:resnet18", 8, width=8)
    load_weights(model, Path("model_final.pth"))
    dataset = read_market1501(Path("market"))
    size, metric = (64, 32), "euclidean"
    seen = extract_features(model, dataset.query, dataset.gallery, size=size, metric=metric)
    assert report["scores"] == evaluate(seen, metric=metric).scores
    again = evaluate(seen, metric=metric, rerank="k_reciprocal")
    assert report["reranked"]["scores"] == again.scores
    assert report["scores"] != evaluate(seen).scores


def test_averaging_is_of_directions_alone(
    at_root: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(tmp_path, "--eval-only", "--average-poses", "1", "--set", "metric=euclidean") == 2
    assert "metric: euclidean does not go with --average-poses" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_class_of_ones_own_is_trained_too(at_root: None, tmp_path: Path) -> None:
    recipe = resolve(
        {"dataset": "market", "backbone": "my_net:Net", "size": [64, 32], "people": 3,
         "images": 2, "pretrain_steps": 3, "steps": 2, "seeds": [0]},
        FinetuneRecipe, where="test",
    )  # fmt: skip
    report = finetune(recipe, tmp_path / "run", workers=1)
    assert list(report.arms) == ["real_only"]
    with Image.open(tmp_path / "run" / "cmc.png") as picture:
        assert picture.size == pytest.approx((845, 634), abs=2)


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        (["backbone=resnet19"], 2, "no backbone 'resnet19'"),
        (["backbone=timm:nonet", NONE], 2, "backbone timm:nonet: "),
        (["backbone=torchreid:nonet", NONE], 2, "backbone torchreid:nonet: "),
        (["backbone=my_net:Gone", NONE], 2, "backbone my_net:Gone: module my_net has no class"),
        (["backbone=nowhere:Net", NONE], 2, "backbone nowhere:Net: no module nowhere"),
        (["backbone=my_net:Net", NONE], 1, "none of its 126 tensors fits this backbone"),
        (["backbone=resnet18"], 1, "tensors that the features of backbone resnet18 are made of"),
        (["backbone_options.ibn=true"], 1, "features of backbone fastreid:resnet18"),
        (["checkpoint=ours.safetensors"], 1, "are not in it (heads.bottleneck.0.weight"),
        (["checkpoint=torn.pth"], 1, "torn.pth: not a readable weight file"),
        (["checkpoint=my_net.py"], 1, "my_net.py: not a readable weight file"),
        (["checkpoint=gone.pth"], 1, "gone.pth: no such weight file"),
        (["checkpoint=null"], 2, "--set checkpoint=FILE"),
        (["dataset=no_query"], 1, "no_query: no folder query"),
        (["dataset=gone"], 1, "gone: no such folder"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line_and_leaves_nothing(
    at_root: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    settings: list[str],
    code: int,
    message: str,
) -> None:
    if not Path("no_query").exists():
        shutil.copytree("market", "no_query")
        shutil.rmtree("no_query/query")
    for extra in ("timm", "torchreid"):
        if f"backbone={extra}:" in settings[0] and importlib.util.find_spec(extra) is None:
            pytest.skip(f"needs the extra [{extra}]")
    pairs = [part for setting in settings for part in ("--set", setting)]
    assert ran(tmp_path, *pairs, "--eval-only") == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"recipe.yaml"}


def test_a_model_that_cannot_be_trained_is_told_before_anything_is_written(
    at_root: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {"dataset": "market", "backbone": "my_net:Deaf", "size": [64, 32], "people": 3}
    assert ran(tmp_path, recipe=values) == 2
    assert "ValueError: no ears" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(
    importlib.util.find_spec("torchreid") is None, reason="needs the extra [torchreid]"
)
def test_the_recipe_for_market1501_runs(at_root: None, tmp_path: Path) -> None:
    recipe = Path(__file__).parents[2] / "recipes" / "market1501" / "evaluate.yaml"
    model = build("torchreid:osnet_x0_25", 3)
    torch.save({"state_dict": model.network.state_dict()}, tmp_path / "model.pth.tar-60")
    settings = ("dataset=market", "backbone=torchreid:osnet_x0_25",
                f"checkpoint={tmp_path / 'model.pth.tar-60'}", "size=[64, 32]")  # fmt: skip
    command = recipe.read_text().splitlines()[0].removeprefix("# reidaug ").split()
    arguments = [recipe if part.endswith("evaluate.yaml") else part for part in command]
    arguments[arguments.index("--out") + 1] = tmp_path / "run"
    pairs = [part for setting in settings for part in ("--set", setting)]
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), *pairs])
    assert ended.value.code == 0
    assert (tmp_path / "run" / "ranked.png").exists()
