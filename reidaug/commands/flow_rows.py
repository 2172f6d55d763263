"""The table of flow scores: trained estimators beside those that learn nothing, on equal pairs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from reidaug.commands.flow_pairs import person_pairs
from reidaug.data.deepfashion import PairList
from reidaug.data.pairs import PairDataset, collate
from reidaug.flow.closed_form import Identity, JointBlend, TorsoAffine
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.perceptual import ShiftTolerant
from reidaug.flow.scores import ScoredBatch, lpips_distance, score_estimators, summarise
from reidaug.flow.weights import shift_tolerant_weights
from reidaug.geometry.flow import Size
from reidaug.runs import progress

BATCH = 20
HIGHER_IS_BETTER = ("ssim",)


def flow_rows(
    estimators: Mapping[str, FlowEstimator],
    pairs: PairList,
    *,
    size: Size | None,
    stlpips: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Score estimators and the closed forms on pairs.

    Where every image has a mask (see `reidaug.commands.flow_pairs`), only the target's person is
    compared, both images over grey; else whole images are.

    Args:
        estimators: Trained estimators by the name of their row.
        pairs: The pairs to score.
        size: (height, width) everything is brought to.
        stlpips: Networks of ST-LPIPS to score with, ``alex`` and ``vgg``.
        seed: Of the bootstrap.

    Returns:
        ``size``, ``pairs``, ``region`` (``foreground`` or ``image``) and ``rows``.

    Raises:
        ReidaugError: A file cannot be read, or ST-LPIPS cannot be fetched.
    """
    networks = {n: ShiftTolerant.load(n, shift_tolerant_weights(n)) for n in stlpips}
    lpips = lpips_distance()
    rows = {
        "identity": Identity(),
        "torso_affine": TorsoAffine(),
        "joint_blend": JointBlend(),
        **{name: estimator.eval() for name, estimator in estimators.items()},
    }
    count = -(-len(pairs.pairs) // BATCH)
    batches = progress(_batches(pairs, size), total=count, what="score", unit="batch")
    values = score_estimators(rows, batches, networks, {"lpips": lpips} if lpips else {})
    height, width = PairDataset(pairs, size=size)[0].target.shape[-2:]
    return {
        "size": [height, width],
        "pairs": len(pairs.pairs),
        "region": "image" if person_pairs(pairs, size) is None else "foreground",
        "rows": {row: summarise(of_row, seed=seed) for row, of_row in values.items()},
    }


def table(report: Mapping[str, Any]) -> str:
    """Write the rows of a report as plain text.

    Args:
        report: As `flow_rows` gives it.

    Returns:
        One line a row; the best value of each column has a star.
    """
    rows = report["rows"]
    columns = [c for c in next(iter(rows.values())) if not c.endswith("_ci")]
    best = {}
    for column in columns:
        choose = max if column in HIGHER_IS_BETTER else min
        best[column] = choose(row[column] for row in rows.values())
    lines = [" " * 14 + "".join(f"{column:>14}" for column in columns)]
    for name, row in rows.items():
        cells = [f"{row[c]:.3f}{'*' if row[c] == best[c] else ' '}" for c in columns]
        lines.append(f"{name:<14}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines)


def _batches(pairs: PairList, size: Size | None) -> Iterator[ScoredBatch]:
    plain, cut = PairDataset(pairs, size=size), person_pairs(pairs, size)
    for start in range(0, len(plain), BATCH):
        places = range(start, min(start + BATCH, len(plain)))
        read = [plain[place] for place in places]
        person = None
        if cut is not None:
            names = [plain.names(place)[1] for place in places]
            masks = zip(names, read, strict=True)
            person = torch.stack([cut.person(name, pair.target) for name, pair in masks])
        yield ScoredBatch(collate(read), person)
