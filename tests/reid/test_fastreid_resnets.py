"""fast-reid's ResNets: their sizes, and their features written out from the weights alone."""

import pytest
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from reidaug.reid.model_factory import build

SMALL = {"width": 4, "blocks": [1, 2, 2, 1]}
FORMS = [
    {},
    {"ibn": True},
    {"nonlocal_blocks": [0, 1, 2, 0]},
    {"pooling": "gem_learnt", "embedding": 6},
    {"pooling": "gem", "ibn": True, "nonlocal_blocks": [0, 2, 1, 0]},
]


def made(form, kind="resnet50", people=5):
    chance = torch.Generator().manual_seed(0)
    model = build(f"fastreid:{kind}", people, generator=chance, **SMALL, **form)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.add_(0.1 * torch.rand(value.shape, generator=chance))
        assert name.split(".")[0] in ("backbone", "heads")
    update_bn([torch.randn(4, 3, 64, 32, generator=chance) for _ in range(3)], model)
    return model.eval()


def norm(x, state, name):
    parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, *parts)


def half_norm(x, state, name):
    """IBN: instance norm of the first half of the channels as loops over crops and channels."""
    half = x.shape[1] // 2
    first = torch.empty_like(x[:, :half])
    for crop in range(len(x)):
        for c in range(half):
            plane = x[crop, c]
            spread = (plane.var(correction=0) + 1e-5).sqrt()
            first[crop, c] = (plane - plane.mean()) / spread * state[f"{name}.IN.weight"][c]
            first[crop, c] += state[f"{name}.IN.bias"][c]
    return torch.cat((first, norm(x[:, half:], state, f"{name}.BN")), 1)


def non_local(x, state, name):
    """The dot product form with all pairs of places in a matrix."""
    b, _, h, w = x.shape
    g, theta, phi = (
        F.conv2d(x, state[f"{name}.{p}.weight"], state[f"{name}.{p}.bias"]).flatten(2)
        for p in ("g", "theta", "phi")
    )
    pairs = theta.transpose(1, 2) @ phi / (h * w)
    taken = (pairs @ g.transpose(1, 2)).transpose(1, 2).reshape(b, -1, h, w)
    out = F.conv2d(taken, state[f"{name}.W.0.weight"], state[f"{name}.W.0.bias"])
    return x + norm(out, state, f"{name}.W.1")


def bottleneck(x, state, name, stride):
    first = half_norm if f"{name}.bn1.IN.weight" in state else norm
    out = first(F.conv2d(x, state[f"{name}.conv1.weight"]), state, f"{name}.bn1").relu()
    out = F.conv2d(out, state[f"{name}.conv2.weight"], stride=stride, padding=1)
    out = norm(out, state, f"{name}.bn2").relu()
    out = norm(F.conv2d(out, state[f"{name}.conv3.weight"]), state, f"{name}.bn3")
    if f"{name}.downsample.0.weight" in state:
        x = F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=stride)
        x = norm(x, state, f"{name}.downsample.1")
    return (out + x).relu()


def features(images, state, form):
    """What fast-reid's Baseline gives in eval mode."""
    x = F.conv2d(images, state["backbone.conv1.weight"], stride=2, padding=3)
    x = norm(x, state, "backbone.bn1").relu()
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    after = form.get("nonlocal_blocks", (0, 0, 0, 0))
    for stage, count in enumerate(SMALL["blocks"], 1):
        for k in range(count):
            stride = 2 if stage in (2, 3) and k == 0 else 1
            x = bottleneck(x, state, f"backbone.layer{stage}.{k}", stride)
            place = k - (count - after[stage - 1])
            if place >= 0:
                x = non_local(x, state, f"backbone.NL_{stage}.{place}")
    if form.get("pooling", "avg") == "avg":
        x = x.mean((2, 3), keepdim=True)
    else:
        p = float(state.get("heads.pool_layer.p", 3.0))
        x = x.clamp(min=1e-6).pow(p).mean((2, 3), keepdim=True).pow(1 / p)
    last = 0
    if "embedding" in form:
        x, last = F.conv2d(x, state["heads.bottleneck.0.weight"]), 1
    return norm(x, state, f"heads.bottleneck.{last}")[..., 0, 0]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_features_are_those_written_out_from_the_weights(form):
    model = made(form)
    images = torch.randn(2, 3, 70, 40, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(
            model(images).heads[0], features(images, model.state_dict(), form)
        )


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_parameter_but_the_shift_of_the_neck_learns(form):
    model = made(form).train()
    images = torch.randn(3, 3, 64, 32, generator=torch.Generator().manual_seed(1))
    seen = model(images)
    assert seen.logits[0].shape == (3, 5)
    (seen.pooled.square().sum() + seen.logits[0].square().sum()).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None]
    assert [name.split(".")[1:] for name in still] == [
        ["bottleneck", "1" if "embedding" in form else "0", "bias"]
    ]


def test_the_strong_baseline_has_the_size_of_its_parts():
    with torch.device("meta"):
        model = build("fastreid:resnet50", 751)
    assert sum(p.numel() for p in model.backbone.parameters()) == 23_508_032
    assert sum(p.numel() for p in model.heads.parameters()) == 2 * 2048 + 751 * 2048


@pytest.mark.parametrize("kind", ["resnet18", "resnet34"])
def test_basic_blocks_do_as_well(kind):
    images = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(1))
    assert made({"ibn": True}, kind)(images).heads[0].shape == (2, 32)


def test_the_same_seed_gives_the_same_weights():
    one, other = (
        build("fastreid:resnet18", 5, generator=torch.Generator().manual_seed(3), width=4)
        for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
