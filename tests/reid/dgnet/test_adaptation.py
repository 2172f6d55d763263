"""Pseudo-labels of the target, and the begin of a round."""

import numpy as np
from seeding import seeded
from small_dgnet import PEOPLE, two_domains

from reidaug.reid.dgnet.adaptation import round_labels, start_round, warmup_labels

CLUSTERS = np.array([0, -1, 2, 0])


def test_clusters_are_numbered_after_the_source_identities_without_outliers():
    assert round_labels(CLUSTERS, 10) == [10, -1, 12, 10]


def test_in_the_warmup_every_crop_but_outliers_is_an_identity():
    assert warmup_labels(CLUSTERS, batch=3) == [0, -1, 2, 3]
    assert warmup_labels(CLUSTERS, batch=4) == [0, 1, 2, 3]


def test_a_round_begins_with_classifiers_for_source_and_clusters():
    network = two_domains()
    labels = start_round(network, CLUSTERS, PEOPLE, seeded())
    assert labels == round_labels(CLUSTERS, PEOPLE)
    for head in network.encoder.heads:
        assert head.classifier.out_features == PEOPLE + 3
