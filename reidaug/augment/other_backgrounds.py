"""Where warped people are put: on a plain colour, back where they were, or in another's place."""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reidaug.augment.background import colour_of, without_person
from reidaug.errors import ReidaugError


class Places(NamedTuple):
    """Backgrounds to choose from.

    Attributes:
        people: Whose image each is.
        images: The images without their person (P, 3, H, W).
    """

    people: tuple[int, ...]
    images: Float[Tensor, "p 3 H W"]

    @classmethod
    def of(
        cls,
        people: Sequence[int],
        images: Sequence[Float[Tensor, "3 H W"]],
        masks: Sequence[Bool[Tensor, "H W"]],
    ) -> "Places":
        """Paint the people out of their images.

        Args:
            people: Whose image each is, one at least.
            images: The images (3, H, W) in [0, 1].
            masks: The person in each (H, W).

        Returns:
            The backgrounds.
        """
        empty = [without_person(*both) for both in zip(images, masks, strict=True)]
        return cls(tuple(people), torch.stack(empty))


def draw_pool(
    people: Sequence[int], asking: Sequence[int], *, count: int, seed: Sequence[int]
) -> list[int]:
    """Draw the images whose backgrounds one chunk may use; the same arguments draw the same ones.

    Args:
        people: Who is in each of all images.
        asking: The people who need a background that is not their own.
        count: How many images at most.
        seed: Of the draw: that of the run and the number of the chunk.

    Returns:
        Indices into ``people``: images of others as far as there are any, then images of the
        people who ask, each of them once before anyone comes twice.
    """
    order = np.random.default_rng(list(seed)).permutation(len(people)).tolist()
    inside = set(asking)
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


def behind(
    background: str,
    image: Float[Tensor, "3 H W"],
    mask: Bool[Tensor, "H W"],
    names: Sequence[str],
    *,
    person: int,
    places: Places | None,
    seed: int,
) -> Float[Tensor, "*c 3 _ _"] | None:
    """Find what is behind the warps of one source.

    Args:
        background: A name in `reidaug.augment.background.BACKGROUNDS`.
        image: The source (3, H, W) in [0, 1].
        mask: The person in it (H, W).
        names: File name of each of the T warps: with the seed it decides which place is drawn.
        person: Who it is.
        places: What ``other`` chooses from.
        seed: Of the draw.

    Returns:
        A colour (3, 1, 1), one picture (3, H, W), one a warp (T, 3, H, W), or None where what the
        flow samples is kept.

    Raises:
        ReidaugError: There is no image of another person.
        UsageError: The name is unknown.
    """
    if background == "source":
        return without_person(image, mask)
    if background != "other":
        return colour_of(background)
    people = () if places is None else places.people
    others = [k for k, who in enumerate(people) if who != person]
    if places is None or not others:
        raise ReidaugError(
            f"no readable image of anybody but person {person} to take a background from; choose "
            "another --background"
        )
    # Every warp has a generator of its own: what is drawn depends on no order of work.
    draws = [np.random.default_rng((seed, zlib.crc32(name.encode()))) for name in names]
    return places.images[torch.tensor([others[draw.integers(len(others))] for draw in draws])]
