"""`reidaug finetune-eval` end to end on drawn figures."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from click.testing import CliRunner
from stick_market import stick_market

from reidaug.commands.finetune_eval import command, dry_run, finetune
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.evaluation import evaluate_checkpoint
from reidaug.experiments.finetune import Experiment
from reidaug.experiments.finetune_config import START, FinetuneEval
from reidaug.recipes import load, resolve

RECIPES = Path(__file__).parents[2] / "recipes"
ARMS = ("real_only", "identity_grey", "warps_grey")


def recipe(root: Path, **changes) -> FinetuneEval:
    values = {
        "dataset": str(root / "market"),
        "arms": {
            "real_only": None,
            "identity_grey": str(root / "market"),
            "warps_grey": str(root / "warps"),
        },
        "seeds": [0, 1],
        "backbone": "resnet18",
        "backbone_options": {"width": 4, "blocks": [1, 1, 1, 1], "embedding": 8},
        "size": [32, 16],
        "precision": "float32",
        "pretrain_steps": 6,
        "steps": 4,
        "people": 3,
        "images": 2,
        "ratio": 0.5,
        **changes,
    }
    return resolve(values, FinetuneEval, where="test")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reid")
    stick_market(folder / "market", people=6, images=4)
    shutil.copytree(folder / "market", folder / "warps")
    for path in (folder / "warps" / TRAIN).iterdir():
        path.rename(path.with_name(f"{path.stem}_w00.jpg"))
    return folder


@pytest.fixture(scope="module")
def whole(root):
    return finetune(recipe(root), root / "whole", workers=1)


def test_the_report_holds_every_arm_and_seed(root, whole):
    assert json.loads((root / "whole" / "report.json").read_text()) == whole
    assert list(whole["arms"]) == list(ARMS)
    for scores in whole["arms"].values():
        assert set(scores) == {"mAP", "mAP_trapezoid", "rank1", "rank5", "rank10", "mINP"}
        assert all(len(values) == 2 for values in scores.values())
        assert all(0 <= value <= 100 for values in scores.values() for value in values)
    assert all(len(curve) == 20 and curve[-1] <= 100 for curve in whole["cmc"].values())
    assert whole["gain_mAP"]["vs"] == "real_only"
    assert (whole["protocol"], whole["seeds"], whole["steps"]) == ("supervised", [0, 1], 4)
    assert "ceiling" not in whole


def test_equal_crops_on_top_give_equal_numbers(whole):
    # the same pictures under another name: nothing but the arm's crops may differ between arms
    assert whole["arms"]["identity_grey"] == whole["arms"]["real_only"]


def test_other_processes_give_the_same_numbers(root, whole):
    assert finetune(recipe(root), root / "spread", workers=2) == whole


def test_killed_and_resumed_gives_the_same_numbers(root, whole, monkeypatch):
    train, trained = Experiment.train, []

    def stumble(self, name, seed, advance=None):
        if len(trained) == 4:
            raise KeyboardInterrupt
        trained.append((name, seed))
        return train(self, name, seed, advance)

    monkeypatch.setattr(Experiment, "train", stumble)
    with pytest.raises(KeyboardInterrupt):
        finetune(recipe(root), root / "killed", workers=1)
    assert not (root / "killed" / "report.json").exists()
    monkeypatch.undo()
    again = []
    monkeypatch.setattr(
        Experiment,
        "train",
        lambda self, name, seed, advance=None: (
            again.append((name, seed)) or train(self, name, seed, advance)
        ),
    )
    with pytest.raises(ReidaugError, match="--resume"):
        finetune(recipe(root), root / "killed", workers=1)
    assert finetune(recipe(root), root / "killed", resume=True, workers=1) == whole
    assert sorted(trained + again) == sorted(
        [(START, 0), *((name, seed) for name in ARMS for seed in (0, 1))]
    )


def test_an_experiment_gets_more_arms_and_seeds(root, whole, monkeypatch):
    few = {"real_only": None, "warps_grey": str(root / "warps")}
    finetune(recipe(root, arms=few, seeds=[0]), root / "grown", workers=1)
    train, trained = Experiment.train, []
    monkeypatch.setattr(
        Experiment,
        "train",
        lambda self, name, seed, advance=None: (
            trained.append((name, seed)) or train(self, name, seed, advance)
        ),
    )
    assert finetune(recipe(root), root / "grown", resume=True, workers=1) == whole
    assert sorted(trained) == [
        ("identity_grey", 0), ("identity_grey", 1), ("real_only", 1), ("warps_grey", 1)
    ]  # fmt: skip
    trained.clear()
    other = recipe(root, method="identity_grey", controls=["warps_grey"])
    told = finetune(other, root / "grown", resume=True, workers=1)
    assert told["gain_over_best_control"]["vs"] == "warps_grey"
    assert told["arms"] == whole["arms"]
    assert not trained


@pytest.mark.parametrize(
    "changes", [{"steps": 5}, {"seeds": [1, 0]}, {"arms": {"real_only": None}},
                {"arms": {name: None for name in ARMS}}]
)  # fmt: skip
def test_an_experiment_with_other_cells_is_another(root, whole, changes):
    with pytest.raises(ReidaugError, match="another run"):
        finetune(recipe(root, **changes), root / "whole", resume=True, workers=1)
    assert json.loads((root / "whole" / "report.json").read_text()) == whole


def test_a_start_per_seed_and_held_out_people(root):
    changed = recipe(
        root,
        start_per_seed=True,
        evaluate_on="held_out",
        held_out=0.34,
        arms={"real_only": None},
        keep_checkpoints=True,
    )
    report = finetune(changed, root / "held", workers=1)
    assert report["train_people"] == 4
    assert report["queries"] == report["gallery"] == 8
    assert len(report["start"]["mAP"]) == 2
    names = {path.stem for path in (root / "held" / "checkpoints").iterdir()}
    assert names == {f"{name}-seed{seed}" for name in (START, "real_only") for seed in (0, 1)}


def test_the_options_that_shape_the_batches_run(root):
    changed = recipe(
        root,
        arms={"warps_grey": str(root / "warps")},
        seeds=[3],
        separate_norm=True,
        recalibrate_norm=False,
        optimiser="sgd",
        precision="bfloat16",
        real_only_share=0.5,
        average_share=0.5,
        objective={"margin": None, "extra_in_triplet": False},
        transforms={"jitter": 0.2},
    )
    report = finetune(changed, root / "options", workers=1)
    assert list(report["arms"]) == ["warps_grey"]


def test_arms_may_mix_replace_and_change(root, whole):
    warps = str(root / "warps")
    arms = {
        "real_only": None,
        "again": {"changes": {}},
        "mix": [None, warps],
        "warps_only": {"crops": warps, "only": True},
        "strong": {"changes": {"transforms": {"jitter": 0.5}, "objective": {"extra_teacher": 0.5}}},
    }
    report = finetune(recipe(root, arms=arms, method="mix", seeds=[0]), root / "arms", workers=1)
    scores = {name: rows["mAP"] for name, rows in report["arms"].items()}
    assert scores["real_only"] == scores["again"] == whole["arms"]["real_only"]["mAP"][:1]
    assert scores["strong"] != scores["real_only"]
    assert report["extra_crops"]["mix"] == 2 * report["extra_crops"]["real_only"]
    assert set(report["differences"]) == set(arms) - {"mix"}
    # the warps are copies of the real crops: to learn from them alone is to learn from those
    assert scores["warps_only"] == scores["real_only"]


def test_an_arm_sees_its_changes_and_keeps_the_rest(root):
    strong = {"changes": {"transforms": {"jitter": 0.5}, "ratio": 2.0}}
    changed = recipe(root, arms={"strong": strong}, transforms={"flip": 0.0}).of_arm("strong")
    assert (changed.transforms.jitter, changed.transforms.flip, changed.ratio) == (0.5, 0.0, 2.0)
    assert changed.steps == 4
    assert recipe(root).of_arm("real_only") == recipe(root)


def test_little_data_is_less_of_everything(root):
    few = recipe(root, people_share=0.5, images_each=2, arms={"warps_grey": str(root / "warps")})
    report = finetune(few, root / "few", workers=1)
    assert (report["train_people"], report["train_images"]) == (3, 6)
    assert report["extra_crops"] == {"warps_grey": 6}


def test_across_domains_the_other_domains_people_are_searched_for(root, whole, tmp_path):
    stick_market(tmp_path / "other", people=4, images=3)
    across = {"protocol": "cross_domain", "test_dataset": str(tmp_path / "other")}
    report = finetune(
        recipe(root, arms={"real_only": None}, seeds=[0], **across), tmp_path / "run", workers=1
    )
    assert report["protocol"] == "cross_domain"
    assert report["queries"] != whole["queries"]
    assert report["start"]["loss"] == whole["start"]["loss"]  # learnt as in the own domain


def test_nothing_on_top_and_a_given_checkpoint(root, whole):
    start = root / "whole" / "checkpoints" / f"{START}-seed0.safetensors"
    changed = recipe(root, checkpoint=str(start), ratio=0.0, arms={"real_only": None})
    report = finetune(changed, root / "given", workers=1)
    assert report["pretrain_steps"] == 0
    assert report["start"]["mAP"] == whole["start"]["mAP"]


def write(root: Path, folder: Path, **changes) -> str:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(root, **changes).model_dump(mode="json")))
    return str(path)


def test_the_command_prints_a_table_and_plain_words(root, whole, tmp_path):
    result = CliRunner().invoke(
        command,
        [write(root, tmp_path), "--out", str(tmp_path / "run"), "--workers", "1"],
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    assert "| warps_grey" in result.output
    assert "warps_grey against real_only: " in result.output


def test_a_dry_run_tries_every_arm_and_keeps_nothing(root, tmp_path):
    out = tmp_path / "run"
    result = CliRunner().invoke(
        command, [write(root, tmp_path), "--out", str(out), "--dry-run"], catch_exceptions=False
    )
    assert result.output.endswith(
        "dry run: 3 arms x 2 seeds, 4 steps each, on 24 crops of 6 people; nothing was kept\n"
    )
    assert not out.exists()
    with pytest.raises(UsageError, match="no backbone"):
        dry_run(recipe(root, backbone="resnet19"))


@pytest.mark.parametrize("name", ["table5_supervised", "table5_supervised_small"])
def test_table_5_runs_on_any_root_of_the_layout(root, name):
    path = RECIPES / "market1501" / f"{name}.yaml"
    arms = yaml.safe_load(path.read_text())["arms"]
    made = [arm for arm, crops in arms.items() if isinstance(crops, str)]
    changes = [
        f"dataset={root / 'market'}",
        *(f"arms.{arm}={root / 'warps'}" for arm in made),
        f"arms.warps_and_own_pose=[{root / 'warps'}, null]",
        f"arms.warps_only.crops={root / 'warps'}",
        "backbone=resnet18",
        "backbone_options={width: 4, blocks: [1, 1, 1, 1], embedding: 8}",
        *("weights=null", "size=[32, 16]", "people=3", "images=2"),
    ]
    recipe = load(path, FinetuneEval, changes)
    report = dry_run(recipe)
    assert set(report["arms"]) == set(arms)
    assert {recipe.method, recipe.baseline, *recipe.controls} <= set(arms)
    assert len(recipe.seeds) == 5


def test_eval_only_scores_the_start_as_training_did(root, whole, tmp_path):
    start = root / "whole" / "checkpoints" / f"{START}-seed0.safetensors"
    arguments = [
        write(root, tmp_path),
        *("--set", f"checkpoint={start}"),
        *("--eval-only", "--out", str(tmp_path / "run")),
    ]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    lines = result.stdout.splitlines()
    block = lines.index("** Results **")
    assert lines[block + 1] == f"mAP: {whole['start']['mAP'][0]:.1f}%"
    assert [line[:9] for line in lines[block + 3 : block + 7]] == [
        "Rank-1  :", "Rank-5  :", "Rank-10 :", "Rank-20 :",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"people": 7}, "people: 7 a batch, but .* has 6"),
        ({"backbone": "resnet19"}, "no backbone 'resnet19'"),
        ({"dataset": "/nowhere"}, "/nowhere"),
        ({"arms": {"warps_grey": "/nowhere"}}, "/nowhere"),
        ({"weights": "/nowhere.pth"}, "/nowhere.pth: no such weight file"),
        ({"backbone_options": {"wide": 4}}, "unexpected keyword argument 'wide'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(root, tmp_path, changes, message):
    with pytest.raises(ReidaugError, match=message):
        finetune(recipe(root, **changes), tmp_path / "run", workers=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": 1}, "unknown key 'lr'"),
        ({"objective": {"margim": 1}}, "margim"),
        ({"objective": {"extra_teacher": 3}}, "objective.extra_teacher"),
        ({"transforms": {"shift": 9}}, "transforms.shift"),
        ({"objective": {"triplet_weight": -1}}, "objective.triplet_weight"),
        ({"transforms": {"flip": "often"}}, "transforms.flip"),
        ({"seeds": [1, 1]}, "seeds differ"),
        ({"size": [0, 0]}, "'size.0': input should be greater"),
        ({"arms": {START: None}}, "an arm's name"),
        ({"protocol": "cross_domain"}, "test_dataset belongs to the protocol"),
        ({"test_dataset": "x"}, "test_dataset belongs to the protocol"),
        ({"arms": {"a": {"changes": {"steps": 9}}}}, "arm a cannot change steps"),
        ({"arms": {"a": {"changes": {"ratio": -1}}}}, "ratio"),
        ({"arms": {"a": {"crop": "x"}}}, "unknown key 'arms.a.crop'"),
        ({"arms": {"a": {"crops": []}}}, "arms.a.crops"),
    ],
)
def test_a_wrong_recipe_is_one_line(root, changes, message):
    with pytest.raises(UsageError, match=message):
        recipe(root, **changes)


def test_eval_only_needs_a_checkpoint(root, tmp_path):
    result = CliRunner().invoke(
        command, [write(root, tmp_path), "--eval-only", "--out", str(tmp_path / "run")]
    )
    assert isinstance(result.exception, UsageError)
    assert "checkpoint" in str(result.exception)


def test_eval_only_asks_for_no_batch_of_people(root, whole, tmp_path):
    checkpoint = root / "whole" / "checkpoints" / f"{START}-seed0.safetensors"
    alone = recipe(root, people=40, checkpoint=str(checkpoint))
    report = evaluate_checkpoint(alone, tmp_path / "run")
    assert report["scores"]["mAP"] == whole["start"]["mAP"][0]


def test_a_run_leaves_torch_as_it_was(root, tmp_path):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    finetune(recipe(root, arms={"real_only": None}, seeds=[5]), tmp_path / "run", workers=1)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads
