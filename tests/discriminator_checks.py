"""Checks that every discriminator has to pass."""

import torch
from seeding import seeded
from torch import Tensor

from reidaug.flow.unwarpme.discriminator import Discriminator
from reidaug.geometry.pose import Pose, select


def check_bfloat16(net: Discriminator, real: Tensor, fake: Tensor, pose: Pose) -> None:
    """In bfloat16 both steps' losses are close to those in 32 bits, and gradients are finite."""
    exact = net.generator_losses(real, fake, pose) | {"own": net.loss(real, fake, pose, seeded(0))}
    with torch.autocast("cpu", torch.bfloat16):
        low = net.generator_losses(real, fake, pose)
        low |= {"own": net.loss(real, fake, pose, seeded(0))}
    for name, loss in low.items():
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, exact[name], atol=0.05, rtol=0.05)
    low["own"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def check_batches(net: Discriminator, image: Tensor, pose: Pose) -> None:
    """An image alone has the same features as in a batch."""
    alone = net(image[1:2], select(pose, slice(1, 2)))
    for one, many in zip(alone, net(image, pose), strict=True):
        torch.testing.assert_close(one, many[1:2], atol=1e-5, rtol=1e-4)


def check_gradients(net: Discriminator, real: Tensor, fake: Tensor, pose: Pose) -> None:
    """The generator's losses reach the fake image alone, the discriminator's its own weights."""
    real.requires_grad_()
    fake.requires_grad_()
    sum(net.generator_losses(real, fake, pose).values(), start=torch.zeros(())).backward()
    assert all(parameter.grad is None for parameter in net.parameters())
    assert real.grad is None
    assert fake.grad is not None
    assert fake.grad.abs().sum() > 0
    fake.grad = None
    net.loss(real, fake, pose, seeded(0)).backward()
    assert real.grad is None
    assert fake.grad is None
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
