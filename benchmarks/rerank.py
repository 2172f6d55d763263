"""What re-ranking costs on a set of Market-1501's size, beside torchreid's own.

    python benchmarks/rerank.py [--repeats 3] [--threads 2] [--size 512] [--torchreid ITEMS]

The features are those of evaluator_rate.py at two difficulties: 3,368 queries, 15,913 gallery
crops. Every method runs in a process of its own, from features to the last distance, all of which
it keeps (205 MiB); processor_s counts every thread. Memory is the peak of that process less the
most it held before, features included. torchreid's works on the whole
matrix: it runs once, on as many items as fit into the memory that is free (or on ITEMS, 0 for
none), and its distances are compared with ours. pseudo_labels clusters queries and gallery as one
set.
"""

import argparse
import importlib
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from evaluator_rate import DISTRACTORS as STRANGERS
from evaluator_rate import MATCHES, QUERIES, draw
from numpy import ndarray
from provenance import write_result
from torch import Tensor

from reidaug.reid.evaluation.cluster import pseudo_labels
from reidaug.reid.evaluation.metrics import Identities, score_queries, summarise
from reidaug.reid.evaluation.ranking import rank_by_distances, rank_matches
from reidaug.reid.evaluation.rerank import gnn_rerank, k_reciprocal

NOISE = {"easy": 1.0, "middle": 2.5}
ITEMS = QUERIES + MATCHES + STRANGERS
# Matrices of all by all, in single precision, that torchreid holds at its peak, and how much of the
# memory that is free it may take.
MATRICES, SHARE = 9, 0.75


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=512, help="Numbers a feature.")
    parser.add_argument("--torchreid", type=int, metavar="ITEMS", help="0 leaves it out.")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    original = min(ITEMS, fitting() if options.torchreid is None else options.torchreid)
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for difficulty, noise in NOISE.items():
            queries, who, gallery, among = draw(noise, options.size)
            np.save(Path(folder) / "queries.npy", queries.numpy())
            np.save(Path(folder) / "gallery.npy", gallery.numpy())
            plain = scores(rank_matches(queries, who, gallery, among))
            rows[difficulty] = {"search": plain}
            print(difficulty, json.dumps(plain))
            works = [("k_reciprocal", ITEMS), ("gnn", ITEMS), ("pseudo_labels", ITEMS)]
            if difficulty == "middle" and original:
                works += [("k_reciprocal", original)] * (original < ITEMS)
                works += [("torchreid", original)]
            for name, items in works:
                label = name if items == ITEMS else f"{name} on {items}"
                repeats = 1 if name == "torchreid" else options.repeats
                row = apart(name, Path(folder), items, repeats, options.threads)
                if name != "pseudo_labels":
                    row |= evaluated(Path(folder) / f"{name}.npy", who, among)
                if name == "torchreid":
                    row |= differences(Path(folder))
                rows[difficulty][label] = row
                print(difficulty, label, json.dumps(row))
    write(rows, options)


def fitting() -> int:
    """Count the items on which torchreid fits into the memory that is free.

    Returns:
        How many; 0 where the machine does not tell.
    """
    meminfo = Path("/proc/meminfo")
    lines = meminfo.read_text().splitlines() if meminfo.exists() else []
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return int((SHARE * free[0] / (4 * MATRICES)) ** 0.5) if free else 0


def part(features: ndarray, items: int) -> Tensor:
    """Take a share of queries or gallery.

    Args:
        features: All of them.
        items: Queries and gallery crops in all.

    Returns:
        The first of them.
    """
    return torch.from_numpy(features[: len(features) * items // ITEMS])


def apart(name: str, folder: Path, items: int, repeats: int, threads: int) -> dict[str, Any]:
    """Run `measure` in a process of its own: its memory is that of the method alone."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, name, folder, items, repeats, threads).result()


def measure(name: str, folder: Path, items: int, repeats: int, threads: int) -> dict[str, Any]:
    """Measure the time and memory of a method.

    Args:
        name: The method.
        folder: Where the features lie and the distances go.
        items: How many queries and gallery crops.
        repeats: How often.
        threads: How many.

    Returns:
        JSON values.
    """
    torch.set_num_threads(threads)
    works: dict[str, Callable[[Tensor, Tensor], Any]] = {
        "k_reciprocal": lambda q, g: np.concatenate(list(k_reciprocal(q, g))),
        "gnn": lambda q, g: np.concatenate(list(gnn_rerank(q, g))),
        "pseudo_labels": lambda q, g: pseudo_labels(torch.cat((q, g))),
        "torchreid": theirs() if name == "torchreid" else lambda q, g: None,
    }
    queries, gallery = (part(np.load(folder / f"{n}.npy"), items) for n in ("queries", "gallery"))
    before, seconds, spent = peak_mb(), [], time.process_time()
    for _ in range(repeats):
        start = time.perf_counter()
        found = works[name](queries, gallery)
        seconds.append(round(time.perf_counter() - start, 2))
    spent = (time.process_time() - spent) / repeats
    row: dict[str, Any] = {"items": len(queries) + len(gallery), "seconds": seconds}
    row |= {"median_s": statistics.median(seconds), "processor_s": round(spent, 2)}
    row |= {"extra_mb": peak_mb() - before}
    if name == "pseudo_labels":
        return row | {"clusters": found.clusters, "outliers": found.outliers}
    np.save(folder / f"{name}.npy", found)
    return row


def theirs() -> Callable[[Tensor, Tensor], ndarray]:
    """Put torchreid's steps together as its engine does.

    Returns:
        The work.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its compiled evaluator is not in the wheel
        torchreid = importlib.import_module("torchreid.reid.metrics")
        re_ranking = importlib.import_module("torchreid.reid.utils.rerank").re_ranking

    def work(queries: Tensor, gallery: Tensor) -> ndarray:
        distances = (
            torchreid.compute_distance_matrix(one, other, "cosine").numpy()
            for one, other in ((queries, gallery), (queries, queries), (gallery, gallery))
        )
        return re_ranking(*distances)

    return work


def peak_mb() -> int:
    """Read the most memory this process has held so far.

    Returns:
        MiB.
    """
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM:"))


def scores(ranks: list[ndarray]) -> dict[str, float]:
    """Score a search.

    Args:
        ranks: Ranks of every query's matches.

    Returns:
        mAP and Rank-1 in percent.
    """
    total = summarise(score_queries(ranks))
    return {"mAP": 100 * total.mAP, "rank1": 100 * float(total.cmc[0])}


def evaluated(path: Path, who: Identities, among: Identities) -> dict[str, float]:
    """Score a file of distances.

    Args:
        path: Distances (Q, G) of the first queries and gallery crops.
        who: Ids of all queries.
        among: Ids of the whole gallery.

    Returns:
        mAP and Rank-1 in percent.
    """
    distances = np.load(path)
    queries, gallery = distances.shape
    query, crops = (
        Identities(*(x[:queries] for x in who)),
        Identities(*(x[:gallery] for x in among)),
    )
    return scores(rank_by_distances([distances], query, crops))


def differences(folder: Path) -> dict[str, float]:
    """Compare our distances with torchreid's.

    Args:
        folder: Where both lie.

    Returns:
        The largest difference, and the share of distances that differ by more than 1e-5.
    """
    ours, other = (np.load(folder / f"{name}.npy") for name in ("k_reciprocal", "torchreid"))
    apart = np.abs(ours - other)
    return {"largest_difference": float(apart.max()), "differ": float((apart > 1e-5).mean())}


def write(rows: dict[str, Any], options: argparse.Namespace) -> None:
    """Write the result file.

    Args:
        rows: What was measured.
        options: Arguments of the script.
    """
    command = f"python benchmarks/rerank.py --repeats {options.repeats}"
    command += f" --threads {options.threads} --size {options.size}"
    command += "" if options.torchreid is None else f" --torchreid {options.torchreid}"
    counts = {"queries": QUERIES, "gallery": MATCHES + STRANGERS}
    write_result("rerank", command, rows=rows, numpy=np.__version__, **counts)


if __name__ == "__main__":
    main()
