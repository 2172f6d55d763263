"""Finite numbers: tests of losses before their gradient, and of weights where they come in.

A loss that is not finite has gradients that are none; some of torch's backward passes crash on
them. A single weight that is not finite makes everything after it NaN, which no comparison sees.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reidaug.errors import ReidaugError

VARIANCE = "running_var"  # end of the names of batch norm's variances
LAST_GOOD = "last_good"
"""Name of what a training keeps that stops at a loss that is not finite."""


class NotFiniteError(ReidaugError):
    """A loss or gradient is not finite: the training cannot go on from here."""


def check_losses(losses: Mapping[str, Tensor]) -> None:
    """Test losses, before the backward pass.

    Raises:
        NotFiniteError: One is NaN or infinite; the message names it.
    """
    for name, loss in losses.items():
        if not bool(loss.detach().isfinite().all()):
            raise NotFiniteError(f"the loss '{name}' is not finite")


def first_not_finite(state: Mapping[str, Any]) -> str | None:
    """Name the first tensor of weights that holds NaN or infinity; None where all are finite.

    Networks compute in 32 bits: larger numbers, of 64 bits, are infinite there.
    """
    weights = _computed_with(state)
    return next((name for name, value in weights if not bool(value.isfinite().all())), None)


def keep_last_good(
    state: Mapping[str, Any], save: Callable[[Path], None], path: Path, *, else_kept: str
) -> str:
    """Keep the weights of a training that stops, if they are finite; say what is kept.

    Args:
        state: The weights from before the step at which it stops.
        save: Writes them to a path.
        path: The path.
        else_kept: What is kept where they are not finite.
    """
    if first_not_finite(state) is not None:
        return else_kept
    save(path)
    return f"the weights from before it are in {path}"


def check_weights(state: Mapping[str, Any], path: Path) -> None:
    """Test the weights of a file.

    Raises:
        ReidaugError: A number in them is NaN or infinite, or a variance of batch norm below 0.
    """
    if (name := first_not_finite(state)) is not None:
        raise ReidaugError(
            f"{path}: the tensor {name} holds numbers that are not finite: the training of this "
            f"file has diverged, or it is damaged"
        )
    for name, value in _computed_with(state):
        if name.endswith(VARIANCE) and bool((value < 0).any()):
            raise ReidaugError(
                f"{path}: the tensor {name} holds a variance below 0: the file is damaged, or is "
                f"of another network"
            )


def _computed_with(state: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """List the weights that are fractions, in 32 bits; those of 16 bits as they are."""
    for name, value in state.items():
        if isinstance(value, Tensor) and value.is_floating_point() and not value.is_meta:
            yield name, value if value.dtype in (torch.float16, torch.bfloat16) else value.float()
