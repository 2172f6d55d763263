"""Operators of graphs: what torch computes in one call and ONNX has no operator for.

ONNX solves no linear systems, and onnxruntime chooses between numbers, not between truth values.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.overrides import TorchFunctionMode


class GraphOperators(TorchFunctionMode):
    """Inside this context torch's functions are composed of those that ONNX has."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, or what stands in for it."""
        del types
        kwargs = kwargs or {}
        if func is torch.where and len(args) == 3 and _are_truth_values(args[1:]):
            return choose(*args)
        return STAND_INS.get(func, func)(*args, **kwargs)


def eliminate(
    system: Float[Tensor, "*b n n"], right: Float[Tensor, "*b n m"]
) -> Float[Tensor, "*b n m"]:
    """Solve ``system @ x = right`` by Gauss-Jordan elimination with partial pivoting.

    Equal to `torch.linalg.solve` up to rounding. It takes N steps: for small systems.

    Args:
        system: Regular matrices (..., N, N).
        right: Right-hand sides (..., N, M).
    """
    count = system.shape[-1]
    table = torch.cat((system, right), -1)
    rows = torch.arange(count, device=system.device)
    free = torch.ones_like(system[..., 0], dtype=torch.bool)
    pivots = []
    for step in range(count):
        column = table[..., step]
        size = torch.where(free, column.abs(), torch.full_like(column, -1.0))
        pivot = size.argmax(-1, keepdim=True)
        row = table.gather(-2, pivot[..., None].expand(*pivot.shape, table.shape[-1]))
        row = row / row[..., step : step + 1]
        chosen = rows == pivot
        table = torch.where(chosen[..., None], row, table - column[..., None] * row)
        free = free & ~chosen
        pivots.append(pivot)
    order = torch.cat(pivots, -1)[..., None]
    return table[..., count:].gather(-2, order.expand(*order.shape[:-1], right.shape[-1]))


def inverse(matrices: Float[Tensor, "*b n n"]) -> Float[Tensor, "*b n n"]:
    """Invert regular matrices (..., N, N) by `eliminate`."""
    eye = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
    return eliminate(matrices, eye.expand_as(matrices))


def choose(
    condition: Bool[Tensor, "..."], one: Bool[Tensor, "..."], other: Bool[Tensor, "..."]
) -> Bool[Tensor, "..."]:
    """Choose between truth values: ``one`` where the condition holds, else ``other``."""
    return (condition & one) | (~condition & other)


STAND_INS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.linalg.solve: eliminate,
    torch.linalg.inv: inverse,
    torch.inverse: inverse,
}


def _are_truth_values(values: Sequence[Any]) -> bool:
    return all(isinstance(value, Tensor) and value.dtype == torch.bool for value in values)
