"""Flow trainings whose files changed since they began."""

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from augmented import content
from safetensors.torch import load_file, save_file
from small_pairs import write_pairs
from small_trainings import ESTIMATOR, train_recipe

from reidaug.data.images import encode_png
from reidaug.data.keypoints import read_keypoints, write_patn
from reidaug.data.pairs import read_flow, write_flow
from reidaug.errors import ReidaugError
from reidaug.fingerprint import Inputs
from reidaug.flow.training import train as train_module
from reidaug.flow.training.pair_inputs import TRAINED_ON, add_code
from reidaug.flow.training.train import FlowReport, train
from reidaug.flow.training.trainer import FlowTrainer
from reidaug.geometry.pose import Pose

SHORT = {"schedule": {"steps": 2, "rate": 1e-3}, "save_every": 1}
Change = Callable[[Path], str]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Pairs, and a training on them."""
    place = tmp_path_factory.mktemp("pairs")
    pairs, out = write_pairs(place / "pairs"), place / "out"
    train(train_recipe(pairs, **SHORT), out)
    return pairs, out


@pytest.fixture
def pairs(drawn: tuple[Path, Path]) -> Iterator[Path]:
    """The pairs; they are as they were afterwards."""
    kept = drawn[0].with_name("kept")
    shutil.copytree(drawn[0], kept)
    yield drawn[0]
    shutil.rmtree(drawn[0])
    kept.rename(drawn[0])


@pytest.fixture
def out(drawn: tuple[Path, Path], tmp_path: Path) -> Path:
    shutil.copytree(drawn[1], tmp_path / "out")
    return tmp_path / "out"


def again(pairs: Path, out: Path, **keys: object) -> FlowReport:
    report = train(train_recipe(pairs, **(SHORT | keys)), out, resume=True)
    assert report is not None
    return report


def image(pairs: Path, split: str = "train") -> str:
    first, second, *_ = sorted((pairs / split).iterdir())
    second.write_bytes(first.read_bytes())
    return f"images: 1 changed ({second.name})"


def joints(pairs: Path, split: str = "train") -> str:
    file = pairs / f"fasion-annotation-{split}.csv"
    poses = read_keypoints(file).poses
    name = min(poses)
    poses[name] = Pose(poses[name].xy * 0.95, poses[name].visible)
    write_patn(file, poses, decimals=2)
    return f"joints: 1 changed ({name})"


def mask(pairs: Path, split: str = "train") -> str:
    stem = min((pairs / split).iterdir()).stem
    (pairs / "masks" / f"{stem}.png").write_bytes(encode_png(torch.ones(32, 16, dtype=torch.bool)))
    return f"masks: 1 changed ({stem}.png)"


def flow(pairs: Path, split: str = "train") -> str:
    path = min((pairs / "flows" / split).iterdir())
    known, visible = read_flow(path)
    write_flow(path, known * 0.9, visible)
    return f"flows: 1 changed ({path.name})"


def pair(pairs: Path, split: str = "train") -> str:
    table = pairs / f"fasion-pairs-{split}.csv"
    *lines, last = table.read_text().splitlines()
    table.write_text("\n".join(lines) + "\n")
    return f"pairs: 1 gone ({last.replace(',', ' > ')})"


@pytest.mark.parametrize("change", [image, joints, mask, flow, pair])
def test_a_training_on_other_files_is_refused(pairs: Path, out: Path, change: Change) -> None:
    before = content(out)
    told = change(pairs)
    with pytest.raises(ReidaugError) as refused:
        again(pairs, out)
    assert str(refused.value).startswith(f"{out} was made from other files: training ")
    assert told in str(refused.value)
    assert str(refused.value).endswith(
        "; name another folder with --out to train on them, put them back, or remove "
        f"{out}/.inputs to go on with those that are there"
    )
    assert {name: file for name, file in content(out).items() if name != ".lock"} == before


@pytest.mark.parametrize("change", [image, flow, pair])
def test_changed_test_pairs_are_scored_again(
    pairs: Path, out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], change: Change,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    before = again(pairs, out)
    told = change(pairs, "test")
    with monkeypatch.context() as patch:
        patch.setattr(FlowTrainer, "step", None)  # it is not trained
        report = again(pairs, out)
        assert f"{out}: test {told}; " in capfd.readouterr().err
        assert again(pairs, out) == report != before
    assert "scored again" not in capfd.readouterr().err
    assert train(train_recipe(pairs, **SHORT), tmp_path / "afresh") == report


def test_untouched_pairs_redo_nothing(pairs: Path, out: Path) -> None:
    def times() -> dict[Path, int]:
        files = (p for p in out.rglob("*") if p.is_file() and p.parent.name != ".inputs")
        return {path: path.stat().st_mtime_ns for path in files}

    before = times()
    for path in pairs.rglob("*"):
        path.touch()
    again(pairs, out)
    assert times() == before


def test_a_training_in_which_nothing_was_done_begins_with_the_files_that_are_there(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that stopped at a file that is mended since would be no use in its folder otherwise."""
    with monkeypatch.context() as patch:
        patch.setattr(FlowTrainer, "step", None)
        with pytest.raises(TypeError):
            train(train_recipe(pairs, **SHORT), tmp_path / "run")
    image(pairs)
    assert again(pairs, tmp_path / "run") == train(train_recipe(pairs, **SHORT), tmp_path / "new")


def test_what_changes_amid_a_training_is_told(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    step, told, kept = FlowTrainer.step, list[str](), tmp_path / "kept"
    shutil.copytree(pairs, kept)

    def changing(self, batch):
        told[:] = told or [image(pairs)]
        return step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(FlowTrainer, "step", changing)
        train(train_recipe(pairs, **SHORT), tmp_path / "run")
    line = f"run: changed while it was at work: training {told[0]}; what it learnt is of both"
    assert line in capfd.readouterr().err
    for _ in ("as it is now", "as it was"):
        with pytest.raises(
            ReidaugError, match=r"was made from other files: training images: 1 changed"
        ):
            again(pairs, tmp_path / "run")
        shutil.copytree(kept, pairs, dirs_exist_ok=True)


def test_a_mask_that_is_gone_while_it_is_scored_is_no_score_of_whole_images(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, away = {**SHORT, "background": "image"}, tmp_path / "away"
    mask, score = min((pairs / "masks").glob("01*.png")), train_module.score_pairs

    def gone(*given: Any, **options: Any) -> Any:
        mask.rename(away)
        return score(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "score_pairs", gone)
        told = rf"test masks: 1 changed \({mask.name}\); the same command with --resume scores"
        with pytest.raises(ReidaugError, match=told):
            train(train_recipe(pairs, **settings), tmp_path / "run")
    away.rename(mask)
    report = again(pairs, tmp_path / "run", background="image")
    assert report.region == "foreground"
    assert report == train(train_recipe(pairs, **settings), tmp_path / "afresh")


def test_moved_pairs_are_the_same_and_a_copy_without_hidden_files_is_told(
    pairs: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(FlowTrainer, "step", None)  # it is not trained
    before = again(pairs, out)
    moved = pairs.rename(pairs.with_name("moved"))
    assert again(moved, out) == before
    assert f"pairs was {pairs} and is {moved} now; the content is" in capfd.readouterr().err
    moved.rename(pairs)
    shutil.rmtree(out / ".inputs")
    with pytest.raises(ReidaugError, match=f"were moved: pairs was {moved} and is {pairs} now"):
        again(pairs, out)
    pairs.rename(moved)
    assert again(moved, out) == before
    told = f"{out}: .inputs is missing, as in a copy without hidden files"
    assert told in capfd.readouterr().err
    moved.rename(pairs)
    assert again(pairs, out) == before


def test_other_weights_to_start_from_are_told(pairs: Path, out: Path, tmp_path: Path) -> None:
    start = tmp_path / "start"
    shutil.copytree(out / "checkpoint", start)
    (start / "checksums.json").unlink()  # the change is meant
    train(train_recipe(pairs, **SHORT, start=str(start)), tmp_path / "more")
    weights = start / "model.safetensors"
    save_file({name: value * 2 for name, value in load_file(weights).items()}, weights)
    with pytest.raises(ReidaugError, match=r"weights: 1 changed \(model\.safetensors\); name"):
        again(pairs, tmp_path / "more", start=str(start))


def test_the_code_of_an_estimator_of_ones_own_is_an_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    settings = train_recipe(tmp_path, estimator={**ESTIMATOR, "class": "flow_of_ones_own:Flow"})
    told = []
    for size in (1, 2):
        (tmp_path / "flow_of_ones_own.py").write_text(f"class Flow:\n    size = {size}\n")
        sys.modules.pop("flow_of_ones_own", None)
        importlib.invalidate_caches()
        importlib.import_module("flow_of_ones_own")
        kept = Inputs(tmp_path)
        add_code(kept, [settings])
        told.append(kept.text(*TRAINED_ON))
        kept.save()
    assert told == ["", "code: 1 changed (flow_of_ones_own)"]
