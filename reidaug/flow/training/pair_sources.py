"""Pairs for training and evaluation: splits, and people on grey where there are masks."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.utils.data import Dataset

from reidaug.checksums import check_written
from reidaug.data.deepfashion import PairList, fashion_outfit, market_identity, read_deepfashion
from reidaug.data.images import read_image, read_mask, resize_mask
from reidaug.data.pairs import PairDataset, PosePair, flow_name, read_flow
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import summarise_left_out
from reidaug.flow.training.recipe import PairsRecipe, TrainFlow
from reidaug.geometry.flow import Size
from reidaug.machine import cores
from reidaug.runs import counter, notice

GREY = 0.5
LONG = 20_000  # files; beyond, opening them takes long enough to show progress


class Splits(NamedTuple):
    """Pairs to train on, and pairs of other people to score."""

    training: PairList
    testing: PairList


def read_splits(recipe: PairsRecipe, more_keypoints: tuple[Path, ...] = ()) -> Splits:
    """Read the pairs of a recipe, and print how many files were left out.

    Args:
        recipe: Names the pairs and how to split them.
        more_keypoints: Further keypoint files of the training images.

    Raises:
        ReidaugError: Pairs cannot be read, or were damaged since they were made.
        UsageError: There are too few people.
    """
    check_written(recipe.pairs)
    training = read_split(recipe, "train", more_keypoints)
    if recipe.evaluate_on == "held_out":
        training, testing = hold_out(training, recipe.held_out)
        testing = testing._replace(more_poses=())
    else:
        testing = read_split(recipe, "test")
    if not training.pairs or not testing.pairs:
        raise UsageError(
            f"{recipe.pairs}: too few people to hold out {recipe.held_out:.0%} of them"
        )
    return Splits(training, subsample(testing, recipe.test_pairs))


def read_split(recipe: PairsRecipe, split: str, more_keypoints: tuple[Path, ...] = ()) -> PairList:
    """Read the pairs of one split, and print how many files were left out; see `read_splits`."""
    pairs = read_deepfashion(
        recipe.pairs, split, annotated_size=recipe.annotated_size, more_keypoints=more_keypoints
    )
    total = len(pairs.pairs) + len(pairs.left_out)
    left_out = summarise_left_out(pairs.left_out, total, what=f"{split} rows")
    if left_out:
        notice(left_out)
    _check_masks(pairs, recipe)
    return pairs


def _check_masks(pairs: PairList, recipe: PairsRecipe) -> None:
    """Tell which masks are missing, before the work; errors as of `masked_pairs`."""
    masked = masked_pairs(pairs, recipe.size, background=recipe.background)
    masks, without = masks_of(pairs)
    if without:
        line = _without_masks(pairs, masks, without)
        notice(f"{line}: whole images are compared, and not people alone")
    elif masked is None and recipe.background == "grey":
        notice(f"{pairs.folder.parent}: no masks: people keep their backgrounds")


def check_flows(pairs: PairList, tasks: Sequence[str]) -> None:
    """Raise `UsageError` if a task is ``exact`` and the pairs have no exact flow."""
    if "exact" in tasks and pairs.flows is None:
        raise UsageError(f"{pairs.folder.parent}: no flows for the task 'exact' of 'cycle'")


class MaskedPairs(Dataset[PosePair]):
    """Pairs with people on grey, so that no flow has to explain a background.

    Args:
        pairs: The pairs.
        masks: Folder of ``<image stem>.png``, white where the person is.
    """

    def __init__(self, pairs: PairDataset, masks: Path) -> None:
        self.pairs, self.masks = pairs, masks

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> PosePair:
        """Read one pair, grey outside the person; `ReidaugError` if a file cannot be read."""
        pair = self.pairs[index]
        source, target = self.pairs.names(index)
        return pair._replace(
            source=on_grey(pair.source, self.mask(source, pair.source)),
            target=on_grey(pair.target, self.mask(target, pair.target)),
        )

    def mask(self, name: str, image: Float[Tensor, "3 H W"]) -> Bool[Tensor, "H W"]:
        """Read the person's mask (H, W), resized to the image (3, H, W) of this file name."""
        mask = read_mask(self.masks / f"{Path(name).stem}.png")
        return resize_mask(mask, (image.shape[-2], image.shape[-1]))


def masked_pairs(
    pairs: PairList, size: Size | None, *, background: str = "image"
) -> MaskedPairs | None:
    """Put people on grey, if every image has a mask in ``masks`` beside the folder of images.

    Args:
        pairs: The pairs.
        size: (height, width) that they are resized to.
        background: As in `PairsRecipe`.

    Returns:
        The masked pairs; None where masks are missing.

    Raises:
        ReidaugError: Some masks are missing, which would unmask all, and the background is
            ``grey``.
    """
    masks, without = masks_of(pairs)
    if without and background == "grey":
        raise ReidaugError(
            f"{_without_masks(pairs, masks, without)}; add what is missing, such as by reidaug "
            "pose, or leave all backgrounds as they are by background: image"
        )
    return None if masks is None or without else MaskedPairs(PairDataset(pairs, size=size), masks)


def trained_pairs(recipe: TrainFlow, pairs: PairList) -> MaskedPairs | PairDataset:
    """Read pairs as a training needs them: flows for the task ``exact`` alone.

    Raises:
        ReidaugError: Some masks are missing, and the background is ``grey``.
    """
    if "exact" not in recipe.tasks:
        pairs = pairs._replace(flows=None)
    grey = recipe.background == "grey"
    masked = masked_pairs(pairs, recipe.size, background="grey") if grey else None
    return PairDataset(pairs, size=recipe.size) if masked is None else masked


def _without_masks(pairs: PairList, masks: Path | None, without: Sequence[str]) -> str:
    total = len({name for pair in pairs.pairs for name in pair})
    line = f"{masks}: no mask of {len(without):,} of {total:,} images of {pairs.folder.name}"
    return f"{line}, such as {without[0]}"


def masks_of(pairs: PairList) -> tuple[Path | None, list[str]]:
    """Find the folder of masks, None without any mask, and the images of pairs that have none."""
    masks = pairs.folder.parent / "masks"
    there = {file.stem for file in masks.iterdir()} if masks.is_dir() else set()
    if not there:
        return None, []
    names = {name for pair in pairs.pairs for name in pair}
    return masks, sorted(name for name in names if Path(name).stem not in there)


def check_readable(*splits: PairList) -> None:
    """Read every image, mask and flow once: one that is damaged is told now, not after hours.

    Raises:
        ReidaugError: Files cannot be read.
    """
    work: list[tuple[Callable[[Path], object], Path]] = []
    for pairs in splits:
        names = sorted({name for pair in pairs.pairs for name in pair})
        work += [(read_image, pairs.folder / name) for name in names]
        masks, without = masks_of(pairs)
        if masks is not None and not without:
            work += [(read_mask, masks / f"{Path(name).stem}.png") for name in names]
        if pairs.flows is not None:
            work += [(read_flow, pairs.flows / flow_name(*pair)) for pair in pairs.pairs]
    errors = []
    with (
        counter(total=len(work) + (len(work) < LONG), what="open files", unit="file") as advance,
        ThreadPoolExecutor(cores()) as readers,
    ):
        for error in readers.map(_error, work):
            errors += [error] if error else []
            advance(1)
    if errors:
        raise ReidaugError(
            f"{len(errors):,} of {len(work):,} files of {splits[0].folder.parent} cannot be read: "
            f"{'; '.join(errors[:3])}{' ...' if len(errors) > 3 else ''}; replace or remove them"
        )


def _error(work: tuple[Callable[[Path], object], Path]) -> str:
    """Read a file; say what is wrong with it."""
    read, path = work
    try:
        read(path)
    except ReidaugError as error:
        return str(error)
    return ""


def on_grey(image: Float[Tensor, "3 H W"], person: Bool[Tensor, "H W"]) -> Float[Tensor, "3 H W"]:
    """Make an image (3, H, W) in [0, 1] grey outside the person's mask (H, W)."""
    return torch.where(person, image, torch.full_like(image, GREY))


def subsample(pairs: PairList, count: int) -> PairList:
    """Keep ``count`` pairs, evenly spaced in the list; 0 keeps all."""
    total = len(pairs.pairs)
    if not 0 < count < total:
        return pairs
    return pairs._replace(pairs=tuple(pairs.pairs[k * total // count] for k in range(count)))


def hold_out(pairs: PairList, share: float) -> tuple[PairList, PairList]:
    """Split pairs by people, for model selection without the test people: those kept, and held out.

    ``share`` is the fraction of the people to hold out, the last in name order.
    """
    people = people_of(pairs.pairs)
    names = sorted(set(people))
    out = set(names[len(names) - round(share * len(names)) :])
    kept = tuple(p for p, who in zip(pairs.pairs, people, strict=True) if who not in out)
    held = tuple(p for p, who in zip(pairs.pairs, people, strict=True) if who in out)
    return pairs._replace(pairs=kept), pairs._replace(pairs=held)


def people_of(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Find the person of each pair.

    Images that share a pair or a person's name are of one person. Where a pair joins two names,
    names do not identify people, and pairs alone do.
    """
    if not pairs:
        return []
    names = {name for pair in pairs for name in pair}
    people = {name: fashion_outfit(name) or market_identity(name) or name for name in names}
    if any(people[source] != people[target] for source, target in pairs):
        people = {name: name for name in names}
    nodes = {node: k for k, node in enumerate(sorted({*people, *people.values()}))}
    edges = [*pairs, *people.items()]
    ends = np.array([[nodes[node] for node in edge] for edge in edges]).T
    graph = coo_array((np.ones(len(edges)), tuple(ends)), shape=(len(nodes), len(nodes)))
    component = connected_components(graph, directed=False)[1]
    first: dict[int, str] = {}
    for who in sorted(people.values()):
        first.setdefault(int(component[nodes[who]]), who)
    return [first[int(component[nodes[source]])] for source, _ in pairs]
