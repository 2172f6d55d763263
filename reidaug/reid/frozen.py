"""Forward passes that leave parts of a network unchanged."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd


def frozen_call(module: nn.Module, *inputs: Tensor) -> Any:
    """Run a network with frozen weights and frozen running statistics.

    Batch norm still normalises by the batch where the network is in train mode.

    Args:
        module: The network; nothing of it changes, and its weights get no gradient.
        inputs: Inputs of its ``forward``; they get gradients.

    Returns:
        The output of its ``forward``.
    """
    state = {name: parameter.detach() for name, parameter in module.named_parameters()}
    # Batch norm updates its running statistics in place: it gets copies.
    state.update((name, buffer.clone()) for name, buffer in module.named_buffers())
    return functional_call(module, state, inputs)


@contextmanager
def without_dropout(module: nn.Module) -> Iterator[None]:
    """Switch dropout off inside a network that is otherwise in train mode.

    Args:
        module: The network; the modes of its layers are restored afterwards.

    Yields:
        Nothing.
    """
    layers = [m for m in module.modules() if isinstance(m, _DropoutNd)]
    modes = [layer.training for layer in layers]
    for layer in layers:
        layer.eval()
    try:
        yield
    finally:
        for layer, mode in zip(layers, modes, strict=True):
            layer.train(mode)


@contextmanager
def kept_statistics(module: nn.Module) -> Iterator[None]:
    """Let batch norm normalise by the batch without updating its running statistics.

    Args:
        module: The network; its running statistics stay as they are inside the block.

    Yields:
        Nothing.
    """
    layers = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
