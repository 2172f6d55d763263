"""Experiments whose inputs changed since: which cells are made again."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import small_adaptation
import torch
from safetensors.torch import load_file, save_file
from small_experiment import draw_roots, recipe

import reidaug.experiments.finetune as module
from reidaug.data.images import encode_png
from reidaug.data.manifest import write_manifest
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN
from reidaug.errors import ReidaugError
from reidaug.experiments.adaptation import adapt
from reidaug.experiments.adaptation_config import WARMUP
from reidaug.experiments.adaptation_data import read_adaptation_data
from reidaug.experiments.cell_inputs import adaptation_inputs, finetune_inputs
from reidaug.experiments.evaluation import evaluate_checkpoint
from reidaug.experiments.finetune import finetune
from reidaug.experiments.finetune_config import START, FinetuneRecipe, read_data
from reidaug.report.experiment import FinetuneReport

Change = Callable[[Path], str]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Roots and the run of an experiment on them."""
    root = draw_roots(tmp_path_factory.mktemp("drawn"))
    return root


@pytest.fixture
def root(drawn: Path, tmp_path: Path) -> Path:
    shutil.copytree(drawn, tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps of the trainings from here on."""
    train, steps = module.train, []

    def noting(*args, **options):
        steps.append(options["steps"])
        return train(*args, **options)

    monkeypatch.setattr(module, "train", noting)
    return steps


def small(root: Path, **changes: object) -> FinetuneRecipe:
    arms = {"real_only": None, "warps_grey": str(root / "warps")}
    keys = {"arms": arms, "seeds": [0], "controls": ["real_only"]}
    return recipe(root, **(keys | changes))


def run(root: Path, out: Path, **changes: object) -> FinetuneReport:
    return finetune(small(root, **changes), out, resume=out.exists(), workers=1)


def state(out: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in out.rglob("*") if path.is_file() and path.parent.name != ".inputs")
    return {str(p.relative_to(out)): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


def crop(root: Path, split: str) -> str:
    first, *_, last = sorted((root / "market" / split).iterdir())
    last.write_bytes(first.read_bytes())
    return f"1 changed ({last.name})"


def training_image(root: Path) -> str:
    return f"training crops: {crop(root, TRAIN)}"


def warp(root: Path) -> str:
    first, *_, last = sorted((root / "warps" / TRAIN).iterdir())
    last.write_bytes(first.read_bytes())
    return f"crops of warps_grey: 1 changed ({last.name})"


def query_person(root: Path) -> str:
    wrong = min((root / "market" / QUERY).iterdir())
    right = wrong.with_name(wrong.name.replace("0901", "0902", 1))
    wrong.rename(right)
    return f"query crops: 1 renamed ({wrong.name} to {right.name})"


def gallery_image(root: Path) -> str:
    return f"gallery crops: {crop(root, GALLERY)}"


def person(root: Path) -> str:
    for folder in ("market", "warps"):
        for path in (root / folder / TRAIN).glob("0001_*"):
            shutil.copy(path, path.with_name(path.name.replace("0001", "0000", 1)))
    return "training crops: 4 new (0000_c1s1_000100_01.jpg, "


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        (training_image, [6, 4, 4]),
        (person, [6, 4, 4]),
        (warp, [4]),
        # The arms' weights are not kept.
        (query_person, [4, 4]),
        (gallery_image, [4, 4]),
    ],
)
def test_what_changed_is_told_and_its_cells_made_again(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], trained: list[int],
    change: Change, steps: list[int],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    before = run(root, out)
    trained.clear()
    told = change(root)
    found = run(root, out)
    assert told in capfd.readouterr().err
    assert trained == steps
    assert found == run(root, tmp_path / "afresh")
    assert found != before
    assert json.loads((out / "report.json").read_text()) == found.as_dict()
    trained.clear()
    assert run(root, out) == found
    assert not trained
    assert "again" not in capfd.readouterr().err


def test_moved_roots_are_the_same(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], trained: list[int]
) -> None:
    out, moved = tmp_path / "out", tmp_path / "moved"
    before = run(root, out)
    trained.clear()
    root.rename(moved)
    assert run(moved, out) == before
    assert not trained
    told = capfd.readouterr().err
    assert f"dataset was {root}/market and is {moved}/market now; " in told
    assert f"arms.warps_grey.crops was {root}/warps and is {moved}/warps now" in told
    assert run(moved, out) == before
    assert "moved" not in capfd.readouterr().err


@pytest.mark.parametrize("change", [query_person, gallery_image])
def test_kept_weights_are_evaluated_again(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], trained: list[int],
    change: Change,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    run(root, out, keep_checkpoints=True)
    trained.clear()
    change(root)
    found = run(root, out, keep_checkpoints=True)
    assert not trained
    assert "evaluated again: start-seed0, real_only-seed0, warps_grey-seed0" in (
        capfd.readouterr().err
    )
    assert found == run(root, tmp_path / "afresh", keep_checkpoints=True)


def test_untouched_inputs_redo_nothing(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], trained: list[int]
) -> None:
    out = tmp_path / "out"
    run(root, out)
    trained.clear()
    before = state(out)
    for path in root.rglob("*.jpg"):
        path.touch()
    run(root, out)
    assert state(out) == before
    assert not trained
    assert "again" not in capfd.readouterr().err


def test_weights_replaced_under_the_same_name_are_told(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], trained: list[int]
) -> None:
    run(root, tmp_path / "first")
    file = tmp_path / "model.safetensors"
    shutil.copy(tmp_path / "first" / "checkpoints" / f"{START}-seed0.safetensors", file)
    out, alone = tmp_path / "out", tmp_path / "alone"
    changes = {"checkpoint": str(file)}
    before = run(root, out, **changes)
    evaluated = evaluate_checkpoint(small(root, **changes), alone)
    weights = load_file(file)
    save_file({name: torch.flip(w, [0]) if w.ndim == 4 else w for name, w in weights.items()}, file)
    found = run(root, out, **changes)
    told = capfd.readouterr().err
    assert "weights: 1 changed (model.safetensors)" in told
    assert "trained again: start-seed0, real_only-seed0, warps_grey-seed0" in told
    assert found == run(root, tmp_path / "afresh", **changes)
    assert found.start != before.start
    again = evaluate_checkpoint(small(root, **changes), alone, resume=True)
    assert again.evaluation != evaluated.evaluation
    assert again.evaluation.scores["mAP"] == found.start["mAP"][0]
    files = state(alone)
    assert evaluate_checkpoint(small(root, **changes), alone, resume=True) == again
    assert state(alone) == files


def test_a_changed_mask_is_of_the_arms_that_exchange_grounds(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], trained: list[int]
) -> None:
    masks = root / "masks"
    masks.mkdir()
    white = torch.zeros(64, 32, dtype=torch.bool)
    white[5:60, 8:24] = True
    crops = sorted((root / "market" / TRAIN).iterdir())
    for path in crops:
        (masks / f"{path.stem}.png").write_bytes(encode_png(white))
    arms = {"real_only": None, "grounds": {"changes": {"grounds": 0.5}}}
    keys = {"arms": arms, "masks": str(masks), "method": "grounds"}
    out = tmp_path / "out"
    run(root, out, **keys)
    trained.clear()
    white[:30] = False
    (masks / f"{crops[0].stem}.png").write_bytes(encode_png(white))
    found = run(root, out, **keys)
    assert f"masks: 1 changed ({crops[0].stem}.png)" in capfd.readouterr().err
    assert trained == [4]
    assert found == run(root, tmp_path / "afresh", **keys)


def test_a_kill_amid_the_second_training_mixes_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[int]
) -> None:
    out, train = tmp_path / "out", module.train
    first = run(root, out)
    image = max((root / "market" / TRAIN).iterdir())
    old = image.read_bytes()
    training_image(root)

    def killed(*args, **options):
        if options["steps"] == 4:
            raise KeyboardInterrupt
        return train(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "train", killed)
        with pytest.raises(KeyboardInterrupt):
            run(root, out)
    assert not (out / "report.json").exists()
    image.write_bytes(old)
    assert run(root, out) == first


def test_what_changes_amid_an_experiment_is_told_and_gets_no_report(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[int]
) -> None:
    out, train, told, kept = tmp_path / "out", module.train, list[str](), tmp_path / "kept"
    shutil.copytree(root, kept)

    def changing(*args, **options):
        if options["steps"] == 4 and not told:
            told.append(warp(root))
        return train(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "train", changing)
        with pytest.raises(ReidaugError, match="changed while it was at work: crops of w") as line:
            run(root, out)
    assert told[0] in str(line.value)
    assert not (out / "report.json").exists()
    trained.clear()
    shutil.copytree(kept, root, dirs_exist_ok=True)  # as it was: cells may be of both
    assert run(root, out) == run(root, tmp_path / "afresh")
    assert trained == [4, 6, 4, 4]


def test_a_run_of_an_earlier_version_is_taken_as_of_these_inputs(
    root: Path, tmp_path: Path, trained: list[int]
) -> None:
    out = tmp_path / "out"
    first = run(root, out)
    shutil.rmtree(out / ".inputs")
    (out / "checksums.json").unlink()
    for path in (out / "cells").iterdir():
        record = json.loads(path.read_text())["value"]
        del record["of"]
        path.write_text(json.dumps(record))
    trained.clear()
    assert run(root, out) == first
    assert not trained
    warp(root)
    run(root, out)
    assert trained == [4]


def test_each_cell_of_an_adaptation_has_inputs_of_its_own(tmp_path: Path) -> None:
    root = small_adaptation.draw_roots(tmp_path / "root")
    settings = small_adaptation.recipe(root)

    def digests() -> dict[str, str]:
        data = read_adaptation_data(settings)
        _, inputs = adaptation_inputs(settings, data, tmp_path / "out")
        return {**inputs.training, "evaluation": inputs.evaluation}

    def changed(folder: str) -> set[str]:
        before = digests()
        first, *_, last = sorted((root / folder).iterdir())
        last.write_bytes(first.read_bytes())
        after = digests()
        return {name for name in before if before[name] != after[name]}

    assert changed(f"source/{TRAIN}") == {START, WARMUP, "dgnetpp", "warps_grey"}
    assert changed(f"target/{TRAIN}") == {WARMUP, "dgnetpp", "warps_grey"}
    assert changed(f"warps/{TRAIN}") == {"warps_grey"}
    assert changed(f"target/{QUERY}") == {"evaluation"}
    assert changed(f"target/{GALLERY}") == {"evaluation"}
    assert changed(f"source/{QUERY}") == set()


def test_a_mended_source_of_an_adaptation_trains_all_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root, out = small_adaptation.draw_roots(tmp_path / "root"), tmp_path / "out"
    short = {"rounds": 1, "round_steps": 1, "warmup_steps": 1, "source_steps": 1}
    settings = small_adaptation.recipe(root, arms={"dgnetpp": None}, **short)
    first = adapt(settings, out, workers=1)
    one, *_, other = sorted((root / "source" / TRAIN).iterdir())
    other.write_bytes(one.read_bytes())
    second = adapt(settings, out, resume=True, workers=1)
    assert f"source crops: 1 changed ({other.name})" in capfd.readouterr().err
    assert second != first
    assert second == adapt(settings, tmp_path / "afresh", workers=1)
    weights = [
        (place / "checkpoints" / "teacher-seed0.safetensors").read_bytes()
        for place in (out, tmp_path / "afresh")
    ]
    assert weights[0] == weights[1]


def test_the_quality_of_warps_decides_the_cells_that_are_weighed_by_it(
    root: Path, tmp_path: Path
) -> None:
    def digests() -> list[str]:
        weighed = {"crops": str(root / "warps"), "changes": {"objective": {"extra_quality": 1.0}}}
        arms = {"real_only": None, "warps_grey": str(root / "warps"), "weighed": weighed}
        found = small(root, arms=arms)
        _, inputs = finetune_inputs(found, read_data(found), tmp_path / "out")
        return [inputs.training[name] for name in (*arms, START)]

    table = root / "warps" / "manifest.parquet"
    names = sorted(path.name for path in (root / "warps" / TRAIN).iterdir())
    write_manifest(table, [{"file": name, "quality": 0.8} for name in names])
    before = digests()
    write_manifest(table, [{"file": name, "quality": 0.4} for name in names])
    after = digests()
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, True, False, True]


def test_the_code_of_a_backbone_of_ones_own_decides_all_its_cells(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)

    def digests(width: int) -> list[str]:
        (tmp_path / "net_of_ones_own.py").write_text(f"class Net:\n    width = {width}\n")
        sys.modules.pop("net_of_ones_own", None)
        importlib.invalidate_caches()
        importlib.import_module("net_of_ones_own")
        found = small(root, backbone="net_of_ones_own:Net")
        kept, inputs = finetune_inputs(found, read_data(found), tmp_path / "out")
        (tmp_path / "out").mkdir(exist_ok=True)
        told.append(kept.text())
        kept.save()
        return list(inputs.training.values())

    told: list[str] = []
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    eight, again, nine = digests(8), digests(8), digests(9)
    assert eight == again
    assert not set(eight) & set(nine)
    assert told == ["", "", "code: 1 changed (net_of_ones_own)"]
