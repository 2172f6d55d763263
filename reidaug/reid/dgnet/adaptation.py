"""Self-training of DG-Net++: pseudo-labels of the target, and what a round begins with."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray
from pydantic import Field

from reidaug.recipes import Count, Positive, Share
from reidaug.reid.dgnet.networks import DGNet, renew_classifiers
from reidaug.reid.evaluation.cluster import OUTLIER


@dataclass(frozen=True)
class Clustering:
    """Clustering of the target, see `reidaug.reid.evaluation.cluster.pseudo_labels`.

    Attributes:
        eps: DBSCAN: distance up to which two crops are neighbours.
        min_samples: DBSCAN: neighbours of a core crop, itself included.
        k1: Of the k-reciprocal distance.
        k2: Of the k-reciprocal distance.
        original: Share of the original distance.

    Source:
        DG-Net++.
    """

    eps: Positive = 0.45
    min_samples: Count = 7
    k1: Annotated[int, Field(ge=1, le=10_000)] = 20
    k2: Annotated[int, Field(ge=1, le=10_000)] = 6
    original: Share = 0.3

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # a misspelt recipe key is an error


def warmup_labels(clusters: Int[ndarray, "n"], batch: int) -> list[int]:
    """Labels of the target crops in the warm-up: every crop is an identity of its own.

    Args:
        clusters: Cluster of each target crop (N,), -1 for an outlier.
        batch: Crops in a batch.

    Returns:
        Labels; -1 for an outlier, which is left out as in the rounds. No crop is left out where
        less than a batch would remain.
    """
    every = np.arange(len(clusters))
    kept = np.where(clusters >= 0, every, OUTLIER)
    return (kept if enough(clusters, batch) else every).tolist()


def round_labels(clusters: Int[ndarray, "n"], people: int) -> list[int]:
    """Labels of the target crops in a round: clusters are numbered after the source identities.

    Args:
        clusters: Cluster of each target crop (N,), -1 for an outlier.
        people: Number of source identities.

    Returns:
        ``people`` + cluster; -1 for an outlier, which is left out in this round.

    Source:
        DG-Net++: cluster c is class ``people`` + c.
    """
    return np.where(clusters >= 0, people + clusters, OUTLIER).tolist()


def enough(clusters: Int[ndarray, "n"], batch: int) -> bool:
    """Whether the clusters hold a batch of crops."""
    return bool((clusters >= 0).sum() >= batch)


def start_round(
    network: DGNet, clusters: Int[ndarray, "n"], people: int, generator: torch.Generator
) -> list[int]:
    """Prepare the networks for a round of self-training.

    Args:
        network: Its encoder gets new classifiers for source identities and clusters.
        clusters: Cluster of each target crop (N,), -1 for an outlier.
        people: Number of source identities.
        generator: Random generator of the new weights.

    Returns:
        Labels of the target crops, see `round_labels`.
    """
    renew_classifiers(network.encoder, people + int(clusters.max()) + 1, generator=generator)
    return round_labels(clusters, people)
