"""The table of flow scores: trained estimators beside those that learn nothing, on equal pairs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from reidaug.data.deepfashion import PairList
from reidaug.data.pairs import PairDataset, collate
from reidaug.flow import builtin as named
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.perceptual_networks import ShiftTolerantLPIPS
from reidaug.flow.perceptual_weights import shift_tolerant_weights
from reidaug.flow.scores import (
    ScoredBatch,
    Values,
    lpips_distance,
    score_estimators,
    summarise,
)
from reidaug.flow.training.pair_sources import masked_pairs, on_grey
from reidaug.geometry.flow import Size
from reidaug.runs import progress

BATCH = 20
HIGHER_IS_BETTER = ("ssim", "generated_ssim")
CLOSED_FORMS = {name.replace("-", "_"): kind for name, kind in named.CLOSED_FORMS.items()}


class Scored(NamedTuple):
    """Estimators scored on pairs.

    Attributes:
        size: (height, width) of the images.
        pairs: How many pairs.
        region: ``foreground`` or ``image``, what was compared.
        values: Row name, score name, one value a pair; the closed forms first.
    """

    size: Size
    pairs: int
    region: str
    values: dict[str, Values]


def score_pairs(
    estimators: Mapping[str, FlowEstimator],
    pairs: PairList,
    *,
    size: Size | None,
    stlpips: Sequence[str],
    background: str = "image",
    hidden: bool = False,
    generators: Mapping[str, ImageGenerator] | None = None,
) -> Scored:
    """Score estimators and the closed forms on pairs.

    Where every image has a mask (see `reidaug.flow.training.pair_sources`), only the
    target's person is compared, both images over grey; else whole images are.

    Args:
        estimators: Trained estimators by the name of their row.
        pairs: The pairs to score.
        size: (height, width) everything is brought to.
        stlpips: Networks of ST-LPIPS to score with, ``alex`` and ``vgg``.
        background: ``grey`` shows the estimators what they were shown in training on grey.
        hidden: Whether the part of the person that the source does not show is scored as well.
        generators: Image generators by the name of their row, to score what they draw as well.

    Returns:
        The scores by pair.

    Raises:
        ReidaugError: A file cannot be read, or ST-LPIPS cannot be fetched.
    """
    networks = {n: ShiftTolerantLPIPS.load(n, shift_tolerant_weights(n)) for n in stlpips}
    lpips = lpips_distance()
    rows = {
        **{name: closed_form() for name, closed_form in CLOSED_FORMS.items()},
        **{name: estimator.eval() for name, estimator in estimators.items()},
    }
    count = -(-len(pairs.pairs) // BATCH)
    batches = scored_batches(pairs, size, background=background)
    values = score_estimators(
        rows,
        progress(batches, total=count, what="score", unit="batch"),
        networks,
        {"lpips": lpips} if lpips else {},
        hidden=hidden,
        generators=generators,
    )
    height, width = PairDataset(pairs, size=size)[0].target.shape[-2:]
    region = "image" if masked_pairs(pairs, size) is None else "foreground"
    return Scored((height, width), len(pairs.pairs), region, values)


def flow_rows(
    estimators: Mapping[str, FlowEstimator],
    pairs: PairList,
    *,
    size: Size | None,
    stlpips: Sequence[str],
    seed: int,
    background: str = "image",
) -> dict[str, Any]:
    """Score estimators and the closed forms on pairs, see `score_pairs`.

    Args:
        estimators: Trained estimators by the name of their row.
        pairs: The pairs to score.
        size: (height, width) everything is brought to.
        stlpips: Networks of ST-LPIPS to score with, ``alex`` and ``vgg``.
        seed: Of the bootstrap.
        background: ``grey`` shows the estimators what they were shown in training on grey.

    Returns:
        ``size``, ``pairs``, ``region`` (``foreground`` or ``image``) and ``rows``.

    Raises:
        ReidaugError: A file cannot be read, or ST-LPIPS cannot be fetched.
    """
    scored = score_pairs(estimators, pairs, size=size, stlpips=stlpips, background=background)
    return {
        "size": list(scored.size),
        "pairs": scored.pairs,
        "region": scored.region,
        "rows": {row: summarise(of_row, seed=seed) for row, of_row in scored.values.items()},
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


def scored_batches(
    pairs: PairList, size: Size | None, *, background: str = "image"
) -> Iterator[ScoredBatch]:
    """Read pairs as they are scored.

    Args:
        pairs: The pairs.
        size: (height, width) everything is brought to.
        background: ``grey`` shows estimators the source on grey, where every image has a mask.

    Yields:
        `BATCH` pairs at a time.

    Raises:
        ReidaugError: A file cannot be read.
    """
    plain, cut = PairDataset(pairs, size=size), masked_pairs(pairs, size)
    for start in range(0, len(plain), BATCH):
        places = range(start, min(start + BATCH, len(plain)))
        read = [plain[place] for place in places]
        person = shown = None
        if cut is not None:
            named = [(*plain.names(k), pair) for k, pair in zip(places, read, strict=True)]
            person = torch.stack([cut.mask(target, pair.target) for _, target, pair in named])
            if background == "grey":
                grey = (on_grey(p.source, cut.mask(name, p.source)) for name, _, p in named)
                shown = torch.stack(list(grey))
        yield ScoredBatch(collate(read), person, shown)
