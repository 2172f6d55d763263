"""Pairs for training and scoring, with the person cut out where there are masks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.utils.data import Dataset

from reidaug.data.deepfashion import PairList, fashion_outfit, market_person
from reidaug.data.images import read_mask, resize_mask
from reidaug.data.pairs import PairDataset, PosePair
from reidaug.geometry.flow import Size

GREY = 0.5


class PersonPairs(Dataset[PosePair]):
    """Pairs whose people stand on grey, so that no flow has to explain a background.

    Args:
        pairs: The pairs.
        masks: Folder of ``<image stem>.png``, white where the person is.
    """

    def __init__(self, pairs: PairDataset, masks: Path) -> None:
        self.pairs, self.masks = pairs, masks

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> PosePair:
        """Read one pair.

        Args:
            index: Which one.

        Returns:
            The pair, both images grey outside the person.

        Raises:
            ReidaugError: A file cannot be read.
        """
        pair = self.pairs[index]
        source, target = self.pairs.names(index)
        return pair._replace(
            source=on_grey(pair.source, self.person(source, pair.source)),
            target=on_grey(pair.target, self.person(target, pair.target)),
        )

    def person(self, name: str, image: Float[Tensor, "3 H W"]) -> Bool[Tensor, "H W"]:
        """Read where a picture shows the person.

        Args:
            name: File name of the picture.
            image: The picture (3, H, W), whose size the mask is brought to.

        Returns:
            The mask (H, W).
        """
        mask = read_mask(self.masks / f"{Path(name).stem}.png")
        return resize_mask(mask, (image.shape[-2], image.shape[-1]))


def person_pairs(pairs: PairList, size: Size | None) -> PersonPairs | None:
    """Cut people out, if every image of the pairs has a mask in ``masks`` beside its folder.

    Args:
        pairs: The pairs.
        size: (height, width) everything is brought to.

    Returns:
        The pairs on grey; None where a mask is missing.
    """
    masks = pairs.folder.parent / "masks"
    there = {file.stem for file in masks.iterdir()} if masks.is_dir() else set()
    if not all(Path(name).stem in there for pair in pairs.pairs for name in pair):
        return None
    return PersonPairs(PairDataset(pairs, size=size), masks)


def on_grey(image: Float[Tensor, "3 H W"], person: Bool[Tensor, "H W"]) -> Float[Tensor, "3 H W"]:
    """Paint everything but the person grey.

    Args:
        image: Image (3, H, W) in [0, 1].
        person: (H, W), True where the person is.

    Returns:
        The image (3, H, W).
    """
    return torch.where(person, image, torch.full_like(image, GREY))


def spread(pairs: PairList, count: int) -> PairList:
    """Take some pairs, evenly over the whole list.

    Args:
        pairs: The list.
        count: How many; 0 for all.

    Returns:
        The shorter list.
    """
    total = len(pairs.pairs)
    if not 0 < count < total:
        return pairs
    return pairs._replace(pairs=tuple(pairs.pairs[k * total // count] for k in range(count)))


def hold_out(pairs: PairList, share: float) -> tuple[PairList, PairList]:
    """Part a list by people, so that choices can be made without looking at the test people.

    Args:
        pairs: The list.
        share: Part of the people to hold out, the last in name order.

    Returns:
        The pairs that stay, and those of the people held out.
    """
    people = _people(pairs.pairs)
    names = sorted(set(people))
    out = set(names[len(names) - round(share * len(names)) :])
    kept = tuple(p for p, who in zip(pairs.pairs, people, strict=True) if who not in out)
    held = tuple(p for p, who in zip(pairs.pairs, people, strict=True) if who in out)
    return pairs._replace(pairs=kept), pairs._replace(pairs=held)


def _people(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Tell whom each pair shows.

    Images that pairs or names bring together are of one person; where a pair joins two names'
    people, names do not say who is seen, and pairs alone do.
    """
    if not pairs:
        return []
    names = {name for pair in pairs for name in pair}
    people = {name: fashion_outfit(name) or market_person(name) or name for name in names}
    if any(people[source] != people[target] for source, target in pairs):
        people = {name: name for name in names}
    nodes = {node: k for k, node in enumerate(sorted({*people, *people.values()}))}
    edges = [*pairs, *people.items()]
    ends = np.array([[nodes[node] for node in edge] for edge in edges]).T
    graph = coo_array((np.ones(len(edges)), tuple(ends)), shape=(len(nodes), len(nodes)))
    group = connected_components(graph, directed=False)[1]
    first: dict[int, str] = {}
    for who in sorted(people.values()):
        first.setdefault(int(group[nodes[who]]), who)
    return [first[int(group[nodes[source]])] for source, _ in pairs]
