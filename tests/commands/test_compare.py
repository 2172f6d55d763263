import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from flow_figures import SIZE
from small_pairs import write_pairs

from reidaug.cli import main
from reidaug.commands import compare as command
from reidaug.commands import train_flow
from reidaug.commands.compare import Compare, compare
from reidaug.data.images import read_image
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments import compare_config as compare_rows
from reidaug.experiments.compare_config import plan_rows
from reidaug.flow.checkpoint import load_checkpoint
from reidaug.machine import one_thread
from reidaug.recipes import resolve
from reidaug.report.flow_table import scores_text

ESTIMATOR = {
    "class": "reidaug.flow.unwarpme:UnWarpME",
    "canvas": [32, 16],
    "sigma": 1.5,
    "widths": [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8],
    "head_widths": [8, 8, 8, 8, 8],
    "first_kernel": 1,
}
ROWS: dict[str, Any] = {
    "unwarpme": {},
    "gfla32": {"from": "unwarpme", "estimator": {"sigma": 3.0}},
    "fomm": {"estimator": {"depth": 2}, "batch": 3, "schedule": {"rate": 2e-3}},
}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("people") / "pairs")


def values(people: Path, **keys: Any) -> dict[str, Any]:
    return {
        "pairs": str(people),
        "size": list(SIZE),
        "budget": 10,
        "stlpips": [],
        "common": {
            "cycle": ["exact+reconstruction", "affine"],
            "schedule": {"rate": 1e-3, "warmup": 1},
            "batch": 4,
            "save_every": 1,
            "precision": "float32",
            "estimator": ESTIMATOR,
        },
        "rows": ROWS,
        **keys,
    }


def recipe(people: Path, **keys: Any) -> Compare:
    return resolve(values(people, **keys), Compare, where="test")


@pytest.fixture(scope="module")
def whole(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    compare(recipe(people, table=1), out, jobs=1)
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
    told = report["training"]
    assert {name: (t["steps"], t["batch"]) for name, t in told.items()} == {
        "unwarpme": (3, 4),
        "fomm": (4, 3),
    }
    assert all(t["seconds"] > 0 for t in told.values())
    for name, size in report["sizes"].items():
        assert size["parameters"] == report["rows"][name]["parameters"]
        assert size["ms"] > 0
    assert report["sizes"]["unwarpme"]["gmac"] > report["sizes"]["fomm"]["gmac"] > 0
    assert set(report["published"]["rows"]) == set(ROWS)
    assert read_image(whole / "warps.png").shape[1] > 3 * 192
    assert load_checkpoint(whole / "rows/fomm/checkpoint").reader.rest  # type: ignore[union-attr]


def test_one_training_can_be_read_in_two_ways(whole: Path, people: Path) -> None:
    rows = plan_rows(recipe(people), whole)
    assert rows["gfla32"].weights == rows["unwarpme"].weights
    again, first = rows["gfla32"].load(), rows["unwarpme"].load()
    assert (again.sigma, first.sigma) == (3.0, 1.5)  # type: ignore[union-attr]
    for name, tensor in first.state_dict().items():
        assert again.state_dict()[name].equal(tensor)
    assert not (whole / "rows" / "gfla32").exists()
    scores = json.loads((whole / "report.json").read_text())["rows"]
    assert scores["gfla32"]["epe_px"] != scores["unwarpme"]["epe_px"]


def test_killed_in_the_second_row_it_goes_on_exactly(
    whole: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, taken = train_flow.FlowTrainer.step, 0

    def dies(self: Any, batch: Any) -> dict[str, float]:
        nonlocal taken
        taken += 1
        if taken == 6:  # the third of the second row
            raise KeyboardInterrupt
        return step(self, batch)

    told, out = recipe(people, table=1), tmp_path / "run"
    monkeypatch.setattr(train_flow.FlowTrainer, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        compare(told, out, jobs=1)
    assert not (out / "report.json").exists()
    with pytest.raises(ReidaugError, match="--resume"):
        compare(told, out)
    taken = 100
    first = (out / "rows/unwarpme/checkpoint/model.safetensors").stat().st_mtime_ns
    report = compare(told, out, resume=True, jobs=1)
    assert taken == 102  # two steps were left of four; the first row was not touched
    assert (out / "rows/unwarpme/checkpoint/model.safetensors").stat().st_mtime_ns == first
    at_once = json.loads((whole / "report.json").read_text())
    for part in ("rows", "differences", "published"):
        assert json.dumps(report[part]) == json.dumps(at_once[part])
    for name in ("rows/fomm/checkpoint/model.safetensors", "warps.png", "recipe.yaml"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert compare(told, out, resume=True) == report  # finished: nothing to do
    assert taken == 102


def test_rows_trained_at_the_same_time_become_the_same(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with one_thread():
        alone = compare(recipe(people), tmp_path / "alone", jobs=1)
    beside = compare(recipe(people), tmp_path / "beside", jobs=2)
    assert beside["rows"] == alone["rows"]
    assert all(told["seconds"] > 0 for told in beside["training"].values())
    for name in ("unwarpme", "fomm"):
        weights = f"rows/{name}/checkpoint/model.safetensors"
        first, second = (tmp_path / run / weights for run in ("alone", "beside"))
        assert first.read_bytes() == second.read_bytes()
    # The last row has no more cores than it had among the others.
    before = second.read_bytes()
    shutil.rmtree(second.parents[1])
    (tmp_path / "beside" / "report.json").unlink()
    monkeypatch.setattr(command, "train", None)  # not in this process, which has all the cores
    again = compare(recipe(people), tmp_path / "beside", resume=True, jobs=2)
    assert again["rows"] == beside["rows"]
    assert second.read_bytes() == before


def test_a_row_may_bring_its_weights_or_learn_nothing(
    whole: Path, people: Path, tmp_path: Path
) -> None:
    own = str(whole / "rows/unwarpme/checkpoint")
    rows = {
        "older": {"checkpoint": own},
        "wider": {"from": "older", "estimator": {"sigma": 3.0}},
        "softer": {"checkpoint": own, "estimator": {"sigma": 3.0}},
        "stiff": {"estimator": {"class": "reidaug.flow.closed_form:TorsoAffine", "limbs": 1.0}},
    }
    told = recipe(people, rows=rows, budget=1, reference="identity", test_pairs=2)
    report = compare(told, tmp_path / "run")
    scores = report["rows"]
    assert report["training"] == {}
    assert report["pairs"] == 2
    assert scores["wider"] == scores["softer"] != scores["older"]
    assert scores["stiff"] != scores["torso_affine"]
    assert "identity" not in report["differences"]
    assert report["differences"]["torso_affine"]["epe_px"]["words"] == "better"
    same = report["differences"]["wider"]
    assert same == report["differences"]["softer"]


def test_choices_can_be_made_on_held_out_people(people: Path, tmp_path: Path) -> None:
    told = recipe(people, evaluate_on="held_out", held_out=0.34, rows={"a": {}}, budget=4)
    report = compare(told, tmp_path / "run")
    assert (report["evaluate_on"], report["pairs"]) == ("held_out", 2)
    with pytest.raises(UsageError, match="too few people to hold out"):
        compare(told.model_copy(update={"held_out": 0.01}), tmp_path / "other")


def test_estimators_are_shown_what_they_were_trained_on(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    forward = command.CLOSED_FORMS["identity"].forward

    def looks(self: Any, source: Any, *poses: Any) -> Any:
        seen.setdefault(background, source)  # the first is scored, later ones are timed
        return forward(self, source, *poses)

    monkeypatch.setattr(command.CLOSED_FORMS["identity"], "forward", looks)
    rows = {"stiff": {"estimator": {"class": "reidaug.flow.closed_form:TorsoAffine"}}}
    plain = recipe(people, rows=rows, budget=1).model_copy(update={"common": {}})
    for background in ("grey", "image"):
        compare(plain.model_copy(update={"background": background}), tmp_path / background)
    assert seen["grey"][:, :, 0].eq(0.5).all()
    assert not seen["image"][:, :, 0].eq(0.5).any()
    reports = [json.loads((tmp_path / g / "report.json").read_text()) for g in seen]
    assert reports[0]["rows"] == reports[1]["rows"]  # closed forms do not look at it


def test_differences_are_paired_and_say_what_is_no_evidence() -> None:
    chance = np.random.default_rng(0)
    hard = chance.normal(20, 8, 200)  # pairs differ far more than the rows do
    ours = {"l1": hard, "ssim": np.full(200, 0.5), "epe_px": np.full(200, np.nan)}
    theirs = {
        "l1": hard + 0.5 + chance.normal(0, 0.5, 200),
        "ssim": 0.5 + chance.normal(0, 0.1, 200) - 0.001,
        "epe_px": np.full(200, np.nan),
    }
    said = command._differences(theirs, ours, 0)
    assert set(said) == {"l1", "ssim"}
    assert said["l1"]["words"] == "worse"
    assert abs(said["l1"]["mean"] - 0.5) < 0.1
    assert 0 < said["l1"]["ci"][0] < said["l1"]["mean"] < said["l1"]["ci"][1]
    assert said["l1"]["ci"][1] - said["l1"]["ci"][0] < 0.3  # unpaired it would be about 3
    assert said["ssim"]["words"] == "no evidence of a difference"
    assert command._differences(ours, theirs, 0)["l1"]["words"] == "better"
    higher = command._differences({"ssim": ours["ssim"] + 0.1}, {"ssim": ours["ssim"]}, 0)
    assert higher["ssim"] == {"mean": 0.1, "ci": [0.1, 0.1], "words": "better"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"rows": {"a": {"cylce": ["affine"]}}}, "rows.a: unknown key 'cylce'"),
        ({"rows": {"a": {"size": [8, 8]}}}, "rows.a: 'size' is the same for all rows"),
        ({"common": {"pairs": "x"}}, "common: 'pairs' is the same for all rows"),
        ({"rows": {"a": {"schedule": {"steps": 3}}}}, r"rows.a.schedule: 'steps' follow"),
        ({"rows": {"a": {"batch": 0}}}, "rows.a: 'batch'"),
        ({"rows": {"a": {"schedule": 3}}}, "rows.a: 'schedule"),
        ({"rows": {"a": {"cycle": ["paint"]}}}, "rows.a: cycle: no task"),
        ({"rows": {"a": {"estimator": {"depth": 9}}}}, "rows.a: estimator .*depth must be"),
        ({"rows": {"a": {"estimator": {"class": "no:Net"}}}}, "rows.a: estimator.class: no 'no:"),
        ({"common": {"cylce": ["affine"]}}, "common: unknown key 'cylce'"),
        ({"budget": None}, "key 'budget' is missing"),
        ({"rows": {"a": {"checkpoint": "nowhere"}}}, "nowhere: no flow checkpoint here"),
        ({"rows": {"a": {"checkpoint": "x", "batch": 3}}}, "'batch' says nothing beside 'checkp"),
        ({"rows": {"a": {}, "b": {"from": "c"}}}, r"rows.b: 'from' names no row .*\(a\)"),
        ({"rows": {"a": {}, "b": {"from": "b"}}}, "rows.b: 'from' names no row"),
        ({"rows": {"a": {}, "b": {"from": "a", "batch": 2}}}, "'batch' says nothing beside 'from'"),
        (
            {"rows": {"a": {}, "b": {"from": "a", "estimator": {"depth": 1}}}},
            "rows.b: needs other weights than 'a' learns",
        ),
        (
            {"rows": {"a": {}, "b": {"from": "a", "estimator": {"preset": "small"}}}},
            "rows.b.estimator: .*single keywords only",
        ),
        (
            {"rows": {"a": {}, "b": {"from": "a", "estimator": {"sigmas": 1}}}},
            "rows.b: estimator .*sigmas",
        ),
        ({"rows": {"identity": {}}}, "'identity' cannot name a row"),
        ({"rows": {"../a": {}}}, "'../a' cannot name a row"),
        ({"reference": "c"}, r"reference: no row 'c' \(rows: unwarpme, "),
        ({"rows": {"a": {}}, "table": 4}, r"no row is named as .*\(depth1, "),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_trained(
    people: Path, tmp_path: Path, keys: dict[str, Any], words: str
) -> None:
    with pytest.raises(ReidaugError, match=words):
        compare(recipe(people, **keys), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_pairs_are_looked_at_first_as_well(people: Path, tmp_path: Path) -> None:
    shutil.copytree(people, tmp_path / "photos")
    shutil.rmtree(tmp_path / "photos" / "flows")
    with pytest.raises(UsageError, match="no flows for the task 'exact'"):
        compare(recipe(tmp_path / "photos"), tmp_path / "run")
    with pytest.raises(ReidaugError, match="no folder train"):
        compare(recipe(tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_command_line(people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "recipe.yaml", tmp_path / "run"
    path.write_text(yaml.safe_dump(values(people, table=1, budget=4), sort_keys=False))
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(path), "--set", "rows.fomm.batch=2", "--out", str(out)])
    printed = capsys.readouterr()
    assert ended.value.code == 0, printed.err
    for words in ("l1-norm, 32x16", "13.26", "against unwarpme", "GMAC", "fomm", "joint_blend"):
        assert words in printed.out
    assert "fomm: 2 steps of 2 pairs" in printed.err
    for wrong, code, words in (
        (["--set", "row.a={}"], 2, "unknown key 'row'"),
        (["--set", "rows.fomm=3"], 2, "'rows.fomm'"),
        (["--set", "table=5"], 2, "'table'"),
        (["--set", "reference=nobody", "--out", str(tmp_path / "x")], 2, "no row 'nobody'"),
        (["--out", str(out)], 1, "holds another run"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["compare", str(path), *wrong])
        told = capsys.readouterr().err
        assert ended.value.code == code, told
        assert words in told
        assert told.count("\n") == 1
    help_text = CliRunner().invoke(command.command, ["--help"]).output
    for words in ("--resume", "budget", "checkpoint", "from:"):
        assert words in help_text
    assert "      budget: 20000\n" in help_text  # the recipe keeps its lines


def test_mappings_of_a_row_join_the_common_ones_unless_they_name_a_class() -> None:
    join = compare_rows._joined
    assert join({"rate": 1, "warmup": 2}, {"rate": 3}) == {"rate": 3, "warmup": 2}
    assert join({"class": "a:A", "depth": 2}, {"depth": 3}) == {"class": "a:A", "depth": 3}
    assert join({"class": "a:A", "depth": 2}, {"class": "b:B"}) == {"class": "b:B"}
    assert join(None, {"rate": 3}) == {"rate": 3}
    assert join([1, 2], [3]) == [3]


def test_rows_with_a_drawing_network_are_scored_on_what_it_draws(
    people: Path, tmp_path: Path
) -> None:
    parts = {
        "generator": {
            "class": "reidaug.flow.unwarpme.refinement:Refinement",
            "width": 8,
            "blocks": 1,
        },
        "discriminator": {
            "class": "reidaug.flow.unwarpme.discriminator:PatchDiscriminator",
            "widths": [8, 8],
        },
    }
    rows = {
        "bare": {},
        "whole": {"cycle": ["affine", "generation"], "weights": {"perceptual": 0.0}, **parts},
    }
    report = compare(recipe(people, rows=rows), tmp_path / "run")
    drawn = {"generated_l1", "generated_l1_32", "generated_ssim"}
    assert drawn <= set(report["rows"]["whole"])
    assert not drawn & set(report["rows"]["bare"])
    assert not drawn & set(report["differences"]["whole"])
    assert "SSIM, drawn" in scores_text(report)
