"""The networks: published sizes, published names, and weight files that fit."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.models import resnet18, resnet50

from reidaug.data.images import IMAGENET_MEAN, IMAGENET_STD
from reidaug.errors import UsageError
from reidaug.reid.backbones import PersonResNet, Renormalise
from reidaug.reid.model_factory import build

SMALL = {"width": 4, "blocks": [1, 1, 1, 1], "embedding": 8}


def small(people=5, **options):
    return build("resnet18", people, generator=torch.Generator().manual_seed(0), **SMALL, **options)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_dg_nets_encoder_has_its_published_size():
    with torch.device("meta"):
        model = PersonResNet(751)
    heads = [count(head) for head in model.heads]
    assert heads == [1_435_375, 1_435_375]
    assert count(model) - sum(heads) == 23_508_032


def test_the_teacher_of_dg_net_has_its_published_size():
    with torch.device("meta"):
        assert count(PersonResNet(751, pooling="avg", dropouts=(0.5,))) == 24_943_407


def test_the_last_stage_keeps_its_map_fine():
    with torch.device("meta"):
        model = PersonResNet(751)
        sizes = []
        model.layer4.register_forward_hook(lambda m, i, out: sizes.append(tuple(out.shape)))
        model(torch.empty(2, 3, 256, 128))
    assert sizes == [(2, 2048, 16, 8)]


@pytest.mark.parametrize(("name", "twin"), [("resnet18", resnet18), ("resnet50", resnet50)])
def test_names_are_torchvisions(name, twin):
    with torch.device("meta"):
        own, other = build(name, 3).state_dict(), twin().state_dict()
    theirs = {k: v.shape for k, v in other.items() if not k.startswith("fc.")}
    assert theirs == {k: v.shape for k, v in own.items() if not k.startswith("heads.")}


def test_the_same_seed_gives_the_same_weights():
    one, other = small().state_dict(), small().state_dict()
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_an_item_alone_equals_it_inside_a_batch():
    model = small().eval()
    images = torch.randn(4, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model(images).heads[0][2:3], model(images[2:3]).heads[0])


def test_every_parameter_gets_a_gradient():
    model = small(dropouts=[0.0, 0.0])
    seen = model(torch.randn(6, 3, 64, 32, generator=torch.Generator().manual_seed(0)))
    (seen.pooled.sum() + sum(scores.square().sum() for scores in seen.logits)).backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet19", {}, "no backbone 'resnet19'"),
        ("resnet18", {"depth": 3}, "unexpected keyword argument 'depth'"),
    ],
)
def test_an_unknown_network_is_an_error(name, options, message):
    with pytest.raises(UsageError, match=message):
        build(name, 3, **options)


THREE = st.tuples(*(st.floats(0.1, 1.0) for _ in range(3)))


@given(THREE, THREE, THREE)
def test_crops_are_as_if_normalised_by_the_other_numbers(colour, mean, std):
    pixel, ours, scale, theirs, other = (
        torch.tensor(values).view(1, 3, 1, 1)
        for values in (colour, IMAGENET_MEAN, IMAGENET_STD, mean, std)
    )
    found = Renormalise(mean, std)((pixel - ours) / scale)
    torch.testing.assert_close(found, (pixel - theirs) / other, atol=1e-5, rtol=1e-5)
