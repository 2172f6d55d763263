"""How far off a flow checkpoint is on people, wardrobes and cameras it was never trained on.

    python benchmarks/checkpoint.py [--flow FLOW] [--out runs/checkpoint] [--people 60]
        [--seed 11] [--pairs 0]

Renders pairs of people of a seed that no training uses (15 % of the pictures cut off legs) with
their exact flow, and reads their joints with BlazePose too. The checkpoint and the closed forms are
scored twice on the same pairs: with true joints, and with those of BlazePose; pairs with a picture
in which BlazePose finds nobody are left out of both, and counted. EPE is in pixels of 128x64 over
the points that both pictures show; the other scores compare the person on grey. Intervals draw
people again, with all their pairs. EPE is also given by how far the person turns between the
pictures, and by whether BlazePose takes left for right in either. The result is checkpoint.json for
the paper's W inside the package, checkpoint_FLOW.json for others. Needs the extras [synth] and
[pose].
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from provenance import write_result
from shipped import weights_of
from turns import TURNS, turn_of

from reidaug.augment.quality import PCK_RADIUS
from reidaug.bootstrap import grouped_mean
from reidaug.data.deepfashion import PairList, read_deepfashion
from reidaug.data.keypoints import read_keypoints
from reidaug.flow.builtin import SHIPPED, load_flow
from reidaug.flow.score_table import Scored, score_pairs
from reidaug.flow.training.pair_sources import subsample
from reidaug.geometry.pck import match_joints
from reidaug.geometry.pose import Pose, stack
from reidaug.people3d.pair_dataset import PairOptions, render_pairs
from reidaug.people3d.render_plans import plan_pair_images
from reidaug.perception.dataset_poses import crops_of, estimate_poses
from reidaug.perception.pose_files import LEFT_OUT, beside

SIZE = (128, 64)
CUT, VIEWS = 0.15, 8
GOALS = {"true": 1.5, "blazepose": 2.5}  # EPE of the checkpoint, at most
PRINTED = ("epe_px", "epe_px_median", "l1", "ssim", "stlpips_alex")


class Tested(NamedTuple):
    """The pairs that are scored.

    Attributes:
        pairs: Pairs with true joints.
        estimated: The same pairs with BlazePose's joints.
        person: Number of the person of each pair (N,).
        groups: Pairs (N,) by how far the person turns, and by whether BlazePose exchanges the
            sides of either picture.
        left_out: What was left out because BlazePose found nobody.
    """

    pairs: PairList
    estimated: PairList
    person: NDArray[np.int64]
    groups: dict[str, NDArray[np.bool_]]
    left_out: dict[str, int]


def main() -> None:
    """Render, score, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flow", default=SHIPPED, help="as of reidaug augment")
    parser.add_argument("--out", type=Path, default=Path("runs/checkpoint"))
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--pairs", type=int, default=0, help="evenly over all of them; 0 for all")
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    flow = options.flow
    estimator = load_flow(flow)
    tested = prepare(options)
    joints = {}
    for name, pairs in (("true", tested.pairs), ("blazepose", tested.estimated)):
        scored = score_pairs({"checkpoint": estimator}, pairs, size=SIZE, stlpips=("alex",))
        joints[name] = {row: describe(scored, row, tested) for row in scored.values}
        tell(name, joints[name])
    reached = {name: joints[name]["checkpoint"]["epe_px"] <= goal for name, goal in GOALS.items()}
    result = {
        "flow": options.flow,
        "weights": weights_of(flow),
        "size": list(SIZE),
        "people": options.people,
        "cut": CUT,
        "pairs": len(tested.pairs.pairs),
        "left_out": tested.left_out,
        "interval_over": "people",
        "goals": {name: {"epe_px": GOALS[name], "reached": reached[name]} for name in GOALS},
        "joints": joints,
    }
    command = (
        f"python benchmarks/checkpoint.py --people {options.people} --seed {options.seed} "
        f"--pairs {options.pairs} --flow {options.flow}"
    )
    name = "checkpoint" if flow == SHIPPED else f"checkpoint_{Path(flow).name}"
    write_result(name, command, **result)


def prepare(options: argparse.Namespace) -> Tested:
    """Render the pairs, read their joints, and keep the pairs that have both."""
    root, csv = options.out / "pairs", options.out / "blazepose.csv"
    workers = options.workers
    render_pairs(
        root,
        PairOptions(
            people=1, test_people=options.people, views=VIEWS, cut=CUT, size=SIZE,
            seed=options.seed,
        ),
        workers=workers,
    )  # fmt: skip
    crops = crops_of(root / "test").crops
    estimate_poses(crops, csv, workers=workers)
    found = read_keypoints(csv).poses
    every = subsample(read_deepfashion(root, "test"), options.pairs)
    kept = tuple(pair for pair in every.pairs if all(name in found for name in pair))
    nobody = len(crops) - len(found)
    print(f"{nobody} of {len(crops)} crops without a person: {beside(csv, LEFT_OUT)}")
    names = {name: name_parts(name) for pair in kept for name in pair}
    yaw = yaws({person for person, _ in names.values()}, options.seed)
    turn = turn_of(*np.array([[yaw[names[name]] for name in pair] for pair in kept]).T)
    mistaken = exchanged(list(names), found, every.poses)
    either = np.array([bool(mistaken.intersection(pair)) for pair in kept])
    return Tested(
        pairs=every._replace(pairs=kept),
        estimated=every._replace(pairs=kept, poses=found),
        person=np.array([names[source][0] for source, _ in kept]),
        groups={
            **{name: turn == k for k, name in enumerate(TURNS)},
            "sides kept": ~either,
            "sides exchanged": either,
        },
        left_out={"crops": nobody, "pairs": len(every.pairs) - len(kept)},
    )


def name_parts(name: str) -> tuple[int, int]:
    """Person and number of a rendered picture, which its name says."""
    person, _, number = Path(name).stem.partition("_")
    return int(person), int(number)


def yaws(people: set[int], seed: int) -> dict[tuple[int, int], float]:
    """Which way each person faces in each picture."""
    return {
        (person, k): shot.view.yaw
        for person in people
        for k, shot in enumerate(plan_pair_images(seed, person, VIEWS, white=False, cut=CUT))
    }


def exchanged(names: list[str], found: dict[str, Pose], true: dict[str, Pose]) -> set[str]:
    """Name the pictures in which BlazePose takes left for right."""
    read, drawn = (stack([poses[name] for name in names]) for poses in (found, true))
    flags = match_joints(read, drawn, PCK_RADIUS * SIZE[0]).swapped
    return {name for name, flag in zip(names, flags.tolist(), strict=True) if flag}


def describe(scored: Scored, row: str, tested: Tested) -> dict[str, Any]:
    """Sum up a row: all scores over all pairs, and EPE by group."""
    values = scored.values[row]
    scores: dict[str, Any] = {}
    for name, of_pairs in values.items():
        scores |= summary(name, of_pairs, tested.person)
    scores["groups"] = {
        name: {
            "pairs": int(here.sum()),
            **summary("epe_px", values["epe_px"][here], tested.person[here]),
        }
        for name, here in tested.groups.items()
    }
    return scores


def summary(
    name: str, values: NDArray[np.float64], person: NDArray[np.int64]
) -> dict[str, float | list[float]]:
    """Mean, its interval and the median of what could be measured; nothing of nothing."""
    found = grouped_mean(values, person)
    if found is None:
        return {}
    return {
        name: round(found.value, 4),
        f"{name}_ci": [round(found.low, 4), round(found.high, 4)],
        f"{name}_median": round(float(np.nanmedian(values)), 4),
    }


def tell(joints: str, rows: dict[str, Any]) -> None:
    """Print a table."""
    print(f"\n{joints + ' joints':17s}" + "".join(f"{name:>16s}" for name in PRINTED))
    for row, scores in rows.items():
        print(f"{row:17s}" + "".join(f"{scores[name]:16.3f}" for name in PRINTED))
    for name, turn in rows["checkpoint"]["groups"].items():
        epe = f"{turn['epe_px']:.2f}, median {turn['epe_px_median']:.2f}" if turn["pairs"] else "-"
        print(f"  checkpoint, {name} ({turn['pairs']} pairs): EPE {epe}")


if __name__ == "__main__":
    main()
