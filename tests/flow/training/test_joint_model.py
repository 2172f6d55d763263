"""Outputs of the estimator with its image generator."""

from functools import partial

import pytest
import torch
from flow_figures import pairs, tiny

from reidaug.flow.rivals.gfla import GFLA
from reidaug.flow.training.joint_model import EstimatorWithGenerator
from reidaug.flow.unwarpme.refinement import Refinement


def test_only_what_the_tasks_need_is_predicted() -> None:
    batch = pairs(2, 0)
    model = EstimatorWithGenerator(tiny(), Refinement(width=8, blocks=1))
    random = torch.Generator().manual_seed(0)
    exact = model(batch, ("exact",))
    assert (exact.image, exact.flows) == (None, ())
    assert model(batch, ("generation",), random).image.shape == batch.target.shape
    sampled = model(batch, ("sampling",))
    assert torch.equal(sampled.flows[-1], sampled.motion.flow)
    assert EstimatorWithGenerator(tiny())(batch, ("generation",), random).image is None


@pytest.mark.parametrize("task", ["generation", "sampling"])
def test_mixed_precision_gives_32_bits(task: str) -> None:
    autocast = partial(torch.autocast, "cpu", dtype=torch.bfloat16)
    model = EstimatorWithGenerator(tiny(), Refinement(width=8, blocks=1), autocast)
    found = model(pairs(2, 0), (task,), torch.Generator().manual_seed(0))
    tensors = [found.motion.flow, *found.flows, *found.own_losses.values()]
    tensors += [] if found.image is None else [found.image]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}


def test_every_parameter_is_in_one_group_with_a_rate() -> None:
    model = EstimatorWithGenerator(tiny(), Refinement(width=8, blocks=1))
    groups = model.parameter_groups()
    listed = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(listed) == sorted(map(id, model.parameters()))
    assert all(group["rate"] > 0 for group in groups)


def test_of_several_flows_the_finest_counts() -> None:
    batch = pairs(2, 0)
    model = EstimatorWithGenerator(GFLA(widths=(6, 8, 10, 12)))
    found = model(batch, ("sampling",))
    assert [tuple(flow.shape[2:]) for flow in found.flows] == [(4, 2), (8, 4)]
    assert torch.equal(found.motion.flow, found.flows[1])
