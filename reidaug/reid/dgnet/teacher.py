"""Teacher of DG-Net: a plain re-ID network whose soft labels the first head learns."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad
from torch.nn.modules.batchnorm import _BatchNorm

from reidaug.reid.backbones import Head, PersonResNet
from reidaug.reid.dgnet.networks import Preset
from reidaug.reid.network_modes import frozen_call

Style = Literal["soft", "hard", "appearance", "uniform", "parents"]


def build_teacher(
    size: Preset, people: int, *, generator: torch.Generator | None = None
) -> PersonResNet:
    """Build the network of a teacher, to be trained on the source like any re-ID model.

    Args:
        size: The trunk is that of its encoder.
        people: Number of source identities.
        generator: Random generator of the initial weights; the global one when None.

    Returns:
        A network with average pooling and one head.

    Source:
        DG-Net: ResNet-50 and a head like the encoder's first, dropout 0.5.
    """
    trunk = {**size.encoder, "pooling": "avg", "dropouts": (0.5,)}
    return PersonResNet(people, generator=generator, **trunk)


class Teacher(nn.Module):
    """Frozen network that labels generated images.

    Args:
        network: A trained network, of which the first head is used; frozen in place.
        style: ``soft``: its probabilities; ``hard``: its most likely identity; ``appearance``: the
            person who gave the appearance; ``uniform``: all identities alike (LSRO); ``parents``:
            its probabilities of the two people the image was generated from.

    Source:
        DG-Net's teacher_style 0 to 4 in this order; its results were made with 0. Batch norm uses
        the statistics of the batch. Dropout is always off: in the original it comes on after the
        first evaluation.
    """

    def __init__(self, network: PersonResNet, *, style: Style = "soft") -> None:
        super().__init__()
        self.network, self.style = network.requires_grad_(False), style
        self.train()

    def train(self, mode: bool = True) -> "Teacher":
        """Keep batch norm in train mode and dropout off, whatever the mode.

        Args:
            mode: Ignored.

        Returns:
            Itself.
        """
        del mode
        super().train(False)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.train()
        return self

    @torch.no_grad()
    def forward(
        self,
        images: Float[Tensor, "b 3 H W"],
        *,
        classes: int,
        appearance: Int[Tensor, "b"],
        structure: Int[Tensor, "b"] | None = None,
    ) -> Float[Tensor, "b c"]:
        """Label generated images.

        Args:
            images: Normalised images (B, 3, H, W).
            classes: Number of identities of the student; those beyond the teacher's get 0.
            appearance: Identities that gave the appearance (B,).
            structure: Identities that gave the structure (B,); None where they are unknown.

        Returns:
            Probabilities (B, C), each row of sum 1.

        Raises:
            ValueError: The student has fewer identities than the teacher.
        """
        head = self.network.heads[0]
        assert isinstance(head, Head)
        people = head.classifier.out_features
        if classes < people:
            raise ValueError(f"the teacher has {people} identities, the student only {classes}")
        if self.style == "appearance":
            return one_hot(appearance, classes).float()
        if self.style == "uniform":
            soft = images.new_full((len(images), people), 1 / people, dtype=torch.float32)
        else:
            soft = self._probabilities(images)
        if self.style == "hard":
            soft = one_hot(soft.argmax(1), people).float()
        if self.style == "parents":
            parents = one_hot(appearance, people)
            if structure is not None:
                parents = parents | one_hot(structure, people)
            # Parents keep a tiny probability, so that no row is all 0.
            soft = soft.clamp_min(1e-30) * parents
        return pad(soft / soft.sum(1, keepdim=True), (0, classes - people))

    def _probabilities(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b p"]:
        """Mean over the images and their mirror images."""
        image, mirrored = (
            frozen_call(self.network, view).logits[0].float().softmax(1)
            for view in (images, images.flip(-1))
        )
        return (image + mirrored) / 2
