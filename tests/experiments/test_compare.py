"""Whole comparisons of flow estimators: results, resuming, parallel rows."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flow_figures import SIZE
from small_trainings import DISCRIMINATOR, GENERATOR, ROWS
from small_trainings import compare_recipe as recipe

from reidaug.data.deepfashion import read_deepfashion
from reidaug.data.images import read_image
from reidaug.data.pairs import flow_name
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments import compare as experiment
from reidaug.experiments.compare import compare
from reidaug.experiments.compare_config import Compare, plan_rows
from reidaug.experiments.compare_text import scores_text
from reidaug.experiments.comparison import Comparison, differences
from reidaug.flow.checkpoint import load_checkpoint
from reidaug.flow.score_table import CLOSED_FORMS, score_pairs
from reidaug.flow.scores import summarise
from reidaug.flow.training.networks import build_networks
from reidaug.flow.training.trainer import FlowTrainer
from reidaug.machine import one_thread


def report_of(settings: Compare, out: Path, **options: Any) -> dict[str, Any]:
    """Run a comparison; the JSON values of its report."""
    report = compare(settings, out, **options)
    assert report is not None
    values = json.loads(json.dumps(report.as_dict()))
    assert values == json.loads((out / "report.json").read_text())
    return values


@pytest.fixture(scope="module")
def whole(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    compare(recipe(people), out, jobs=1)
    return out


def test_a_comparison_leaves_scores_differences_sizes_and_a_figure(whole: Path) -> None:
    report = json.loads((whole / "report.json").read_text())
    every = [*ROWS, "identity", "torso_affine", "joint_blend"]
    assert list(report["rows"]) == list(report["sizes"]) == every
    for row in report["rows"].values():
        assert set(row) >= {"l1", "l1_ci", "l1_32", "ssim", "epe_px", "epe_px_ci", "parameters"}
    assert (report["size"], report["pairs"], report["budget"]) == (list(SIZE), 3, 10)
    assert report["region"] == "foreground"
    assert report["reference"] == "unwarpme"
    assert list(report["differences"]) == every[1:]
    # Equal pairs, whatever the batch: 3 steps of 4 and 4 steps of 3.
    settings = report["training"]
    assert {name: (t["steps"], t["batch"]) for name, t in settings.items()} == {
        "unwarpme": (3, 4),
        "fomm": (4, 3),
    }
    assert all(t["seconds"] > 0 for t in settings.values())
    for name, size in report["sizes"].items():
        assert size["parameters"] == report["rows"][name]["parameters"]
        assert size["ms"] > 0
    assert report["sizes"]["unwarpme"]["gmac"] > report["sizes"]["fomm"]["gmac"] > 0
    assert read_image(whole / "warps.png").shape[1] > 3 * 192
    assert load_checkpoint(whole / "rows/fomm/checkpoint").reader.rest  # type: ignore[union-attr]


def test_one_training_can_be_used_with_two_keywords(whole: Path, people: Path) -> None:
    rows = plan_rows(recipe(people), whole)
    assert rows["gfla32"].weights == rows["unwarpme"].weights
    again, first = rows["gfla32"].load(), rows["unwarpme"].load()
    assert (again.sigma, first.sigma) == (3.0, 1.5)  # type: ignore[union-attr]
    for name, tensor in first.state_dict().items():
        assert again.state_dict()[name].equal(tensor)
    assert not (whole / "rows" / "gfla32").exists()
    scores = json.loads((whole / "report.json").read_text())["rows"]
    assert scores["gfla32"]["epe_px"] != scores["unwarpme"]["epe_px"]


def test_a_comparison_killed_in_its_second_row_resumes_exactly(
    whole: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, taken = FlowTrainer.step, 0

    def dies(self: Any, batch: Any) -> dict[str, float]:
        nonlocal taken
        taken += 1
        if taken == 6:  # the third of the second row
            raise KeyboardInterrupt
        return step(self, batch)

    settings, out = recipe(people), tmp_path / "run"
    monkeypatch.setattr(FlowTrainer, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        compare(settings, out, jobs=1)
    assert not (out / "report.json").exists()
    with pytest.raises(ReidaugError, match="--resume"):
        compare(settings, out)
    taken = 100
    first = (out / "rows/unwarpme/checkpoint/model.safetensors").stat().st_mtime_ns
    report = report_of(settings, out, resume=True, jobs=1)
    assert taken == 102  # two steps were left of four; the first row was not touched
    assert (out / "rows/unwarpme/checkpoint/model.safetensors").stat().st_mtime_ns == first
    at_once = json.loads((whole / "report.json").read_text())
    for part in ("rows", "differences"):
        assert json.dumps(report[part]) == json.dumps(at_once[part])
    for name in ("rows/fomm/checkpoint/model.safetensors", "warps.png", "recipe.yaml"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert report_of(settings, out, resume=True) == report  # finished: nothing to do
    assert taken == 102


@pytest.mark.slow
def test_rows_trained_in_parallel_are_the_same(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with one_thread():
        alone = report_of(recipe(people), tmp_path / "alone", jobs=1)
    beside = report_of(recipe(people), tmp_path / "beside", jobs=2)
    assert beside["rows"] == alone["rows"]
    assert all(settings["seconds"] > 0 for settings in beside["training"].values())
    for name in ("unwarpme", "fomm"):
        weights = f"rows/{name}/checkpoint/model.safetensors"
        first, second = (tmp_path / run / weights for run in ("alone", "beside"))
        assert first.read_bytes() == second.read_bytes()
    # The last row has no more cores than it had among the others.
    before = second.read_bytes()
    shutil.rmtree(second.parents[1])
    (tmp_path / "beside" / "report.json").unlink()
    monkeypatch.setattr(experiment, "train", None)  # not in this process, which has all the cores
    again = report_of(recipe(people), tmp_path / "beside", resume=True, jobs=2)
    assert again["rows"] == beside["rows"]
    assert second.read_bytes() == before


def test_rows_may_have_a_checkpoint_or_no_parameters(
    whole: Path, people: Path, tmp_path: Path
) -> None:
    own = str(whole / "rows/unwarpme/checkpoint")
    rows = {
        "older": {"checkpoint": own},
        "wider": {"from": "older", "estimator": {"sigma": 3.0}},
        "softer": {"checkpoint": own, "estimator": {"sigma": 3.0}},
        "stiff": {"estimator": {"class": "reidaug.flow.closed_form:TorsoAffine", "limbs": 1.0}},
    }
    settings = recipe(people, rows=rows, budget=1, reference="identity", test_pairs=2)
    report = report_of(settings, tmp_path / "run")
    scores = report["rows"]
    assert report["training"] == {}
    assert report["pairs"] == 2
    assert scores["wider"] == scores["softer"] != scores["older"]
    assert scores["stiff"] != scores["torso_affine"]
    assert "identity" not in report["differences"]
    assert report["differences"]["torso_affine"]["epe_px"]["words"] == "better"
    same = report["differences"]["wider"]
    assert same == report["differences"]["softer"]


def test_evaluation_on_held_out_people(people: Path, tmp_path: Path) -> None:
    settings = recipe(people, evaluate_on="held_out", held_out=0.34, rows={"a": {}}, budget=4)
    report = report_of(settings, tmp_path / "run")
    assert (report["evaluate_on"], report["pairs"]) == ("held_out", 2)
    with pytest.raises(UsageError, match="too few people to hold out"):
        compare(settings.model_copy(update={"held_out": 0.01}), tmp_path / "other")


def test_estimators_get_the_background_they_were_trained_on(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    forward = CLOSED_FORMS["identity"].forward

    def looks(self: Any, source: Any, *poses: Any) -> Any:
        seen.setdefault(background, source)  # the first is scored, later ones are timed
        return forward(self, source, *poses)

    monkeypatch.setattr(CLOSED_FORMS["identity"], "forward", looks)
    rows = {"stiff": {"estimator": {"class": "reidaug.flow.closed_form:TorsoAffine"}}}
    plain = recipe(people, rows=rows, budget=1).model_copy(update={"common": {}})
    for background in ("grey", "image"):
        compare(plain.model_copy(update={"background": background}), tmp_path / background)
    assert seen["grey"][:, :, 0].eq(0.5).all()
    assert not seen["image"][:, :, 0].eq(0.5).any()
    reports = [json.loads((tmp_path / g / "report.json").read_text()) for g in seen]
    assert reports[0]["rows"] == reports[1]["rows"]  # closed forms do not look at it


def test_every_interval_of_a_report_draws_people(people: Path, tmp_path: Path) -> None:
    """A person with a pair more counts as one still."""
    root = shutil.copytree(people, tmp_path / "people")
    listed = root / "fasion-pairs-test.csv"
    source, target = listed.read_text().splitlines()[1].split(",")
    listed.write_text(f"{listed.read_text()}{target},{source}\n")
    flows = root / "flows" / "test"
    shutil.copy(flows / flow_name(source, target), flows / flow_name(target, source))
    rows = {"stiff": {"estimator": {"class": "reidaug.flow.closed_form:TorsoAffine"}}}
    settings = recipe(root, rows=rows, budget=1).model_copy(update={"common": {}})
    report = report_of(settings, tmp_path / "run")
    assert report["interval_over"] == "people"
    scored = score_pairs({}, read_deepfashion(root, "test"), size=SIZE, stlpips=())
    values, who = scored.values, np.array([0, 1, 2, 0])
    single = np.arange(4)
    for score in ("l1", "ssim", "epe_px"):
        for row in CLOSED_FORMS:
            ends = report["rows"][row][f"{score}_ci"]
            means = [summarise(values[row], w, seed=settings.seed).as_dict() for w in (who, single)]
            assert ends == means[0][f"{score}_ci"] != means[1][f"{score}_ci"]
        found = report["differences"]["identity"][score]["ci"]
        parts = (
            differences([values["identity"]], [values["torso_affine"]], w, seed=settings.seed)[
                score
            ]
            for w in (who, single)
        )
        first, second = (list(part.ci) for part in parts)
        assert found == first != second


def test_pairs_are_checked_before_training(people: Path, tmp_path: Path) -> None:
    shutil.copytree(people, tmp_path / "photos")
    shutil.rmtree(tmp_path / "photos" / "flows")
    with pytest.raises(UsageError, match="no flows for the task 'exact'"):
        compare(recipe(tmp_path / "photos"), tmp_path / "run")
    with pytest.raises(ReidaugError, match="no folder train"):
        compare(recipe(tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rows_with_an_image_generator_are_scored_on_its_images(
    people: Path, tmp_path: Path
) -> None:
    parts = {"generator": GENERATOR, "discriminator": DISCRIMINATOR}
    rows = {
        "bare": {},
        "whole": {"cycle": ["affine", "generation"], "weights": {"perceptual": 0.0}, **parts},
    }
    report = report_of(recipe(people, rows=rows), tmp_path / "run")
    generated = {"generated_l1", "generated_l1_32", "generated_ssim"}
    assert generated <= set(report["rows"]["whole"])
    assert not generated & set(report["rows"]["bare"])
    assert not generated & set(report["differences"]["whole"])
    assert "SSIM, generated" in scores_text(Comparison.from_dict(report))


def test_what_is_scored_may_change_and_what_was_trained_on_may_not(
    people: Path, whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pairs, out, given = tmp_path / "pairs", tmp_path / "run", tmp_path / "given"
    shutil.copytree(people, pairs)
    shutil.copytree(whole / "rows" / "unwarpme" / "checkpoint", given)
    for folder in (pairs, given):
        (folder / "checksums.json").unlink(missing_ok=True)  # changes are meant
    settings = recipe(pairs, rows={"unwarpme": {}, "older": {"checkpoint": str(given)}})
    first = report_of(settings, out, jobs=1)
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    of_row = out / "rows" / "unwarpme" / "report.json"
    before = json.loads(of_row.read_text())["rows"]
    shutil.copy(whole / "rows" / "fomm" / "checkpoint" / "model.safetensors", given)
    shutil.copy(whole / "rows" / "fomm" / "checkpoint" / "recipe.yaml", given)
    image = min((pairs / "test").iterdir())
    image.write_bytes(max((pairs / "test").iterdir()).read_bytes())
    second = report_of(settings, out, resume=True)
    told = capfd.readouterr().err
    assert f"test images: 1 changed ({image.name})" in told
    assert "checkpoints: 2 changed (model.safetensors, recipe.yaml)" in told
    assert second["rows"]["older"] != first["rows"]["older"]
    assert second["rows"]["identity"] != first["rows"]["identity"]
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == kept
    after = json.loads(of_row.read_text())["rows"]  # of the first pair
    assert after["identity"]["l1"] != before["identity"]["l1"]
    assert report_of(settings, out, resume=True) == second
    assert "again" not in capfd.readouterr().err
    image = min((pairs / "train").iterdir())
    image.write_bytes(max((pairs / "train").iterdir()).read_bytes())
    with pytest.raises(ReidaugError, match=rf"training images: 1 changed \({image.name}\); name"):
        compare(settings, out, resume=True)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_row_is_not_taken_for_another(
    whole: Path, people: Path, tmp_path: Path, jobs: int
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    rows = [out / "rows" / name for name in ("unwarpme", "fomm")]
    rows[0].rename(out / "aside")
    rows[1].rename(rows[0])
    (out / "aside").rename(rows[1])
    with pytest.raises(ReidaugError, match=r"rows/(fomm|unwarpme) holds another run; .*row"):
        compare(recipe(people), out, resume=True, jobs=jobs)


def test_a_row_learns_from_no_other_pairs_than_the_comparison_began_with(
    people: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs, out = tmp_path / "pairs", tmp_path / "run"
    shutil.copytree(people, pairs)
    settings, images = recipe(pairs), sorted((pairs / "train").iterdir())
    trained = experiment.train

    def losing(*row: Any, **options: Any) -> Any:
        """Train a row, and then lose an image, which the next ones would leave out."""
        report = trained(*row, **options)
        images[-1].unlink(missing_ok=True)
        return report

    monkeypatch.setattr(experiment, "train", losing)
    content = images[-1].read_bytes()
    told = rf"training pairs: 1 gone .*training images: 2 gone \(.*{images[-1].name}\).*; put back"
    with pytest.raises(ReidaugError, match=told):
        compare(settings, out, jobs=1)
    assert (out / "rows" / "unwarpme" / "report.json").exists()
    assert not (out / "rows" / "gfla32" / "recipe.yaml").exists()
    monkeypatch.undo()
    images[-1].write_bytes(content)
    report = report_of(settings, out, resume=True, jobs=1)
    assert report["rows"] == json.loads((whole / "report.json").read_text())["rows"]


def test_a_row_with_several_seeds_has_their_mean_and_stands_beside_its_untrained_self(
    people: Path, tmp_path: Path
) -> None:
    rows = {
        "unwarpme": {"cycle": ["exact"]},
        "wider": {"from": "unwarpme", "estimator": {"sigma": 3.0}},
        "untrained": {"untrained": "unwarpme"},
    }
    report = report_of(recipe(people, rows=rows, seeds=(0, 3)), tmp_path / "run", jobs=1)
    assert list(report["rows"])[:3] == list(rows) and report["seeds"] == [0, 3]
    assert list(report["training"]) == ["unwarpme-seed0", "unwarpme-seed3"]
    for name in rows:
        row = report["rows"][name]
        assert row["epe_px"] == pytest.approx(np.mean(row["epe_px_by_seed"]), abs=1e-4)
        assert row["epe_px_by_seed"][0] != row["epe_px_by_seed"][1]
    assert "epe_px_by_seed" not in report["rows"]["identity"]
    found = report["differences"]["untrained"]["epe_px"]
    ours, theirs = (report["rows"][n]["epe_px_by_seed"] for n in ("untrained", "unwarpme"))
    assert found["by_seed"] == pytest.approx(np.subtract(ours, theirs), abs=1e-4)
    # Each seed's own run alone gives the same figures, and the same weights before training.
    alone = recipe(people, rows={"unwarpme": {"cycle": ["exact"]}, "untrained": rows["untrained"]})
    one = report_of(alone.model_copy(update={"seed": 3}), tmp_path / "one", jobs=1)
    for name in ("unwarpme", "untrained"):
        assert one["rows"][name]["epe_px"] == report["rows"][name]["epe_px_by_seed"][1]
    before = build_networks(
        plan_rows(alone.model_copy(update={"seed": 3}), tmp_path)["unwarpme"].training,  # type: ignore[arg-type]
        torch.device("cpu"),
    )
    state = plan_rows(alone.model_copy(update={"seed": 3}), tmp_path)["untrained"].load()
    for name, tensor in before.model.estimator.state_dict().items():
        assert state.state_dict()[name].equal(tensor)
