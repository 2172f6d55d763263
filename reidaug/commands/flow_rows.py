"""The table of flow scores: trained estimators beside those that learn nothing, on equal pairs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from reidaug.data.deepfashion import PairList, fashion_outfit, market_person
from reidaug.data.images import read_mask
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

    Where every target has a mask beside its split's folder (``masks/<stem>.png``), only the person
    is compared, both images over grey; else whole images are.

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
    dataset = PairDataset(pairs, size=size)
    masks = _masks(dataset)
    rows = {
        "identity": Identity(),
        "torso_affine": TorsoAffine(),
        "joint_blend": JointBlend(),
        **{name: estimator.eval() for name, estimator in estimators.items()},
    }
    count = -(-len(dataset) // BATCH)
    batches = progress(_batches(dataset, masks), total=count, what="score", unit="batch")
    values = score_estimators(rows, batches, networks, {"lpips": lpips} if lpips else {})
    height, width = dataset[0].target.shape[-2:]
    return {
        "size": [height, width],
        "pairs": len(dataset),
        "region": "foreground" if masks else "image",
        "rows": {row: summarise(of_row, seed=seed) for row, of_row in values.items()},
    }


def spread(pairs: PairList, count: int) -> PairList:
    """Take some pairs, evenly over the whole list.

    Args:
        pairs: The list.
        count: How many; 0 for all.

    Returns:
        The shorter list.
    """
    total = len(pairs.pairs)
    if not 0 < count < total:
        return pairs
    return pairs._replace(pairs=tuple(pairs.pairs[k * total // count] for k in range(count)))


def hold_out(pairs: PairList, share: float) -> tuple[PairList, PairList]:
    """Part a list by people, so that choices can be made without looking at the test people.

    Args:
        pairs: The list.
        share: Part of the people to hold out, the last in name order.

    Returns:
        The pairs that stay, and those of the people held out.
    """
    people = [_person(source) for source, _ in pairs.pairs]
    names = sorted(set(people))
    out = set(names[len(names) - round(share * len(names)) :])
    kept = tuple(p for p, who in zip(pairs.pairs, people, strict=True) if who not in out)
    held = tuple(p for p, who in zip(pairs.pairs, people, strict=True) if who in out)
    return pairs._replace(pairs=kept), pairs._replace(pairs=held)


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


def _person(name: str) -> str:
    return fashion_outfit(name) or market_person(name) or name


def _masks(dataset: PairDataset) -> list[Path]:
    folder = dataset.folder.parent / "masks"
    names = [dataset.names(index)[1] for index in range(len(dataset))]
    masks = [folder / f"{Path(name).stem}.png" for name in names]
    return masks if all(mask.is_file() for mask in masks) else []


def _batches(dataset: PairDataset, masks: Sequence[Path]) -> Iterator[ScoredBatch]:
    for start in range(0, len(dataset), BATCH):
        places = range(start, min(start + BATCH, len(dataset)))
        batch = collate([dataset[place] for place in places])
        person = None
        if masks:
            person = torch.stack([_mask(masks[place], batch.target.shape[-2:]) for place in places])
        yield ScoredBatch(batch, person)


def _mask(path: Path, size: Sequence[int]) -> torch.Tensor:
    mask = read_mask(path)
    rows, columns = (
        torch.linspace(0, before - 1, after).round().long()
        for before, after in zip(mask.shape, size, strict=True)
    )
    return mask[rows[:, None], columns]
