"""DG-Net as small as its architecture allows, and crops for it."""

import torch
from seeding import seeded

from reidaug.reid.dgnet.networks import Preset, adapt_dgnet, build_dgnet
from reidaug.reid.dgnet.swapping import DomainBatch
from reidaug.reid.dgnet.teacher import Teacher, build_teacher

TINY = Preset(
    size=(64, 40),
    batch=2,
    parts=4,
    encoder={"block": "basic", "blocks": (1, 1, 1, 1), "width": 4, "embedding": 8},
    generator={"width": 2, "hidden": 8},
    discriminator={"width": 4, "blocks": 1, "deviation": 0.06},
    domain={"widths": (16, 8)},
)
PEOPLE = 5


def one_domain(seed=0):
    return build_dgnet(TINY, PEOPLE, generator=seeded(seed))


def two_domains(seed=0):
    return adapt_dgnet(one_domain(seed), TINY, generator=seeded(seed + 1))


def teacher(style="soft"):
    return Teacher(build_teacher(TINY, PEOPLE, generator=seeded(9)), style=style)


def crops(seed, count=2):
    """Smooth crops of a colour above and another below, in ImageNet's normalised space."""
    colours = torch.randn(count, 3, 4, 2, generator=seeded(seed))
    return torch.nn.functional.interpolate(colours, (64, 40), mode="bilinear", align_corners=True)


def domain_batch(seed, domain=0, count=2):
    labels = torch.randint(PEOPLE, (count,), generator=seeded(seed))
    return DomainBatch(crops(seed, count), crops(seed + 100, count), labels, domain)


def parameters(module):
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def with_gradient(module):
    """Names of the parameters that have a gradient."""
    return {name for name, p in module.named_parameters() if p.grad is not None}
