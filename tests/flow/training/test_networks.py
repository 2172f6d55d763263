"""Networks of a training, built from the recipe."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_trainings import DISCRIMINATOR, GENERATOR, train_recipe

from reidaug.errors import UsageError
from reidaug.flow.training.networks import Networks, build_networks

CPU = torch.device("cpu")


def build(**keys: Any) -> Networks:
    parts = {"generator": GENERATOR, "discriminator": DISCRIMINATOR}
    return build_networks(train_recipe(Path("unread"), **parts, **keys), CPU)


def test_first_weights_depend_on_the_recipes_seed_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = build(), build(), build(seed=1)
    assert torch.equal(torch.get_rng_state(), before)

    def weights(networks: Networks) -> torch.Tensor:
        assert networks.discriminator is not None
        parts = (networks.model, networks.discriminator)
        return torch.cat([p.flatten() for part in parts for p in part.parameters()])

    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


def test_precision_is_that_of_the_recipe() -> None:
    for precision in ("float32", "bfloat16", "float16"):
        with build(precision=precision).model.autocast():
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == getattr(torch, precision)


def test_estimators_without_parameters_and_other_weights_are_errors() -> None:
    with pytest.raises(UsageError, match=r"Identity.*nothing to train"):
        build(estimator={"class": "reidaug.flow.closed_form:Identity"})
    with pytest.raises(UsageError, match="start market"):
        build(start="market")
