"""Round trips: is the target pose found in a warp, and is the right person?

    python benchmarks/round_trip.py [--flow FLOW] [--estimated] [--turns mirror] [--reid FILE]
        [--out runs/round_trip] [--people 40] [--seed 12]

Renders people of a seed that no training uses, and warps each of their crops into 25 poses with
`reidaug augment`: with true joints and masks, or with those of BlazePose (--estimated). All numbers
are given for the warps and for true views, the same people rendered in the same poses on the same
grey: what perfect warps would reach.

Pose: BlazePose reads the pictures. PCK is the share of the joints within a tenth of the height of
their target positions; `pck_missing_wrong`, of which the goal is, counts all target joints, those
that are not found as wrong; `pck` counts those found alone. True views have the limbs of their own
person, not of the one the target joints belong to; `crops` are compared with their own true joints.

Identity: a re-ID model that was trained on rendered crops of other people searches, for every
picture, the true crops of the same and of other people by other cameras than its source's.
`ratio` is Rank-1 of the warps over that of the true views. Intervals draw people again. With
--estimated the result goes to round_trip_estimated.json, with --turns mirror to
round_trip_mirror.json. Needs the extras [synth] and [pose].
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from picture_scores import estimate, read_poses_of, share
from provenance import write_result
from reid_model import DEMO, GallerySearch, TrainedModel, read_model, train_model
from shipped import weights_of
from turns import TURNS, turn_of

from reidaug.augment.augmented_dataset import augment_dataset
from reidaug.augment.options import AugmentOptions
from reidaug.augment.quality import PCK_RADIUS
from reidaug.augment.target_poses import read_poses
from reidaug.augment.viewpoint import exchange_left_right
from reidaug.data.keypoints import read_keypoints
from reidaug.data.market1501 import GALLERY, TRAIN, Person, read_market1501
from reidaug.experiments.true_views import render_views
from reidaug.flow.builtin import SHIPPED, named_flow
from reidaug.geometry.pck import JointMatches, match_joints
from reidaug.geometry.pose import OPENPOSE_18, Pose, select, stack
from reidaug.people3d.market_dataset import MarketOptions, render_market
from reidaug.people3d.worlds import MANY_POSES
from reidaug.perception.dataset_poses import crops_of, estimate_poses

HEIGHT = 128
GOALS = {"pck": 0.9, "ratio": 0.8}  # at least


class Trip(NamedTuple):
    """What is compared.

    Attributes:
        market: The rendered dataset.
        warps: The augmented one.
        views: The true views.
        rows: One row per warp: file, source, pose, pid, camid, turned. Crops warped into their own
            pose are left out.
        turn: Place in `TURNS` of each warp (N,): how far its person turns away from the source.
        targets: Target joints (N, 18, 2).
        warp_targets: The same; with --turns mirror the sides of half turns are exchanged.
    """

    market: Path
    warps: Path
    views: Path
    rows: pd.DataFrame
    turn: NDArray[np.int64]
    targets: Pose
    warp_targets: Pose


def main() -> None:
    """Render, warp, read, search, print, and write the result."""
    options = parse()
    model = find_model(options)
    trip = prepare(options)
    result = {
        "flow": options.flow,
        "weights": weights_of(options.flow),
        "joints": "blazepose" if options.estimated else "true",
        "turns": options.turns,
        "people": options.people,
        "warps": len(trip.rows),
        "pose": pose_round_trip(trip, options.workers),
        "identity": identity_round_trip(trip, model),
    }
    reached = {
        "pck": result["pose"]["warps"]["pck_missing_wrong"] >= GOALS["pck"],
        "ratio": result["identity"]["ratio"]["rank1"] >= GOALS["ratio"],
    }
    result["goals"] = {k: {"at_least": GOALS[k], "reached": reached[k]} for k in GOALS}
    tell(result)
    name = "round_trip" + ("_estimated" if options.estimated else "")
    name += "" if options.turns == "allow" else f"_{options.turns}"
    write_result(name, command(options), **result)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flow", default=SHIPPED, help="as of reidaug augment")
    parser.add_argument("--estimated", action="store_true", help="joints and masks of BlazePose")
    parser.add_argument("--turns", choices=("allow", "mirror", "drop"), default="allow")
    parser.add_argument("--reid", type=Path, help=f"re-ID weights; {DEMO} where it is there")
    parser.add_argument("--train-reid", action="store_true", help="train them, as without any")
    parser.add_argument("--reid-people", type=int, default=200)
    parser.add_argument("--reid-steps", type=int, default=1200)
    parser.add_argument("--out", type=Path, default=Path("runs/round_trip"))
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--crops", type=int, default=4, help="of each, by cameras of their own")
    parser.add_argument("--distractors", type=int, default=200, help="other people in the gallery")
    parser.add_argument("--poses", type=int, default=25)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--workers", type=int)
    return parser.parse_args()


def command(options: argparse.Namespace) -> str:
    """What to type for the same numbers."""
    result = {
        name.replace("_", "-"): value
        for name, value in vars(options).items()
        if name != "workers" and value not in (None, False)
    }
    words = [f"--{n}" if value is True else f"--{n} {value}" for n, value in result.items()]
    return " ".join(["python benchmarks/round_trip.py", *words])


def find_model(options: argparse.Namespace) -> TrainedModel:
    """Take the re-ID model named, or the demo's, or train one on people of the next seed."""
    if not options.train_reid and (options.reid or DEMO.is_file()):
        return read_model(options.reid or DEMO)
    return train_model(
        options.out / "reid",
        people=options.reid_people,
        steps=options.reid_steps,
        seed=options.seed + 1,
        workers=options.workers,
    )


def prepare(options: argparse.Namespace) -> Trip:
    """Render the people, warp them, and render what perfect warps would be."""
    out, market = options.out, options.out / "market"
    render_market(
        market,
        MarketOptions(
            people=options.people, test_people=0, world=MANY_POSES,
            train_crops=options.crops, distractors=options.distractors, seed=options.seed,
        ),
        workers=options.workers,
    )  # fmt: skip
    kind = f"{'estimated' if options.estimated else 'true'}-{options.turns}"
    keypoints = masks = None  # of the market itself, where they are true
    if options.estimated:
        keypoints, masks = out / "blazepose" / "crops.csv", out / "blazepose" / "masks"
        estimate_poses(crops_of(market).crops, keypoints, masks=masks, workers=options.workers)
    warps, views = out / f"warps-{kind}", out / f"views-{kind}"
    chosen = AugmentOptions(
        keypoints=keypoints, masks=masks, poses=options.poses, turns=options.turns,
        seed=options.seed, pool="any", background="grey", min_quality=0.0,
    )  # fmt: skip
    augment_dataset(market, warps, named_flow(options.flow), chosen, workers=options.workers)
    render_views(market, views, poses=warps / "poses.json", workers=options.workers)
    rows = pd.read_parquet(warps / "manifest.parquet")
    rows = rows[rows["kept"] & (rows["source"] != rows["pose_image"])].reset_index(drop=True)
    yaw = pd.read_parquet(market / "renders.parquet").set_index("name")["view.yaw"]
    turn = turn_of(*(yaw.loc[rows[column]].to_numpy() for column in ("source", "pose_image")))
    targets = select(read_poses(warps / "poses.json").pose, rows["pose"].tolist())
    back = rows["turned"].to_numpy(dtype=bool) & (options.turns == "mirror")
    mirrored = exchange_left_right(targets, torch.from_numpy(back))
    return Trip(market, warps, views, rows, turn, targets, mirrored)


def pose_round_trip(trip: Trip, workers: int | None) -> dict[str, Any]:
    """Read the joints of all pictures and compare them with the target poses."""
    people = trip.rows["pid"].to_numpy()
    names = trip.rows["file"].tolist()
    result = {}
    targets = {"warps": trip.warp_targets, "true_views": trip.targets}
    for what, root in (("warps", trip.warps), ("true_views", trip.views)):
        found, nobody = read_poses_of(root, names, workers)
        matches = match_joints(found, targets[what], PCK_RADIUS * HEIGHT)
        result[what] = {
            "nobody_found": nobody,
            **describe_hits(matches, people),
            "turns": by_turn(trip.turn, partial(shares, matches, people)),
        }
    true = read_keypoints(trip.market / "market-annotation-train.csv").poses
    own = sorted(true)
    found, nobody = read_poses_of(trip.market, own, workers)
    matches = match_joints(found, stack([true[name] for name in own]), PCK_RADIUS * HEIGHT)
    pids = np.array([int(name.split("_")[0]) for name in own])
    result["crops"] = {"nobody_found": nobody, **describe_hits(matches, pids)}
    return result


def describe_hits(matches: JointMatches, people: NDArray[np.int64]) -> dict[str, Any]:
    """Sum up over all pictures, and joint by joint."""
    everything = np.ones(len(people), dtype=bool)
    counts = [
        part.sum(0).tolist() for part in (matches.expected, matches.detected, matches.correct)
    ]
    joints = {
        name: {
            "asked": targets,
            "found": share(found, targets),
            "pck": share(near, found),
            "pck_missing_wrong": share(near, targets),
        }
        for name, targets, found, near in zip(OPENPOSE_18, *counts, strict=True)
    }
    return {**shares(matches, people, everything), "joints": joints}


def shares(
    matches: JointMatches, people: NDArray[np.int64], here: NDArray[np.bool_]
) -> dict[str, Any]:
    """Shares of joints over some pictures, and of pictures with exchanged sides."""
    targets, found, near = (part.sum(1).numpy()[here] for part in matches[:3])
    return {
        "pictures": int(here.sum()),
        **estimate("pck", near, found, people[here]),
        **estimate("pck_missing_wrong", near, targets, people[here]),
        "found": share(int(found.sum()), int(targets.sum())),
        "sides_exchanged": share(int(matches.swapped.numpy()[here].sum()), int(here.sum())),
    }


def identity_round_trip(trip: Trip, model: TrainedModel) -> dict[str, Any]:
    """Search for the people of all pictures, and compare warps with true views."""
    crops = read_market1501(trip.market, splits=(TRAIN,)).train
    gallery = [*crops]
    if any((trip.market / GALLERY).iterdir()):
        gallery += read_market1501(trip.market, splits=(GALLERY,)).gallery
    searched = GallerySearch.of(model, gallery)
    people = trip.rows["pid"].to_numpy()
    result: dict[str, Any] = {"reid": str(model.path), "gallery": len(gallery)}
    right = {}
    for what, root in (("warps", trip.warps), ("true_views", trip.views)):
        result[what], right[what] = search_for(
            searched, queries(root, trip.rows), people, trip.turn
        )
    result["ratio"] = compare(right, people, np.ones(len(people), dtype=bool))
    result["ratio"]["turns"] = by_turn(trip.turn, lambda here: compare(right, people, here))
    pids = np.array([person.pid for person in crops])
    result["crops"], _ = search_for(searched, [*crops], pids, None)
    return result


def queries(root: Path, rows: pd.DataFrame) -> list[Person]:
    """The pictures of some rows, as taken by their sources' cameras."""
    ids = zip(rows["file"], rows["pid"], rows["camid"], strict=True)
    return [Person(root / TRAIN / file, int(pid), int(camid)) for file, pid, camid in ids]


def search_for(
    gallery: GallerySearch,
    query: list[Person],
    people: NDArray[np.int64],
    turn: NDArray[np.int64] | None,
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """Sum up how people are found; also whether each is found at once."""
    scores = gallery.identify(query)
    first = scores.first == 0

    def summed(here: NDArray[np.bool_]) -> dict[str, Any]:
        ones = np.ones(int(here.sum()))
        return {
            "queries": int(here.sum()),
            **estimate("rank1", first[here], ones, people[here]),
            **estimate("mAP", scores.ap[here], ones, people[here]),
        }

    result = summed(np.ones(len(query), dtype=bool))
    return (result if turn is None else result | {"turns": by_turn(turn, summed)}), first


def compare(
    right: dict[str, NDArray[np.bool_]], people: NDArray[np.int64], here: NDArray[np.bool_]
) -> dict[str, Any]:
    """Rank-1 of warps over Rank-1 of true views."""
    return estimate("rank1", right["warps"][here], right["true_views"][here], people[here])


def by_turn(
    turn: NDArray[np.int64], summed: Callable[[NDArray[np.bool_]], dict[str, Any]]
) -> dict[str, Any]:
    """Sum up each kind of turn by itself."""
    return {name: summed(turn == k) for k, name in enumerate(TURNS)}


def tell(result: dict[str, Any]) -> None:
    """Print what matters."""
    pose, identity = result["pose"], result["identity"]
    print(f"\nPCK at {PCK_RADIUS:.0%} of the height (missing joints wrong; sides exchanged)")
    for what in ("warps", "true_views", "crops"):
        rows = {"all": pose[what], **pose[what].get("turns", {})}
        for name, row in rows.items():
            print(
                f"  {what:11s} {name:13s} {words(row, 'pck')}  ({row['pck_missing_wrong']}; "
                f"{row['sides_exchanged']})  of {row['pictures']}"
            )
    warps, views = (pose[what]["joints"] for what in ("warps", "true_views"))
    for name in OPENPOSE_18:
        print(f"  {name:15s} warps {warps[name]['pck']}, true views {views[name]['pck']}")
    print(f"\nRank-1 in a gallery of {identity['gallery']} by {identity['reid']}")
    for what in ("warps", "true_views", "ratio", "crops"):
        for name, row in {"all": identity[what], **identity[what].get("turns", {})}.items():
            mean = f"  mAP {row['mAP']}" if "mAP" in row else ""
            print(f"  {what:11s} {name:13s} {words(row, 'rank1')}{mean}")
    print("\ngoals:", {k: v["reached"] for k, v in result["goals"].items()})


def words(row: dict[str, Any], name: str) -> str:
    """A number with its interval."""
    if row[name] is None:
        return "-"
    low, high = row[f"{name}_ci"]
    return f"{row[name]:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
