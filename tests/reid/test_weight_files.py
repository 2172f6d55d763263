"""Weight files of re-ID models: the networks they hold."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reidaug.errors import ReidaugError
from reidaug.reid.weight_files import first_names, read_networks

TENSORS = {"a": torch.zeros(2), "b": torch.ones(1)}


def test_networks_are_found_in_containers_and_beside_each_other(tmp_path: Path) -> None:
    def parts(content: object) -> dict[str, list[str]]:
        torch.save(content, tmp_path / "w.pth")
        return {name: sorted(state) for name, state in read_networks(tmp_path / "w.pth").items()}

    assert parts(TENSORS) == parts({"state_dict": TENSORS, "epoch": 3}) == {"": ["a", "b"]}
    assert parts({"id": TENSORS, "sty": {"enc": TENSORS}, "optimizer": TENSORS}) == {
        "id": ["a", "b"],
        "sty.enc": ["a", "b"],
    }
    assert parts({"model": TENSORS, "model_ema": TENSORS}).keys() == {"", "model_ema"}
    assert parts({"epoch": 3}) == {"": []}


def test_the_content_and_not_the_name_tells_the_format(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "w.pth")
    assert read_networks(tmp_path / "w.pth")[""].keys() == TENSORS.keys()
    (tmp_path / "w.pth").write_text("<!DOCTYPE html>")
    with pytest.raises(ReidaugError, match=r"not a readable weight file \(it is a web page"):
        read_networks(tmp_path / "w.pth")


def test_the_first_names_are_shown() -> None:
    assert first_names(["a", "b", "c", "d"]) == "a, b, c, ..."
    assert first_names(["a"]) == "a"
