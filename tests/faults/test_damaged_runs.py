"""Files of runs that are damaged or removed: made again or told, never a traceback or kept."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import small_experiment
from augmented import content
from commandline import reidaug
from damage import HOWS, spoil
from small_trainings import train_recipe
from stick_market import stick_market

Commands = Callable[[str], Sequence[object]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, people: Path) -> Path:
    """Inputs, and in ``done`` a finished run of every command."""
    root = tmp_path_factory.mktemp("damage")
    stick_market(root / "market", people=3, images=2)
    recipe = train_recipe(people, schedule={"steps": 2, "rate": 1e-3}, save_every=1)
    values = recipe.model_dump(mode="json", exclude_unset=True)
    (root / "flow.yaml").write_text(json.dumps(values))
    small_experiment.copy_as_warps(root / "market", root / "warps")
    arms = {"real_only": None, "warps_grey": str(root / "warps")}
    experiment = small_experiment.recipe(root, arms=arms, seeds=[0], steps=1, pretrain_steps=1)
    values = experiment.model_dump(mode="json", exclude_unset=True)
    (root / "reid.yaml").write_text(json.dumps(values))
    for name in ("augment", "train-flow", "finetune-eval", "pairs"):
        assert reidaug(*command(root, name)) == 0
        shutil.copytree(root / name, root / "done" / name, symlinks=True)
    return root


def command(root: Path, name: str) -> list[object]:
    """The command line of a run."""
    words: dict[str, list[object]] = {
        "augment": [
            root / "market", "--flow", "torso-affine", "--poses", 2, "--workers", 1,
            "--background", "grey", "--min-quality", 0,
        ],
        "pairs": [root / "market"],
        "train-flow": [root / "flow.yaml"],
        "finetune-eval": [root / "reid.yaml", "--workers", 1],
    }  # fmt: skip
    resume = ["--resume"] if name in ("train-flow", "finetune-eval") else []
    if not (root / name).exists():
        resume = []
    return [name, *words[name], "--out", root / name, *resume]


def lasting(run: Path) -> dict[str, bytes]:
    """The content of a run without curves, which have the time in their names."""
    return {name: own for name, own in content(run).items() if "tfevents" not in name}


def again(root: Path, name: str) -> Path:
    """Put a finished run where it was."""
    shutil.rmtree(root / name, ignore_errors=True)
    shutil.copytree(root / "done" / name, root / name, symlinks=True)
    return root / name


def files_of(root: Path) -> Iterator[str]:
    """One or two files of each kind, and links."""
    kinds: dict[tuple[Path, str], list[Path]] = {}
    for path in sorted(root.rglob("*")):
        inside = any(parent.is_symlink() for parent in path.relative_to(root).parents)
        if (path.is_file() or path.is_symlink()) and "tfevents" not in path.name and not inside:
            kinds.setdefault((path.parent, path.suffix), []).append(path)
    for paths in kinds.values():
        names = {str(path.relative_to(root)) for path in (paths[0], paths[-1], *paths[:4])}
        yield from sorted(names)[: None if paths[0].parent == root else 1]


@pytest.mark.parametrize("how", ["empty", "garbage"])
def test_what_a_flow_was_trained_on_is_not_guessed(folder: Path, how: str, capfd) -> None:
    run = again(folder, "train-flow")
    spoil(run / ".inputs" / "weights.txt", how)
    capfd.readouterr()
    assert reidaug(*command(folder, "train-flow")) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "weights.txt is damaged" in line and f"or remove {run / '.inputs'}" in line
    shutil.rmtree(run / ".inputs")
    assert reidaug(*command(folder, "train-flow")) == 0


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", ["augment", "pairs", "train-flow", "finetune-eval"])
def test_what_is_damaged_in_a_finished_run_is_made_again(
    folder: Path, name: str, how: str, capfd
) -> None:
    before = lasting(folder / "done" / name)
    for file in files_of(folder / "done" / name):
        run = again(folder, name)
        spoil(run / file, how)
        capfd.readouterr()
        assert reidaug(*command(folder, name)) == 0, (file, capfd.readouterr().err)
        found = lasting(run)
        assert before.keys() == found.keys(), file
        assert not [key for key in found if before[key] != found[key]], file
        assert (run / "checksums.json").is_file()


@pytest.mark.parametrize("name", ["augment", "pairs", "train-flow", "finetune-eval"])
def test_nothing_is_made_again_in_a_whole_run(folder: Path, name: str, capfd) -> None:
    run = again(folder, name)
    before = {file: (run / file).read_bytes() for file in files_of(run) if (run / file).is_file()}
    capfd.readouterr()
    assert reidaug(*command(folder, name)) == 0
    assert "made again" not in capfd.readouterr().err
    changed = [file for file, own in before.items() if (run / file).read_bytes() != own]
    assert {file for file in changed if not file.startswith(".inputs")} <= {"log.jsonl"}


@pytest.mark.parametrize("how", ["half", "removed", "bit"])
def test_who_reads_a_damaged_run_is_told(folder: Path, how: str, capfd) -> None:
    image = sorted((folder / "done" / "augment" / "bounding_box_train").iterdir())[3]
    arm = ("--set", f"arms.warps_grey={folder / 'augment'}", "--dry-run")
    reads = {
        f"augment/bounding_box_train/{image.name}": ("finetune-eval", folder / "reid.yaml", *arm),
        "augment/manifest.parquet": ("finetune-eval", folder / "reid.yaml", *arm),
        "train-flow/checkpoint/model.safetensors": (
            "augment", folder / "market", "--flow", folder / "train-flow" / "checkpoint",
            "--out", folder / "other",
        ),
        "train-flow/checkpoint/recipe.yaml": (
            "augment", folder / "market", "--flow", folder / "train-flow" / "checkpoint",
            "--out", folder / "other",
        ),
    }  # fmt: skip
    for file, reader in reads.items():
        again(folder, file.split("/")[0])
        spoil(folder / file, how)
        capfd.readouterr()
        assert reidaug(*reader) != 0, file
        line = capfd.readouterr().err.splitlines()[-1]
        assert line.startswith("reidaug:") and Path(file).name in line, line
        assert not (folder / "other").exists()
    again(folder, "augment")
    assert reidaug("finetune-eval", folder / "reid.yaml", *arm) == 0


def test_a_minimum_quality_is_refused_where_the_manifest_is_gone(folder: Path, capfd) -> None:
    run = again(folder, "augment")
    for name in ("manifest.parquet", "checksums.json"):
        (run / name).unlink()
    options = ("--set", f"arms.warps_grey={run}", "--set", "min_quality=0.2", "--dry-run")
    assert reidaug("finetune-eval", folder / "reid.yaml", *options) == 1
    line = capfd.readouterr().err.splitlines()[-1]
    assert "manifest.parquet: no such table, and the quality of 12 warps is asked for" in line
