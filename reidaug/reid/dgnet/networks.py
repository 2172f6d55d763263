"""Networks of DG-Net and DG-Net++: shared appearance encoder, generators, discriminators."""

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
    """Sizes of crops, batches and networks.

    Attributes:
        size: (height, width) of the crops.
        batch: Crops in each of the two batches of a step.
        parts: Rows that the encoder's map is pooled to for the appearance code.
        encoder: Keywords of `PersonResNet`.
        generator: Keywords of `Generator`.
        discriminator: Keywords of `ImageDiscriminator`.
        domain: Keywords of `DomainDiscriminator`.
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
    # The same architecture for two CPU cores; see docs/dgnet.md.
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
    """Networks of DG-Net, or with two generators of DG-Net++.

    Args:
        encoder: E_a: identities and appearance codes; shared by the domains.
        generators: E_s and G of the source domain, and in DG-Net++ of the target domain.
        image_discriminator: D_img, shared by the domains.
        domain_discriminator: D_dom, in DG-Net++ only.
        parts: Rows that the encoder's map is pooled to for the appearance code.

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
        """Return the generator of the domain of a structure: 0 source, 1 target.

        Raises:
            ValueError: There is no generator of that domain.
        """
        if not 0 <= domain < len(self.generators):
            raise ValueError(f"no generator of domain {domain}: there are {len(self.generators)}")
        found = self.generators[domain]
        assert isinstance(found, Generator)
        return found

    def appearance_code(self, embedding: Embedding) -> Float[Tensor, "b k"]:
        """Compute the appearance code f from the encoder's feature map.

        Args:
            embedding: Output of the encoder.

        Returns:
            Codes (B, parts * D), channel-major, without gradient: the encoder learns from
            identities and domains only, never from generation.

        Raises:
            ValueError: The map has fewer rows than there are parts.

        Source:
            DG-Net: max pooling to 4 x 1, flattened, detached.
        """
        assert embedding.maps is not None
        rows = embedding.maps.shape[2]
        if rows < self.parts:
            raise ValueError(
                f"the encoder's map has {rows} rows, too few for {self.parts} parts: use taller "
                "images (16 rows per part)"
            )
        return adaptive_max_pool2d(embedding.maps, (self.parts, 1)).flatten(1)


def preset(name: str) -> Preset:
    """Look up a preset: ``paper`` (256x128, ResNet-50) or ``small`` (64x40, for two CPU cores).

    Raises:
        UsageError: No such preset.
    """
    if name not in PRESETS:
        raise UsageError(f"DG-Net has no preset '{name}' (known: {', '.join(PRESETS)})")
    return PRESETS[name]


def build_dgnet(size: Preset, people: int, *, generator: torch.Generator | None = None) -> DGNet:
    """Build DG-Net with random initial weights.

    Args:
        size: Sizes of its networks.
        people: Number of identities.
        generator: Random generator of the initial weights; the global one when None.

    Returns:
        The networks of one domain.

    Source:
        DG-Net, whose encoder begins with ImageNet's weights: load them with
        `reidaug.reid.weights.load_weights`.
    """
    encoder = PersonResNet(people, generator=generator, **size.encoder)
    code = size.parts * encoder.features
    image_generator = Generator(code=code, generator=generator, **size.generator)
    discriminator = ImageDiscriminator(generator=generator, **size.discriminator)
    return DGNet(encoder, (image_generator,), discriminator, parts=size.parts)


def adapt_dgnet(trained: DGNet, size: Preset, *, generator: torch.Generator | None = None) -> DGNet:
    """Build DG-Net++ from a DG-Net trained on the source.

    Args:
        trained: DG-Net; not changed.
        size: Sizes it was built with.
        generator: Random generator of the domain discriminator's initial weights; the global one
            when None.

    Returns:
        Copies of its networks, the generator twice, and a new domain discriminator.

    Source:
        DG-Net++: both generators begin as copies of DG-Net's.
    """
    image_generator = trained.generator(0)
    domain_discriminator = DomainDiscriminator(
        features=trained.encoder.features, generator=generator, **size.domain
    )
    domain_discriminator.to(next(trained.parameters()).device)
    return DGNet(
        copy.deepcopy(trained.encoder),
        (copy.deepcopy(image_generator), copy.deepcopy(image_generator)),
        copy.deepcopy(trained.image_discriminator),
        domain_discriminator,
        parts=trained.parts,
    )


def renew_classifiers(
    encoder: PersonResNet, people: int, *, generator: torch.Generator | None = None
) -> None:
    """Replace the classifier of every head by a new one for another number of identities.

    Trunk and bottlenecks are kept; all rows of the classifiers are new, those of source identities
    too. Build the optimiser after this.

    Args:
        encoder: Changed in place.
        people: Number of identities: source identities plus clusters.
        generator: Random generator of the new weights, on the CPU; the global one when None.

    Source:
        DG-Net++: before every round after the first.
    """
    for head in encoder.heads:
        assert isinstance(head, Head)
        old = head.classifier
        new = nn.Linear(old.in_features, people)
        nn.init.normal_(new.weight, std=1e-3, generator=generator)
        nn.init.zeros_(new.bias)
        head.classifier = new.to(old.weight.device)
