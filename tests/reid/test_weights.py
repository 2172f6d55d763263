"""Weight files: other people's layouts, other people's checkpoints, damaged ones."""

import importlib
import importlib.util
import re
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import nn
from torchvision.models import resnet18
from torchvision.models.resnet import BasicBlock, ResNet

from reidaug.errors import ReidaugError
from reidaug.reid.model_contract import check_weights
from reidaug.reid.model_factory import Adapter, build
from reidaug.reid.network_modes import seeded
from reidaug.reid.weights import LoadedWeights, load_weights

needs_torchreid = pytest.mark.skipif(
    importlib.util.find_spec("torchreid") is None, reason="needs the extra [torchreid]"
)
needs_timm = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="needs the extra [timm]"
)


def small(people=5):
    first = torch.Generator().manual_seed(0)
    return build("resnet18", people, generator=first, width=4, blocks=[1, 1, 1, 1], embedding=8)


def test_torchvision_weights_make_the_same_map(tmp_path: Path):
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in resnet18().state_dict().items()}},
        tmp_path / "w.pth",
    )
    model, twin = build("resnet18", 3, last_stride=2), resnet18()
    loaded = load_weights(model, tmp_path / "w.pth")
    assert loaded.skipped == ("module.fc.weight", "module.fc.bias")
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
    [
        (b"", r"not a readable weight file \(\w"),
        (b"no weights", r"not a readable weight file \(\w"),
        (b"dataset: runs/market\n", r"not a readable weight file \(\w"),
        (None, "no such weight file"),
    ],
)
def test_a_damaged_weight_file_is_one_line(tmp_path: Path, content, message):
    path = tmp_path / "w.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReidaugError, match=message):
        load_weights(small(), path)


def test_weights_of_another_network_are_an_error(tmp_path: Path):
    save_file({"other.weight": torch.ones(2, 2)}, tmp_path / "w.safetensors")
    with pytest.raises(ReidaugError, match="none of its 1 tensors fits"):
        load_weights(small(), tmp_path / "w.safetensors")


def test_a_file_that_is_more_than_tensors_is_refused_in_one_sentence(tmp_path: Path):
    torch.save({"state_dict": small().state_dict(), "args": Namespace(x=1)}, tmp_path / "w.pth")
    with pytest.raises(
        ReidaugError, match=r"\(it holds an object of the class argparse.Namespace, .*"
    ) as e:
        load_weights(small(), tmp_path / "w.pth")
    assert "weights_only" not in str(e.value)
    assert "\n" not in str(e.value)


def test_what_was_loaded_is_one_line(tmp_path: Path):
    source = {f"extra{k}": torch.ones(2) for k in range(6)} | small(5).state_dict()
    source.pop("conv1.weight")
    save_file(source, tmp_path / "m.safetensors")
    assert load_weights(small(7), tmp_path / "m.safetensors").summary == (
        "85 tensors loaded, 10 left out (extra0, extra1, extra2, ...), "
        "5 not in it (conv1.weight, heads.0.classifier.weight, heads.0.classifier.bias, ...)"
    )


def test_counters_of_batch_norm_are_not_missed(tmp_path: Path):
    state = {k: v for k, v in small().state_dict().items() if "num_batches" not in k}
    save_file(state, tmp_path / "m.safetensors")
    assert load_weights(small(), tmp_path / "m.safetensors").missing == ()


def test_a_number_written_with_numpy_1_loads(tmp_path: Path):
    path = tmp_path / "model.pth.tar-3"
    torch.save({"state_dict": small().state_dict(), "rank1": np.float64(0.5)}, path)
    content = zipfile.ZipFile(path)
    old = tmp_path / "old.pth.tar-3"
    with zipfile.ZipFile(old, "w") as file:
        for name in content.namelist():
            data = content.read(name)
            if name.endswith("data.pkl"):
                assert b"cnumpy._core.multiarray\n" in data
                data = data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
            file.writestr(name, data)
    assert not load_weights(small(), old).skipped


@needs_torchreid
def test_checkpoints_of_torchreids_own_function_load_into_its_model(tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tools = importlib.import_module("torchreid.reid.utils.torchtools")
        network = importlib.import_module("torchreid.reid.models").build_model(
            "osnet_x0_25", 9, loss="triplet", pretrained=False
        )
        optimiser = torch.optim.Adam(network.parameters())
        state = {
            "state_dict": nn.DataParallel(network).state_dict(),
            "epoch": 60,
            "rank1": np.array([0.9], dtype=np.float32)[0],
            "optimizer": optimiser.state_dict(),
            "scheduler": torch.optim.lr_scheduler.MultiStepLR(optimiser, [20, 40]).state_dict(),
        }
        tools.save_checkpoint(state, str(tmp_path), is_best=True)
        model = build("torchreid:osnet_x0_25", 5)
    for name in ("model.pth.tar-60", "model-best.pth.tar"):
        loaded = load_weights(model, tmp_path / name)
        assert {key.split(".")[1] for key in loaded.skipped} == {"classifier"}
        assert {key.split(".")[1] for key in loaded.missing} == {"classifier"}
    images = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(images).heads[0], network.eval()(images))


def fastreid_file(path: Path, people: int = 9) -> dict[str, torch.Tensor]:
    """What fast-reid's checkpointer writes of its strong baseline."""
    chance = torch.Generator().manual_seed(4)
    source = build("fastreid:resnet18", people, width=4, blocks=[1, 1, 1, 1], generator=chance)
    model = source.state_dict()
    twin = ResNet(BasicBlock, [1, 1, 1, 1]).state_dict()
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert set(model) == {
        *(f"backbone.{key}" for key in twin if not key.startswith("fc.")),
        *(f"heads.bottleneck.0.{part}" for part in norm),
        "heads.weight",
    }
    optimiser = torch.optim.Adam(source.parameters())
    content = {
        "model": {**model, "pixel_mean": torch.ones(1, 3, 1, 1)},
        "optimizer": optimiser.state_dict(),
        "lr_sched": torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 10).state_dict(),
        "epoch": 119,
        "metric": np.float64(0.9),
        "iteration": np.int64(22319),
    }
    torch.save(content, path)
    return model


def test_fastreids_checkpoint_loads_whole_into_its_network(tmp_path: Path):
    stored = fastreid_file(tmp_path / "model_final.pth")
    model = build("fastreid:resnet18", 9, width=4, blocks=[1, 1, 1, 1])
    loaded = load_weights(model, tmp_path / "model_final.pth")
    assert (loaded.skipped, loaded.missing) == (("pixel_mean",), ())
    assert all(torch.equal(stored[key], value) for key, value in model.state_dict().items())
    other = build("fastreid:resnet18", 5, width=4, blocks=[1, 1, 1, 1])
    loaded = load_weights(other, tmp_path / "model_final.pth")
    assert (loaded.skipped, loaded.missing) == (("heads.weight", "pixel_mean"), ("heads.weight",))


def test_fastreids_trunk_loads_into_our_resnet_but_not_its_neck(tmp_path: Path):
    stored = fastreid_file(tmp_path / "model_final.pth")
    model = small()
    loaded = load_weights(model, tmp_path / "model_final.pth")
    assert all(key.startswith("heads.") or key == "pixel_mean" for key in loaded.skipped)
    assert {key.partition(".")[0] for key in loaded.missing} == {"heads"}
    assert torch.equal(model.conv1.weight, stored["backbone.conv1.weight"])
    with pytest.raises(ReidaugError, match=r"of the \d+ tensors .* \(heads.0.bottleneck.weight"):
        check_weights(model, loaded, Path("w"), name="resnet18", size=(64, 32))


def test_weights_of_torchvision_load_into_fastreids_network(tmp_path: Path):
    torch.save(resnet18().state_dict(), tmp_path / "w.pth")
    loaded = load_weights(build("fastreid:resnet18", 5), tmp_path / "w.pth")
    assert loaded.skipped == ("fc.weight", "fc.bias")
    assert {key.partition(".")[0] for key in loaded.missing} == {"heads"}


@needs_timm
def test_timms_safetensors_load_into_its_model(tmp_path: Path):
    timm = importlib.import_module("timm")
    network = timm.create_model("resnet10t", num_classes=9)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    model = build("timm:resnet10t", 5)
    loaded = load_weights(model, tmp_path / "model.safetensors")
    assert set(loaded.skipped) == {"fc.weight", "fc.bias"}
    assert loaded.missing == ("network.fc.weight", "network.fc.bias")
    check_weights(model, loaded, tmp_path, name="it", size=(64, 32))


def test_our_own_checkpoint_of_an_adapted_network_loads(tmp_path: Path):
    class Own(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(5))
            self(torch.zeros(1, 3, 8, 8))

    first, second = Adapter(Own()), Adapter(Own())
    save_file(first.state_dict(), tmp_path / "start-seed0.safetensors")
    assert not load_weights(second, tmp_path / "start-seed0.safetensors").skipped
    assert torch.equal(first.network[0].weight, second.network[0].weight)


def test_only_what_the_features_need_has_to_be_in_a_checkpoint():
    model = small()
    frozen = model.conv1.weight.requires_grad_(False)
    needed = {key for key, _ in model.named_parameters() if ".classifier." not in key}

    def check(fitted):
        loaded = LoadedWeights(tuple(fitted), (), (), ())
        check_weights(model, loaded, Path("w"), name="resnet18", size=(64, 32))

    needed |= {key for key, _ in model.named_buffers() if "running" in key}
    check(needed)
    assert not frozen.requires_grad
    assert all(p.grad is None for p in model.parameters())
    assert model.training
    for key in ("conv1.weight", "heads.1.norm.weight", "bn1.running_mean"):
        with pytest.raises(ReidaugError, match=rf"^w: 1 of the {len(needed)} .* \({key}\)"):
            check(needed - {key})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda weight: weight.zero_(), "w: features by it are the same for any crop"),
        (lambda weight: weight.fill_(3e38), "w: features by it are not finite"),
    ],
)
def test_a_checkpoint_gives_features_that_tell_crops_apart(spoil, message):
    model = small().eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.startswith("layer") or "head" in name:
                spoil(weight)
    loaded = LoadedWeights(tuple(model.state_dict()), (), (), ())
    with pytest.raises(ReidaugError, match=message):
        check_weights(model, loaded, Path("w"), name="resnet18", size=(64, 32))


@pytest.mark.parametrize(
    ("name", "stored", "built", "extra"),
    [
        ("fastreid:resnet18", {"nonlocal_blocks": [0, 1, 0, 0]}, {}, "backbone.NL_2.0.g.weight"),
        ("fastreid:resnet18", {"pooling": "gem_learnt"}, {"pooling": "gem"}, "heads.pool_layer.p"),
        ("resnet18", {}, {"dropouts": [0.5]}, "heads.1.bottleneck.weight"),
        ("resnet18", {"blocks": [1, 2, 1, 1]}, {}, "layer2.1.conv1.weight"),
    ],
)
def test_weights_of_a_part_that_the_model_lacks_are_an_error(
    tmp_path: Path, name, stored, built, extra
):
    form = {"width": 4, "blocks": [1, 1, 1, 1]}
    state = build(name, 5, **{**form, **stored}).state_dict()
    path = tmp_path / "w.pth"
    torch.save({f"module.{key}": value for key, value in state.items()}, path)
    model = build(name, 7, **{**form, **built})
    loaded = load_weights(model, path)
    assert f"module.{extra}" in loaded.extra
    with pytest.raises(ReidaugError, match=rf"no place for {len(loaded.extra)} of its tensors"):
        check_weights(model, loaded, path, name=name, size=(64, 32))


def test_classifiers_and_training_state_are_no_parts(tmp_path: Path):
    state = small().state_dict() | {
        "fc.weight": torch.ones(2, 2),
        "heads.classifier.weight": torch.ones(2, 2),
        "pixel_mean": torch.ones(3),
    }
    save_file(state, tmp_path / "w.safetensors")
    loaded = load_weights(small(9), tmp_path / "w.safetensors")
    assert len(loaded.skipped) == 7
    assert loaded.extra == ()


def net_last(people: int = 7) -> tuple[dict[str, torch.Tensor], nn.Module]:
    """What Person_reID_baseline_pytorch's ft_net saves, and its network at test time."""
    with seeded(0):
        trunk = resnet18()
        block = nn.Sequential(nn.Linear(512, 64), nn.BatchNorm1d(64))
    block[1].running_mean += 0.5
    state = {f"model.{key}": value for key, value in trunk.state_dict().items()}
    state |= {f"classifier.add_block.{key}": value for key, value in block.state_dict().items()}
    state |= {
        "classifier.classifier.0.weight": torch.randn(people, 64),
        "classifier.classifier.0.bias": torch.zeros(people),
    }
    trunk.fc = block
    return state, trunk


def test_person_reids_net_last_gives_its_own_features(tmp_path: Path):
    state, twin = net_last()
    torch.save(state, tmp_path / "net_last.pth")
    form = {"pooling": "avg", "last_stride": 2, "embedding": 64, "dropouts": [0.5]}
    model = build("resnet18", 7, **form)
    loaded = load_weights(model, tmp_path / "net_last.pth")
    check_weights(model, loaded, tmp_path, name="resnet18", size=(64, 32))
    assert loaded.skipped == ("model.fc.weight", "model.fc.bias")
    assert not loaded.missing
    images = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(images).heads[0], twin.eval()(images))


def test_dgnets_identity_encoders_load_with_both_heads_from_their_container(tmp_path: Path):
    state = small().state_dict()
    names = {"bottleneck": "add_block.0", "norm": "add_block.1", "classifier": "classifier.0"}
    theirs = {}
    for key, value in state.items():
        name = f"model.{key}"
        if key.startswith("heads."):
            _, number, layer, rest = key.split(".")
            name = f"classifier{int(number) + 1}.{names[layer]}.{rest}"
        theirs[name] = value + 1
    few = {key: value for key, value in state.items() if key.startswith("layer1")}
    torch.save({"b": few, "a": theirs, "step": 3}, tmp_path / "id_00100000.pt")
    model = small()
    loaded = load_weights(model, tmp_path / "id_00100000.pt")
    assert not loaded.missing
    assert not loaded.skipped
    assert loaded.summary == f"{len(state)} tensors loaded of its part 'a'"
    assert all(torch.equal(value, state[key] + 1) for key, value in model.state_dict().items())
    torch.save({"net": {"state_dict": theirs}, "optimizer": {"state": {}}}, tmp_path / "one.pt")
    assert not load_weights(small(), tmp_path / "one.pt").missing


def test_heads_of_pcb_are_of_parts_and_stay_out(tmp_path: Path):
    state = {f"model.{k}": v for k, v in small().state_dict().items() if "heads" not in k}
    width = small().heads[0].bottleneck.weight.shape
    state |= {f"classifier{k}.add_block.0.weight": torch.ones(width) for k in range(6)}
    torch.save(state, tmp_path / "pcb.pth")
    loaded = load_weights(small(), tmp_path / "pcb.pth")
    assert len(loaded.skipped) == 6


def test_the_trunk_of_the_strong_baseline_loads_but_is_no_checkpoint(tmp_path: Path):
    state = {
        f"module.base.{k}": v for k, v in small().state_dict().items() if not k.startswith("heads")
    }
    state |= {
        "module.bottleneck.weight": torch.ones(8),
        "module.classifier.weight": torch.ones(9, 8),
    }
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    model = small()
    loaded = load_weights(model, tmp_path / "w.pth")
    assert loaded.skipped == ("module.bottleneck.weight", "module.classifier.weight")
    with pytest.raises(ReidaugError, match="are not in it"):
        check_weights(model, loaded, Path("w"), name="resnet18", size=(64, 32))


VIT = {"img_size": (64, 32), "patch_size": 8, "embed_dim": 12, "depth": 1, "num_heads": 2}


def vit(people: int, size: tuple[int, int], seed: int) -> nn.Module:
    timm = importlib.import_module("timm")
    options = {**VIT, "img_size": size, "num_classes": people}
    with seeded(seed):
        network: nn.Module = timm.create_model("vit_tiny_patch16_224", **options)
    return network


@needs_timm
@pytest.mark.parametrize(
    ("size", "grid"), [((64, 64), (8, 8)), ((80, 40), (10, 5)), ((96, 48), (12, 6))]
)
def test_position_embeddings_of_another_grid_are_resized_as_timm_does(tmp_path: Path, size, grid):
    stored = vit(9, size, 1).state_dict()
    state = {f"base.{key}": value for key, value in stored.items() if not key.startswith("head")}
    torch.save({**state, "bottleneck.weight": torch.ones(12)}, tmp_path / "vit.pth")
    model = build("timm:vit_tiny_patch16_224", 5, **VIT)
    loaded = load_weights(model, tmp_path / "vit.pth")
    assert loaded.resized == ("base.pos_embed",)
    assert "1 resized (base.pos_embed)" in loaded.summary
    layers = importlib.import_module("timm.layers")
    expected = layers.resample_abs_pos_embed(
        stored["pos_embed"], new_size=[8, 4], old_size=list(grid), num_prefix_tokens=1
    )
    torch.testing.assert_close(model.network.pos_embed, expected)
    check_weights(model, loaded, tmp_path, name="vit", size=(64, 32))


@needs_timm
def test_a_vit_of_its_own_grid_stays_and_one_with_camera_embeddings_is_no_checkpoint(
    tmp_path: Path,
):
    network = vit(9, (64, 32), 1)
    state = {f"base.{key}": value for key, value in network.state_dict().items()}
    torch.save({**state, "base.sie_embed": torch.ones(6, 1, 12)}, tmp_path / "sie.pth")
    model = build("timm:vit_tiny_patch16_224", 5, **VIT)
    loaded = load_weights(model, tmp_path / "sie.pth")
    assert loaded.resized == ()
    assert torch.equal(model.network.pos_embed, network.pos_embed)
    with pytest.raises(ReidaugError, match=r"no place for 1 of its tensors \(base.sie_embed\)"):
        check_weights(model, loaded, Path("w"), name="vit", size=(64, 32))


def written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def cut(path: Path) -> None:
    torch.save(small().state_dict(), path)
    path.write_bytes(path.read_bytes()[:9000])


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("weights/net_last.pth", b"0")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (written(b"\n <!DOCTYPE html><title>Quota</title>"), "a web page, .* in a browser"),
        (written(b""), "empty: download"),
        (written(b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS: .* git lfs pull"),
        (written(b"dataset: runs/market\n"), "it is text"),
        (written(b"\x1f\x8b\x08\x00"), "gzip: unpack"),
        (written(b"\x89HDF\r\n\x1a\n"), "HDF5, as Keras"),
        (written(bytes(range(60, 0, -1))), "no file of torch.save: save the weights alone"),
        (cut, "its end is missing, as of an interrupted download"),
        (zipped, "an archive of net_last.pth: unpack it"),
        (lambda path: torch.save(nn.Linear(2, 2), path), "class torch.nn.modules.linear.Linear, .*"
         r"torch.save\(model.state_dict\(\), FILE\)"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_weights_is_told_as_what_it_is(tmp_path: Path, write, message):
    write(path := tmp_path / "w.pth")
    with pytest.raises(
        ReidaugError, match=rf"w.pth: not a readable weight file \(.*{message}"
    ) as e:
        load_weights(small(), path)
    assert "operand" not in str(e.value)
    assert "\n" not in str(e.value)


def test_torchscript_is_told_as_what_it_is(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as file:
        for name in ("data.pkl", "constants.pkl", "code/net.py"):
            file.writestr(f"w/{name}", b"0")
    with pytest.raises(ReidaugError, match="TorchScript: save the weights alone"):
        load_weights(small(), tmp_path / "w.pt")


def test_safetensors_are_read_whatever_the_name(tmp_path: Path):
    save_file(small().state_dict(), tmp_path / "w.pth")
    torch.save(small().state_dict(), tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        assert not load_weights(small(), tmp_path / name).missing


def counted(state: dict[str, torch.Tensor], numbers: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """A trunk as a `nn.Sequential` of these layers, as SpCL and cluster-contrast save it."""
    layers = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
    number = dict(zip(layers, numbers, strict=True))
    return {
        f"{number[key.partition('.')[0]]}.{key.partition('.')[2]}": value
        for key, value in state.items()
        if key.partition(".")[0] in number
    }


@pytest.mark.parametrize("numbers", [(0, 1, 3, 4, 5, 6), (0, 1, 4, 5, 6, 7)])
@pytest.mark.parametrize("prefix", ["module.base.", "base.", "module.encoder.", "model.backbone."])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 50, "best_mAP": 0.83},
        lambda state: {"net": {"model": state}, "optimizer": {"state": {0: {"m": torch.ones(2)}}}},
        lambda state: {"model": {"state_dict": state}, "best": torch.tensor(3.0)},
        lambda state: {"student": {"net": state}, "optim": {"a": torch.ones(3, 3)}},
    ],
)
def test_trunks_whose_layers_are_counted_load_whatever_is_around_them(
    tmp_path: Path, numbers: tuple[int, ...], prefix: str, wrap: Callable[[dict], dict]
):
    trunk = {k: v + 1 for k, v in small().state_dict().items() if not k.startswith("heads")}
    state = {f"{prefix}{key}": value for key, value in counted(trunk, numbers).items()}
    norm = {f"{prefix.partition('.')[0]}.feat_bn.weight": torch.ones(8)}
    torch.save(wrap(state | norm), tmp_path / "model_best.pth.tar")
    model = small()
    loaded = load_weights(model, tmp_path / "model_best.pth.tar")
    assert loaded.skipped == tuple(norm)
    own = model.state_dict()
    assert all(torch.equal(own[key], value) for key, value in trunk.items())
    assert loaded.part == ""
    with pytest.raises(ReidaugError, match="its head is another one: name it as weights"):
        check_weights(model, loaded, Path("w"), name="resnet18", size=(64, 32))


@pytest.mark.parametrize(
    ("name", "stored", "built", "asks"),
    [
        ("resnet18", {"embedding": 16}, {}, "backbone_options: {embedding: 16}"),
        ("resnet18", {"embedding": 0}, {}, "backbone_options: {embedding: 0}"),
        ("resnet18", {"dropouts": [0.5]}, {}, "backbone_options: {dropouts: [0.5]}"),
        ("resnet18", {"ibn": True}, {}, "backbone_options: {ibn: true}"),
        ("resnet18", {}, {"ibn": True}, "backbone_options: {ibn: false}"),
        ("resnet18", {"width": 8}, {}, "backbone_options: {width: 8}"),
        ("resnet18", {"blocks": [3, 4, 6, 3]}, {}, "backbone: resnet34"),
        ("resnet18", {"blocks": [1, 2, 1, 1]}, {}, "backbone_options: {blocks: [1, 2, 1, 1]}"),
        ("resnet50", {"block": "basic"}, {}, "backbone_options: {block: basic}"),
        ("fastreid:resnet18", {"ibn": True}, {}, "backbone_options: {ibn: true}"),
        ("fastreid:resnet18", {"embedding": 8}, {}, "backbone_options: {embedding: 8}"),
        ("fastreid:resnet18", {"blocks": [3, 4, 6, 3]}, {}, "backbone: fastreid:resnet34"),
    ],
)
def test_a_file_of_other_options_names_them(tmp_path: Path, name, stored, built, asks):
    form = {"width": 4, "blocks": [1, 1, 1, 1], "embedding": 4}
    state = build(name, 5, **{**form, **stored}).state_dict()
    path = tmp_path / "w.pth"
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    model = build(name, 7, **{**form, **built})
    try:
        loaded = load_weights(model, path)
    except ReidaugError as error:
        assert str(error).endswith(f"; the file asks for {asks}")
        return
    assert loaded.hint == f"the file asks for {asks}"
    assert loaded.summary.endswith(loaded.hint)
    with pytest.raises(ReidaugError, match=re.escape(loaded.hint)):
        check_weights(model, loaded, path, name=name, size=(64, 32))
    twin = build(name, 7, **{**form, **stored})
    assert load_weights(twin, path).hint == ""


@pytest.mark.parametrize(
    ("options", "asks"),
    [
        ({"stride": 1, "linear_num": 64, "circle": True}, "backbone_options: {last_stride: 1}"),
        ({"stride": 2}, ""),
        ({}, ""),
    ],
)
def test_the_stride_of_person_reid_stands_beside_its_file(tmp_path: Path, options, asks):
    torch.save(net_last()[0], tmp_path / "net_last.pth")
    (tmp_path / "opts.yaml").write_text(yaml.safe_dump(options))
    form = {"pooling": "avg", "last_stride": 2, "embedding": 64, "dropouts": [0.5]}
    model = build("resnet18", 7, **form)
    loaded = load_weights(model, tmp_path / "net_last.pth")
    assert loaded.hint == (f"the file asks for {asks}" if asks else "")
    if asks:
        with pytest.raises(ReidaugError, match="was trained otherwise than backbone resnet18"):
            check_weights(model, loaded, tmp_path, name="resnet18", size=(64, 32))


def test_person_reids_net_without_a_linear_layer_gives_its_own_features(tmp_path: Path):
    state, trunk = net_last()
    state = {key: value for key, value in state.items() if "add_block" not in key}
    norm = nn.BatchNorm1d(512)
    norm.running_mean += 0.5
    state |= {f"classifier.add_block.0.{key}": value for key, value in norm.state_dict().items()}
    torch.save(state, tmp_path / "net_last.pth")
    form = {"pooling": "avg", "last_stride": 2, "embedding": 0, "dropouts": [0.5]}
    model = build("resnet18", 7, **form)
    loaded = load_weights(model, tmp_path / "net_last.pth")
    check_weights(model, loaded, tmp_path, name="resnet18", size=(64, 32))
    trunk.fc = norm
    images = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(images).heads[0], trunk.eval()(images))


@pytest.mark.parametrize("prefix", ["reid_model.", "encoder_q.", "a.module.backbone."])
def test_a_network_inside_of_wrappers_that_nobody_knows_loads(tmp_path: Path, prefix):
    source = small().state_dict()
    torch.save({f"{prefix}{key}": value for key, value in source.items()}, tmp_path / "w.pth")
    loaded = load_weights(target := small(), tmp_path / "w.pth")
    assert (len(loaded.fitted), loaded.skipped) == (len(source), ())
    assert all(torch.equal(value, source[key]) for key, value in target.state_dict().items())


@pytest.mark.parametrize(
    ("nested", "names"),
    [
        (False, ("student", "teacher")),
        (False, ("model", "net")),
        (False, ("model", "ema")),
        (False, ("module.backbone", "module.teacher")),
        (False, ("", "ema")),
        (True, ("student", "teacher")),
        (True, ("model", "model_ema")),
        (True, ("state_dict", "state_dict_ema")),
    ],
)
def test_networks_that_fit_alike_are_named(tmp_path: Path, nested, names):
    first, second = small().state_dict(), {k: 2 * v for k, v in small().state_dict().items()}
    parts = dict(zip(names, (first, second), strict=True))
    flat = {f"{part}.{key}": value for part, state in parts.items() for key, value in state.items()}
    flat = {key.removeprefix("."): value for key, value in flat.items()}
    torch.save(parts if nested else flat, tmp_path / "w.pth")
    loaded = load_weights(target := small(), tmp_path / "w.pth")
    assert all(torch.equal(value, first[key]) for key, value in target.state_dict().items())
    assert f"'{names[1]}' would fit as well" in loaded.summary


def test_networks_are_not_mixed_where_one_lacks_something(tmp_path: Path):
    first, second = small().state_dict(), {k: 2 * v for k, v in small().state_dict().items()}
    lacking = next(key for key in first if key.endswith("running_mean"))
    del first[lacking]
    flat = {f"model.{key}": value for key, value in first.items()}
    torch.save(flat | {f"net.{key}": v for key, v in second.items()}, tmp_path / "w.pth")
    loaded = load_weights(target := small(), tmp_path / "w.pth")
    assert loaded.part == "net"
    assert "'model' would fit as well: to take that, save it alone" in loaded.summary
    assert all(torch.equal(value, second[key]) for key, value in target.state_dict().items())


@pytest.mark.parametrize(
    "change",
    [
        lambda value: (100 * value).to(torch.int8),
        lambda value: value.to(torch.complex64),
        lambda value: value.to_sparse(),
        lambda value: value.to("meta"),
        lambda value: torch.quantize_per_tensor(value.float(), 0.1, 0, torch.qint8),
    ],
    ids=["whole", "complex", "sparse", "meta", "quantised"],
)
@pytest.mark.filterwarnings("ignore:.*sparse.*|.*quantiz.*|.*TypedStorage.*")
def test_numbers_that_are_no_weights_are_refused(tmp_path: Path, change):
    torch.save({k: change(v) for k, v in small().state_dict().items()}, tmp_path / "w.pth")
    with pytest.raises(ReidaugError, match=r"quantised, whole, complex or sparse|not a readable"):
        load_weights(small(), tmp_path / "w.pth")


@pytest.mark.parametrize("content", [{}, {"optimizer": {"state": {0: torch.ones(2)}}}])
def test_a_file_without_a_network_is_told_as_that(tmp_path: Path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ReidaugError, match="holds no named tensors"):
        load_weights(small(), tmp_path / "w.pth")
