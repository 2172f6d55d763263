"""Warps judged by eye: good, usable or broken, by somebody who does not know which flow made them.

    python benchmarks/judged_warps.py draw FOLDER ROOT... [--warps 60] [--seed 0]
    python benchmarks/judged_warps.py count FOLDER CSV...

draw: one warp of each of 60 people out of each ROOT (datasets of `reidaug augment` from the same
crops, as `photographs.py round-trips` leaves them), the same people and poses from all. They are
shuffled, numbered and put on sheets in FOLDER: crop, the joints of the target pose, warp. Which
number is of which ROOT stays in key.json. Sheets of photographs are not for any repository.
count: verdicts out of files with the columns number, verdict (good, usable, broken) and reason;
several files are several judges. Shares and reasons for each ROOT go to
results/judged_warps.json.
"""

import argparse
import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from provenance import write_result

from reidaug.augment.target_poses import POSES, read_poses
from reidaug.augment.warp_manifest import MANIFEST
from reidaug.data.contact_sheet import ContactSheet
from reidaug.data.market1501 import TRAIN
from reidaug.data.skeletons import draw_skeleton
from reidaug.geometry.pose import Pose, on_canvas, select
from reidaug.jobs import numpy_generator

VERDICTS = ("good", "usable", "broken")
CELL = (192, 96)
ROWS, COLUMNS = 4, 5  # of a sheet
HEADER = 14


def main() -> None:
    """Draw sheets, or count verdicts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("draw", "count"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("files", type=Path, nargs="+", help="datasets, or verdicts")
    parser.add_argument("--warps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.what == "draw":
        draw_sheets(options.folder, options.files, options.warps, options.seed)
    else:
        counts = count(options.folder, options.files)
        print(json.dumps(counts, indent=1))
        command = f"python benchmarks/judged_warps.py count FOLDER, {len(options.files)} judges"
        write_result("judged_warps", command, **counts)


def draw_sheets(folder: Path, roots: Sequence[Path], warps: int, seed: int) -> None:
    """Write sheets and the key."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {root.name: pd.read_parquet(root / MANIFEST) for root in roots}
    first = tables[roots[0].name]
    chance = numpy_generator(seed)
    people = chance.permutation(first["pid"].unique())[:warps]
    chosen = []
    for pid in people.tolist():
        own = first[(first["pid"] == pid) & (first["source"] != first["pose_image"])]
        row = own.iloc[int(chance.integers(len(own)))]
        chosen.append((row["source"], int(row["pose"])))
    shown = [(root, *pair) for root in roots for pair in chosen]
    order = chance.permutation(len(shown)).tolist()
    key = {}
    for number, k in enumerate(order):
        root, source, pose = shown[k]
        key[number] = {"root": root.name, "source": source, "pose": pose}
    (folder / "key.json").write_text(json.dumps(key, indent=1))
    per_sheet = ROWS * COLUMNS
    for start in range(0, len(order), per_sheet):
        sheet = ContactSheet(ROWS, COLUMNS, (CELL[0] + HEADER, 3 * CELL[1]))
        for place, number in enumerate(range(start, min(start + per_sheet, len(order)))):
            root, source, pose = shown[order[number]]
            cell = draw_cell(number, root, tables[root.name], source, pose)
            sheet.place(cell, *divmod(place, COLUMNS))
        (folder / f"sheet_{start // per_sheet:02d}.png").write_bytes(sheet.png())


def draw_cell(number: int, root: Path, table: pd.DataFrame, source: str, pose: int) -> Image.Image:
    """Draw a crop, the joints of the target pose and the warp, under their number."""
    row = table[(table["source"] == source) & (table["pose"] == pose)].iloc[0]
    targets = read_poses(root / POSES)
    crop = next(root.parent.glob(f"*/{TRAIN}/{source}"))
    joints = Image.new("RGB", (CELL[1], CELL[0]), (40, 44, 52))
    asked = select(targets.pose, pose)
    draw_skeleton(joints, Pose(on_canvas(asked, targets.size, CELL).xy, asked.visible), 3)
    cell = Image.new("RGB", (3 * CELL[1], CELL[0] + HEADER), "white")
    pictures = [Image.open(crop), joints, Image.open(root / TRAIN / row["file"])]
    for k, picture in enumerate(pictures):
        cell.paste(
            picture.resize((CELL[1], CELL[0]), Image.Resampling.BICUBIC), (k * CELL[1], HEADER)
        )
    ImageDraw.Draw(cell).text((2, 1), str(number), fill="black")
    return cell


def count(folder: Path, files: Sequence[Path]) -> dict[str, Any]:
    """Count the verdicts of each dataset: shares of all judges, each judge's, and reasons."""
    key = {int(k): v for k, v in json.loads((folder / "key.json").read_text()).items()}
    judged: dict[str, dict[str, Counter[str]]] = {}
    reasons: dict[str, Counter[str]] = {}
    both: dict[int, list[str]] = {}
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for line in csv.DictReader(lines):
                number, verdict = int(line["number"]), line["verdict"].strip()
                if verdict not in VERDICTS:
                    raise SystemExit(f"error: {file}: {number}: no verdict {verdict!r}")
                root = key[number]["root"]
                judged.setdefault(root, {}).setdefault(file.stem, Counter())[verdict] += 1
                both.setdefault(number, []).append(verdict)
                if verdict != "good" and (reason := (line.get("reason") or "").strip()):
                    reasons.setdefault(root, Counter())[reason] += 1
    agree = [len(set(verdicts)) == 1 for verdicts in both.values() if len(verdicts) > 1]
    return {
        "warps": len(key) // max(1, len(judged)),
        "judges": len(files),
        "agreement": round(float(np.mean(agree)), 3) if agree else None,
        "roots": {
            root: {
                **shares(by),
                "by_judge": {judge: {v: c[v] for v in VERDICTS} for judge, c in by.items()},
                "reasons": dict(reasons.get(root, Counter()).most_common()),
            }
            for root, by in sorted(judged.items())
        },
    }


def shares(by: dict[str, Counter[str]]) -> dict[str, float]:
    """Share of each verdict among those of all judges."""
    total = sum(counts.total() for counts in by.values())
    return {v: round(sum(counts[v] for counts in by.values()) / total, 3) for v in VERDICTS}


if __name__ == "__main__":
    main()
