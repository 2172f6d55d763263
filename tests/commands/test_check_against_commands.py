"""`reidaug check` and the commands it speaks of never disagree about a dataset."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from commandline import reidaug
from PIL import Image
from small_experiment import recipe
from stick_market import stick_market

from reidaug.data.market1501 import GALLERY, QUERY, TRAIN
from reidaug.experiments.finetune_config import build_network
from reidaug.reid.weights import save_weights

KEYPOINTS = "market-annotation-train.csv"
ALL = (True, True, True)  # usable for augment, training, evaluation
Change = Callable[[Path], object]


def files(root: Path, split: str) -> list[Path]:
    return sorted(path for path in (root / split).rglob("*") if path.is_file())


def converted(suffix: str, every: int = 1, split: str = TRAIN) -> Change:
    """Store images in another format, but for every n-th one."""

    def change(root: Path) -> None:
        for path in [p for k, p in enumerate(files(root, split)) if every == 1 or k % every]:
            Image.open(path).save(path.with_suffix(suffix))
            path.unlink()

    return change


def renamed(pattern: str, to: str, *splits: str) -> Change:
    def change(root: Path) -> None:
        for path in [path for split in splits for path in files(root, split)]:
            path.rename(path.with_name(re.sub(pattern, to, path.name)))

    return change


def copied(share: int, split: str, to: str, camera: str, suffix: str = ".jpg") -> Change:
    """Copy every n-th image of a split into another one, as taken by another camera."""

    def change(root: Path) -> None:
        for path in files(root, split)[::share]:
            name = re.sub(r"_c\d", f"_{camera}", path.stem) + suffix
            if suffix == ".jpg":
                shutil.copy(path, root / to / name)
            else:
                Image.open(path).save(root / to / name)

    return change


def damaged(split: str, count: int = 1) -> Change:
    def change(root: Path) -> None:
        for path in files(root, split)[:count]:
            path.write_bytes(path.read_bytes()[:200])

    return change


def keypoints_of(keep: Callable[[int], bool], edit: str = "") -> Change:
    """Keep some lines of the keypoint file."""

    def change(root: Path) -> None:
        head, *lines = (root / KEYPOINTS).read_text().splitlines()
        kept = [edit + line for k, line in enumerate(lines) if keep(k)]
        (root / KEYPOINTS).write_text("\n".join([head, *kept]) + "\n")

    return change


def two_folders(root: Path) -> None:
    """Put training images into folders that share names, which masks cannot tell apart."""
    for k, path in enumerate(files(root, TRAIN)):
        folder = path.parent / f"person{k % 3}"
        folder.mkdir(exist_ok=True)
        path.rename(folder / f"img{k // 3}.jpg")
    (root / KEYPOINTS).unlink()


def same_stems(root: Path) -> None:
    """Images whose warps would have one name, and one mask."""
    for path in files(root, TRAIN)[::3]:
        Image.open(path).save(path.with_suffix(".png"))


CASES: dict[str, tuple[Change, tuple[bool, bool, bool]]] = {
    "as it is": (lambda root: None, ALL),
    "images converted, keypoints not": (converted(".png"), (False, True, True)),
    "two of three converted": (converted(".png", 3), (False, True, True)),
    "one of three converted": (keypoints_of(lambda k: k % 3 != 0), ALL),
    "keypoints of a third": (keypoints_of(lambda k: k % 3 == 0), (False, True, True)),
    "keypoints of others": (keypoints_of(lambda k: True, "a"), (False, True, True)),
    "queries are gallery files": (copied(1, QUERY, GALLERY, "c6"), (True, True, False)),
    "queries are gallery files in another format": (
        copied(1, QUERY, GALLERY, "c6", ".bmp"),
        (True, True, False),
    ),
    "gallery has training images": (copied(3, TRAIN, GALLERY, "c6"), (True, True, False)),
    "one camera": (renamed(r"_c\d", "_c1", QUERY, GALLERY), (True, True, False)),
    "people not in the gallery": (renamed("^", "1", QUERY), (True, True, False)),
    "one query person not in the gallery": (renamed("^0901", "10901", QUERY), ALL),
    "a damaged training image": (damaged(TRAIN), (True, False, True)),
    "a damaged query": (damaged(QUERY), (True, True, False)),
    "a damaged gallery image": (damaged(GALLERY), (True, True, False)),
    "no gallery": (lambda root: shutil.rmtree(root / GALLERY), (True, True, False)),
    "no query": (lambda root: shutil.rmtree(root / QUERY), (True, True, False)),
    "no training images": (lambda root: shutil.rmtree(root / TRAIN), (False, False, True)),
    "names of training images give nobody": (
        renamed(r"^\d+_c\ds", "x", TRAIN),
        (False, False, True),
    ),
    "names of queries give nobody": (renamed(r"^\d+_c\ds", "x", QUERY), (True, True, False)),
    "a fifth of the training names": (renamed(r"^000[1]_c\ds", "x", TRAIN), (False, False, True)),
    "one person, by other names than the keypoints'": (
        renamed(r"^\d+_", "0001_", TRAIN),
        (False, False, True),
    ),
    "warps with one name": (same_stems, (False, True, True)),
    "names no keypoint file holds": (
        lambda root: (renamed("_01", ":01", TRAIN)(root), (root / KEYPOINTS).unlink()),
        (False, True, True),
    ),
    "folders that share names": (two_folders, ALL),
}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stick_market(tmp_path_factory.mktemp("doors") / "market", people=5, images=3)


@pytest.mark.parametrize("name", CASES)
def test_check_says_what_the_commands_do(
    name: str, market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    monkeypatch.chdir(tmp_path)
    change, expected = CASES[name]
    root = shutil.copytree(market, tmp_path / "market")
    change(root)
    reidaug("check", root, "--json", "found.json", "--workers", 1)
    usable = json.loads(Path("found.json").read_text())["usable"]
    assert tuple(usable.values()) == expected
    capfd.readouterr()

    settings = recipe(tmp_path)
    values = {
        **json.loads(settings.model_dump_json(exclude_defaults=True)),
        "arms": {"real_only": None},
        "people": 2,
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    both = reidaug("finetune-eval", path, "--dry-run")
    assert (both == 0) == (usable["training"] and usable["evaluation"]), capfd.readouterr().err
    if not usable["evaluation"]:
        held_out = ("--set", "evaluate_on=held_out", "--set", "held_out=0.4")
        trained = reidaug("finetune-eval", path, "--dry-run", *held_out)
        assert (trained == 0) == usable["training"], capfd.readouterr().err
    if not usable["training"]:
        save_weights(build_network(settings, 2, 0, None)[0], tmp_path / "model.safetensors")
        only = ("--eval-only", "--set", "checkpoint=model.safetensors", "--out", "scores")
        scored = reidaug("finetune-eval", path, *only)
        assert (scored == 0) == usable["evaluation"], capfd.readouterr().err
    options = ("--flow", "torso-affine", "--poses", 2, "--workers", 1, "--pool", "any")
    if (root / KEYPOINTS).exists() or not usable["augment"]:
        warped = reidaug("augment", root, "--out", "warps", *options)
        assert (warped == 0) == usable["augment"], capfd.readouterr().err
    error = capfd.readouterr().err
    assert "Traceback" not in error
