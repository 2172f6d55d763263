"""Unsupervised adaptation end to end on drawn figures."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from small_adaptation import draw_roots, recipe, values

from reidaug.bootstrap import grouped_mean
from reidaug.commands.finetune_eval import command
from reidaug.data.market1501 import QUERY, TRAIN, read_market1501
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.adaptation import AdaptationReport, adapt, dry_run
from reidaug.experiments.adaptation_config import START, WARMUP
from reidaug.finite import NotFiniteError
from reidaug.jobs import Records
from reidaug.reid.dgnet.sampling import TARGET
from reidaug.reid.dgnet.trainer import DGNetTrainer


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_roots(tmp_path_factory.mktemp("adapt"))


@pytest.fixture(scope="module")
def whole(root: Path) -> AdaptationReport:
    return adapt(recipe(root), root / "whole", workers=1)


def test_the_report_has_protocol_cells_and_clusters(root: Path, whole: AdaptationReport) -> None:
    assert json.loads((root / "whole" / "report.json").read_text()) == whole.as_dict()
    assert whole.protocol == "uda"
    assert (whole.metric, whole.feature_precision) == ("cosine", "float32")
    assert list(whole.arms) == ["dgnetpp", "warps_grey"]
    for scores in (*whole.arms.values(), whole.start, whole.warmup):
        assert all(0 <= value <= 100 for value in scores["mAP"])
    assert whole.adaptation is not None
    assert whole.adaptation.vs == START
    assert whole.gain_mAP is not None
    assert whole.gain_mAP.vs == "dgnetpp"
    assert [len(rounds) for rounds in whole.clusters["warps_grey"]] == [2]
    assert whole.clusters["dgnetpp"][0][0].clusters > 0
    assert whole.steps == {START: 5, WARMUP: 2, "dgnetpp": 4, "warps_grey": 4}
    assert not list((root / "whole" / "checkpoints").glob("*.state.pt"))


def test_adaptation_is_compared_over_the_people_of_the_target(
    root: Path, whole: AdaptationReport
) -> None:
    records = Records(root / "whole" / "cells")
    ap = [
        np.array(records.read(f"{name}-seed0")["evaluation"]["ap"], float)
        for name in (START, "dgnetpp")
    ]
    people = np.array([p.pid for p in read_market1501(root / "target", splits=(QUERY,)).query])
    assert len(set(people)) < len(people)
    found, by_query = (grouped_mean(ap[1] - ap[0], g) for g in (people, np.arange(len(people))))
    assert whole.adaptation is not None
    assert found is not None
    assert whole.adaptation.ci == found[1:] != by_query[1:]


def test_arms_differ_from_the_first_round_on(whole: AdaptationReport) -> None:
    first, second = (whole.clusters[name][0] for name in ("dgnetpp", "warps_grey"))
    assert first[0] == second[0]
    assert first[1].quality != second[1].quality


@pytest.mark.parametrize(
    "steps", [4, 9, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 5, 6, 8, 11))]
)
def test_killed_anywhere_and_resumed_gives_the_same_numbers(
    root: Path,
    whole: AdaptationReport,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    steps: int,
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


def test_a_file_lost_after_training_costs_no_training(
    root: Path, whole: AdaptationReport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = shutil.copytree(root / "whole", tmp_path / "run")
    (folder / "report.json").unlink()
    for key in (START, WARMUP, "warps_grey"):  # trained and written, not yet evaluated
        (folder / "cells" / f"{key}-seed0.json").unlink()

    def step(self, *batches):
        raise AssertionError("trained again")

    monkeypatch.setattr(DGNetTrainer, "step", step)
    assert adapt(recipe(root), folder, resume=True, workers=1) == whole


def test_a_training_that_diverges_names_the_crops_of_its_batch(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    step, seen = DGNetTrainer.step, []

    def diverge(self, a, b, extra=None):
        if a.domain == TARGET:
            seen.extend(a.numbers)
            raise NotFiniteError("the loss 'x' is not finite")
        return step(self, a, b, extra)

    monkeypatch.setattr(DGNetTrainer, "step", diverge)
    with pytest.raises(ReidaugError, match=r"the loss 'x' is not finite; its batch") as stopped:
        adapt(recipe(root), tmp_path / "run", workers=1)
    crops = read_market1501(root / "target", splits=(TRAIN,)).train
    shown = ", ".join(str(crops[number].path) for number in seen[:3])
    assert f"its batch begins with {shown}; the last good state is" in str(stopped.value)


def test_identities_of_the_target_change_nothing(
    root: Path, whole: AdaptationReport, tmp_path: Path
) -> None:
    other = shutil.copytree(root / "target", tmp_path / "target")
    warps = shutil.copytree(root / "warps", tmp_path / "warps")
    for folder in (other, warps):  # the same images in the same order, each of a person of its own
        for pid, path in enumerate(sorted((folder / TRAIN).iterdir())):
            path.rename(path.with_name(f"{pid:04d}{path.name[4:]}"))
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
    assert report.clusters["dgnetpp"][0][1].clusters == 0
    assert report.rounds_without_clusters == {"dgnetpp": [2]}
    assert set(asdict(report.clusters[WARMUP][0][0])) == {"clusters", "outliers", "quality"}


def test_the_command_runs_the_protocol(root: Path, whole: AdaptationReport, tmp_path: Path) -> None:
    shutil.copytree(root / "whole", tmp_path / "run")
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values(root)))
    arguments = [str(path), "--out", str(tmp_path / "run"), "--resume"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.output.startswith("protocol: uda\n| arm")
    assert "dgnetpp against start: " in result.output
    dry = CliRunner().invoke(command, [str(path), "--dry-run", "--out", str(tmp_path / "no")])
    assert "1 seeds, 2 rounds of 2 steps each, from 12 source crops of 4 people" in dry.output
    assert not (tmp_path / "no").exists()
    for option in (["--eval-only"], ["--rerank", "gnn"]):
        wrong = CliRunner().invoke(command, [str(path), *option])
        assert isinstance(wrong.exception, UsageError)


def test_a_dry_run_takes_a_step_even_without_clusters(root: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(root / "warps", tmp_path / "broken")
    for path in (broken / TRAIN).iterdir():
        path.write_bytes(b"no picture")
    no_clusters = {"eps": 1e-9, "min_samples": 4}
    with pytest.raises(ReidaugError, match="broken"):
        dry_run(recipe(root, cluster=no_clusters, arms={"warps_grey": str(broken)}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "/nowhere"}, "/nowhere"),
        ({"pretrained": "/nowhere.pth"}, r"/nowhere.pth"),
        ({"size": [64, 32]}, "size 64 x 32: "),
        ({"size": [66, 40]}, "size 66 x 40: "),
    ],
)
def test_an_error_before_training_leaves_no_folder(
    root: Path, tmp_path: Path, changes: dict, message: str
) -> None:
    with pytest.raises(ReidaugError, match=message):
        adapt(recipe(root, **changes), tmp_path / "run", workers=1)
    assert not (tmp_path / "run").exists()
