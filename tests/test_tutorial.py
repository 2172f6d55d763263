"""Everything docs/tutorial.md lists is run, on drawn people."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import reidaug
from docs_page import folder_of, listings
from drawn_person import drawn_person

PAGE = "tutorial.md"
ALONE = ("--workers", "1")
SHORT = {
    "check": ALONE,
    "pose": ALONE,
    "augment": ("--poses", "6", *ALONE),
    "finetune-eval": ALONE + tuple(
        part
        for change in (
            "backbone=resnet18", "backbone_options={width: 8, blocks: [1, 1, 1, 1], embedding: 8}",
            "weights=null", "size=[32, 16]", "people=2", "images=2", "pretrain_steps=2",
            "steps=2", "held_out=0.4", "seeds=[0]", "precision=float32",
        )
        for part in ("--set", change)
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the page's recipe, and drawn people in folders, by two cameras each."""
    with folder_of(PAGE, tmp_path_factory.mktemp("tutorial")) as place:
        for k, name in enumerate(("anna", "ben", "cleo", "dan", "eve")):
            (place / "my_crops" / name).mkdir(parents=True)
            for camera in (1, 2):
                picture, _ = drawn_person((128, 64), seed=1 + 2 * k + camera)
                picture.save(place / "my_crops" / name / f"cam{camera}_0001.jpg", quality=95)
        yield place


def commands() -> list[list[str]]:
    lines = "".join(listings(PAGE, "bash")).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("reidaug ")]


def run(*names: str, dry: bool | None = None) -> None:
    """Run the page's commands of these names, in its order, dry ones or others alone."""
    for name, *rest in commands():
        if name in names and dry in (None, "--dry-run" in rest):
            assert reidaug(name, *rest, *SHORT[name]) == (1 if name == "check" else 0), rest


@pytest.fixture(scope="module")
def warped(place: Path, blazepose: None) -> Path:
    run("pose", "augment")
    return place


def test_the_page_lists_these_commands() -> None:
    assert [name for name, *_ in commands()] == [
        "check", "pose", "augment", "augment", "augment", "finetune-eval", "finetune-eval",
    ]  # fmt: skip


def test_the_check_finds_the_people_and_nothing_to_search_for(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("check")
    printed = capsys.readouterr().out
    assert "person anna, camera 1" in printed
    assert "a folder of crops has no query and gallery" in printed


def test_crops_are_warped_and_there_are_sheets_to_look_at(warped: Path) -> None:
    for shown in ("keypoints.sheet.png", "warps/contact_sheet.png"):
        assert (warped / "runs" / shown).is_file()


def test_the_recipe_fits_the_crops(warped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("finetune-eval", dry=True)
    assert "dry run: 5 arms x 1 seeds" in capsys.readouterr().out


@pytest.mark.slow
def test_the_recipe_compares_warps_with_controls(
    warped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("finetune-eval", dry=False)
    report = json.loads((warped / "runs/reid/report.json").read_text())
    assert list(report["arms"]) == ["real_only", "grounds", "own_pose", "torso_affine", "warps"]
    assert "real_only" in capsys.readouterr().out
