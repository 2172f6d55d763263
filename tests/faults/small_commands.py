"""Commands that take a second or two, and what they leave behind."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from small_trainings import train_recipe

# A page shows measured times, and how often it was made is no matter.
SKIPPED = ("log.jsonl", "said", ".lock", "report.html", ".page.json")
TIMES = frozenset(("seconds", "images_per_s", "crops_per_s", "workers", "training", "sizes"))
"""Keys of reports and logs that hold measured times, or how many workers there were."""


class SmallCommand(NamedTuple):
    """A command on a small input."""

    prepare: Callable[[Path], object]  # makes its inputs in a folder
    arguments: Callable[[Path, Path], Sequence[object]]  # from the folder, and the one to write to
    resumes: bool = False  # whether it needs --resume to go on
    workers: int = 1  # value of --workers, 0: it has none
    extra: str = ""  # a module that it needs
    repeats: bool = False  # whether lines of its log may come twice: steps of a cell taken again


def _crops(folder: Path) -> None:
    from stick_market import stick_market

    stick_market(folder / "market", people=4, images=3, size=(128, 64))


def _masked_crops(folder: Path) -> None:
    import torch

    from reidaug.data.images import encode_png

    _crops(folder)
    masks, person = folder / "market" / "masks", torch.zeros(128, 64, dtype=torch.bool)
    person[10:120, 12:52] = True  # whole, and around all joints
    masks.mkdir()
    for crop in (folder / "market" / "bounding_box_train").iterdir():
        (masks / f"{crop.stem}.png").write_bytes(encode_png(person))


def _many_crops(folder: Path) -> None:
    from stick_market import stick_market

    stick_market(folder / "market", people=12, images=6, size=(128, 64))


def _drawn(folder: Path) -> None:
    from drawn_person import drawn_person

    (folder / "crops").mkdir(parents=True)
    for k in range(66):  # two chunks
        drawn_person((64, 32), k)[0].save(folder / "crops" / f"{k // 11:04d}_c1s1_{k:06d}_00.png")


def _flow(folder: Path, **changes: Any) -> None:
    from small_pairs import write_pairs

    pairs = write_pairs(folder / "pairs")
    recipe = train_recipe(pairs, save_every=2, schedule={"steps": 8, "rate": 1e-3}, **changes)
    _write(folder, recipe)


def _compare(folder: Path) -> None:
    from small_pairs import write_pairs
    from small_trainings import compare_recipe

    _write(folder, compare_recipe(write_pairs(folder / "pairs"), budget=4))


def _surface_flow(folder: Path) -> None:
    from small_surfaces import render_small, surface_recipe

    _write(folder, surface_recipe(render_small(folder / "surfaces"), batch=1, test_samples=1))


def _finetune(folder: Path) -> None:
    from small_experiment import draw_roots, recipe

    draw_roots(folder)
    _write(folder, recipe(folder, seeds=[0]))


def _adaptation(folder: Path) -> None:
    from small_adaptation import draw_roots, recipe

    draw_roots(folder)
    changes = {"rounds": 1, "round_steps": 1, "source_steps": 2, "warmup_steps": 1}
    _write(folder, recipe(folder, **changes))


def _write(folder: Path, recipe: Any) -> None:
    values = recipe.model_dump(mode="json", exclude_unset=True)
    (folder / "recipe.yaml").write_text(json.dumps(values))


def _recipe(command: str) -> Callable[[Path, Path], Sequence[object]]:
    return lambda folder, out: (command, folder / "recipe.yaml", "--out", out / "run")


def _pairs(dataset: str) -> Callable[[Path, Path], Sequence[object]]:
    return lambda folder, out: ("pairs", folder / dataset, "--out", out / "run")


def _synth(*arguments: object) -> Callable[[Path, Path], Sequence[object]]:
    return lambda folder, out: ("synth", *arguments, "--out", out / "run")


def _nothing(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


_AUGMENT = ("--flow", "torso-affine", "--poses", 3, "--pool", "any")
COMMANDS = {
    "augment": SmallCommand(
        _masked_crops,
        lambda folder, out: ("augment", folder / "market", "--out", out / "run", *_AUGMENT),
    ),
    "pairs": SmallCommand(_crops, _pairs("market")),
    "pose": SmallCommand(
        _drawn,
        lambda folder, out: (
            "pose", folder / "crops", "--out", out / "p.csv", "--masks", out / "masks"
        ),
        extra="ai_edge_litert",
    ),
    "synth market": SmallCommand(
        _nothing,
        _synth("market", "--people", 3, "--test-people", 2, "--test-crops", 2, "--size", "64x32"),
        extra="anny",
    ),
    "synth pairs": SmallCommand(
        _nothing,
        _synth("pairs", "--people", 3, "--test-people", 1, "--views", 2, "--size", "64x32"),
        extra="anny",
    ),
    "synth surfaces": SmallCommand(
        _nothing,
        _synth(
            "surfaces", "--people", 2, "--test-people", 1, "--views", 2, "--poses", 2,
            "--size", "64x32",
        ),
        extra="anny",
    ),
    "train-flow": SmallCommand(_flow, _recipe("train-flow"), resumes=True, workers=0),
    "train-flow, surfaces": SmallCommand(
        _surface_flow, _recipe("train-flow"), resumes=True, workers=0, extra="anny"
    ),
    "compare": SmallCommand(
        _compare, _recipe("compare"), resumes=True, workers=0, repeats=True
    ),
    "finetune-eval": SmallCommand(_finetune, _recipe("finetune-eval"), resumes=True),
    "finetune-eval, uda": SmallCommand(
        _adaptation, _recipe("finetune-eval"), resumes=True, repeats=True
    ),
}  # fmt: skip
COMMANDS |= {
    "augment, 2 workers": COMMANDS["augment"]._replace(prepare=_many_crops, workers=2),
    "pairs, 2 workers": COMMANDS["pose"]._replace(arguments=_pairs("crops"), workers=2),
    "pose, 2 workers": COMMANDS["pose"]._replace(workers=2),
    "synth market, 2 workers": COMMANDS["synth market"]._replace(workers=2),
    "synth pairs, 2 workers": COMMANDS["synth pairs"]._replace(workers=2),
    "synth surfaces, 2 workers": COMMANDS["synth surfaces"]._replace(workers=2),
    "train-flow, 2 workers": COMMANDS["train-flow"]._replace(prepare=partial(_flow, workers=2)),
    "compare, 2 workers": COMMANDS["compare"]._replace(
        arguments=lambda folder, out: (*_recipe("compare")(folder, out), "--jobs", 2)
    ),
    "finetune-eval, 2 workers": COMMANDS["finetune-eval"]._replace(workers=2),
    "finetune-eval, uda, 2 workers": COMMANDS["finetune-eval, uda"]._replace(workers=2),
}


def content(out: Path) -> dict[str, bytes]:
    """Read what a command left, by name: links as their targets, reports without times."""
    files = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.is_symlink():
            files[name] = os.fsencode(path.readlink())
        elif (
            path.name in SKIPPED or not path.is_file() or {"tensorboard", ".inputs"} & {*path.parts}
        ):
            continue
        elif path.name.endswith("report.json"):
            files[name] = json.dumps(_timeless(json.loads(path.read_text()))).encode()
        elif path.name.endswith("checksums.json"):  # that of a report with times among them
            value = json.loads(path.read_text())["value"]
            sums = value.get("files", value)  # of `pose`
            known = sorted((n, own) for n, own in sums.items() if "report" not in n)
            files[name] = repr(known).encode()
        else:
            files[name] = path.read_bytes()
    return files


def logged(out: Path) -> list[str]:
    """Read the lines of all logs without times, sorted."""
    return sorted(
        json.dumps(_timeless(json.loads(line)))
        for path in out.rglob("log.jsonl")
        for line in path.read_text().splitlines()
    )


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in TIMES}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


def clear(folder: Path) -> None:
    """Remove a folder and all in it, and make it anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
