"""Whole flow trainings: results, resuming, errors."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from flow_figures import SIZE
from safetensors.torch import load_file
from small_pairs import write_pairs
from small_trainings import DISCRIMINATOR, ESTIMATOR, GENERATOR
from small_trainings import train_recipe as recipe

from reidaug.data.deepfashion import read_deepfashion
from reidaug.data.keypoints import write_patn
from reidaug.data.pairs import PairDataset
from reidaug.errors import ReidaugError, UsageError
from reidaug.flow.checkpoint import load_checkpoint
from reidaug.flow.perceptual_networks import ShiftTolerantLPIPS
from reidaug.flow.score_table import table_text
from reidaug.flow.training import networks
from reidaug.flow.training.pair_sources import hold_out, read_splits, subsample
from reidaug.flow.training.recipe import resolved
from reidaug.flow.training.train import STATE, train
from reidaug.flow.training.trainer import FlowTrainer
from reidaug.flow.unwarpme import UnWarpME
from reidaug.geometry.pose import Pose
from reidaug.jobs import StateFile, States
from reidaug.runs import RunFolder


def test_training_starts_from_the_weights_of_another_flow(people: Path, tmp_path: Path) -> None:
    train(recipe(people), tmp_path / "first")
    start = str(tmp_path / "first" / "checkpoint")
    still = {"steps": 1, "rate": 0.0}
    train(recipe(people, start=start, schedule=still, seed=5), tmp_path / "second")
    first = load_file(tmp_path / "first" / "checkpoint" / "model.safetensors")
    second = load_file(tmp_path / "second" / "checkpoint" / "model.safetensors")
    learnt = [name for name in first if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(first[name], second[name]) for name in learnt)
    with pytest.raises(UsageError, match="start market"):
        train(recipe(people, start="market"), tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_training_leaves_scores_and_a_checkpoint(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    report = train(recipe(people), out)
    assert report is not None
    assert set(report.rows) == {"unwarpme", "identity", "torso_affine", "joint_blend"}
    for row in report.rows.values():
        assert set(row) >= {"epe_px", "epe_px_ci", "l1", "l1_32", "ssim", "ssim_ci"}
    assert (report.region, report.interval_over) == ("foreground", "people")
    assert (report.pairs, report.size) == (3, tuple(SIZE))
    written = json.loads((out / "report.json").read_text())
    assert {**asdict(report), "size": list(SIZE)} == written
    records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records] == [1, 2, 3, 4, 5, 6]
    assert {"exact", "l1", "structure", "rate"} < set(records[0])
    assert {"affine", "rate"} < set(records[1])
    assert load_checkpoint(out / "checkpoint").grid == (8, 4)  # type: ignore[union-attr]
    assert list((out / "tensorboard").iterdir())
    assert not list(out.glob("state*"))
    assert train(recipe(people), out, resume=True) == report  # finished: nothing to do
    assert "unwarpme" in table_text(written)


@pytest.mark.parametrize(
    ("precision", "changes"),
    [("float32", {}), ("bfloat16", {"workers": 1, "save_every": 3})],  # no weight depends on these
)
def test_a_killed_training_resumes_to_the_same_bytes(
    people: Path, tmp_path: Path, precision: str, changes: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings = recipe(people, precision=precision, schedule={"steps": 7, "rate": 1e-3})
    whole = train(settings, tmp_path / "whole")
    step, taken = FlowTrainer.step, 0

    def killed(self: Any, batch: Any) -> dict[str, float]:
        nonlocal taken
        taken += 1
        if taken == 6:
            raise KeyboardInterrupt
        return step(self, batch)

    monkeypatch.setattr(FlowTrainer, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path / "parted")
    monkeypatch.undo()
    assert [p.name for p in (tmp_path / "parted").glob("state*")] == ["state-00000004"]
    with (tmp_path / "parted" / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "ex')  # a line cut off by the kill
    (tmp_path / "parted" / "state.part").mkdir()  # and a state cut off
    with pytest.raises(ReidaugError, match="--resume"):
        train(settings, tmp_path / "parted")
    other = recipe(people, precision=precision, schedule={"steps": 8, "rate": 1e-3})
    with pytest.raises(ReidaugError, match="other: schedule"):
        train(other, tmp_path / "parted", resume=True)
    changed = settings.model_copy(update=changes)
    assert train(changed, tmp_path / "parted", resume=True) == whole
    kept, at_once = (
        yaml.safe_load((tmp_path / run / "checkpoint" / "recipe.yaml").read_text())
        for run in ("parted", "whole")
    )
    assert kept == at_once | changes
    for name in ("checkpoint/model.safetensors", "log.jsonl"):
        parted, at_once = (tmp_path / run / name for run in ("parted", "whole"))
        assert parted.read_bytes() == at_once.read_bytes(), name


@pytest.mark.parametrize("finished", [True, False])
def test_a_checkpoint_of_another_training_is_trained_again(
    people: Path, tmp_path: Path, finished: bool
) -> None:
    settings, out = recipe(people), tmp_path / "run"
    whole = train(settings, out)
    weights = (out / "checkpoint/model.safetensors").read_bytes()
    train(recipe(people, seed=9), tmp_path / "other")
    shutil.copytree(tmp_path / "other/checkpoint", out / "checkpoint", dirs_exist_ok=True)
    assert (out / "checkpoint/model.safetensors").read_bytes() != weights
    if not finished:  # nothing is known of its files
        (out / "report.json").unlink()
        (out / "checksums.json").unlink()
    assert train(settings, out, resume=True) == whole
    assert (out / "checkpoint/model.safetensors").read_bytes() == weights


def test_a_finished_training_takes_no_step_again_with_other_workers(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = train(recipe(people), tmp_path / "run")

    def step(self: Any, batch: Any) -> dict[str, float]:
        raise AssertionError("a step")

    monkeypatch.setattr(FlowTrainer, "step", step)
    assert train(recipe(people, workers=1), tmp_path / "run", resume=True) == report


def test_results_depend_on_the_seed_alone(people: Path, tmp_path: Path) -> None:
    weights = []
    for place, seed in (("a", 0), ("b", 0), ("c", 1)):
        settings = recipe(people, seed=seed, schedule={"steps": 2, "rate": 1e-3})
        train(settings, tmp_path / place)
        weights.append((tmp_path / place / "checkpoint/model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_more_keypoints_are_more_pairs_and_weights_are_stored_in_16_bits(
    people: Path, tmp_path: Path
) -> None:
    known = read_deepfashion(people, "train").poses
    names = sorted(known)[:4]
    moved = {n: Pose(known[n].xy + 1, known[n].visible) for n in names}
    write_patn(tmp_path / "estimated.csv", moved, decimals=2)
    more = {"more_keypoints": [str(tmp_path / "estimated.csv")]}
    settings = recipe(people, **more)
    taken = read_splits(settings, settings.more_keypoints)
    assert len(PairDataset(taken[0], size=SIZE)) == 4 * 6
    assert len(PairDataset(taken[1], size=SIZE)) == 3  # the test has one annotation
    settings = recipe(people, evaluate_on="held_out", held_out=0.5, **more)
    held = read_splits(settings, settings.more_keypoints)
    assert [len(PairDataset(part, size=SIZE)) for part in held] == [4 * 3, 3]
    keys = {"precision": "float32", "schedule": {"steps": 2}}
    train(recipe(people, **keys), tmp_path / "plain")
    train(recipe(people, **keys, **more, half_precision_weights=True), tmp_path / "more")
    one, other = (
        load_file(tmp_path / run / "checkpoint" / "model.safetensors") for run in ("plain", "more")
    )
    weight = next(name for name in one if name.endswith("weight"))
    assert (one[weight].dtype, other[weight].dtype) == (torch.float32, torch.float16)
    assert not torch.equal(one[weight].half(), other[weight])  # it was trained on other pairs
    write_patn(tmp_path / "others.csv", {"zz.jpg": known[names[0]]})
    with pytest.raises(ReidaugError, match=r"others\.csv: names none of the images, such as"):
        train(recipe(people, more_keypoints=[str(tmp_path / "others.csv")]), tmp_path / "none")
    with pytest.raises(ReidaugError, match=r"nowhere\.csv"):
        train(recipe(people, more_keypoints=["nowhere.csv"]), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_evaluation_on_held_out_training_people(people: Path, tmp_path: Path) -> None:
    settings = recipe(people, evaluate_on="held_out", held_out=0.34)
    shutil.copytree(people, tmp_path / "no_test")
    shutil.rmtree(tmp_path / "no_test" / "test")
    report = train(settings.model_copy(update={"pairs": tmp_path / "no_test"}), tmp_path / "run")
    assert report is not None
    assert report.evaluate_on == "held_out"
    assert report.pairs == 2
    kept, held = hold_out(read_deepfashion(people, "train"), 0.34)
    assert [s for s, _ in held.pairs] == ["0004_0.jpg", "0005_0.jpg"]
    assert len(kept.pairs) == 4
    assert [s for s, _ in subsample(kept, 2).pairs] == ["0000_0.jpg", "0002_0.jpg"]
    assert subsample(kept, 0) == kept


def test_photographs_without_flows_and_masks_are_scored_whole(tmp_path: Path) -> None:
    people = write_pairs(tmp_path / "pairs", masks=False)
    shutil.rmtree(people / "flows")
    report = train(recipe(people, cycle=["affine", "reconstruction"]), tmp_path / "run")
    assert report is not None
    assert report.region == "image"
    assert "epe_px" not in report.rows["unwarpme"]
    with pytest.raises(UsageError, match="no flows for the task 'exact'"):
        train(recipe(people), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_perceptual_task_is_logged(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "feature_network", untrained)
    settings = recipe(people, cycle=["perceptual"], schedule={"steps": 1, "rate": 1e-3})
    train(settings, tmp_path / "run")
    assert "perceptual" in json.loads((tmp_path / "run" / "log.jsonl").read_text())


def untrained(*settings: object) -> ShiftTolerantLPIPS:
    """A network like the frozen one, whose weights need no file."""
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        return ShiftTolerantLPIPS("vgg")


WHOLE = {
    "cycle": ["affine", "generation"],
    "generator": GENERATOR,
    "discriminator": DISCRIMINATOR,
    "scales": [1.0],
}


def test_generator_and_discriminator_resume_exactly(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "feature_network", untrained)
    settings = recipe(people, **WHOLE)
    whole = train(settings, tmp_path / "whole")
    lines = (tmp_path / "whole" / "log.jsonl").read_text().splitlines()
    expected = {"perceptual", "generative", "matching", "discriminator", "rate", "step"}
    assert set(json.loads(lines[1])) == expected
    with monkeypatch.context() as broken:
        commit = States.commit

        def interrupted(states: States, step: int) -> None:
            commit(states, step)
            if step == 4:
                raise KeyboardInterrupt

        broken.setattr(States, "commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(settings, tmp_path / "cut")
    assert train(settings, tmp_path / "cut", resume=True) == whole
    for name in ("checkpoint/model.safetensors", "checkpoint/generator.safetensors", "log.jsonl"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"cycle": ["exact", "paint"]}, "cycle.*paint"),
        ({"cycle": ["generation"]}, "generation.*needs .generator"),
        (
            {"generator": {"class": "reidaug.flow.closed_form:Identity"}},
            "generator.class: .* no image",
        ),
        (
            {"generator": {"class": "reidaug.flow.unwarpme.refinement:Refinement", "width": 3}},
            "generator .*width",
        ),
        ({"discriminator": {"class": "nowhere:Net"}}, "discriminator.class"),
        ({"estimator": {"class": "reidaug.flow.closed_form:Identity"}}, "nothing to train"),
        ({"estimator": {"class": "nowhere:Net"}}, "estimator.class"),
        ({"evaluate_on": "held_out", "held_out": 0.01}, "too few people"),
    ],
)
def test_wrong_recipes_fail_before_a_folder_is_made(
    people: Path, tmp_path: Path, keys: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        train(recipe(people, **keys), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_images_of_a_wrong_size_are_a_usage_error(people: Path, tmp_path: Path) -> None:
    gfla = {"class": "reidaug.flow.rivals.gfla:GFLA", "preset": "small"}
    settings = recipe(people, estimator=gfla, cycle=["reconstruction"])
    with pytest.raises(UsageError, match=r"'size'.*multiples of 32"):
        train(settings, tmp_path / "run")


def test_a_diverging_training_is_an_error(people: Path, tmp_path: Path) -> None:
    settings = recipe(people, estimator={**ESTIMATOR, "class": "poisoned:Poisoned"}, save_every=1)
    line = r"^step 4: the loss '\w+' is not finite; its pairs are \S+\.\w+ > .*last_good"
    with pytest.raises(ReidaugError, match=line):
        train(settings, tmp_path / "run")
    # The weights are those before the step, and are kept.
    kept = load_file(tmp_path / "run" / "last_good" / "model.safetensors")
    state = StateFile(tmp_path / "run" / "state-00000003" / STATE).read(torch.device("cpu"))[
        "model"
    ]
    assert all(torch.isfinite(value).all() for value in kept.values())
    learnt = [name for name in kept if "running" not in name and "num_batches" not in name]
    assert all(any(torch.equal(kept[n], v) for v in state.values()) for n in learnt)
    assert isinstance(load_checkpoint(tmp_path / "run" / "last_good"), UnWarpME)


@pytest.mark.parametrize(
    ("save_every", "said"),
    [(1, r"the last good state is \S+state-00000003;"), (99, "there is no earlier state;")],
)
def test_where_the_weights_are_lost_the_state_before_is_named(
    people: Path, tmp_path: Path, save_every: int, said: str
) -> None:
    poisoned = {**ESTIMATOR, "class": "poisoned:PoisonedWeights"}
    settings = recipe(people, estimator=poisoned, save_every=save_every)
    with pytest.raises(ReidaugError, match=f"^step 4: .*{said} lower schedule.rate"):
        train(settings, tmp_path / "run")
    assert not (tmp_path / "run" / "last_good").exists()


@pytest.mark.slow
@pytest.mark.parametrize("keys", [{}, {**WHOLE, "weights": {"perceptual": 0.0}}])
def test_two_processes_train_together(people: Path, tmp_path: Path, keys: dict[str, Any]) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe(people, **keys).model_dump_json())
    order = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "-m",
        "reidaug",
    ]
    order += ["train-flow", str(path), "--out", str(tmp_path / "run")]
    done = subprocess.run(order, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["pairs"] == 3


def test_every_task_of_the_cycle_is_logged(people: Path, tmp_path: Path) -> None:
    settings = recipe(people, cycle=["affine", "exact"], log_every=4)
    train(settings, tmp_path / "run")
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["step"] for record in records] == [1, 4, 5]
    assert {"affine", "exact"} <= {name for record in records for name in record}


class Payload:
    """An object that leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("custom_checkpoint_0.pkl", "no training state that this version reads; remove"),
        (STATE, "not a readable training state; remove it"),
    ],
)
def test_resuming_unpickles_nothing(people: Path, tmp_path: Path, file: str, says: str) -> None:
    settings, out, mark = recipe(people), tmp_path / "run", tmp_path / "executed"
    RunFolder.open(out, resolved(settings), resume=False)
    state = out / "state-00000002"
    state.mkdir()
    torch.save({"steps_done": Payload(mark)}, state / file)
    with pytest.raises(ReidaugError, match=says):
        train(settings, out, resume=True)
    assert not mark.exists()
    torch.load(state / file, weights_only=False)
    assert mark.exists()  # it was armed
    shutil.rmtree(state)
    assert train(settings, out, resume=True) is not None


def test_the_state_of_another_training_is_one_line(people: Path, tmp_path: Path) -> None:
    settings, out = recipe(people), tmp_path / "run"
    RunFolder.open(out, resolved(settings), resume=False)
    state = out / "state-00000002"
    state.mkdir()
    StateFile(state / STATE).write({"steps_done": 2, "model": {"weight": torch.zeros(1)}})
    with pytest.raises(ReidaugError, match=r"0002: not the state of this training; remove"):
        train(settings, out, resume=True)
