"""Unsupervised adaptation end to end on drawn figures."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from stick_market import stick_market

from reidaug.commands.finetune_eval import command
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.adaptation_config import START, WARMUP, AdaptationRecipe, read_domains
from reidaug.experiments.adaptation_run import AdaptationReport, adapt, dry_run
from reidaug.recipes import load, resolve
from reidaug.reid.dgnet.trainer import DGNetTrainer

RECIPES = Path(__file__).parents[2] / "recipes" / "market1501"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapt")
    stick_market(folder / "source", people=4, images=3)
    stick_market(folder / "target", people=5, images=4)
    shutil.copytree(folder / "target", folder / "warps")
    for path in (folder / "warps" / TRAIN).iterdir():
        path.rename(path.with_name(f"{path.stem}_w00.jpg"))
    return folder


def values(root: Path, **changes) -> dict:
    return {
        "protocol": "uda",
        "source": str(root / "source"),
        "dataset": str(root / "target"),
        "arms": {"dgnetpp": {"changes": {"ratio": 0.0}}, "warps_grey": str(root / "warps")},
        "controls": ["dgnetpp"],
        "preset": "small",
        "trunk_from_teacher": True,
        "teacher": {"steps": 2, "people": 3, "images": 2},
        "source_steps": 3,
        "warmup_steps": 2,
        "rounds": 2,
        "round_steps": 2,
        "weights": {"schedule": {"start": 1, "cycle": 1, "structure": 1, "teacher": 1}},
        "cluster": {"eps": 0.69, "min_samples": 2, "k1": 4, "k2": 2},
        "seeds": [0],
        "save_every": 1,
        **changes,
    }


def recipe(root: Path, **changes) -> AdaptationRecipe:
    return resolve(values(root, **changes), AdaptationRecipe, where="test")


@pytest.fixture(scope="module")
def whole(root: Path) -> AdaptationReport:
    return adapt(recipe(root), root / "whole", workers=1)


def test_the_report_tells_protocol_cells_and_clusters(root: Path, whole: AdaptationReport) -> None:
    assert json.loads((root / "whole" / "report.json").read_text()) == whole.as_dict()
    assert whole.protocol == "uda"
    assert list(whole.arms) == ["dgnetpp", "warps_grey"]
    for scores in (*whole.arms.values(), whole.start, whole.warmup):
        assert all(0 <= value <= 100 for value in scores["mAP"])
    assert whole.adaptation.vs == START
    assert whole.gain_mAP.vs == "dgnetpp"
    assert [len(rounds) for rounds in whole.clusters["warps_grey"]] == [2]
    assert whole.clusters["dgnetpp"][0][0]["clusters"] > 0
    assert whole.steps == {START: 5, WARMUP: 2, "dgnetpp": 4, "warps_grey": 4}
    assert not list((root / "whole" / "checkpoints").glob("*.state.pt"))


def test_arms_part_where_the_rounds_begin(whole: AdaptationReport) -> None:
    first = [whole.clusters[name][0][0] for name in ("dgnetpp", "warps_grey")]
    assert first[0] == first[1]
    later = [whole.clusters[name][0][1] for name in ("dgnetpp", "warps_grey")]
    assert later[0]["quality"] != later[1]["quality"]


@pytest.mark.parametrize(
    "steps", [4, 9, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 5, 6, 8, 11))]
)
def test_killed_anywhere_and_resumed_gives_the_same_numbers(
    root: Path, whole: AdaptationReport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, steps: int
) -> None:
    step, taken = DGNetTrainer.step, []

    def stumble(self, *batches):
        taken.append(step(self, *batches))
        if len(taken) == steps:
            raise KeyboardInterrupt
        return taken[-1]

    monkeypatch.setattr(DGNetTrainer, "step", stumble)
    with pytest.raises(KeyboardInterrupt):
        adapt(recipe(root), tmp_path / "killed", workers=1)
    monkeypatch.undo()
    assert adapt(recipe(root), tmp_path / "killed", resume=True, workers=1) == whole


def test_targets_names_change_nothing(root: Path, whole: AdaptationReport, tmp_path: Path) -> None:
    other = shutil.copytree(root / "target", tmp_path / "target")
    warps = shutil.copytree(root / "warps", tmp_path / "warps")
    for folder in (other, warps):  # the same pictures in the same order, all strangers
        for place, path in enumerate(sorted((folder / TRAIN).iterdir())):
            path.rename(path.with_name(f"{place:04d}{path.name[4:]}"))
    blind = adapt(
        recipe(root, dataset=str(other), arms={"warps_grey": str(warps)}),
        tmp_path / "run",
        workers=1,
    )
    assert blind.arms["warps_grey"] == whole.arms["warps_grey"]
    assert blind.clusters["warps_grey"] == whole.clusters["warps_grey"]


def test_a_round_without_clusters_leaves_the_networks_as_they_were(root, tmp_path) -> None:
    report = adapt(
        recipe(root, cluster={"eps": 1e-9, "min_samples": 4}, arms={"dgnetpp": None}),
        tmp_path / "run",
        workers=1,
    )
    assert report.arms["dgnetpp"]["mAP"] == report.warmup["mAP"]
    assert report.clusters["dgnetpp"][0][1]["clusters"] == 0
    assert report.rounds_without_clusters == {"dgnetpp": [2]}


def write(folder: Path, content: dict) -> str:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_the_command_knows_the_protocol(
    root: Path, whole: AdaptationReport, tmp_path: Path
) -> None:
    shutil.copytree(root / "whole", tmp_path / "run")
    path = write(tmp_path, values(root))
    arguments = [path, "--out", str(tmp_path / "run"), "--resume"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.output.startswith("protocol: uda\n| arm")
    assert "dgnetpp against start: " in result.output
    dry = CliRunner().invoke(command, [path, "--dry-run", "--out", str(tmp_path / "no")])
    assert "1 seeds, 2 rounds of 2 steps each, from 12 source crops of 4 people" in dry.output
    assert not (tmp_path / "no").exists()
    for option in (["--eval-only"], ["--rerank", "gnn"]):
        refused = CliRunner().invoke(command, [path, *option])
        assert isinstance(refused.exception, UsageError)


def test_a_dry_run_takes_a_step_even_without_clusters(root: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(root / "warps", tmp_path / "broken")
    for path in (broken / TRAIN).iterdir():
        path.write_bytes(b"no picture")
    nobody = {"eps": 1e-9, "min_samples": 4}
    with pytest.raises(ReidaugError, match="broken"):
        dry_run(recipe(root, cluster=nobody, arms={"warps_grey": str(broken)}))


@pytest.mark.parametrize("name", ["table5_uda", "table5_uda_small"])
def test_table_5_runs_on_any_roots_of_the_layout(root: Path, name: str) -> None:
    path = RECIPES / f"{name}.yaml"
    arms = yaml.safe_load(path.read_text())["arms"]
    made = [arm for arm, crops in arms.items() if isinstance(crops, str)]
    changes = [
        f"source={root / 'source'}",
        f"dataset={root / 'target'}",
        *(f"arms.{arm}={root / 'warps'}" for arm in made),
        *("preset=small", "batch=4", "pretrained=null", "teacher.people=3", "teacher.images=2"),
    ]
    read = load(path, AdaptationRecipe, changes)
    assert {read.method, read.baseline, *read.controls} <= set(arms)
    assert read_domains(read).target.extra.keys() == set(arms)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {START: None}}, "an arm's name"),
        ({"arms": {"teacher": None}}, "an arm's name"),
        ({"cluster": {"eps": 0.8}}, "cluster.eps is less than 1 - cluster.original"),
        ({"cluster": {"k1": 0}}, "cluster.k1"),
        ({"teacher": {"images": 0}}, "teacher.images"),
        ({"weights": {"cycle": -1}}, "weights.cycle"),
        ({"rates": {"source": {"encoder": "fast"}}}, "rates.source.encoder"),
        ({"arms": {"a": {"only": True}}}, "clusters are made of real crops"),
        ({"arms": {"a": {"changes": {"steps": 1}}}}, "arm a cannot change steps"),
        ({"rates": {"adapt": {"encodr": 1}}}, "rates.adapt.encodr"),
        ({"rates": {"later": {}}}, "rates"),
        ({"transforms": {"erase": 0.5}}, "transforms.erase"),
        ({"seeds": [1, 1]}, "seeds differ"),
        ({"cluster": {"epsilon": 1}}, "epsilon"),
    ],
)
def test_a_wrong_recipe_is_one_line(root: Path, changes: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recipe(root, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "/nowhere"}, "/nowhere"),
        ({"teacher": {"people": 9}}, "teacher.people: 9 a batch, but .* has 4"),
        ({"batch": 16}, "12 training crops are no batch of 16"),
        ({"pretrained": "/nowhere.pth"}, "/nowhere.pth: no such weight file"),
        ({"size": [64, 32]}, "size 64 x 32: "),
        ({"size": [66, 40]}, "size 66 x 40: "),
    ],
)
def test_what_cannot_be_done_leaves_nothing(
    root: Path, tmp_path: Path, changes: dict, message: str
) -> None:
    with pytest.raises(ReidaugError, match=message):
        adapt(recipe(root, **changes), tmp_path / "run", workers=1)
    assert not (tmp_path / "run").exists()


def test_warps_of_nobody_are_told(root: Path, tmp_path: Path) -> None:
    strange = shutil.copytree(root / "warps", tmp_path / "strange")
    path = next((strange / TRAIN).iterdir())
    path.rename(path.with_name(path.name.replace("_w00", "x_w00")))
    with pytest.raises(UsageError, match="not named after a training crop of the target"):
        read_domains(recipe(root, arms={"warps_grey": str(strange)}))
