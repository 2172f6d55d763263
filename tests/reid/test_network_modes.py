"""Frozen weights, frozen statistics, no dropout."""

import torch
from seeding import seeded
from small_dgnet import crops, one_domain, same, state, with_gradient
from torch import nn

from reidaug.reid.network_modes import frozen_call, frozen_statistics, without_dropout


def test_gradients_reach_the_input_alone():
    encoder = one_domain().encoder.train()
    before = state(encoder)
    images = crops(0).requires_grad_()
    with without_dropout(encoder):
        seen = frozen_call(encoder, images)
    seen.logits[0].square().sum().backward()
    assert images.grad is not None
    assert float(images.grad.abs().max()) > 0
    assert not with_gradient(encoder)
    assert same(before, state(encoder))


def test_batch_norm_normalises_by_the_batch():
    encoder = one_domain().encoder.train()
    with without_dropout(encoder):
        torch.testing.assert_close(frozen_call(encoder, crops(0)).logits, encoder(crops(0)).logits)


def test_dropout_is_off_inside_and_as_before_outside():
    network = nn.Sequential(nn.Dropout(0.5), nn.Dropout2d(0.5)).train()
    network[1].eval()
    x = torch.ones(2, 3, 4, 4) + torch.rand(2, 3, 4, 4, generator=seeded())
    with without_dropout(network):
        assert torch.equal(network(x), x)
        assert network.training
    assert [layer.training for layer in network] == [True, False]


def test_running_statistics_stay_inside_the_block_only():
    encoder = one_domain().encoder.train()
    before = encoder.bn1.running_mean.clone()
    with frozen_statistics(encoder):
        encoder(crops(0))
    assert torch.equal(before, encoder.bn1.running_mean)
    encoder(crops(0))
    assert not torch.equal(before, encoder.bn1.running_mean)
