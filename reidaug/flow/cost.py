"""What an estimator costs: its parameters, its arithmetic, its time."""

import statistics
import time
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from reidaug.data.pairs import PosePair
from reidaug.flow.estimator import FlowEstimator


class Cost(NamedTuple):
    """The cost of one flow.

    Attributes:
        parameters: Numbers that are learnt.
        gmac: Multiply-adds of convolutions and matrix products for one pair, in thousands of
            millions.
        ms: Milliseconds for one pair, median over runs, with as many threads as torch was given.
    """

    parameters: int
    gmac: float
    ms: float


def cost(estimator: FlowEstimator, pair: PosePair, *, runs: int = 7) -> Cost:
    """Measure what an estimator costs for one pair, on the CPU.

    Args:
        estimator: In ``eval`` mode.
        pair: One pair as a batch (1, ...).
        runs: How often the time is taken, after one run that is not.

    Returns:
        The cost.

    Raises:
        ValueError: The batch has not one pair.
    """
    if pair.source.shape[0] != 1:
        raise ValueError(f"one pair expected, got {pair.source.shape[0]}")
    asked = (pair.source, pair.source_pose, pair.target_pose)
    with torch.inference_mode():
        # Counting watches every operation: it doubles as the run that warms up.
        with FlopCounterMode(display=False) as counter:
            estimator(*asked)
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            estimator(*asked)
            times.append(time.perf_counter() - start)
    return Cost(
        parameters=parameters(estimator),
        gmac=counter.get_total_flops() / 2 / 1e9,
        ms=1000 * statistics.median(times),
    )


def parameters(estimator: FlowEstimator) -> int:
    """Count what is learnt.

    Args:
        estimator: The estimator.

    Returns:
        How many numbers.
    """
    return sum(p.numel() for p in estimator.parameters() if p.requires_grad)
