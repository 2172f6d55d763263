"""Weight files: other people's layouts, other people's checkpoints, damaged ones."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18

from reidaug.errors import ReidaugError
from reidaug.reid.backbones import build
from reidaug.reid.weights import load_weights


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


def test_weights_of_another_network_are_told(tmp_path: Path):
    save_file({"other.weight": torch.ones(2, 2)}, tmp_path / "w.safetensors")
    with pytest.raises(ReidaugError, match="none of its 1 tensors fits"):
        load_weights(small(), tmp_path / "w.safetensors")


def test_a_file_that_is_more_than_tensors_is_refused_in_one_sentence(tmp_path: Path):
    torch.save({"state_dict": small().state_dict(), "args": Namespace(x=1)}, tmp_path / "w.pth")
    with pytest.raises(
        ReidaugError, match=r"\(Unsupported global: GLOBAL argparse.Namespace .*"
    ) as e:
        load_weights(small(), tmp_path / "w.pth")
    assert "weights_only" not in str(e.value)
    assert "\n" not in str(e.value)
