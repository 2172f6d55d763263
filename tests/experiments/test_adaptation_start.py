"""Adaptations that go on from the networks of an earlier one."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_adaptation import draw_roots, recipe

from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments import adaptation
from reidaug.experiments.adaptation import AdaptationReport, adapt, dry_run
from reidaug.experiments.adaptation_config import START, WARMUP
from reidaug.reid.dgnet.trainer import DGNetTrainer


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_roots(tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def first(root: Path) -> AdaptationReport:
    arms = {"dgnetpp": {"changes": {"ratio": 0.0}}}
    return adapt(recipe(root, arms=arms, rounds=1), root / "first", workers=1)


def test_all_arms_go_on_from_the_same_trained_networks(
    root: Path, first: AdaptationReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, begun = DGNetTrainer.__init__, []

    def built(self, network, phase, *arguments, **keywords):
        build(self, network, phase, *arguments, **keywords)
        begun.append((phase, {k: v.clone() for k, v in network.state_dict().items()}))

    monkeypatch.setattr(DGNetTrainer, "__init__", built)
    search, searched = adaptation.extract_features, []
    monkeypatch.setattr(
        adaptation, "extract_features", lambda *a, **k: searched.append(a) or search(*a, **k)
    )
    settings = recipe(root, start=str(root / "first"))
    report = adapt(settings, root / "on", workers=1)
    assert [phase for phase, _ in begun] == ["adapt"] * 4  # no source training, no warm-up
    stored = load_file(root / "first" / "checkpoints" / "dgnetpp-seed0.safetensors")
    for _, weights in (begun[0], begun[2]):  # the first round of each arm
        known = [name for name in stored if ".classifier." not in name]
        assert len(known) > 50
        assert all(torch.equal(weights[name].cpu(), stored[name]) for name in known)
    assert report.steps == {START: 0, WARMUP: 0, "dgnetpp": 4, "warps_grey": 4}
    assert report.start["mAP"] == report.warmup["mAP"] == first.arms["dgnetpp"]["mAP"]
    assert len(searched) == 3  # the start, which is also what is left of the warm-up, and each arm
    networks = root / "on" / "checkpoints"
    assert (networks / "start-seed0.safetensors").samefile(networks / "warmup-seed0.safetensors")
    monkeypatch.undo()
    (root / "on" / "report.json").unlink()
    assert adapt(settings, root / "on", resume=True, workers=1) == report
    dry_run(settings)


@pytest.mark.usefixtures("first")
def test_what_cannot_be_gone_on_from_is_told_before_any_work(root: Path, tmp_path: Path) -> None:
    def message(kind: type[ReidaugError], **changes: object) -> str:
        with pytest.raises(kind) as raised:
            adapt(recipe(root, **changes), tmp_path / "run", workers=1)
        assert not (tmp_path / "run").exists()
        return str(raised.value)

    other = shutil.copytree(root / "first", tmp_path / "other")
    assert "is no run folder of an adaptation" in message(UsageError, start=str(root / "target"))
    assert "has no arm 'warps' (arms: dgnetpp)" in message(
        UsageError, start=str(other), start_arm="warps"
    )
    assert "seed 4 of arm dgnetpp is not trained there (its seeds: [0])" in message(
        UsageError, start=str(other), seeds=[0, 4]
    )
    path = other / "checkpoints" / "dgnetpp-seed0.safetensors"
    path.write_bytes(path.read_bytes()[:999])
    (other / "checksums.json").unlink(missing_ok=True)
    assert "no readable weights" in message(ReidaugError, start=str(other))
    save_file({"conv1.weight": torch.zeros(1)}, path)
    assert "of other networks than this recipe's" in message(ReidaugError, start=str(other))
