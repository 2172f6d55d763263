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
    "finetune-eval": tuple(
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


@pytest.mark.usefixtures("blazepose")
def test_the_pages_commands_lead_from_crops_to_a_comparison(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []
    for name, *rest in commands():
        code = reidaug(name, *rest, *SHORT[name])
        assert code == (1 if name == "check" else 0), (name, rest)
        done.append(name)
    assert done == [
        "check", "pose", "augment", "augment", "augment", "finetune-eval", "finetune-eval",
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert "a folder of crops has no query and gallery" in printed
    for shown in ("keypoints.sheet.png", "warps/contact_sheet.png"):
        assert (place / "runs" / shown).is_file()
    report = json.loads((place / "runs/reid/report.json").read_text())
    assert list(report["arms"]) == ["real_only", "grounds", "own_pose", "torso_affine", "warps"]
    assert "real_only" in printed
