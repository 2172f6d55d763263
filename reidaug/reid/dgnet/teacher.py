"""The teacher of DG-Net: a plain re-ID network that says whom a drawn crop looks like."""

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
    """Build the network of a teacher, to be trained on the source's identities like any other.

    Args:
        size: Its trunk is that of the preset's encoder.
        people: Number of identities of the source.
        generator: Source of the first weights; the global one when None.

    Returns:
        A network with average pooling and one head.

    Source:
        DG-Net: ResNet-50 and a head like the encoder's first, dropout 0.5.
    """
    trunk = {**size.encoder, "pooling": "avg", "dropouts": (0.5,)}
    return PersonResNet(people, generator=generator, **trunk)


class Teacher(nn.Module):
    """Gives drawn crops labels; it never learns.

    Args:
        network: A trained network; frozen in place. Its first head speaks.
        style: ``soft``: what the network sees; ``hard``: its best guess alone; ``appearance``: the
            person whose clothes the crop wears; ``uniform``: everybody alike (LSRO); ``parents``:
            what it sees, of the two people the crop was made of.

    Source:
        DG-Net's teacher_style 0 to 4 in this order; 0 is what its results were made with. Batch
        norm takes the statistics of the batch. Dropout is off for good: in the original it comes on
        after the first evaluation.
    """

    def __init__(self, network: PersonResNet, *, style: Style = "soft") -> None:
        super().__init__()
        self.network, self.style = network.requires_grad_(False), style
        self.train()

    def train(self, mode: bool = True) -> "Teacher":
        """Stay as it is: batch norm on the batch, dropout off.

        Args:
            mode: Of no effect.

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
        """Label drawn crops.

        Args:
            images: Normalised crops (B, 3, H, W).
            classes: Number of identities of the learner; those beyond the teacher's get 0.
            appearance: Who gave the clothes (B,).
            structure: Who gave the body (B,); None where nobody knows.

        Returns:
            Probabilities (B, C), each row of sum 1.

        Raises:
            ValueError: The learner knows fewer identities than the teacher.
        """
        head = self.network.heads[0]
        assert isinstance(head, Head)
        people = head.classifier.out_features
        if classes < people:
            raise ValueError(f"the teacher knows {people} people, the learner only {classes}")
        if self.style == "appearance":
            return one_hot(appearance, classes).float()
        if self.style == "uniform":
            soft = images.new_full((len(images), people), 1 / people, dtype=torch.float32)
        else:
            soft = self._soft(images)
        if self.style == "hard":
            soft = one_hot(soft.argmax(1), people).float()
        if self.style == "parents":
            parents = one_hot(appearance, people)
            if structure is not None:
                parents = parents | one_hot(structure, people)
            # No parent is impossible, so that a row never is all 0.
            soft = soft.clamp_min(1e-30) * parents
        return pad(soft / soft.sum(1, keepdim=True), (0, classes - people))

    def _soft(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b p"]:
        views = (images, images.flip(-1))
        seen = [frozen_call(self.network, view).logits[0].float().softmax(1) for view in views]
        return (seen[0] + seen[1]) / 2
