"""Sizes of networks, counted beforehand."""

import pytest
import torch
from torch import nn

from reidaug.network_size import check_size


def check(width: object, **keywords: object) -> None:
    check_size(
        lambda: nn.Linear(width, width, bias=False),
        {"width": width, **keywords},
        largest_number=10**6,
        most_parameters=10**8,
    )


def test_networks_are_counted_and_not_made() -> None:
    state = torch.get_rng_state()
    check(10**4)
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(ValueError, match=r"^1000000000000 parameters are more than 100000000$"):
        check(10**6)


@pytest.mark.parametrize("value", [10**7, -(10**7), [1, [2, {"a": (1e8,)}]]])
def test_numbers_count_at_any_depth(value: object) -> None:
    with pytest.raises(ValueError, match="a number above 1000000"):
        check(8, more=value)


def test_what_cannot_be_made_is_not_counted() -> None:
    check("wide")
