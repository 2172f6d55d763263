"""Which layers a file counts; its hints are tested with the files themselves in test_weights."""

from pathlib import Path

import torch
from torch import nn

from reidaug.reid.model_factory import build
from reidaug.reid.weight_hints import option_hint, resnet_names


def test_layers_are_named_in_their_order_and_blocks_stay() -> None:
    layers = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
    for numbers in ((0, 1, 3, 4, 5, 6), (0, 1, 4, 5, 6, 7)):
        found = resnet_names({f"module.base.{number}.weight": 0 for number in numbers})
        assert list(found.values()) == [f"module.base.{name}.weight" for name in layers]
    blocks = {f"layer3.{number}.conv1.weight": 0 for number in range(6)}
    assert resnet_names(blocks) == {}
    assert resnet_names({f"{number}.weight": 0 for number in range(5)}) == {}


def test_other_networks_ask_for_nothing() -> None:
    model = build("resnet18", 3, width=4)
    assert option_hint(model, {"a.weight": torch.ones(2)}, Path("w")) == ""
    assert option_hint(nn.Linear(2, 2), model.state_dict(), Path("w")) == ""
    assert option_hint(model, model.state_dict(), Path("w")) == ""
