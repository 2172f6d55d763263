"""Scores of pairs of a crop and a target pose: identity and joints, also by quality and by turn.

A pair is what is counted; intervals draw people. What the shares mean: photograph_round_trips.py.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from numpy.typing import NDArray
from picture_scores import estimate, share
from turns import VIEW_TURNS

from reidaug.geometry.pck import JointMatches
from reidaug.geometry.pose import OPENPOSE_18

BINS = {"below .35": 0.0, ".35 to .5": 0.35, ".5 to .7": 0.5, ".7 and more": 0.7}
"""Bins of the quality of warps: their names and least values."""

HEAD = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
BODY = torch.tensor([name not in HEAD for name in OPENPOSE_18])

People = NDArray[np.int64]


class Found(NamedTuple):
    """How the person of each of N pairs is found."""

    first: Bool[ndarray, "n"]  # whether the first crop found shows the right person
    ap: Float[ndarray, "n"]  # average precision

    def at(self, here: Bool[ndarray, "n"]) -> "Found":
        """Take some pairs."""
        return Found(*(part[here] for part in self))


class Hits(NamedTuple):
    """How many joints are found in the picture of each of N pairs."""

    asked: Int[ndarray, "n"]  # joints asked for
    found: Int[ndarray, "n"]  # those of them found anywhere
    near: Int[ndarray, "n"]  # those of them in place
    both: Int[ndarray, "n"]  # joints asked for that the crop shows too
    both_near: Int[ndarray, "n"]
    body: Int[ndarray, "n"]  # joints asked for without those of the head
    body_near: Int[ndarray, "n"]
    exchanged: Bool[ndarray, "n"]  # whether left and right are exchanged

    @classmethod
    def of(cls, matches: JointMatches, source_shows: Bool[torch.Tensor, "n 18"]) -> "Hits":
        """Count the joints of pictures; also those that the sources show."""
        asked, near = matches.expected, matches.correct
        both = asked & source_shows
        parts = (asked, matches.detected, near, both, both & near, asked & BODY, near & BODY)
        return cls._make([*(part.sum(1).numpy() for part in parts), matches.swapped.numpy()])

    def at(self, here: Bool[ndarray, "n"]) -> "Hits":
        """Take some pairs."""
        return Hits(*(part[here] for part in self))


def identity_scores(found: Found, people: People) -> dict[str, Any]:
    """Rank-1 and mAP in percent."""
    ones = np.ones(len(people))
    scores = {}
    for name, interval, parts in (
        ("rank1", "interval", found.first),
        ("mAP", "mAP_interval", found.ap),
    ):
        one = estimate(name, parts, ones, people)
        ends = one.get(f"{name}_ci", ())
        scores[name] = None if one[name] is None else round(100 * one[name], 2)
        scores[interval] = [round(100 * end, 2) for end in ends] or None
    return scores


def differences(found: dict[str, Found], people: People, base: str) -> dict[str, Any]:
    """What each row has over another one, pair by pair, in percent."""
    other = found[base]
    return {
        name: identity_scores(
            Found(row.first.astype(float) - other.first, row.ap - other.ap), people
        )
        for name, row in found.items()
        if name != base
    }


def pose_scores(hits: Hits, people: People) -> dict[str, Any]:
    """Shares of joints, and of pictures with left and right exchanged."""
    ones = np.ones(len(people))
    return {
        **estimate("asked", hits.near, hits.asked, people),
        **estimate("both", hits.both_near, hits.both, people),
        **estimate("body", hits.body_near, hits.body, people),
        **estimate("exchanged", hits.exchanged, ones, people),
        "found": share(int(hits.found.sum()), int(hits.asked.sum())),
        "pck": share(int(hits.near.sum()), int(hits.found.sum())),
    }


def by_quality(
    found: Found, own_pose: Found, quality: Float[ndarray, "n"], people: People
) -> dict[str, Any]:
    """Scores of good and of bad warps, and Rank-1 over that of own pose on grey."""
    place = quality_bin(quality)
    result = {}
    for k, name in enumerate(BINS):
        here = place == k
        right, reference = found.first[here], own_pose.first[here]
        result[name] = {
            "pairs": int(here.sum()),
            **identity_scores(found.at(here), people[here]),
            "own_pose_grey": identity_scores(own_pose.at(here), people[here])["rank1"],
            **estimate("share", right, reference, people[here]),
        }
    return result


def quality_bin(quality: Float[ndarray, "n"]) -> Int[ndarray, "n"]:
    """Find the bin of each quality (N,): its place in `BINS`."""
    return np.digitize(quality, list(BINS.values())[1:])


def by_turn(
    found: dict[str, Found], hits: dict[str, Hits], turn: Int[ndarray, "n"], people: People
) -> dict[str, Any]:
    """Scores of each kind of turn."""
    result = {}
    for k, name in enumerate(VIEW_TURNS):
        here = turn == k
        result[name] = {
            "pairs": int(here.sum()),
            "identity": {
                r: identity_scores(one.at(here), people[here]) for r, one in found.items()
            },
            "pose": {r: pose_scores(one.at(here), people[here]) for r, one in hits.items()},
        }
    return result


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Put what matters into words."""
    counts = result["counts"]
    yield f"{counts['pairs']} pairs of {counts['people']} people, gallery {counts['gallery']}"
    for name, row in result["identity"].items():
        low, high = row["interval"]
        rank1 = f"Rank-1 {row['rank1']:5.1f} ({low:.1f} to {high:.1f})"
        yield f"  {name:14s} {rank1}  mAP {row['mAP']:.1f}"
    for name, row in result["pose"].items():
        keys = ("asked", "both", "body", "exchanged", "found", "pck")
        yield f"  {name:14s} " + "  ".join(f"{key} {row[key]}" for key in keys)
    for name, row in result["shape"].items():
        for measured, one in row.items():
            for where, part in (("all", one), ("same view", one["same_view"])):
                parts = ("pairs", "median", "beyond", "from_source", "from_target")
                said = "  ".join(f"{key} {part[key]}" for key in parts)
                yield f"  {name:14s} {measured:14s} {where:9s} {said}"
