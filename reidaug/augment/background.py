"""Backgrounds of warps.

To add one: write a function from `BackgroundInputs` to pictures, like `grey` or `own_scene` below,
and name it in `BACKGROUNDS` at the end of this file. ``reidaug augment --background`` then offers
it, with the function's docstring as its help.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.data.compositing import inpaint_people
from reidaug.data.images import IMAGENET_MEAN
from reidaug.errors import ReidaugError
from reidaug.geometry.warp import warp

GREY_LEVEL = 128 / 255


class BackgroundPool(NamedTuple):
    """Backgrounds of other people's images: person ids, and the inpainted images (P, 3, H, W)."""

    people: tuple[int, ...]
    images: Float[Tensor, "p 3 H W"]

    @classmethod
    def of(
        cls,
        people: Sequence[int],
        images: Sequence[Float[Tensor, "3 H W"]],
        masks: Sequence[Bool[Tensor, "H W"]],
    ) -> "BackgroundPool":
        """Inpaint the people of some images.

        Args:
            people: Person id of each image, at least one.
            images: The images (3, H, W) in [0, 1].
            masks: The person in each (H, W).
        """
        return cls(tuple(people), inpaint_people(torch.stack([*images]), torch.stack([*masks])))

    def draw(self, names: Sequence[str], *, person: int, seed: int) -> Float[Tensor, "t 3 H W"]:
        """Draw a background of another person for each warp; the draw depends on no order of work.

        Args:
            names: File name of each of the T warps.
            person: Whose backgrounds are not drawn.
            seed: Random seed.

        Raises:
            ReidaugError: There is no image of another person.
        """
        others = [k for k, who in enumerate(self.people) if who != person]
        if not others:
            raise ReidaugError(
                f"no readable image of anybody but person {person} to take a background from; "
                "choose another --background"
            )
        draws = [np.random.default_rng((seed, zlib.crc32(name.encode()))) for name in names]
        return self.images[torch.tensor([others[draw.integers(len(others))] for draw in draws])]


def draw_pool(
    people: Sequence[int], without: Sequence[int], *, count: int, seed: Sequence[int]
) -> list[int]:
    """Draw the images of a background pool; the same arguments draw the same ones.

    Args:
        people: Person id of each of all images.
        without: People whose warps need a background that is not their own.
        count: Largest number of images.
        seed: Random seed: that of the run and the number of the chunk.

    Returns:
        Indices into ``people``: images of others as far as there are any, then images of the
        people in ``without``, each of them once before anyone comes twice.
    """
    order = np.random.default_rng(list(seed)).permutation(len(people)).tolist()
    inside = set(without)
    times: dict[int, int] = {}
    others, again = list[int](), list[tuple[int, int]]()
    for k in order:
        if people[k] not in inside:
            others.append(k)
            if len(others) == count:  # mostly soon: chunks are small, and there are many
                return others
        else:
            again.append((times.get(people[k], 0), k))
            times[people[k]] = times.get(people[k], 0) + 1
    own = sorted(again, key=lambda one: one[0])
    return [*others, *(k for _, k in own)][:count]


class BackgroundInputs(NamedTuple):
    """Inputs of the backgrounds of one source's T warps."""

    image: Float[Tensor, "3 H W"]  # the source, in [0, 1]
    mask: Bool[Tensor, "H W"]  # the person in it
    person: int  # person id
    flow: Float[Tensor, "t 2 H W"]
    names: Sequence[str]  # file names of the warps
    seed: int = 0  # random seed
    pool: BackgroundPool | None = None  # where the background needs it


def grey(inputs: BackgroundInputs) -> Float[Tensor, "3 1 1"]:
    """Grey 128; UnWarpME Sec. 5.6 gives no value."""
    return torch.full((3, 1, 1), GREY_LEVEL)


def imagenet_mean(inputs: BackgroundInputs) -> Float[Tensor, "3 1 1"]:
    """ImageNet's mean colour, 0 after the usual normalisation."""
    return torch.tensor(IMAGENET_MEAN)[:, None, None]


def sampled(inputs: BackgroundInputs) -> Float[Tensor, "t 3 H W"]:
    """Whatever the flow samples there."""
    return warp(inputs.image.expand(len(inputs.flow), -1, -1, -1), inputs.flow)


def own_scene(inputs: BackgroundInputs) -> Float[Tensor, "3 H W"]:
    """The source's own background, the person inpainted."""
    return inpaint_people(inputs.image[None], inputs.mask[None])[0]


def other_scene(inputs: BackgroundInputs) -> Float[Tensor, "t 3 H W"]:
    """The background of another person's image, drawn for each warp."""
    pool = inputs.pool or BackgroundPool((), inputs.image[None])
    return pool.draw(inputs.names, person=inputs.person, seed=inputs.seed)


class Background(NamedTuple):
    """A kind of background.

    ``paint`` makes a colour (3, 1, 1), one picture (3, H, W), or one per warp (T, 3, H, W), in
    [0, 1]; ``needs_pool`` says whether images of other people must be at hand.
    """

    paint: Callable[[BackgroundInputs], Float[Tensor, "*t 3 _ _"]]
    needs_pool: bool = False


BACKGROUNDS: dict[str, Background] = {
    "grey": Background(grey),
    "imagenet-mean": Background(imagenet_mean),
    "keep": Background(sampled),
    "source": Background(own_scene),
    "other": Background(other_scene, needs_pool=True),
}
"""All backgrounds by the names that ``--background`` takes."""
