"""Table 1 within minutes on a GPU: its six estimators at 128 x 64, and UnWarpME at 256 x 256.

    python benchmarks/gpu_tables.py [--minutes 9] [--out runs/gpu-tables]

Renders pairs, trains the six rows on 100,000 of them each, as recipes/tables/table1_small.yaml does
on fewer, and then the UnWarpME of table1.yaml, and scores all on test people. All that together
takes the minutes that are given: before a row is trained, reading pairs and some of its steps are
timed, and where its share of the time left is too short, its schedule is shorter. The result tells
how many pairs each row saw. One process would take minutes to read those of one row, so all cores
but two read. Learning rates are the recipes'; the small table's were chosen with batches of 8.

Without a GPU this is the small form of the table: 64 x 32, 12,000 pairs, one seed, in the same
time. Where nothing can be fetched, ST-LPIPS's weight files must be in the cache beforehand
(`reidaug.files.cache_folder`).
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate.utils import send_to_device
from learning_rates import ROWS
from provenance import write_result
from tables import PAIRS, RECIPES

from reidaug.data.pairs import collate
from reidaug.experiments.compare import compare
from reidaug.experiments.compare_config import Compare, Row, plan_rows
from reidaug.flow.training.pair_sources import read_split, trained_pairs
from reidaug.flow.training.recipe import TrainFlow
from reidaug.flow.training.train import build_trainer, train
from reidaug.geometry.flow import Size
from reidaug.machine import cores
from reidaug.people3d.pair_dataset import PairOptions, render_pairs
from reidaug.people3d.render_run import size_text
from reidaug.recipes import load

SHALLOWER = ("canvas", "sigma", "widths", "blocks", "windows")
"""What the small table changes for 64 x 32: at 128 x 64 the presets are as they are."""
WARM, TIMED = 2, 4  # rounds of a row's cycle
READ = 64  # pairs that are read to time it
TRAINING = 0.8  # share of a row's time once it is timed; the rest is for files and the checkpoint
SCORING = 0.15  # share of the whole time, at its end


class Form(NamedTuple):
    """Rows of a table at one size."""

    table: str  # recipe in recipes/tables
    pairs: PairOptions
    batch: int
    budget: int = 100_000  # pairs of each row
    rows: tuple[str, ...] = ROWS
    test_pairs: int = 200  # of them are scored

    @property
    def size(self) -> Size:
        """(height, width) of the images."""
        return self.pairs.size


ON_GPU = (
    Form("table1_small", PairOptions(400, size=(128, 64)), 128),
    Form("table1", PairOptions(100, size=(256, 256)), 16, rows=("unwarpme",), test_pairs=80),
)
ON_CPU = (Form("table1_small", PAIRS, 8, budget=12_000),)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-tables"), help="a new folder")
    options = parser.parse_args()
    gpu = torch.cuda.is_available()
    if not gpu:
        print("no GPU: the small form of the table")
    found = measure(ON_GPU if gpu else ON_CPU, options.out, 60 * options.minutes)
    command = f"python benchmarks/gpu_tables.py --minutes {options.minutes:g}"
    write_result("gpu_tables" if gpu else "gpu_tables_small", command, **found)


def measure(forms: tuple[Form, ...], out: Path, seconds: float) -> dict[str, Any]:
    """Render, train and score the rows of all forms within some seconds; return JSON values."""
    started = time.monotonic()
    end = started + (1 - SCORING) * seconds
    recipes = {form: plan(form, out) for form in forms}
    rows = {form: plan_rows(recipe, recipe.pairs.parent) for form, recipe in recipes.items()}
    for form, recipe in recipes.items():
        render_pairs(recipe.pairs, form.pairs)
    rendered = time.monotonic() - started
    told: dict[Form, dict[str, Any]] = {form: {} for form in forms}
    todo = [(form, name) for form in forms for name in form.rows]
    for k, (form, name) in enumerate(todo):
        share = (end - time.monotonic()) / (len(todo) - k)
        told[form][name] = trained(rows[form][name], share)
        print(size_text(form.size), name, told[form][name])
    tables = {}
    for form, recipe in recipes.items():
        known = {name: {"checkpoint": str(row.weights)} for name, row in rows[form].items()}
        finished = recipe.model_copy(update={"rows": known, "common": {}, "budget": None})
        scored = compare(finished, recipe.pairs.parent / "table")
        assert scored is not None
        tables[size_text(form.size)] = scored.as_dict() | {"training": told[form]}
    return {"seconds": seconds, "seconds_before_training": round(rendered, 1), "tables": tables}


def plan(form: Form, out: Path) -> Compare:
    """Write the comparison of a form; its pairs lie in a folder of ``out`` for its size."""
    keys = {
        "pairs": out / size_text(form.size) / "pairs",
        "size": list(form.size),
        "seeds": "null",
        "budget": form.budget,
        "stlpips": "[alex]",
        "test_pairs": form.test_pairs,
        "common.batch": form.batch,
        "common.workers": max(0, cores() - 2) if torch.cuda.is_available() else 0,
        "common.log_every": 50,
    }
    chosen = [f"{key}={value}" for key, value in keys.items()]
    table = load(RECIPES / f"{form.table}.yaml", Compare, chosen)
    rows = {name: table.rows[name] for name in form.rows}
    if form.size != PAIRS.size:
        rows = {name: deeper(keys) for name, keys in rows.items()}
    return table.model_copy(update={"rows": rows, "reference": None})


def deeper(keys: dict[str, Any]) -> dict[str, Any]:
    """Leave out what makes a row's networks fit images of 64 x 32."""
    return {
        key: deeper(value) if isinstance(value, dict) else value
        for key, value in keys.items()
        if key not in SHALLOWER
    }


def trained(row: Row, seconds: float) -> dict[str, Any]:
    """Train a row for as many steps as its seconds allow, at least a cycle, and tell how many."""
    training, weights, started = row.training, row.weights, time.monotonic()
    assert training is not None and weights is not None
    wanted, each = training.schedule.steps, seconds_each_step(training)
    left = seconds - (time.monotonic() - started)
    steps = max(len(training.cycle), min(wanted, int(TRAINING * left / each)))
    schedule = replace(training.schedule, steps=steps)
    train(training.model_copy(update={"schedule": schedule}), weights.parent)
    return {
        "steps": steps,
        "batch": training.batch,
        "pairs": steps * training.batch,
        "pairs_wanted": wanted * training.batch,
        "seconds": round(time.monotonic() - started, 1),
        "seconds_given": round(seconds, 1),
    }


def seconds_each_step(training: TrainFlow) -> float:
    """Time the steps of a training on pairs of its own; where reading them takes longer, that."""
    pairs = trained_pairs(training, read_split(training, "train"))
    read: list[Any] = []
    reading = timed(lambda: read.append(pairs[len(read)]), min(READ, len(pairs)))
    trainer = build_trainer(training)
    batch = collate([read[k % len(read)] for k in range(training.batch)])
    batch = send_to_device(batch, trainer.accelerator.device)
    rounds = len(training.cycle)
    timed(lambda: trainer.step(batch), WARM * rounds)
    step = timed(lambda: trainer.step(batch), TIMED * rounds)
    reading *= training.batch
    return max(step, reading / training.workers) if training.workers else step + reading


def timed(work: Callable[[], object], times: int) -> float:
    """Do something several times, and take the mean of its seconds."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


if __name__ == "__main__":
    main()
