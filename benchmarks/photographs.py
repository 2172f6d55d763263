"""Photographs as the judge: everything that is measured on Market-1501's own crops.

    python benchmarks/photographs.py job|round-trips|arms|grid|gpu --market ROOT [--small]

job: the paper's augmentation, every training crop into 25 poses, with estimated joints and masks.
round-trips: how much of person and pose warps keep (needs --osnet FILE).
arms: real crops alone, and with warps or their controls, from an ImageNet network.
grid: copies on other grounds with a tenth or three tenths of the people, two crops or all, one
camera or all.
gpu: real crops, own pose and warps at 256 x 128, on a GPU in at most nine minutes.

People are split once and for all (`reidaug.data.people_split`): choices are made on `--part tune`;
published figures are those of `--part test`, the default. Results go to
benchmarks/results/photographs_PART.json, those of tune people under --out. A part that was stopped
goes on where it was. --small is a form of round-trips and arms for every day, at most ten minutes
on two cores. Without --market every part says what it needs and ends. See docs/photographs.md.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from photograph_arms import RECIPES, compare_arms, make_crops, recipe_of
from photograph_crops import NEEDED, sizes
from photograph_grid import SHARES, compare_settings
from photograph_job import warp_everything
from photograph_round_trips import FULL, ROWS, SMALL, SMALL_ROWS, measure
from photograph_scores import lines
from provenance import about, write_result
from shipped import weights_of

from reidaug.errors import ReidaugError, UsageError
from reidaug.files import write_atomically
from reidaug.flow.builtin import SHIPPED, SURFACE
from reidaug.machine import cores

# Of 25 poses, how many each training crop is warped into: more than the short trainings draw.
EACH, EACH_OF_FEW = 1, 4
SMALLER = ("round-trips", "arms")
PARTS = ("job", "round-trips", "arms", "grid", "gpu")


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=PARTS)
    parser.add_argument(
        "--market", type=Path, help="Market-1501, or any root with its training set"
    )
    parser.add_argument("--osnet", type=Path, help="osnet_x0_25_msmt17.onnx, for round-trips")
    parser.add_argument("--out", type=Path, default=Path("runs/photographs"))
    parser.add_argument("--part", choices=("tune", "test"), default="test", help="who is evaluated")
    parser.add_argument("--seeds", type=int, help="trainings an arm; by default the recipe's")
    parser.add_argument("--small", action="store_true", help="the form for every day")
    parser.add_argument("--workers", type=int, help="processes; by default one per core")
    options = parser.parse_args()
    if options.market is None:
        print(NEEDED)
        return
    if options.small and options.what not in SMALLER:
        parser.error(f"--small: only {' and '.join(SMALLER)} have a smaller form")
    if options.seeds is not None and options.what in ("job", "round-trips"):
        parser.error(f"--seeds: nothing is trained by {options.what}")
    if options.part != "test" and options.what == "job":
        parser.error("--part: the job is that of all people")
    measured = {
        "job": measure_job,
        "round-trips": measure_round_trips,
        "arms": measure_arms,
        "grid": measure_grid,
        "gpu": measure_gpu,
    }[options.what]
    try:
        root = sizes(options.market)
        keep(options, {"market": root, **measured(options)})
    except ReidaugError as error:
        raise SystemExit(f"error: {error}") from None


def keep(options: argparse.Namespace, measured: dict[str, Any]) -> None:
    """Write what was measured: a published result of test people, or a file under --out."""
    words = ["python benchmarks/photographs.py", options.what, "--market Market-1501"]
    words += [] if options.osnet is None else [f"--osnet {options.osnet.name}"]
    words += [] if options.part == "test" else [f"--part {options.part}"]
    words += [] if options.seeds is None else [f"--seeds {options.seeds}"]
    words += ["--small"] if options.small else []
    command, name = " ".join(words), f"photographs_{options.what.replace('-', '_')}"
    name += "_small" if options.small else ""
    values = {"weights": weights_of(SHIPPED), "part": options.part, **measured}
    if options.part == "test":
        write_result(name, command, **values)
        return
    kept = options.out / f"{name}_{options.part}.json"
    write_atomically(kept, (json.dumps(values | about(command), indent=1) + "\n").encode())
    print(f"kept as {kept}")


def measure_job(options: argparse.Namespace) -> dict[str, Any]:
    """Do the paper's job."""
    return warp_everything(options.market, options.out / "job", options.workers)


def measure_round_trips(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what warps keep."""
    if options.osnet is None:
        raise UsageError("round-trips needs --osnet osnet_x0_25_msmt17.onnx (docs/photographs.md)")
    result = measure(
        options.market, options.out / "round_trips", osnet=options.osnet, part=options.part,
        **(SMALL if options.small else FULL), rows=SMALL_ROWS if options.small else tuple(ROWS),
        workers=options.workers,
    )  # fmt: skip
    print("\n".join(lines(result)))
    return result


def measure_arms(options: argparse.Namespace) -> dict[str, Any]:
    """Compare arms that train on all crops of the train people."""
    return arms_of(options, "arms_small" if options.small else "arms")


def measure_gpu(options: argparse.Namespace) -> dict[str, Any]:
    """Compare two arms and their start at the size of the papers."""
    return arms_of(options, "gpu")


def arms_of(options: argparse.Namespace, name: str) -> dict[str, Any]:
    """Make the crops of a recipe's arms, train and compare them."""
    out = options.out / "small" if options.small else options.out
    recipe = recipe_of(RECIPES / f"{name}.yaml", out, options.part, EACH, seeds_of(options))
    make_crops(options.market, out, options.part, recipe, each=EACH, workers=options.workers)
    report = compare_arms(recipe, out / f"{name}-{options.part}", workers=options.workers)
    for arm, found in report["comparisons"].items():
        print(f"{arm}: {in_words(found)}")
    return report


def measure_grid(options: argparse.Namespace) -> dict[str, Any]:
    """Compare arms that train on parts of the data."""
    path, out = RECIPES / "grid.yaml", options.out
    each, most = EACH_OF_FEW, [f"people_share={max(SHARES)}"]  # smaller parts lie within it
    recipe = recipe_of(path, out, options.part, each, most)
    make_crops(options.market, out, options.part, recipe, each=each, workers=options.workers)
    settings = compare_settings(
        path, out, options.part, each, keys=seeds_of(options), workers=options.workers or cores()
    )
    for setting in settings:
        cameras = "all cameras" if setting["cameras_each"] is None else "one camera"
        size = f"{setting['train_people']} people, {setting['train_images']} crops, {cameras}"
        print(f"{size}: {setting['rows'][recipe.method]}")
    return {"weights": weights_of(SURFACE), "method": recipe.method, "settings": settings}


def in_words(found: Mapping[str, Any]) -> str:
    """Gains of an arm in points of mAP."""
    return "; ".join(
        f"{key.replace('_', ' ')} ({gain['vs']}) {gain['mean']:+.1f} "
        f"({gain['ci'][0]:+.1f} to {gain['ci'][1]:+.1f}), {gain['words']}"
        for key, gain in found.items()
    )


def seeds_of(options: argparse.Namespace) -> list[str]:
    """Seeds as a change to a recipe."""
    return [] if options.seeds is None else [f"seeds={list(range(options.seeds))}"]


if __name__ == "__main__":
    main()
