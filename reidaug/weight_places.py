"""Places of weights: what was probably meant where another part of a run is named.

A flow estimator is a folder, ``checkpoint`` of a run of `reidaug train-flow`; a re-ID model is one
of the files that a run of `reidaug finetune-eval` keeps.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from reidaug.errors import nearest
from reidaug.kept_recipe import values_in

WEIGHTS, RECIPE, FLOW = "model.safetensors", "recipe.yaml", "checkpoint"
ENDINGS = (".safetensors", ".pth", ".pt", ".tar", ".ckpt", ".bin")
"""Endings of weight files."""
_FLOWS = (FLOW, f"*/{FLOW}", f"*/*/{FLOW}")  # in runs of train-flow, demo and compare
_MANY = 1000  # files of a folder that are looked at


def flow_folder(path: Path) -> Path:
    """Find the folder of a flow estimator, where its run or a file in it is named.

    Returns:
        The path itself where it is neither.
    """
    if path.is_file() and path.suffix in (".safetensors", ".yaml") and _is_flow(path.parent):
        return path.parent
    inner = path / FLOW
    return inner if not (path / WEIGHTS).exists() and _is_flow(inner) else path


def instead_of_flow(path: Path) -> str:
    """Say what a path is that is no folder of a flow estimator, to end a message with.

    Where flow estimators are in it, they are named; or the folder of a like name.
    """
    if path.is_file():
        return (
            f"; it is a file, and a flow estimator is a folder with {WEIGHTS} and {RECIPE}, "
            "such as the 'checkpoint' of a run of train-flow"
        )
    if not path.is_dir():
        return _alike(path, folders=True)
    found = sorted(folder for pattern in _FLOWS for folder in path.glob(pattern))
    if flows := [folder for folder in found if _is_flow(folder)]:
        return _meant(flows)
    command = values_in(path / RECIPE).get("command")
    if command == "train-flow":
        return "; its training has not finished: go on with --resume"
    if isinstance(command, str):
        return f"; it is a run of {command}, and a flow estimator is made by train-flow"
    return ""


def instead_of_weights(path: Path) -> str:
    """Say what a path is that is no weight file of a re-ID model, to end a message with.

    Where weight files are in it, they are named; or the file of a like name.
    """
    if path.is_file():
        flow = path.suffix == ".safetensors" and _is_flow(path.parent)
        return f"; it is of a flow estimator ({path.parent}), not of a re-ID model" if flow else ""
    if not path.is_dir():
        return _alike(path, folders=False)
    if _is_flow(flow_folder(path)):
        return "; it holds a flow estimator, not a re-ID model, whose weights are a file"
    found = [file for file in _weight_files(path) if not _is_flow(file.parent)]
    if not found and values_in(path / RECIPE).get("command") == "finetune-eval":
        return "; it is a run, and keeps the weights of arms with keep_checkpoints: true alone"
    return f"; it is a folder{_meant(found) or ', and no weight file is in it'}"


def _is_flow(folder: Path) -> bool:
    named = (folder / WEIGHTS).is_file() and values_in(folder / RECIPE).get("estimator")
    return isinstance(named, dict)


def _weight_files(folder: Path) -> list[Path]:
    """List the weight files in a folder and the folders in it."""
    files: Iterable[Path] = (file for part in ("*", "*/*") for file in folder.glob(part))
    return sorted(f for f in islice(files, _MANY) if f.suffix in ENDINGS and f.is_file())


def _alike(path: Path, *, folders: bool) -> str:
    """Ask whether what has a like name was meant, or is missing its ending."""
    if not path.parent.is_dir():
        return ""
    beside = [p for p in islice(path.parent.iterdir(), _MANY) if p.is_dir() or p.suffix in ENDINGS]
    names = {p.name: p.stem for p in beside if p.is_dir() == folders}
    same = next((name for name, stem in names.items() if stem == path.name), path.name)
    return nearest(same, names)


def _meant(found: Sequence[Path]) -> str:
    if not found:
        return ""
    more = f", or another of the {len(found)} in it" if len(found) > 1 else ""
    return f"; did you mean {found[0]}{more}?"
