"""Tables of flow scores: trained estimators beside the closed-form ones, on the same pairs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Shaped
from numpy import ndarray

from reidaug.data.deepfashion import PairList
from reidaug.data.pairs import PairDataset, collate
from reidaug.flow import builtin
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.perceptual_networks import ShiftTolerantLPIPS
from reidaug.flow.perceptual_weights import shift_tolerant_weights
from reidaug.flow.scores import (
    HIGHER_IS_BETTER,
    ScoredBatch,
    Values,
    lpips_distance,
    score_estimators,
    summarise,
)
from reidaug.flow.training.pair_sources import masked_pairs, on_grey, people_of
from reidaug.geometry.flow import Size, size_of
from reidaug.runs import progress

BATCH = 20
CLOSED_FORMS = {name.replace("-", "_"): kind for name, kind in builtin.CLOSED_FORMS.items()}


class Scored(NamedTuple):
    """Estimators scored on pairs."""

    size: Size  # (height, width) of the images
    pairs: int  # number of pairs
    region: str  # ``foreground`` or ``image``, what was compared
    # row name, score name, one value a pair; closed-form estimators first
    values: dict[str, Values]
    people: Shaped[ndarray, "n"]  # person (N,) of every pair

    def as_dict(self, *, seed: int) -> dict[str, Any]:
        """Average: ``size``, ``pairs``, ``region``, ``rows`` (see `reidaug.flow.scores.ScoreRow`).

        ``interval_over`` is what the intervals of the rows draw; ``seed`` is the random seed of the
        bootstrap.
        """
        return {
            "size": list(self.size),
            "pairs": self.pairs,
            "region": self.region,
            "interval_over": "people",
            "rows": {
                row: summarise(values, self.people, seed=seed).as_dict()
                for row, values in self.values.items()
            },
        }


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
    """Score estimators and the closed-form ones on pairs.

    Where every image has a mask (see `reidaug.flow.training.pair_sources`), only the target's
    person is compared, both images over grey; else whole images are.

    Args:
        estimators: Trained estimators by the name of their row.
        pairs: The pairs to score.
        size: (height, width) all images are resized to.
        stlpips: Networks of ST-LPIPS to score with, ``alex`` and ``vgg``.
        background: ``grey`` gives the estimators sources on grey, as in training on grey.
        hidden: Whether the part of the person that the source does not show is scored as well.
        generators: Image generators by the name of their row, whose images are scored as well.

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
    shape = size_of(PairDataset(pairs, size=size)[0].target)
    whole = masked_pairs(pairs, size, background=background) is None
    region = "image" if whole else "foreground"
    return Scored(shape, len(pairs.pairs), region, values, np.array(people_of(pairs.pairs)))


def scored_batches(
    pairs: PairList, size: Size | None, *, background: str = "image"
) -> Iterator[ScoredBatch]:
    """Read pairs in batches of `BATCH` to score; arguments as in `score_pairs`.

    Raises:
        ReidaugError: A file cannot be read, or some masks are missing.
    """
    plain = PairDataset(pairs, size=size)
    masked = masked_pairs(pairs, size, background=background)
    for start in range(0, len(plain), BATCH):
        indices = range(start, min(start + BATCH, len(plain)))
        read = [plain[k] for k in indices]
        person = shown = None
        if masked is not None:
            names = [plain.names(k) for k in indices]
            person = torch.stack(
                [masked.mask(t, pair.target) for (_, t), pair in zip(names, read, strict=True)]
            )
            if background == "grey":
                shown = torch.stack(
                    [
                        on_grey(pair.source, masked.mask(s, pair.source))
                        for (s, _), pair in zip(names, read, strict=True)
                    ]
                )
        yield ScoredBatch(collate(read), person, shown)


def table_text(report: Mapping[str, Any]) -> str:
    """Format `Scored.as_dict` as text, a line per row; a star marks the best value of a column."""
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
