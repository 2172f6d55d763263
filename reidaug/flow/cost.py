"""Cost of an estimator: parameters, multiply-adds, time."""

import statistics
import time
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from reidaug.data.pairs import PosePair
from reidaug.flow.estimator import FlowEstimator


class Cost(NamedTuple):
    """The cost of one flow."""

    parameters: int  # number of trained parameters
    gmac: float  # multiply-adds of convolutions and matrix products for one pair, in 1e9
    ms: float  # milliseconds for one pair, median over runs, with torch's current threads


def cost(estimator: FlowEstimator, pair: PosePair, *, runs: int = 7) -> Cost:
    """Measure the cost of an estimator in ``eval`` mode for one pair, on the CPU.

    Args:
        estimator: The estimator.
        pair: One pair as a batch (1, ...); `ValueError` for more.
        runs: Number of timed runs, after an untimed one.
    """
    if pair.source.shape[0] != 1:
        raise ValueError(f"one pair expected, got {pair.source.shape[0]}")
    inputs = (pair.source, pair.source_pose, pair.target_pose)
    with torch.inference_mode():
        # Counting runs the estimator once, which also warms it up.
        with FlopCounterMode(display=False) as counter:
            estimator(*inputs)
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            estimator(*inputs)
            times.append(time.perf_counter() - start)
    return Cost(
        parameters=parameters(estimator),
        gmac=counter.get_total_flops() / 2 / 1e9,
        ms=1000 * statistics.median(times),
    )


def parameters(estimator: FlowEstimator) -> int:
    """Count the trained parameters."""
    return sum(p.numel() for p in estimator.parameters() if p.requires_grad)
