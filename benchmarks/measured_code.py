"""The code that a result measures: which rooms, and a digest of each.

Comments, docstrings and blank lines do not count: they change no number.
"""

import ast
import hashlib
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[1]
CODE = (".py", ".yaml")  # the weights of flows have a digest of their own in results

_ESTIMATORS = (
    "reidaug/geometry", "reidaug/flow/closed_form.py", "reidaug/flow/unwarpme",
    "reidaug/flow/surface/*",
)  # fmt: skip
_WARPS = (*_ESTIMATORS, "reidaug/augment", "reidaug/data/colour.py", "reidaug/data/compositing.py")
_FLOW = ("reidaug/geometry", "reidaug/flow")  # with its training
_PEOPLE, _POSE, _SEARCH = "reidaug/people3d", "reidaug/perception", "reidaug/reid/evaluation"
_RETRIEVAL = ("reidaug/experiments", "reidaug/reid/*", _SEARCH)  # without DG-Net++
_ADAPTATION = ("reidaug/experiments", "reidaug/reid")
_MADE = ("reidaug/augment/engine.py", "reidaug/augment/augmented_dataset.py")
_FEW_POSES = (*_WARPS, *_RETRIEVAL, _PEOPLE, "recipes/demo")
ROOMS: Mapping[str, tuple[str, ...]] = {
    "adaptation_uses": (
        *_WARPS, *_ADAPTATION, _PEOPLE, _POSE, "recipes/market1501/table5_uda_small.yaml"
    ),
    "another_world": _FEW_POSES,
    "augment_rate": (*_WARPS, *_MADE),
    "checkpoint": (*_ESTIMATORS, "reidaug/flow/scores.py", _PEOPLE, _POSE),
    "crops_at_once": (*_WARPS, *_MADE, _POSE, "reidaug/perception/dataset_poses.py"),
    "demo": (*_FEW_POSES, "reidaug/flow"),
    "domains": (*_WARPS, *_ADAPTATION, _PEOPLE),
    "drawing_task": (*_FLOW, _PEOPLE),
    "evaluator_rate": (_SEARCH,),
    "judged_warps": (*_WARPS, _POSE),
    "learning_rates": (*_FLOW, _PEOPLE, "reidaug/experiments/compare.py", "recipes/tables"),
    "low_data": _FEW_POSES,
    "mutants": ("reidaug/geometry", "reidaug/flow", "reidaug/reid", "reidaug/augment", "tests"),
    "neighbours": (_SEARCH,),
    "onnx_rate": (
        *_ESTIMATORS, "reidaug/flow/graph_operators.py", "reidaug/flow/onnx_graph.py"
    ),
    "photographs": (*_WARPS, *_RETRIEVAL, _POSE, "recipes/photographs"),
    "play_latency": (*_WARPS, "reidaug/app/play"),
    "pose_errors": (_PEOPLE, _POSE),
    "refused_poses": ("reidaug/augment/pose_pool.py", _POSE),
    "reliability": ("reidaug", "tests/faults"),
    "render_rate": (_PEOPLE, "reidaug/people3d/render_run.py"),
    "rerank": (_SEARCH,),
    "round_trip": (*_WARPS, "reidaug/reid/*", _SEARCH, _PEOPLE, _POSE),
    "second_tries": (_PEOPLE, _POSE),
    "sizes": ("reidaug/flow",),
    "skeleton_floor": (*_ESTIMATORS, _PEOPLE),
    "surface_flow": (*_ESTIMATORS, "reidaug/flow/surface/training/scores.py", _PEOPLE, _POSE),
    "table5": (*_FEW_POSES, "recipes/market1501/table5_supervised_small.yaml"),
    "table5_uda": (
        *_WARPS, *_ADAPTATION, _PEOPLE, "recipes/market1501/table5_uda_small.yaml"
    ),
    "tables": (*_FLOW, _PEOPLE, "reidaug/experiments/compare.py", "recipes/tables"),
    "test_time_averaging": (*_WARPS, _POSE, _SEARCH),
    "training_uses": (*_WARPS, *_RETRIEVAL, _POSE, "recipes/photographs/uses.yaml"),
    "transform_rate": (*_WARPS, "reidaug/augment/posed_crops.py"),
    "warp_quality": (*_WARPS, _PEOPLE),
    "world_statistics": (_PEOPLE,),
    "world_tau": (*_RETRIEVAL, _PEOPLE, "recipes/market1501/world_tau.yaml"),
}  # fmt: skip
"""What decides the numbers of a script beside the script itself: folders with all below them,
``FOLDER/*`` without, and files."""
KEEPING = {
    "augment": "augmented_dataset engine estimated_poses inputs output_folder posed_crops toolkits "
    "torchreid_images warp_inputs warp_manifest warp_sheet",
    "experiments": "beforehand cell_inputs compare_text demo demo_report demo_samples run_grid "
    "tables query_results",
    "flow": "builtin checkpoint class_sources components graph_operators onnx_file onnx_graph "
    "onnx_parity",
    "people3d": "render_run",
    "perception": "dataset_poses kept_estimates pose_files pose_records pose_report pose_sheet "
    "pose_sums provenance weights",
    "reid": "model_contract weight_hints weights",
}
"""Modules that find, check, keep, resume and print: they count only where a script names them."""
ABOUT = ("measured_code", "provenance", "shipped")
"""Scripts that say where numbers come from, and change none."""
_KEEPING = {f"reidaug/{room}/{name}.py" for room in KEEPING for name in KEEPING[room].split()}


class Tree(Protocol):
    """The files of the working tree, or of a commit."""

    def files(self, room: str) -> list[str]:
        """List paths below a folder, or the file of this name; sorted."""

    def read(self, path: str) -> bytes:
        """Read a file."""


class WorkingTree:
    """The files as they are now, each read once."""

    def __init__(self) -> None:
        self._lists: dict[str, list[str]] = {}
        self._contents: dict[str, bytes] = {}

    def files(self, room: str) -> list[str]:
        """List paths below a folder, or the file of this name; sorted."""
        if room not in self._lists:
            place = ROOT / room.removesuffix("/*")
            found = [place] if place.is_file() else place.rglob("*")
            self._lists[room] = _counted(
                room, (str(path.relative_to(ROOT)) for path in found if path.is_file())
            )
        return self._lists[room]

    def read(self, path: str) -> bytes:
        """Read a file."""
        if path not in self._contents:
            self._contents[path] = (ROOT / path).read_bytes()
        return self._contents[path]


class Commit:
    """The files of a commit that this repository holds."""

    def __init__(self, name: str) -> None:
        listed = git("ls-tree", "-r", "--full-tree", name).decode().splitlines()
        entries = (line.split("\t", 1) for line in listed)
        self.blobs = {path: head.split()[2] for head, path in entries}

    def files(self, room: str) -> list[str]:
        """List paths below a folder, or the file of this name; sorted."""
        return _counted(room, self.blobs)

    def read(self, path: str) -> bytes:
        """Read a file."""
        return _blob(self.blobs[path])


def script_of(command: str) -> str:
    """Read the name of the script from a command: ``python benchmarks/NAME.py ...``.

    Raises:
        ValueError: It is another command, or the script is not in `ROOMS`.
    """
    words = command.split()
    if len(words) < 2 or words[0] != "python" or not words[1].startswith("benchmarks/"):
        raise ValueError(f"not a command of a script here: {command}")
    name = words[1].removeprefix("benchmarks/").removesuffix(".py")
    if name not in ROOMS:
        raise ValueError(f"measured_code.ROOMS does not say which code {name} measures")
    return name


def code_of(script: str, tree: Tree) -> dict[str, str]:
    """Digest the rooms that a script measures, and the script with the scripts it imports.

    Args:
        script: Its name.
        tree: Where its code is.

    Returns:
        Room to the first digits of a SHA-256.
    """
    rooms = {room: tree.files(room) for room in ROOMS[script]}
    rooms[f"benchmarks/{script}.py"] = sorted(_imported(script, tree))
    return {room: _joined(tree, paths) for room, paths in rooms.items()}


def changed(code: Mapping[str, str], script: str, tree: Tree) -> list[str]:
    """List the rooms that are not as they were, rooms that were not digested among them."""
    now = code_of(script, tree)
    return [room for room, digest in now.items() if code.get(room) != digest]


def git(*words: str) -> bytes:
    """Give what git prints; nothing where it cannot answer."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, check=False, cwd=ROOT)
    except FileNotFoundError:
        return b""
    return done.stdout if done.returncode == 0 else b""


def said(source: bytes) -> bytes:
    """Leave out comments, docstrings, blank lines and space at the end of lines of a module."""
    lines = source.splitlines()
    for text in _lone_strings(ast.parse(source)):
        first, last = text.lineno - 1, text.end_lineno or text.lineno
        lines[first:last] = [b""] * (last - first)
    kept = (line if b'"' in line or b"'" in line else line.split(b"#")[0] for line in lines)
    return b"\n".join(line.rstrip() for line in kept if line.strip() and line.strip()[:1] != b"#")


def _lone_strings(node: ast.AST) -> Iterator[ast.Expr]:
    """Yield the statements that are nothing but a string."""
    for part in ("body", "orelse", "finalbody", "handlers"):
        inner = getattr(node, part, [])
        for statement in inner if isinstance(inner, list) else []:
            yield from _lone_strings(statement)
            value = getattr(statement, "value", None)
            if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant):
                yield statement


def _counted(room: str, paths: Iterable[str]) -> list[str]:
    """Choose the files of a room among some paths; sorted."""
    folder = room.removesuffix("/*")
    deep = folder == room
    return sorted(
        path
        for path in paths
        if path == room
        or (path.startswith(f"{folder}/") and path.endswith(CODE) and path not in _KEEPING
            and (deep or "/" not in path.removeprefix(f"{folder}/")))
    )  # fmt: skip


def _imported(script: str, tree: Tree) -> set[str]:
    """Find a script and the scripts that it imports, those left out that only write things down."""
    left, found = [f"benchmarks/{script}.py"], set[str]()
    while left:
        path = left.pop()
        if path in found or not tree.files(path):
            continue
        found.add(path)
        for node in ast.walk(ast.parse(tree.read(path))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names = [name for name in names if name not in ABOUT and not name.endswith("_tables")]
            left += [f"benchmarks/{name}.py" for name in names]
    return found


@cache
def _blob(name: str) -> bytes:
    return git("cat-file", "blob", name)


@cache
def _digest(path: str, content: bytes) -> bytes:
    if path.endswith(".py"):
        content = said(content)
    return hashlib.sha256(content).digest()


def _joined(tree: Tree, paths: list[str]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.encode() + b"\0" + _digest(path, tree.read(path)))
    return whole.hexdigest()[:12]
