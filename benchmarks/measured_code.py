"""The code that a result measures: which rooms, and a digest of each definition in them.

Of a room count the definitions that the script reaches (`code_reach`). Comments, docstrings,
layout and what only refuses bad input do not count: they change no number.
"""

import hashlib
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from code_reach import Find, Key, reached

ROOT = Path(__file__).parents[1]
DIGITS = 5  # of a digest: one edit in a few thousand goes unseen
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
    "gpu_tables": (*_FLOW, _PEOPLE, "reidaug/experiments/compare.py", "recipes/tables"),
    "judged_warps": (*_WARPS, _POSE),
    "learning_rates": (*_FLOW, _PEOPLE, "reidaug/experiments/compare.py", "recipes/tables"),
    "low_data": _FEW_POSES,
    "mutants": ("reidaug/geometry", "reidaug/flow", "reidaug/reid", "reidaug/augment", "tests"),
    "neighbours": (_SEARCH,),
    "onnx_rate": (
        *_ESTIMATORS, "reidaug/flow/graph_operators.py", "reidaug/flow/onnx_graph.py"
    ),
    "photographs": (*_WARPS, *_RETRIEVAL, _POSE, "recipes/photographs"),
    "placement": (
        "reidaug/augment/limb_edges.py", "reidaug/augment/mask_placement.py",
        "reidaug/augment/pose_pool.py",
        "reidaug/data/joint_placement.py",
    ),
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
    "warps_only": (*_FEW_POSES, "recipes/market1501/table5_supervised_small.yaml"),
    "table5_uda": (
        *_WARPS, *_ADAPTATION, _PEOPLE, "recipes/market1501/table5_uda_small.yaml"
    ),
    "task_balance": (*_FLOW, _PEOPLE, "reidaug/experiments/compare.py", "recipes/tables"),
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


_COMMANDS = "reidaug.commands"
RUN: Mapping[str, tuple[Key, ...]] = {
    "crops_at_once": ((f"{_COMMANDS}.augment", "*"),),
    "mutants": (("mutant_trials", "*"),),
    "photographs": ((f"{_COMMANDS}.augment", "*"),),
    "play_latency": ((f"{_COMMANDS}.play", "*"),),
}
"""Commands and scripts that a script runs as processes."""
WHOLE = ("mutants", "reliability")
"""Scripts that measure all of their rooms."""
HIDDEN: Mapping[str, tuple[Key, ...]] = {
    "reidaug.flow.checkpoint": (
        ("reidaug.flow.unwarpme", "UnWarpME"), ("reidaug.flow.surface.estimator", "SurfaceFlow")
    ),  # the classes of the weights inside the package
    "reidaug.people3d.raster": (("reidaug.people3d.kernels", "*"),),  # loaded as a file
}  # fmt: skip
"""What modules lead to without naming it."""


class Tree(Protocol):
    """The files of the working tree, or of a commit."""

    def files(self, room: str) -> list[str]:
        """List paths below a folder, or the file of this name; sorted."""

    def holds(self, path: str) -> bool:
        """Whether there is a file of this name."""

    def read(self, path: str) -> bytes:
        """Read a file."""


class WorkingTree:
    """The files as they are now, each read once."""

    def __init__(self) -> None:
        self._lists: dict[str, list[str]] = {}
        self._contents: dict[str, bytes] = {}
        self._there: dict[str, bool] = {}

    def files(self, room: str) -> list[str]:
        """List paths below a folder, or the file of this name; sorted."""
        if room not in self._lists:
            place = ROOT / room.removesuffix("/*")
            found = [place] if place.is_file() else place.rglob("*")
            self._lists[room] = _counted(
                room, (str(path.relative_to(ROOT)) for path in found if path.is_file())
            )
        return self._lists[room]

    def holds(self, path: str) -> bool:
        """Whether there is a file of this name."""
        if path not in self._there:
            self._there[path] = (ROOT / path).is_file()
        return self._there[path]

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

    def holds(self, path: str) -> bool:
        """Whether there is a file of this name."""
        return path in self.blobs

    def read(self, path: str) -> bytes:
        """Read a file."""
        if self.blobs[path] not in _BLOBS:
            _read_blobs(name for file, name in self.blobs.items() if file.endswith(CODE))
        return _BLOBS[self.blobs[path]]


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


class Since(NamedTuple):
    """What has become of the code that a result measured."""

    rooms: list[str]  # that are not as they were, those not digested among them
    edited: int  # definitions that are no longer as they were
    definitions: int  # all that were measured


def code_of(script: str, tree: Tree) -> dict[str, str]:
    """Digest what a script measures, and the script with the scripts it imports.

    Args:
        script: Its name.
        tree: Where its code is.

    Returns:
        By room the first digits of a SHA-256 of each definition, and of each file of values,
        without their names: code that only moves within a room is the same code.
    """
    return {
        room: " ".join(sorted(hashlib.sha256(f"{name} {said}".encode()).hexdigest()[:DIGITS]
                              for name, said in found.items()))
        for room, found in definitions_of(script, tree).items()
    }  # fmt: skip


def definitions_of(script: str, tree: Tree) -> dict[str, dict[str, str]]:
    """Find the definitions that a script measures.

    Returns:
        By room the digest of each, by its name; several of one name together.
    """
    own = f"benchmarks/{script}.py"
    rooms = {room: tree.files(room) for room in ROOMS[script]}
    found: dict[str, dict[str, str]] = {room: {} for room in (*rooms, own)}
    places = {path: room for room, paths in rooms.items() for path in paths}
    starts = [(script, ""), *RUN.get(script, ())]
    if script in WHOLE:
        starts += [(_module_of(path), "*") for path in places if path.endswith(".py")]
    for (module, name), digest in sorted(reached(starts, _finder(tree), hidden=HIDDEN).items()):
        path = _find(module, tree) or ""
        room = own if path.startswith("benchmarks/") else places.get(path)
        if room:
            found[room][name] = f"{found[room].get(name, '')} {digest}"
    for path, room in places.items():
        if path.endswith(".yaml"):
            lines = (line.split(b" #")[0].rstrip() for line in tree.read(path).splitlines())
            told = b"\n".join(line for line in lines if line and line.lstrip()[:1] != b"#")
            found[room][path] = hashlib.sha256(told).hexdigest()
    return found


def since(code: Mapping[str, str], script: str, tree: Tree) -> Since:
    """Compare the code that a result measured with that of a tree."""
    now = code_of(script, tree)
    was = {room: Counter(code.get(room, "").split()) for room in now}
    edited = sum((was[room] - Counter(now[room].split())).total() for room in now)
    rooms = [room for room, digests in now.items() if code.get(room) != digests]
    return Since(rooms, edited, sum(each.total() for each in was.values()))


def git(*words: str, given: bytes = b"") -> bytes:
    """Give what git prints, perhaps on something that it reads; nothing where it cannot answer."""
    try:
        done = subprocess.run(
            ["git", *words], input=given, capture_output=True, check=False, cwd=ROOT
        )
    except FileNotFoundError:
        return b""
    return done.stdout if done.returncode == 0 else b""


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


def _find(module: str, tree: Tree) -> str | None:
    """Find the file of a module, or of a script; not of those that only write things down."""
    inside = module.partition(".")[0] in ("reidaug", "tests")
    if not inside and (module in ABOUT or module.endswith("_tables") or "." in module):
        return None
    base = f"{'' if inside else 'benchmarks/'}{module.replace('.', '/')}"
    paths = (f"{base}.py", f"{base}/__init__.py") if inside else (f"{base}.py",)
    return next((path for path in paths if tree.holds(path)), None)


def _finder(tree: Tree) -> Find:
    def find(module: str) -> bytes | None:
        path = _find(module, tree)
        return tree.read(path) if path else None

    return find


def _module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


_BLOBS: dict[str, bytes] = {}


def _read_blobs(names: Iterable[str]) -> None:
    """Read what is not known yet in one call: a call for each file takes minutes."""
    wanted = [name for name in dict.fromkeys(names) if name not in _BLOBS]
    told = git("cat-file", "--batch", given="\n".join(wanted).encode())
    at = 0
    for name in wanted:
        first, size = told.index(b"\n", at) + 1, int(told[at : told.index(b"\n", at)].split()[-1])
        _BLOBS[name] = told[first : first + size]
        at = first + size + 1
