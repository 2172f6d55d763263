"""Asking a network without teaching it: gradients reach its input, never its weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.dropout import _DropoutNd


def frozen_call(module: nn.Module, *inputs: Tensor) -> Any:
    """Run a network whose weights get no gradient and whose running statistics stay as they are.

    Batch norm still normalises by the batch where the network is in train mode.

    Args:
        module: The network; nothing of it changes.
        inputs: What its ``forward`` takes; they get gradients.

    Returns:
        What its ``forward`` gives.
    """
    state = {name: parameter.detach() for name, parameter in module.named_parameters()}
    # Batch norm writes its running statistics in place: it gets copies to write on.
    state.update((name, buffer.clone()) for name, buffer in module.named_buffers())
    return functional_call(module, state, inputs)


@contextmanager
def without_dropout(module: nn.Module) -> Iterator[None]:
    """Switch dropout off inside a network that is in train mode otherwise.

    Args:
        module: The network; its layers' modes are as before after the block.

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
