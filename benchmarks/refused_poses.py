"""Refused target poses: the share of photographs that give none, and why.

    python benchmarks/refused_poses.py --market ROOT --keypoints FILE --masks FOLDER [--part tune]

ROOT is Market-1501, FILE and FOLDER what `reidaug pose` made of its training crops. Crops are drawn
by a seed among those of one part of the people that show shoulders and hips, and examined as
`reidaug augment` does. The limits in `reidaug.augment.pose_pool` were chosen on tune people;
published figures are those of test people. The result goes to
benchmarks/results/refused_poses_PART.json.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from photograph_crops import NEEDED
from provenance import write_result

from reidaug.augment.inputs import Source, join_poses, read_candidate, target_flaw
from reidaug.augment.pose_pool import Refusal, count_flaws
from reidaug.augment.target_poses import draw_order
from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.data.people_split import Part, split_people
from reidaug.geometry.pose import shows_torso
from reidaug.machine import one_thread
from reidaug.perception.blazepose import BlazePose
from reidaug.perception.weights import find_model

SEED, COUNT = 0, 1_000


def main() -> None:
    """Examine the crops and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--market", type=Path)
    parser.add_argument("--keypoints", type=Path)
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--part", choices=("tune", "test"), default="test")
    parser.add_argument("--count", type=int, default=COUNT)
    options = parser.parse_args()
    if options.market is None or options.keypoints is None or options.masks is None:
        print(NEEDED)
        return
    sources = candidates(options.market, options.keypoints, options.part)
    found = examine(sources, options.masks, options.count)
    command = f"python benchmarks/refused_poses.py --part {options.part} --count {options.count}"
    write_result(f"refused_poses_{options.part}", command, seed=SEED, **found)
    print(f"{found['refused']:,} of {found['examined']:,} refused: {found['flaws']}")


def candidates(market: Path, keypoints: Path, part: Part) -> list[Source]:
    """List the crops of a part of the people that show shoulders and hips, with their poses."""
    dataset = read_market1501(market, splits=(TRAIN,))
    split = split_people(dataset.train, part)
    people = {*split.query, *split.gallery}
    sources, _ = join_poses(dataset, keypoints)
    return [s for s in sources if s.person in people and shows_torso(s.pose)]


def examine(sources: Sequence[Source], masks: Path, count: int) -> dict[str, Any]:
    """Examine some crops drawn by the seed: counts of refused ones by flaw, and the time of one."""
    named = {source.person.path.name: source for source in sources}
    names = draw_order(named, SEED)[:count]
    estimator = BlazePose(find_model())
    start = time.monotonic()
    with one_thread():
        flaws = {name: target_flaw(read_candidate(named[name], masks), estimator) for name in names}
    seconds = time.monotonic() - start
    refused = [Refusal(name, flaw) for name, flaw in flaws.items() if flaw is not None]
    return {
        "candidates": len(named),
        "examined": len(names),
        "refused": len(refused),
        "flaws": count_flaws(refused),
        "ms_each": round(1000 * seconds / max(1, len(names)), 1),
    }


if __name__ == "__main__":
    main()
