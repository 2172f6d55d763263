"""What `pip install reidaug` alone can do, and what a command says when its extra is missing."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from stick_market import stick_market

from reidaug.cli import COMMANDS, EXTRAS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMPORT_NAMES = {
    "ai-edge-litert": "ai_edge_litert",
    "dask": "distributed",
    "faiss-cpu": "faiss",
    "faiss-gpu": "faiss",
    "opencv-python-headless": "cv2",
    "scikit-learn": "sklearn",
    "warp-lang": "warp",
}


def packages(requirements: Sequence[str]) -> list[str]:
    names = [re.split(r"[^\w-]", line, maxsplit=1)[0] for line in requirements]
    return [name for name in names if name != "reidaug"]


def optional() -> set[str]:
    """Import names of everything that `pip install reidaug` does not bring."""
    extras = PROJECT["optional-dependencies"]
    listed = {name for extra in extras if extra != "dev" for name in packages(extras[extra])}
    return {IMPORT_NAMES.get(name, name) for name in listed} | {"pandas"}


HIDE = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split('.')[0] in HIDDEN else super().find_spec(name, path, target)

sys.meta_path = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
"""


def python(code: str, *, without: set[str]) -> "subprocess.CompletedProcess[str]":
    """Run code in a process where some modules cannot be imported."""
    code = f"HIDDEN = {sorted(without)!r}\n{HIDE}\n{code}"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )


def reidaug(*arguments: str, without: set[str]) -> "subprocess.CompletedProcess[str]":
    code = f"from reidaug.cli import main\nmain({list(arguments)!r})"
    return python(code, without=without)


def test_few_packages_are_needed() -> None:
    assert len(packages(PROJECT["dependencies"])) <= 12


def test_augment_with_keypoints_needs_no_extra(tmp_path: Path) -> None:
    market = stick_market(tmp_path / "market", people=3, images=2)
    arguments = ["augment", str(market), "--out", str(tmp_path / "warped")]
    done = reidaug(*arguments, "--poses", "3", "--workers", "1", without=optional())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "warped" / "contact_sheet.png").is_file()


def test_warping_while_crops_are_loaded_needs_no_extra() -> None:
    code = "from reidaug.augment import PosedCrops, PoseWarp\n"
    code += "from reidaug.flow.builtin import load_flow\nload_flow('market')\n"
    done = python(code, without=optional())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [name for name, entry in COMMANDS.items() if entry.extra])
def test_a_command_names_the_extra_it_lacks(command: str, tmp_path: Path) -> None:
    extra = COMMANDS[command].extra
    missing = EXTRAS[extra][-1]
    done = reidaug(command, "--out", str(tmp_path / "out"), without={missing})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert missing in done.stderr
    assert f"reidaug[{extra}]" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_what_its_commands_import(extra: str) -> None:
    def brought(name: str) -> set[str]:
        lines = PROJECT["optional-dependencies"][name]
        nested = re.findall(r"reidaug\[([\w,]+)\]", " ".join(lines))
        inner = [brought(part) for group in nested for part in group.split(",")]
        return {IMPORT_NAMES.get(p, p) for p in packages(lines)}.union(*inner)

    assert set(EXTRAS[extra]) <= brought(extra)
