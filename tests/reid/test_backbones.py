"""The networks: published sizes, published names, and weight files that fit."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18, resnet50

from reidaug.errors import ReidaugError, UsageError
from reidaug.reid.backbones import PersonResNet, build, load_weights

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


def test_torchvision_weights_make_the_same_map(tmp_path: Path):
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in resnet18().state_dict().items()}},
        tmp_path / "w.pth",
    )
    model, twin = build("resnet18", 3, last_stride=2), resnet18()
    loaded = load_weights(model, tmp_path / "w.pth")
    assert loaded.skipped == ("module.fc.weight", "module.fc.bias")
    twin.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True)["state_dict"], False)
    twin.load_state_dict(
        {
            k.removeprefix("module."): v
            for k, v in torch.load(tmp_path / "w.pth")["state_dict"].items()
        }
    )
    image = torch.randn(1, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    model.eval(), twin.eval()
    twin.avgpool = torch.nn.AdaptiveMaxPool2d(1)
    twin.fc = torch.nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(model(image).pooled, twin(image))


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


def test_a_checkpoint_of_other_people_keeps_its_bottleneck(tmp_path: Path):
    source, target = small(5), small(7)
    for parameter in source.parameters():
        parameter.data.add_(1)
    save_file(source.state_dict(), tmp_path / "m.safetensors")
    loaded = load_weights(target, tmp_path / "m.safetensors")
    assert {k.split(".")[2] for k in loaded.skipped} == {"classifier"}
    assert torch.equal(target.heads[0].bottleneck.weight, source.heads[0].bottleneck.weight)


def test_a_torchreid_checkpoint_with_a_numpy_number_loads(tmp_path: Path):
    state = {"state_dict": small().state_dict(), "rank1": np.float32(0.5), "epoch": 3}
    torch.save(state, tmp_path / "model.pth.tar-3")
    assert not load_weights(small(), tmp_path / "model.pth.tar-3").skipped


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not a readable"), (b"no weights", "not a readable"), (None, "no such weight file")],
)
def test_a_damaged_weight_file_is_one_line(tmp_path: Path, content, message):
    path = tmp_path / "w.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReidaugError, match=message):
        load_weights(small(), path)


def test_weights_of_another_network_are_told(tmp_path: Path):
    save_file({"other.weight": torch.ones(2, 2)}, tmp_path / "w.safetensors")
    with pytest.raises(ReidaugError, match="none of its 1 tensors fits"):
        load_weights(small(), tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet19", {}, "no backbone 'resnet19'"),
        ("resnet18", {"depth": 3}, "unexpected keyword argument 'depth'"),
        ("torchreid:osnet_x0_25", {"width": 3}, "takes no options"),
    ],
)
def test_an_unknown_network_is_told(name, options, message):
    with pytest.raises(UsageError, match=message):
        build(name, 3, **options)


@pytest.mark.skipif(importlib.util.find_spec("torchreid") is None, reason="torchreid is missing")
@pytest.mark.parametrize("name", ["osnet_x0_25", "resnet50_fc512", "mlfn"])
def test_models_of_torchreid_fit_in(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = build(f"torchreid:{name}", 4)
    images = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    seen = model(images)
    assert seen.logits[0].shape == (2, 4)
    model.eval()
    with torch.no_grad():
        features = model(images).heads[0]
    assert features.shape == seen.heads[0].shape


@pytest.mark.skipif(importlib.util.find_spec("torchreid") is None, reason="torchreid is missing")
def test_a_model_torchreid_does_not_know_is_told():
    with pytest.raises(UsageError, match="torchreid:nonet"):
        build("torchreid:nonet", 4)
