"""Masks and joints of photographs on their crops: the room that the tests of their place leave.

    python benchmarks/placement.py --market ROOT --keypoints FILE --masks FOLDER

ROOT is Market-1501, FILE and FOLDER what `reidaug pose` made of its training crops. Tune people.
Of masks: the share of a person's visible joints that the own mask covers, and that of somebody
else does; and by how much more the own one does, in the mean of many draws of as few crops as
`reidaug.augment.mask_placement` compares. The same for masks that are all somebody else's, which it
must refuse. Of joints: where the middle of a person is, as a share of the crop, and how much of it
a person spans, for `reidaug.data.joint_placement`; and how much more edge is beside the limbs, in
many draws of the fewest crops for which `reidaug.augment.limb_edges` says a word: with each crop's
own joints, with those of others, and with mirrored ones. Last, of sets of people in the order of
names, how likely it is that the list of joints slipped, where it did not, and where it did from a
row on. The result is benchmarks/results/placement.json. It takes about half an hour of a core.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from photograph_crops import NEEDED
from provenance import write_result

from reidaug.augment.inputs import Source, join_poses
from reidaug.augment.limb_edges import (
    LEAST,
    edge_doubt,
    edge_gains,
    joint_slip,
    look,
    slip_doubt,
)
from reidaug.augment.mask_placement import MANY, Masked
from reidaug.augment.pose_pool import covered
from reidaug.data.images import image_size, mask_path, read_mask
from reidaug.data.joint_placement import outside_share
from reidaug.data.market1501 import TRAIN, read_market1501
from reidaug.data.people_split import split_people
from reidaug.geometry.pose import Pose, stack

SHARES = (0.01, 0.05, 0.5, 0.95, 0.99)  # of the crops, below which a figure is
DRAWS, SEED = 10_000, 0
EDGE_DRAWS = 100
SLIP_DRAWS, SLIP_CROPS = 32, (128, 300, 600)
# Shares of the crops, the last ones, that have the joints of the crop before them.
SLIPS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
Floats = NDArray[np.float64]


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--market", type=Path)
    parser.add_argument("--keypoints", type=Path)
    parser.add_argument("--masks", type=Path)
    options = parser.parse_args()
    if options.market is None or options.keypoints is None or options.masks is None:
        print(NEEDED)
        return
    sources = people_of(options.market, options.keypoints, options.masks)
    found = {"crops": len(sources), "shares": SHARES, "compared": MANY, "draws": DRAWS}
    found |= {"masks": of_masks(sources, options.masks), "joints": of_joints(sources)}
    found |= {"edges": of_edges(sources), "slips": of_slips(sources)}
    print(found)
    write_result("placement", "python benchmarks/placement.py", **found)


def people_of(market: Path, keypoints: Path, masks: Path) -> list[Source]:
    """List the crops of tune people that have joints and a mask, in an order drawn by the seed."""
    dataset = read_market1501(market, splits=(TRAIN,))
    split = split_people(dataset.train, "tune")
    people = {*split.query, *split.gallery}
    known = [
        source
        for source in join_poses(dataset, keypoints)[0]
        if source.person in people and mask_path(masks, source.person.key).exists()
    ]
    return [known[k] for k in np.random.default_rng(SEED).permutation(len(known)).tolist()]


def of_masks(sources: Sequence[Source], masks: Path) -> dict[str, Any]:
    """Compare the joints of each person with the own mask and with those of the next two."""
    poses = [source.pose for source in sources]
    read = [read_mask(mask_path(masks, source.person.key)) for source in sources]
    own, other, third = (
        np.array([covered(p, read[(k + away) % len(read)]) for k, p in enumerate(poses)])
        for away in range(3)
    )
    return {
        "covered_by_own": below(own),
        "covered_by_others": below(other),
        "own_over_others": drawn(own - other),
        "others_over_others": drawn(other - third),
    }


def of_joints(sources: Sequence[Source]) -> dict[str, Any]:
    """Measure where people are on their crops, from their visible joints."""
    poses = stack([source.pose for source in sources])
    sizes = torch.tensor([image_size(source.person.path) for source in sources]).float()
    seen, end = poses.visible[..., None], torch.tensor(torch.inf)
    low, high = (
        torch.where(seen, poses.xy, end).amin(1),
        torch.where(seen, poses.xy, -end).amax(1),
    )
    middle, span = (low + high + 1) / 2 / sizes.flip(-1), (high - low) / sizes.flip(-1)
    return {
        "outside": round(outside_share(Pose(poses.xy, poses.visible), sizes), 4),
        "middle_across": below(middle[:, 0].double().numpy()),
        "middle_down": below(middle[:, 1].double().numpy()),
        "span": below(span.amax(1).double().numpy()),
    }


def of_edges(sources: Sequence[Source]) -> dict[str, Any]:
    """Draw crops many times, and find how their edges go with their joints, and with wrong ones.

    Returns:
        The numbers of crops and draws; then, for the crops' own joints, for those of the next crop
        of the draw (of all crops, or of every other one), and for mirrored ones, the gains of
        `edge_gains` that `SHARES` of all draws are below, without draws in which fewer crops tell
        than it asks for; and the share of draws about which `edge_doubt` says something.
    """
    rng = np.random.default_rng(SEED)
    people = [Masked(s.person.path, s.person.key, s.pose) for s in sources]
    flipped = [Masked(s.person.path, s.person.key, mirrored(s)) for s in sources]
    names = ("own", "half_of_others", "of_others", "mirrored")
    gains: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    told = dict.fromkeys(names, 0)
    for _ in range(EDGE_DRAWS):
        chosen = rng.choice(len(people), LEAST + LEAST // 8, replace=False).tolist()
        own = [people[k] for k in chosen]
        nexts = [*own[1:], own[0]]
        others = [p._replace(pose=q.pose) for p, q in zip(own, nexts, strict=True)]
        half = [p if k % 2 else q for k, (p, q) in enumerate(zip(own, others, strict=True))]
        turned = [flipped[k] for k in chosen]
        for name, some in zip(names, (own, half, others, turned), strict=True):
            found = edge_gains(looked) if (looked := look(some)) is not None else None
            if found is not None and found.images >= LEAST:
                gains[name].append(found[:3])
            told[name] += bool(edge_doubt(found))
    fields = ("own", "mirrored", "turned")  # of `EdgeGains`
    return {"crops": LEAST + LEAST // 8, "draws": EDGE_DRAWS} | {
        name: dict(zip(fields, map(below, np.array(rows).T), strict=True))
        | {"told": told[name] / EDGE_DRAWS}
        for name, rows in gains.items()
    }


def of_slips(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Draw people many times, and let the list of the joints of their crops slip by one.

    Returns:
        For each number of crops and each share of them, at the end in the order of names, whose
        joints are those of the crop before: the likelihood of `joint_slip` that `SHARES` of the
        draws are below, and the greatest; and the share of draws about which `slip_doubt` says
        something, and of those about which `edge_doubt` does.
    """
    rng, rows = np.random.default_rng(SEED), list[dict[str, Any]]()
    named = sorted(sources, key=lambda source: source.person.key)
    people = [Masked(s.person.path, s.person.key, s.pose) for s in named]
    owners = np.array([source.person.pid for source in named])
    for crops in SLIP_CROPS:
        found: dict[float, list[tuple[float, bool, bool]]] = {share: [] for share in SLIPS}
        for _ in range(SLIP_DRAWS):
            drawn_people = rng.permutation(np.unique(owners))
            rank = np.argsort(drawn_people)[np.searchsorted(np.unique(owners), owners)]
            chosen = sorted(np.argsort(rank, kind="stable")[:crops].tolist())
            looked = look([people[k] for k in chosen])
            if looked is None:
                continue
            for share in SLIPS:
                changed = looked._replace(people=slipped(looked.people, share))
                slip = joint_slip(changed)
                told = bool(slip_doubt(changed, slip)), bool(edge_doubt(edge_gains(changed)))
                found[share].append((slip.likelihood if slip else 0.0, *told))
        for share, draws in found.items():
            table = np.array(draws, dtype=np.float64)
            rows.append(
                {"crops": crops, "slipped": share, "draws": len(draws)}
                | {"likelihood": below(table[:, 0]), "greatest": round(float(table[:, 0].max()), 3)}
                | {"told": round(float(table[:, 1].mean()), 3)}
                | {"edges_told": round(float(table[:, 2].mean()), 3)}
            )
    return rows


def slipped(people: Sequence[Masked], share: float) -> list[Masked]:
    """Give a share of the images, the last ones, the joints of the image before each."""
    first = round(len(people) * (1 - share))
    return [
        person._replace(pose=people[k - 1].pose) if k >= first else person
        for k, person in enumerate(people)
    ]


def mirrored(source: Source) -> Pose:
    """Mirror a crop's joints about its middle, without exchanging left and right."""
    xy, size = source.pose.xy.clone(), image_size(source.person.path)
    assert size is not None
    xy[:, 0] = size[1] - 1 - xy[:, 0]
    return Pose(xy, source.pose.visible)


def below(values: Floats) -> list[float]:
    """Find the values that `SHARES` of all are below."""
    return [round(float(value), 3) for value in np.quantile(values, SHARES)]


def drawn(gains: Floats) -> dict[str, float]:
    """Draw crops many times: the mean gain of all, and the least and greatest mean of a draw."""
    rng = np.random.default_rng(SEED)
    means = gains[rng.integers(len(gains), size=(DRAWS, MANY))].mean(1)
    return {
        "mean": round(float(gains.mean()), 3),
        "least": round(float(means.min()), 3),
        "greatest": round(float(means.max()), 3),
    }


if __name__ == "__main__":
    main()
