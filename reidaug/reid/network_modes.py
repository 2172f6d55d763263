"""Network modes: frozen weights or statistics, no dropout, seeded dropout, no oneDNN."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd


def frozen_call(module: nn.Module, *inputs: Tensor) -> Any:
    """Run a network whose weights get no gradient and whose running statistics stay as they are.

    Gradients reach the inputs. Batch norm still normalises by the batch in training mode.
    """
    state = {name: parameter.detach() for name, parameter in module.named_parameters()}
    # Batch norm updates its running statistics in place: it gets copies.
    state.update((name, buffer.clone()) for name, buffer in module.named_buffers())
    return functional_call(module, state, inputs)


@contextmanager
def without_dropout(module: nn.Module) -> Iterator[None]:
    """Disable dropout inside the block; all other layers keep their mode."""
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
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Normalise by the batch inside the block without updating batch norm's running statistics."""
    layers = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generators inside the block and restore them afterwards.

    Dropout and models of other libraries accept no generator of their own.
    """
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(seed)
        torch.cuda.manual_seed_all(seed)
        yield


@contextmanager
def without_onednn() -> Iterator[None]:
    """Compute without oneDNN inside the block.

    Its backward pass corrupts memory on some CPUs where layers are a few channels wide.
    """
    was = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = was
