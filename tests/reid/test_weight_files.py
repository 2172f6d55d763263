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


@pytest.mark.parametrize(
    "name",
    ["model-00001-of-00002.safetensors", "w-00002-of-00003.bin", "model.safetensors.index.json"],
)
def test_a_part_of_a_model_is_told_as_one(tmp_path: Path, name: str) -> None:
    save_file(TENSORS, tmp_path / name)
    with pytest.raises(ReidaugError, match="of a model that was saved in several: load it where"):
        read_networks(tmp_path / name)
    save_file(TENSORS, tmp_path / "model-00001-of-00001.safetensors")
    assert read_networks(tmp_path / "model-00001-of-00001.safetensors")[""].keys() == TENSORS.keys()


def test_the_first_names_are_shown() -> None:
    assert first_names(["a", "b", "c", "d"]) == "a, b, c, ..."
    assert first_names(["a"]) == "a"
