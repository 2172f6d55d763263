"""How fast the exact evaluator is on a set of Market-1501's size, and that torchreid agrees.

    python benchmarks/evaluator_rate.py [--repeats 5] [--threads 2] [--torchreid]

Features are drawn at random around one centre per person, at three difficulties: 3,368 queries,
15,913 gallery crops (2,798 of them distractors), 750 people, 6 cameras. Timed are the ranking
alone, from a ready distance matrix, and the whole search from features. With --torchreid its
pure-Python evaluator runs once on the middle one (a minute or two) and must give the same scores.
"""

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from provenance import write_result
from timing import seconds_of
from torch import Tensor
from torch.nn.functional import normalize

from reidaug.reid.evaluation.metrics import Identities, hit_ranks, score_queries, summarise
from reidaug.reid.evaluation.ranking import rank_matches

PEOPLE, CAMERAS, QUERIES, MATCHES, DISTRACTORS = 750, 6, 3368, 13115, 2798
NOISE = {"easy": 1.0, "middle": 2.5, "hard": 6.0}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=2048, help="Numbers a feature.")
    parser.add_argument("--torchreid", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = {}
    for name, noise in NOISE.items():
        rows[name] = measure(noise, options.size, options.repeats)
        print(name, json.dumps(rows[name]))
    if options.torchreid:
        rows["torchreid"] = compare(NOISE["middle"], options.size)
        print("torchreid", json.dumps(rows["torchreid"]))
    write(rows, options)


def draw(noise: float, size: int) -> tuple[Tensor, Identities, Tensor, Identities]:
    """Draw queries and a gallery.

    Args:
        noise: Spread of a person's features, in units of the spread of people.
        size: Numbers a feature.

    Returns:
        Query features and ids, gallery features and ids.
    """
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((PEOPLE + 1, size), dtype=np.float32)
    centres[0] = 0  # distractors
    noise *= (size / 512) ** 0.25  # as hard at every size
    sets: list[Any] = []
    for pids in (
        rng.integers(1, PEOPLE + 1, QUERIES),
        np.concatenate((rng.integers(1, PEOPLE + 1, MATCHES), np.zeros(DISTRACTORS, np.int64))),
    ):
        spread = rng.standard_normal((len(pids), size), dtype=np.float32) * np.float32(noise)
        sets += [torch.from_numpy(centres[pids] + spread)]
        sets += [Identities(pids, rng.integers(1, CAMERAS + 1, len(pids)))]
    return sets[0], sets[1], sets[2], sets[3]


def measure(noise: float, size: int, repeats: int) -> dict[str, Any]:
    """Time the evaluator at one difficulty.

    Args:
        noise: See `draw`.
        size: See `draw`.
        repeats: How often, after one warm-up.

    Returns:
        Scores in percent, and median and quartiles of the seconds.
    """
    queries, who, gallery, among = draw(noise, size)
    distances = (1 - normalize(queries, dim=1) @ normalize(gallery, dim=1).T).numpy()
    total = summarise(score_queries(hit_ranks(distances, who, among)))
    return {
        "mAP": 100 * total.mAP,
        "rank1": 100 * float(total.cmc[0]),
        "rank_s": timed(
            lambda: summarise(score_queries(hit_ranks(distances, who, among))), repeats
        ),
        "search_s": timed(
            lambda: summarise(score_queries(rank_matches(queries, who, gallery, among))), repeats
        ),
    }


def timed(work: Callable[[], object], repeats: int) -> list[float]:
    """Time some work.

    Args:
        work: Called once to warm up, then `repeats` times.
        repeats: At least 2.

    Returns:
        First quartile, median and third quartile in seconds.
    """
    return [round(value, 3) for value in statistics.quantiles(seconds_of(work, repeats), n=4)]


def compare(noise: float, size: int) -> dict[str, Any]:
    """Run torchreid's pure-Python evaluator once.

    Args:
        noise: See `draw`.
        size: See `draw`.

    Returns:
        Its scores in percent and its seconds.
    """
    metrics = importlib.import_module("torchreid.reid.metrics")
    queries, who, gallery, among = draw(noise, size)
    distances = (1 - normalize(queries, dim=1) @ normalize(gallery, dim=1).T).numpy()
    start = time.perf_counter()
    cmc, mean_ap = metrics.evaluate_rank(
        distances, who.pids, among.pids, who.camids, among.camids, use_cython=False
    )
    seconds = time.perf_counter() - start
    total = summarise(score_queries(hit_ranks(distances, who, among)))
    same = bool(np.isclose(mean_ap, total.mAP) and np.allclose(cmc, total.cmc))
    return {
        "mAP": 100 * float(mean_ap),
        "rank1": 100 * float(cmc[0]),
        "seconds": round(seconds, 1),
        "same_scores": same,
    }


def write(rows: dict[str, Any], options: argparse.Namespace) -> None:
    """Write the result file: what was measured with the arguments of the script."""
    settings = f"--repeats {options.repeats} --threads {options.threads} --size {options.size}"
    settings += " --torchreid" if options.torchreid else ""
    write_result(
        "evaluator_rate",
        f"python benchmarks/evaluator_rate.py {settings}",
        rows=rows,
        queries=QUERIES,
        gallery=MATCHES + DISTRACTORS,
        numpy=np.__version__,
    )


if __name__ == "__main__":
    main()
