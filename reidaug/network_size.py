"""Sizes of networks, counted before memory is taken for them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn


def check_size(
    make: Callable[[], nn.Module],
    keywords: Mapping[str, Any],
    *,
    largest_number: int,
    most_parameters: int,
) -> None:
    """Check the numbers that describe a network, and count its parameters.

    A network that needs real tensors, or cannot be made at all, is not counted.

    Args:
        make: Makes it; called where tensors take no memory.
        keywords: What describes it: plain values.
        largest_number: Of those in the keywords, at any depth.
        most_parameters: Of the network.

    Raises:
        ValueError: A number or the network is larger.
    """
    if over := next((n for n in _numbers(keywords) if abs(n) > largest_number), None):
        raise ValueError(
            f"{over} is a number above {largest_number}, more than any width, depth or size can be"
        )
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            network = make()
    except Exception:
        return
    if (count := sum(parameter.numel() for parameter in network.parameters())) > most_parameters:
        raise ValueError(f"{count} parameters are more than {most_parameters}")


def _numbers(value: Any) -> Iterator[float]:
    """List the numbers in plain values."""
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers(inner)
