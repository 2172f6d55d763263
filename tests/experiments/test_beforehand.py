"""What would spoil an experiment after hours is told before its first step."""

import csv
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from small_experiment import recipe
from stick_market import copy_as_warps, stick_market

from reidaug.augment.warp_inputs import IMAGES
from reidaug.checksums import SUMS, Checksums
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN
from reidaug.errors import ReidaugError
from reidaug.experiments.arms import Arm
from reidaug.experiments.beforehand import check_compared, check_grounds
from reidaug.experiments.evaluation import evaluate_checkpoint
from reidaug.experiments.finetune import FinetuneGrid, dry_run, finetune
from reidaug.experiments.finetune_config import (
    START,
    FinetuneRecipe,
    build_network,
    check_recipe_crops,
    read_data,
)
from reidaug.files import checksum
from reidaug.fingerprint import Inputs
from reidaug.reid.weights import save_weights


@pytest.fixture
def root(tmp_path: Path) -> Path:
    stick_market(tmp_path / "market", people=6, images=4)
    copy_as_warps(tmp_path / "market", tmp_path / "warps")
    return tmp_path


@pytest.fixture
def no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail when anything is trained."""

    def train(*given: object, **named: object) -> None:
        raise AssertionError("a step was taken")

    monkeypatch.setattr(FinetuneGrid, "train", train)


def checkpoint(root: Path, settings: FinetuneRecipe) -> Path:
    path = root / "model.safetensors"
    save_weights(build_network(settings, 6, 0, None)[0], path)
    return path


def refused(root: Path, says: str, **changes: object) -> str:
    """Check that training, dry run and evaluation all stop with one line, and leave no folder."""
    settings = recipe(root, **changes)
    both = settings.model_copy(update={"checkpoint": checkpoint(root, settings)})
    line = ""
    for start in (
        lambda: finetune(settings, root / "run", workers=1),
        lambda: dry_run(settings),
        lambda: evaluate_checkpoint(both, root / "run"),
    ):
        with pytest.raises(ReidaugError, match=says) as stopped:
            start()
        line = str(stopped.value)
        assert "\n" not in line
        assert not (root / "run").exists()
    return line


def one_camera(root: Path) -> None:
    for path in [p for split in (QUERY, GALLERY) for p in (root / "market" / split).iterdir()]:
        path.rename(path.with_name(re.sub(r"_c\ds1_(\d+)", r"_c1s1_\1", path.name)))


@pytest.mark.usefixtures("no_step")
def test_queries_that_nothing_can_match(root: Path) -> None:
    one_camera(root)
    line = refused(root, "24 of 24 queries have no match")
    assert "24 whose person only their own camera saw" in line
    for path in (root / "market" / QUERY).iterdir():
        path.rename(path.with_name(f"1{path.name}"))
    refused(root, "24 whose person is not in the gallery")


@pytest.mark.usefixtures("no_step")
def test_a_gallery_of_one_person(root: Path) -> None:
    refused(root, "the gallery shows one person alone", evaluate_on="held_out", held_out=0.1)
    for path in (root / "market" / GALLERY).iterdir():
        if not path.name.startswith("0901"):
            path.rename(path.with_name(f"-1{path.name[4:]}"))
    line = refused(root, "the gallery shows one person alone, 901: ")
    assert "nothing to measure" in line


@pytest.mark.parametrize("shared", [True, False])
def test_test_people_who_are_training_people_are_told(
    root: Path, capsys: pytest.CaptureFixture[str], shared: bool
) -> None:
    if shared:
        for path in list((root / "market" / QUERY).glob("0901_*")):
            path.rename(path.with_name(f"0003{path.name[4:]}"))
    settings = recipe(root)
    check_recipe_crops(settings, read_data(settings))
    told = "1 of 7 people of query and gallery, such as 3, are training people by their numbers"
    assert (told in capsys.readouterr().err) == shared


def test_some_queries_without_a_match_are_told_and_count_as_null(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = sorted((root / "market" / QUERY).iterdir())[0]
    lost.rename(lost.with_name(f"1{lost.name}"))
    shutil.copy(root / "market" / QUERY / "0902_c1s1_090200_01.jpg", lost.with_name("-1_c1.jpg"))
    settings = recipe(root)
    out = root / "run"
    report = evaluate_checkpoint(
        settings.model_copy(update={"checkpoint": checkpoint(root, settings)}), out
    )
    assert "1 of 24 queries have no match, such as 10901" in capsys.readouterr().err
    assert report.evaluation.ap.count(None) == report.evaluation.unmatched == 1
    # The results list every query, also the lost one and that of an unknown person.
    rows = list(csv.DictReader((out / "queries.csv").read_text().splitlines()))
    names = {path.name for path in (root / "market" / QUERY).iterdir()} - {"-1_c1.jpg"}
    assert [row["query"] for row in rows] == [*sorted(names), "-1_c1.jpg"]
    known = {row["query"]: row for row in rows}
    for name in (f"1{lost.name}", "-1_c1.jpg"):
        assert (known[name]["ap"], known[name]["first_match"]) == ("", "")
        assert known[name]["nearest"].endswith(".jpg")
    right = known["0902_c1s1_090200_01.jpg"]
    assert float(right["ap"]) == pytest.approx(report.evaluation.ap[3])
    assert right["matches"] == "3"
    assert known["-1_c1.jpg"]["distance"] == right["distance"]  # it is a copy of this one


@pytest.mark.usefixtures("no_step")
@pytest.mark.parametrize("split", [QUERY, GALLERY])
def test_a_damaged_test_file(root: Path, split: str) -> None:
    path = sorted((root / "market" / split).iterdir())[3]
    path.write_bytes(path.read_bytes()[:400])
    line = refused(root, r"1 of \d+ images cannot be read: ")
    assert str(path) in line


@pytest.mark.usefixtures("no_step")
@pytest.mark.parametrize("folder", ["market", "warps"])
def test_a_damaged_training_file(root: Path, folder: str) -> None:
    path = sorted((root / folder / TRAIN).iterdir())[5]
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(ReidaugError, match=r"images cannot be read: .*replace or remove"):
        finetune(recipe(root), root / "run", workers=1)
    assert not (root / "run").exists()


@pytest.mark.usefixtures("no_step")
@pytest.mark.parametrize("ending", [".jpg", ".bmp"])
def test_queries_that_are_copies_of_their_matches(root: Path, ending: str) -> None:
    market = root / "market"
    for path in (market / QUERY).iterdir():
        path.unlink()
    for path in sorted((market / GALLERY).iterdir())[::4]:
        name = path.with_name(path.name.replace("_c1", "_c9")).name
        Image.open(path).save(root / f"copy{ending}", quality=95)
        if ending == ".jpg":
            shutil.copy(path, market / QUERY / name)
        else:  # the same pixels in another format, under a name that is read
            shutil.copy(root / "copy.bmp", market / QUERY / name)
    refused(root, "6 of 6 queries are copies of gallery crops of their person, such as 0901_c9")


@pytest.mark.usefixtures("no_step")
def test_an_arm_of_other_peoples_warps(root: Path) -> None:
    # The same person numbers, other crops.
    for path in (root / "warps" / TRAIN).iterdir():
        path.rename(path.with_name(path.name.replace("s1_", "s2_")))
    with pytest.raises(ReidaugError, match="24 of 24 warps of arm warps_grey are of no training"):
        finetune(recipe(root), root / "run", workers=1)
    assert not (root / "run").exists()


@pytest.mark.usefixtures("no_step")
def test_an_arm_of_warps_of_equally_named_crops(root: Path) -> None:
    other = stick_market(root / "other", people=6, images=4)
    for path in (other / TRAIN).iterdir():
        Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    (root / "warps" / "recipe.yaml").write_text(f"command: augment\ndataset: {other}\n")
    Checksums(root / "warps" / SUMS).write({})
    with pytest.raises(ReidaugError, match=r"warps_grey were made of .*other, whose 0001"):
        finetune(recipe(root), root / "run", workers=1)
    # The same crops in another place are the same crops.
    shutil.rmtree(other)
    stick_market(other, people=6, images=4)
    with pytest.raises(AssertionError, match="a step was taken"):
        finetune(recipe(root), root / "run", workers=1)


def test_controls_on_another_ground_are_told(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grounds = {"warps": "other", "own": "grey", "affine": "other", "source": "source", "made": None}
    for name, background in grounds.items():
        (root / name).mkdir(exist_ok=True)
        made = "" if background is None else f"background: {background}\n"
        (root / name / "recipe.yaml").write_text(f"command: augment\n{made}")

    def told(method: str, *controls: str) -> str:
        arms = {name: Arm(crops=(root / name,)) for name in grounds} | {"real_only": Arm()}
        both = {"arms": arms, "method": method, "controls": ("real_only", *controls)}
        check_grounds(recipe(root).model_copy(update=both))
        return capsys.readouterr().err

    line = told("warps", "own")
    assert "arm warps is on the background 'other' and its controls on grey: " in line
    assert line.count("\n") == 1
    assert told("warps", "own", "affine") == told("own", "own") == ""
    assert (
        told("source", "own") == told("warps", "made") == told("made", "own") == told("warps") == ""
    )


def test_arms_that_no_default_means_are_told(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arms: str, **changes) -> str:
        check_compared(recipe(root, arms=dict.fromkeys(arms), **changes))
        return capsys.readouterr().err

    line = told("mine", "plain")
    assert "no arm is the method (warps_grey) or the baseline (real_only) or the controls" in line
    assert line.endswith("it is with 'method', 'baseline', 'controls'\n")
    assert "the method (warps_grey), which" in told("real_only", "mine")
    assert told("real_only", "mine", method="mine") == told("mine") == ""


def note_sources(root: Path) -> None:
    """Keep what the warps were made of, as `reidaug augment` does."""
    made_of = Inputs(root / "warps")
    made_of.add(IMAGES, (root / "market" / TRAIN).iterdir())
    made_of.save()


@pytest.mark.usefixtures("no_step")
def test_an_arm_of_images_that_changed_since(root: Path, capsys) -> None:
    note_sources(root)
    with pytest.raises(AssertionError, match="a step was taken"):
        finetune(recipe(root), root / "run", workers=1)
    shutil.rmtree(root / "run")
    first, *_, last = sorted((root / "market" / TRAIN).iterdir())
    last.write_bytes(first.read_bytes())
    told = rf"warps_grey were made of other images .*: 1 of 24 changed \({last.name}\); run"
    with pytest.raises(ReidaugError, match=told):
        finetune(recipe(root), root / "run", workers=1)
    assert not (root / "run").exists()
    # What a subset of the arm is not made of does not count.
    for path in (root / "warps" / TRAIN).glob(f"{last.stem}_w*"):
        path.unlink()
    with pytest.raises(AssertionError, match="a step was taken"):
        finetune(recipe(root), root / "run", workers=1)
    assert not capsys.readouterr().err.count("not known")
    (root / "warps" / "recipe.yaml").write_text("command: augment\n")
    Checksums(root / "warps" / SUMS).write({})
    (root / "warps" / ".inputs" / "training_images.txt").write_text("24\n")
    with pytest.raises(AssertionError, match="a step was taken"):
        finetune(recipe(root), root / "run", resume=True, workers=1)
    assert "does not tell any more of which images the warps" in capsys.readouterr().err


@pytest.mark.usefixtures("no_step")
def test_an_arm_that_lost_its_checksums(root: Path) -> None:
    warps = root / "warps"
    (warps / "recipe.yaml").write_text("command: augment\n")
    first, second, *_ = sorted((warps / TRAIN).iterdir())
    Checksums(warps / SUMS).write({f"{TRAIN}/{first.name}": checksum(first)})
    first.write_bytes(second.read_bytes())
    alone = "name a folder with a copy of its images alone if"
    with pytest.raises(ReidaugError, match=f"{first.name} is not as it was written; .*{alone}"):
        finetune(recipe(root), root / "run", workers=1)
    (warps / SUMS).unlink()
    told = rf"no checksums.json any more, .*arm warps_grey.*; run the command .* again.*{alone}"
    with pytest.raises(ReidaugError, match=told):
        finetune(recipe(root), root / "run", workers=1)
    (warps / "recipe.yaml").unlink()  # a plain folder has never had them
    with pytest.raises(AssertionError, match="a step was taken"):
        finetune(recipe(root), root / "run", workers=1)


def test_a_file_lost_after_training_costs_no_training(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = recipe(root, seeds=[0], arms={"real_only": None, "warps_grey": str(root / "warps")})
    whole = finetune(settings, root / "whole", workers=1)
    victim = sorted((root / "market" / GALLERY).iterdir())[3]
    content = victim.read_bytes()
    features, calls = FinetuneGrid.features, []

    def break_it(self, model):
        calls.append(1)
        if len(calls) == 2:  # after the first arm's training
            victim.write_bytes(content[:300])
        return features(self, model)

    with monkeypatch.context() as patch:
        patch.setattr(FinetuneGrid, "features", break_it)
        with pytest.raises(ReidaugError, match="not a readable image"):
            finetune(settings, root / "run", workers=1)
    kept = root / "run" / "checkpoints" / "real_only-seed0.safetensors"
    assert load_file(kept)
    victim.write_bytes(content)
    steps = len((root / "run" / "log.jsonl").read_text().splitlines())
    assert finetune(settings, root / "run", resume=True, workers=1) == whole
    # Start and first arm were not trained again: the log got the second arm's lines alone.
    assert len((root / "run" / "log.jsonl").read_text().splitlines()) == steps + 1
    assert [path.name for path in kept.parent.iterdir()] == [f"{START}-seed0.safetensors"]


def test_a_weight_that_is_not_finite(root: Path) -> None:
    settings = recipe(root)
    path = checkpoint(root, settings)
    state = load_file(path)
    state["conv1.weight"].view(-1)[5] = float("nan")
    save_file(state, path)
    with pytest.raises(ReidaugError, match=r"model\.safetensors: the tensor conv1\.weight holds"):
        evaluate_checkpoint(settings.model_copy(update={"checkpoint": path}), root / "run")
    assert not (root / "run").exists()


def test_a_finished_run_with_more_arms_is_checked_again(root: Path) -> None:
    settings = recipe(root, arms={"real_only": None}, seeds=[0])
    finish = finetune(settings, root / "grown", workers=1)
    first = next((root / "warps" / TRAIN).iterdir())
    first.write_bytes(first.read_bytes()[:100])
    assert finetune(settings, root / "grown", resume=True, workers=1) == finish
    arms = {"real_only": None, "warps_grey": str(root / "warps")}
    more = recipe(root, arms=arms, seeds=[0])
    with pytest.raises(ReidaugError, match=r"1 of \d+ images cannot be read"):
        finetune(more, root / "grown", resume=True, workers=1)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_masks_are_opened_where_grounds_need_them(root: Path, share: float) -> None:
    folder = root / "masks"
    folder.mkdir()
    crops = sorted((root / "market" / TRAIN).iterdir())
    for path in crops:
        Image.new("L", (32, 64), 255).save(folder / f"{path.stem}.png")
    (folder / f"{crops[1].stem}.png").write_text("no picture")
    settings = recipe(root, masks=str(folder), grounds=share)
    if not share:
        dry_run(settings)
        return
    with pytest.raises(ReidaugError, match=rf"1 of \d+ images .*{crops[1].stem}\.png"):
        dry_run(settings)


@pytest.mark.usefixtures("no_step")
@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_training_images_in_the_test_set(root: Path, suffix: str) -> None:
    path = sorted((root / "market" / TRAIN).iterdir())[0]
    copy = root / "market" / GALLERY / f"0901_c5s1_000000_09{suffix}"
    Image.open(path).save(copy) if suffix == ".bmp" else shutil.copy(path, copy)
    settings = recipe(root)
    with pytest.raises(ReidaugError, match=r"1 of 49 query and gallery crops are training crops"):
        finetune(settings, root / "run", workers=1)
    assert not (root / "run").exists()


@pytest.mark.usefixtures("no_step")
def test_test_images_among_the_crops_of_an_arm(root: Path) -> None:
    warp = min((root / "warps" / TRAIN).iterdir())
    shutil.copy(min((root / "market" / GALLERY).iterdir()), warp)
    with pytest.raises(ReidaugError, match=r"1 of 48 .*gallery crops are training crops.*_w00"):
        finetune(recipe(root), root / "run", workers=1)
    assert not (root / "run").exists()
