"""Checks that every discriminator has to pass."""

import torch
from seeding import seeded
from torch import Tensor

from reidaug.flow.unwarpme.discriminator import Discriminator
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose, select


def noise(count: int, seed: int, size: Size) -> Tensor:
    return torch.rand(count, 3, *size, generator=seeded(seed))


def people(count: int, seed: int, size: Size, *, visible: float = 0.8) -> Pose:
    generator = seeded(seed)
    xy = torch.rand(count, 18, 2, generator=generator) * torch.tensor([size[1], size[0]])
    return Pose(xy, torch.rand(count, 18, generator=generator) < visible)


def check_missing_joints(net: Discriminator, real: Tensor, fake: Tensor, pose: Pose) -> None:
    """A missing joint may be anywhere, and nobody's losses have finite gradients."""
    for anything in (torch.nan, torch.inf, -1.0):
        moved = Pose(torch.where(pose.visible[..., None], pose.xy, anything), pose.visible)
        assert torch.equal(net(real, pose)[-1], net(real, moved)[-1])
    fake.requires_grad_()
    for anywhere in (torch.nan, torch.inf):
        nobody = Pose(torch.full_like(pose.xy, anywhere), torch.zeros_like(pose.visible))
        sum(net.generator_losses(real, fake, nobody).values(), start=torch.zeros(())).backward()
        net.loss(real, fake, nobody, seeded(0)).backward()
        for gradient in (fake.grad, *(p.grad for p in net.parameters())):
            assert gradient is not None
            assert gradient.isfinite().all()


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
