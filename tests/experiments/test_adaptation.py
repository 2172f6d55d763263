"""Unsupervised adaptation end to end on drawn figures."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from damage import spoil
from safetensors.torch import load_file
from small_adaptation import draw_roots, recipe, values
from torch import Tensor

from reidaug.bootstrap import grouped_mean
from reidaug.commands.finetune_eval import command
from reidaug.data.crop_names import warp_name
from reidaug.data.images import encode_jpeg, read_image
from reidaug.data.manifest import read_manifest, write_manifest
from reidaug.data.market1501 import QUERY, TRAIN, read_market1501
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments import adaptation_stages
from reidaug.experiments.adaptation import AdaptationReport, adapt, dry_run
from reidaug.experiments.adaptation_config import START, WARMUP
from reidaug.experiments.adaptation_data import read_adaptation_data
from reidaug.files import checksum
from reidaug.finite import NotFiniteError
from reidaug.jobs import Records
from reidaug.reid.batches import Batch
from reidaug.reid.dgnet.sampling import SOURCE, TARGET
from reidaug.reid.dgnet.swapping import DomainBatch
from reidaug.reid.dgnet.trainer import DGNetTrainer


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_roots(tmp_path_factory.mktemp("adapt"))


class Stage(NamedTuple):
    """A trainer as it was built in the run, and what its steps saw."""

    phase: str
    style: str | None  # of the teacher; None without one
    weights: dict[str, Tensor]  # that it began with
    batches: list[tuple[DomainBatch, DomainBatch, Batch | None]]


@pytest.fixture(scope="module")
def run(root: Path) -> tuple[AdaptationReport, list[Stage]]:
    """The whole run, with every trainer of it."""
    build, step, stages = DGNetTrainer.__init__, DGNetTrainer.step, []

    def built(self, network, phase, *arguments, teacher=None, **keywords):
        build(self, network, phase, *arguments, teacher=teacher, **keywords)
        weights = {name: value.clone() for name, value in network.state_dict().items()}
        stages.append(Stage(phase, teacher and teacher.style, weights, []))

    def stepped(self, a, b, extra=None):
        stages[-1].batches.append((a, b, extra))
        return step(self, a, b, extra)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DGNetTrainer, "__init__", built)
        patch.setattr(DGNetTrainer, "step", stepped)
        return adapt(recipe(root), root / "whole", workers=1), stages


@pytest.fixture(scope="module")
def whole(run: tuple[AdaptationReport, list[Stage]]) -> AdaptationReport:
    return run[0]


@pytest.fixture(scope="module")
def stages(run: tuple[AdaptationReport, list[Stage]]) -> list[Stage]:
    return run[1]


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


def test_stages_come_in_order_each_from_the_one_before(root: Path, stages: list[Stage]) -> None:
    phases = [(stage.phase, stage.style, len(stage.batches)) for stage in stages]
    rounds = [("adapt", None, 2)] * 2
    assert phases == [("source", "parents", 3), ("warmup", "parents", 2), *rounds, *rounds]
    files = root / "whole" / "checkpoints"
    # An arm's second round begins with what its first has left; only classifiers are new.
    for stage, name in ((stages[1], START), (stages[2], WARMUP), (stages[4], WARMUP)):
        stored = load_file(files / f"{name}-seed0.safetensors")
        known = [key for key in stored if ".classifier." not in key and key in stage.weights]
        assert len(known) > 50
        assert all(torch.equal(stored[key], stage.weights[key]) for key in known)
    assert any(
        not torch.equal(stages[2].weights[key], stages[3].weights[key])
        for key in stages[2].weights
        if ".classifier." not in key
    )


def test_every_batch_has_the_labels_of_its_phase(root: Path, stages: list[Stage]) -> None:
    data = read_adaptation_data(recipe(root))
    own, people = data.source_labels(), len(data.pids)
    with_extra = set()
    for number, stage in enumerate(stages):
        for a, b, extra in stage.batches:
            domains = {a.domain, b.domain}
            assert stage.phase != "source" or domains == {SOURCE}
            assert stage.phase != "adapt" or TARGET in domains
            for batch in (a, b):
                labels = batch.labels.tolist()
                if batch.domain == SOURCE:
                    assert labels == [own[i] for i in batch.numbers]
                elif stage.phase == "warmup":  # every crop is a person of its own
                    assert labels == list(batch.numbers)
                else:
                    assert min(labels) >= people
            # The first arm has no extra crops, the second has them in its rounds.
            assert (extra is not None) == (number >= 4)
            if extra is not None:
                with_extra.add(number)
                seen = {label for batch in (a, b) if batch.domain == TARGET
                        for label in batch.labels.tolist()}  # fmt: skip
                assert set(extra.labels.tolist()) <= seen
    assert with_extra == {4, 5}


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


@pytest.mark.parametrize("how", ["bit", "half", "removed"])
def test_weights_damaged_before_a_run_goes_on_are_trained_again(
    root: Path, whole: AdaptationReport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    step, taken, run = DGNetTrainer.step, [], tmp_path / "killed"

    def stumble(self, *batches):
        taken.append(step(self, *batches))
        if len(taken) == 4:  # the first step of the warm-up
            raise KeyboardInterrupt
        return taken[-1]

    monkeypatch.setattr(DGNetTrainer, "step", stumble)
    with pytest.raises(KeyboardInterrupt):
        adapt(recipe(root), run, workers=1)
    monkeypatch.undo()
    for name in ("teacher", START):
        spoil(run / "checkpoints" / f"{name}-seed0.safetensors", how)
    assert adapt(recipe(root), run, resume=True, workers=1) == whole
    assert not (run / "trained").exists()
    for file in ("cells/warmup-seed0.json", "cells/warps_grey-seed0.json", "log.jsonl"):
        spoil(run / file, how)
    assert adapt(recipe(root), run, resume=True, workers=1) == whole


def test_a_file_lost_after_training_costs_no_training(
    root: Path, whole: AdaptationReport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = shutil.copytree(root / "whole", tmp_path / "run")
    (folder / "report.json").unlink()
    for key in (START, WARMUP, "warps_grey"):  # trained and written, not yet evaluated
        of = Records(folder / "cells").read(f"{key}-seed0")["of"]
        Records(folder / "begun").write(f"{key}-seed0", of[:1])
        (folder / "cells" / f"{key}-seed0.json").unlink()
        weights = folder / "checkpoints" / f"{key}-seed0.safetensors"
        Records(folder / "trained").write(f"{key}-seed0", checksum(weights))

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


# Clusters of averaged features.

VIEWS = ("averaged", "positives")


def averaged(root: Path, **changes):
    """Two arms with warps of most target crops, of known quality, and one more round."""
    views = {"roots": [str(root / "views")], "weight": 2.0}
    triplet = {"extra": 0.0, "positive_triplet": 1.0}
    arms = {
        "dgnetpp": {"changes": {"ratio": 0.0}},
        "averaged": {"changes": {"ratio": 0.0, "cluster_views": views}},
        "positives": {"crops": str(root / "warps"), "changes": {"weights": triplet}},
    }
    return recipe(root, arms=arms, method="averaged", **changes)


@pytest.fixture(scope="module")
def views(root: Path) -> Path:
    """Two "warps" of every target crop but the first: itself and the one before, mirrored."""
    folder = root / "views" / TRAIN
    folder.mkdir(parents=True)
    crops = [person.path for person in read_market1501(root / "target", splits=(TRAIN,)).train]
    rows = []
    for number, path in enumerate(crops[1:], 1):
        for pose, other in enumerate((crops[number - 1], path)):
            name = warp_name(path.name, pose)
            (folder / name).write_bytes(encode_jpeg(read_image(other).flip(-1), 95))
            rows.append({"file": f"{TRAIN}/{name}", "quality": (number + 3 * pose) / 40})
    write_manifest(root / "views" / "manifest.parquet", rows)
    return root / "views"


class Recorded(NamedTuple):
    """Calls of a real run: the features that were clustered, and the crops of every embedding."""

    clustered: list[np.ndarray]
    embedded: list[tuple[list[Path], np.ndarray]]


@pytest.fixture(scope="module")
def recorded(root: Path, views: Path) -> tuple[AdaptationReport, Recorded]:
    calls = Recorded([], [])
    cluster, embed = adaptation_stages.pseudo_labels, adaptation_stages.embed

    def clustered(features, **options):
        calls.clustered.append(features.numpy().copy())
        return cluster(features, **options)

    def embedded(model, crops, **options):
        features = embed(model, crops, **options)
        calls.embedded.append((list(crops.paths), features.numpy().copy()))
        return features

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adaptation_stages, "pseudo_labels", clustered)
        patch.setattr(adaptation_stages, "embed", embedded)
        report = adapt(averaged(root), root / "averaged", workers=1)
    return report, calls


def slow_average(own: np.ndarray, views: np.ndarray, names: list[str], table: dict) -> np.ndarray:
    """Crop by crop: its unit feature + 2 x the mean of its views' unit features by quality."""
    rows = []
    for stem, feature in zip(table["stems"], own, strict=True):
        total = feature / np.linalg.norm(feature)
        mine = [k for k, name in enumerate(names) if name.startswith(f"{stem}_w")]
        weight = sum(table["quality"][names[k]] for k in mine)
        for k in mine:
            share = table["quality"][names[k]] / weight
            total = total + 2.0 * share * views[k] / np.linalg.norm(views[k])
        rows.append(total / np.linalg.norm(total))
    return np.array(rows)


def test_an_arm_clusters_its_averaged_features_and_the_others_the_crops_alone(
    root: Path, recorded: tuple[AdaptationReport, Recorded]
) -> None:
    _, calls = recorded
    train = [person.path for person in read_market1501(root / "target", splits=(TRAIN,)).train]
    rows = read_manifest(root / "views" / "manifest.parquet")
    table = {
        "stems": [path.stem for path in train],
        "quality": {Path(row["file"]).name: row["quality"] for row in rows},
    }
    views = sorted((root / "views" / TRAIN).iterdir())
    # Warm-up; two rounds each of dgnetpp, averaged and positives, in the order of the plan.
    wanted = [train] * 3 + [train, views] * 2 + [train] * 2
    assert [sorted(paths) for paths, _ in calls.embedded] == wanted
    assert len(calls.clustered) == 7
    plain = [0, 1, 2, 7, 8]
    for call, clustered in zip(plain, [*calls.clustered[:3], *calls.clustered[5:]], strict=True):
        assert np.array_equal(clustered, calls.embedded[call][1])
    for call, clustered in zip((3, 5), calls.clustered[3:5], strict=True):
        (_, own), (paths, found) = calls.embedded[call : call + 2]
        expected = slow_average(own, found, [path.name for path in paths], table)
        assert np.allclose(clustered, expected, atol=1e-6)
        first = own[0] / np.linalg.norm(own[0])  # the crop without views
        assert np.allclose(clustered[0], first, atol=1e-6)
        assert not np.allclose(clustered[1], own[1] / np.linalg.norm(own[1]), atol=1e-3)
    # Before their first round all arms have the features of the warm-up.
    assert np.array_equal(calls.embedded[1][1], calls.embedded[3][1])


def test_views_are_counted_in_the_report(
    root: Path, recorded: tuple[AdaptationReport, Recorded]
) -> None:
    report, _ = recorded
    assert report.as_dict()["cluster_views"] == {
        "averaged": {"views": 38, "crops": 19, "without": 1, "passes": 2.9}
    }
    positives = [
        record["positive_triplet"]
        for line in (root / "averaged" / "log.jsonl").read_text().splitlines()
        if (record := json.loads(line)).get("stage") == "positives" and "loss" in record
    ]
    assert positives and any(value > 0 for value in positives)


@pytest.mark.parametrize("stage", VIEWS)
def test_killed_in_the_second_round_and_resumed_gives_the_same_bytes(
    root: Path,
    recorded: tuple[AdaptationReport, Recorded],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    stage: str,
) -> None:
    folder, file = shutil.copytree(root / "averaged", tmp_path / "run"), f"{stage}-seed0"
    (folder / "report.json").unlink()
    (folder / "cells" / f"{file}.json").unlink()
    weights = folder / "checkpoints" / f"{file}.safetensors"
    whole = weights.read_bytes()
    weights.unlink()
    step, taken = DGNetTrainer.step, []

    def stumble(self, *batches):
        taken.append(step(self, *batches))
        if len(taken) == 4:
            raise KeyboardInterrupt
        return taken[-1]

    monkeypatch.setattr(DGNetTrainer, "step", stumble)
    with pytest.raises(KeyboardInterrupt):
        adapt(averaged(root), folder, resume=True, workers=1)
    monkeypatch.undo()
    assert not weights.exists()
    assert adapt(averaged(root), folder, resume=True, workers=1) == recorded[0]
    assert weights.read_bytes() == whole


def test_how_many_crops_have_views_is_told_before_the_first_step(
    root: Path, views: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dry_run(averaged(root))
    assert (
        "cluster_views of averaged: 19 of 20 target crops have views, 38 in all (2.9 passes of "
        "the network a crop); 1 are clustered by their own feature"
    ) in capsys.readouterr().err
    few = shutil.copytree(views, tmp_path / "few")
    (few / "manifest.parquet").unlink()
    broken = next((few / TRAIN).iterdir())
    broken.write_bytes(b"no picture")
    everywhere = {"cluster_views": {"roots": [str(few)]}, "arms": {"dgnetpp": None}}
    with pytest.raises(ReidaugError, match=broken.name):
        adapt(recipe(root, **everywhere), tmp_path / "run", workers=1)
    assert not (tmp_path / "run").exists()
    assert "cluster_views of warmup: 19 of 20" in capsys.readouterr().err
