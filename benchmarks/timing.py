"""Repeated timing of one piece of work."""

import time
from collections.abc import Callable


def seconds_of(
    work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Time `repeats` calls in seconds by a clock, after one call to warm up."""
    work()
    seconds = []
    for _ in range(repeats):
        start = clock()
        work()
        seconds.append(clock() - start)
    return seconds
