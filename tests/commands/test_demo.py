import json
from pathlib import Path

import pytest

from reidaug.commands import demo
from reidaug.commands.demo import run_demo
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.demo import WORLDS, DemoSizes, Stage
from reidaug.runs import RunFolder

ARMS = {"real_only", "identity_grey", "affine_grey", "warps_grey", "true_views_grey"}


def working(patch: pytest.MonkeyPatch, *, fail: bool = False) -> list[int]:
    """Stand in for the command of a stage; with ``fail`` it fails the first time."""
    done: list[int] = []

    def work(stage: Stage) -> dict[str, object]:
        done.append(1)
        if fail and len(done) == 1:
            raise ReidaugError("no luck")
        RunFolder.open(stage.folder, {"command": "x"}, resume=True).report({})
        return {}

    patch.setattr(demo, "run_stage", work)
    return done


def test_a_finished_stage_is_not_done_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder.open(tmp_path / "run", {"command": "demo"}, resume=True)
    done = working(monkeypatch)
    stage = Stage("Paint", tmp_path / "run" / "a", ("paint",))
    for _ in range(2):
        demo._do(run, stage, "[1/1]", 0.0)
    assert len(done) == 1
    assert "[1/1] Paint: done before" in capsys.readouterr().out


def test_an_interrupted_stage_continues_and_all_its_time_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder.open(tmp_path / "run", {"command": "demo"}, resume=True)
    done = working(monkeypatch, fail=True)
    stage = Stage("Paint", tmp_path / "run" / "a", ("paint",))
    with pytest.raises(ReidaugError, match="no luck"):
        demo._do(run, stage, "[1/1]", 0.0)
    demo._do(run, stage, "[1/1]", 0.0)
    assert len(done) == 2
    assert [record["done"] for record in run.records()] == [False, True]
    assert demo._seconds(run, stage) == pytest.approx(sum(r["seconds"] for r in run.records()))


@pytest.mark.parametrize("worlds", [[], ["no-poses"], ["few-poses", "few"]])
def test_an_unknown_world_is_refused_before_anything_is_made(
    tmp_path: Path, worlds: list[str]
) -> None:
    with pytest.raises(UsageError, match="choose from few-poses, many-poses"):
        run_demo(tmp_path / "demo", worlds=worlds)
    assert not (tmp_path / "demo").exists()


def test_another_seed_needs_another_folder(tmp_path: Path) -> None:
    recipe = {"command": "demo", "version": "0", "seed": 1}
    RunFolder.open(tmp_path / "demo", recipe, resume=True)
    with pytest.raises(ReidaugError, match="holds another run"):
        run_demo(tmp_path / "demo")


TINY = DemoSizes(
    people=3,
    test_people=2,
    views=2,
    reid_people=4,
    reid_test_people=3,
    test_crops=4,
    poses=4,
    flow=(
        "schedule={steps: 4, rate: 1.0e-3}",
        "batch=2",
        "test_pairs=4",
        "stlpips=[]",
        "estimator={class: 'reidaug.flow.unwarpme:UnWarpME', preset: small, "
        "widths: [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4], depth: 3, head_widths: [8, 8]}",
    ),
    reid=(
        "backbone=resnet18",
        "backbone_options={width: 8}",
        "size=[64, 32]",
        "pretrain_steps=4",
        "steps=4",
        "people=4",
        "images=2",
        "seeds=[0, 1]",
    ),
    people_shown=2,
    poses_shown=3,
    pairs_shown=2,
)


def test_the_whole_demo_runs_and_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    page = run_demo(out, sizes=TINY, workers=1)
    assert page == out / "report.html"
    assert page.stat().st_size > 50_000
    report = json.loads((out / "report.json").read_text())
    assert set(report) >= {"flow", "augment", "reid", "seconds", "hardware", "commands"}
    assert set(report["flow"]["rows"]) >= {"unwarpme", "identity", "torso_affine", "joint_blend"}
    assert report["flow"]["size"] == [128, 64]
    assert report["flow"]["pairs"] == 4
    for row in report["flow"]["rows"].values():
        assert {"epe_px", "l1_32", "l1", "ssim"} <= set(row)
    augment = report["augment"]
    assert (augment["sources"], augment["poses"]) == (8, 4)
    assert augment["images"] == augment["sources"] * augment["poses"]
    assert augment["images_per_s"] > 0
    reid = report["reid"]
    assert reid["protocol"] == "supervised"
    assert reid["seeds"] == [0, 1]
    assert reid["steps"] == 4
    assert set(reid["arms"]) == ARMS
    assert all(len(arm["mAP"]) == len(arm["rank1"]) == 2 for arm in reid["arms"].values())
    assert {"mean", "std", "vs"} <= set(reid["gain_mAP"])
    assert reid["gain_mAP"]["vs"] == "real_only"
    assert len(report["seconds"]) == 8

    first = page.read_bytes()
    capsys.readouterr()
    run_demo(out, sizes=TINY, workers=1)
    assert capsys.readouterr().out.count("done before") == 8
    assert page.read_bytes() == first


@pytest.mark.slow
def test_a_world_can_be_added_to_a_finished_demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_demo(tmp_path, sizes=TINY, workers=1)
    before = json.loads((tmp_path / "report.json").read_text())
    capsys.readouterr()
    page = run_demo(tmp_path, sizes=TINY, worlds=WORLDS, workers=1)
    assert capsys.readouterr().out.count("done before") == 8
    after = json.loads((tmp_path / "report.json").read_text())
    assert list(after["worlds"]) == list(WORLDS)
    assert after["reid"] == before["reid"]
    assert "many-poses" in page.read_text()
