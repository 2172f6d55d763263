"""DG-Net and DG-Net++: the appearance encoder, one generator a domain, and their judges."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from reidaug.errors import UsageError
from reidaug.geometry.flow import Size
from reidaug.reid.backbones import Embedding, Head, PersonResNet
from reidaug.reid.dgnet.discriminators import DomainDiscriminator, ImageDiscriminator
from reidaug.reid.dgnet.generator import Generator


@dataclass(frozen=True)
class Preset:
    """Keywords that make the networks as large as the paper's, or smaller.

    Attributes:
        size: (height, width) of the crops.
        batch: Crops in each of a step's two batches.
        parts: Rows the encoder's map is pooled to for the appearance code.
        encoder: Of `PersonResNet`.
        generator: Of `Generator`.
        discriminator: Of `ImageDiscriminator`.
        domain: Of `DomainDiscriminator`.
    """

    size: Size
    batch: int
    parts: int
    encoder: Mapping[str, Any]
    generator: Mapping[str, Any]
    discriminator: Mapping[str, Any]
    domain: Mapping[str, Any]


PRESETS = {
    "paper": Preset((256, 128), 8, 4, {}, {}, {}, {}),
    # The same architecture for two cores; see docs/dgnet.md.
    "small": Preset(
        (64, 40),
        4,
        4,
        {"block": "basic", "blocks": (1, 1, 1, 1), "width": 32, "embedding": 64},
        {"width": 4, "hidden": 32},
        {"width": 8, "blocks": 1, "deviation": 0.04},
        {"widths": (128, 64, 32)},
    ),
}


class DGNet(nn.Module):
    """The networks of DG-Net, or with two generators of DG-Net++.

    Args:
        encoder: E_a: names people and gives the appearance code. Both domains share it.
        generators: E_s and G of the source domain, and in DG-Net++ of the target domain.
        image_discriminator: D_img, shared by the domains.
        domain_discriminator: D_dom, of DG-Net++ alone.
        parts: Rows the encoder's map is pooled to for the appearance code.

    Raises:
        ValueError: The encoder has not two heads, or there are neither one nor two generators.
    """

    def __init__(
        self,
        encoder: PersonResNet,
        generators: tuple[Generator, ...],
        image_discriminator: ImageDiscriminator,
        domain_discriminator: DomainDiscriminator | None = None,
        *,
        parts: int = 4,
    ) -> None:
        super().__init__()
        if len(encoder.heads) != 2:
            raise ValueError(f"DG-Net's encoder has two heads, got {len(encoder.heads)}")
        if len(generators) not in {1, 2}:
            raise ValueError(f"one generator a domain, one or two, got {len(generators)}")
        self.encoder, self.parts = encoder, parts
        self.generators = nn.ModuleList(generators)
        self.image_discriminator = image_discriminator
        self.domain_discriminator = domain_discriminator

    def generator(self, domain: int) -> Generator:
        """Give the generator of the domain that the structure is from.

        Args:
            domain: 0 source, 1 target.

        Returns:
            Its generator.

        Raises:
            ValueError: There is no generator of that domain.
        """
        if not 0 <= domain < len(self.generators):
            raise ValueError(f"no generator of domain {domain}: there are {len(self.generators)}")
        found = self.generators[domain]
        assert isinstance(found, Generator)
        return found

    def code(self, seen: Embedding) -> Float[Tensor, "b k"]:
        """Read the appearance code out of what the encoder saw: f.

        Args:
            seen: What it saw in crops, from the pass that gave everything else.

        Returns:
            Codes (B, parts * D), channel by channel, without gradient: the encoder learns from
            identities and domains alone, never from drawing.

        Raises:
            ValueError: The crops are too low to have that many parts.

        Source:
            DG-Net: max pooling to 4 x 1, flattened, detached.
        """
        assert seen.maps is not None
        rows = seen.maps.shape[2]
        if rows < self.parts:
            raise ValueError(
                f"the encoder's map has {rows} rows, too few for {self.parts} parts: give taller "
                "images (16 rows a part)"
            )
        return adaptive_max_pool2d(seen.maps, (self.parts, 1)).flatten(1)


def preset(name: str) -> Preset:
    """Look up a named size.

    Args:
        name: ``paper`` (256x128, ResNet-50) or ``small`` (64x40, for two cores).

    Returns:
        The keywords.

    Raises:
        UsageError: No such preset.
    """
    if name not in PRESETS:
        raise UsageError(f"DG-Net has no preset '{name}' (known: {', '.join(PRESETS)})")
    return PRESETS[name]


def build_dgnet(size: Preset, people: int, *, generator: torch.Generator | None = None) -> DGNet:
    """Build DG-Net with random weights.

    Args:
        size: The keywords of its networks.
        people: Number of identities.
        generator: Source of the first weights; the global one when None.

    Returns:
        The networks of one domain.

    Source:
        DG-Net. The paper's encoder begins with ImageNet's weights: load them with
        `reidaug.reid.weights.load_weights`.
    """
    encoder = PersonResNet(people, generator=generator, **size.encoder)
    drawing = Generator(code=size.parts * encoder.features, generator=generator, **size.generator)
    judge = ImageDiscriminator(generator=generator, **size.discriminator)
    return DGNet(encoder, (drawing,), judge, parts=size.parts)


def adapt_dgnet(trained: DGNet, size: Preset, *, generator: torch.Generator | None = None) -> DGNet:
    """Make DG-Net++ of a DG-Net trained on the source.

    Args:
        trained: DG-Net; it stays as it is.
        size: The keywords it was built with.
        generator: Source of the domain discriminator's first weights; the global one when None.

    Returns:
        Copies of its networks, the generator twice, and a new domain discriminator.

    Source:
        DG-Net++: both generators begin as copies of DG-Net's.
    """
    drawing = trained.generator(0)
    judge = DomainDiscriminator(
        features=trained.encoder.features, generator=generator, **size.domain
    )
    judge.to(next(trained.parameters()).device)
    return DGNet(
        copy.deepcopy(trained.encoder),
        (copy.deepcopy(drawing), copy.deepcopy(drawing)),
        copy.deepcopy(trained.image_discriminator),
        judge,
        parts=trained.parts,
    )


def renew_classifiers(
    encoder: PersonResNet, people: int, *, generator: torch.Generator | None = None
) -> None:
    """Give every head a new classifier, for another number of identities.

    Trunk and bottlenecks keep what they learnt; all rows of the classifiers begin anew, those of
    source people too. Build the optimiser after this.

    Args:
        encoder: Changed in place.
        people: Number of identities: source people plus clusters.
        generator: Source of the new weights, on the CPU; the global one when None.

    Source:
        DG-Net++: before every round after the first.
    """
    for head in encoder.heads:
        assert isinstance(head, Head)
        old = head.classifier
        fresh = nn.Linear(old.in_features, people)
        nn.init.normal_(fresh.weight, std=1e-3, generator=generator)
        nn.init.zeros_(fresh.bias)
        head.classifier = fresh.to(old.weight.device)
