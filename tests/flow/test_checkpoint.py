import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from damage import spoil
from flow_figures import images, poses, tiny
from safetensors.torch import load_file, save_file

from reidaug.errors import ReidaugError
from reidaug.files import checksum
from reidaug.flow.checkpoint import (
    WEIGHTS,
    changed_code,
    is_whole,
    load_checkpoint,
    save_checkpoint,
)
from reidaug.flow.closed_form import Identity
from reidaug.flow.unwarpme.warping import UnWarpME

CLOSED = "reidaug.flow.closed_form:Identity"
RECIPE = {
    "estimator": {
        "class": "reidaug.flow.unwarpme:UnWarpME",
        "canvas": [32, 16],
        "sigma": 1.5,
        "widths": [8, 8, 8, 16, 16, 16, 16, 16, 16, 16, 12],
        "dilations": [1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1],
        "head_widths": [16, 16, 16, 16, 8],
        "first_kernel": 1,
    }
}


@pytest.mark.parametrize("half", [False, True])
def test_a_checkpoint_gives_the_estimator_back(tmp_path: Path, half: bool) -> None:
    net = tiny()
    net(images(4, 0), poses(4, 1), poses(4, 2))  # moves the statistics of batch norm
    save_checkpoint(tmp_path / "new" / "checkpoint", net, RECIPE, half_precision=half)
    back = load_checkpoint(tmp_path / "new" / "checkpoint")
    assert isinstance(back, UnWarpME)
    assert not back.training
    given = images(2, 3), poses(2, 4), poses(2, 5)
    tolerance = 5e-2 if half else 0.0
    torch.testing.assert_close(back(*given), net.eval()(*given), atol=tolerance, rtol=0)


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    sizes = []
    for half in (False, True):
        save_checkpoint(tmp_path / str(half), tiny(), RECIPE, half_precision=half)
        sizes.append((tmp_path / str(half) / "model.safetensors").stat().st_size)
    assert sizes[1] < 0.65 * sizes[0]


def test_a_weight_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    estimator = tiny()
    name, value = next(iter(estimator.named_parameters()))
    value.data.view(-1)[0] = float("nan")
    save_checkpoint(tmp_path, estimator, RECIPE)
    with pytest.raises(ReidaugError, match=rf"model\.safetensors: the tensor {name} .*not finite"):
        load_checkpoint(tmp_path)


def test_a_wrong_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReidaugError, match=r"no flow checkpoint here \(model.safetensors"):
        load_checkpoint(tmp_path)
    with pytest.raises(ValueError, match="'estimator' with a 'class'"):
        save_checkpoint(tmp_path, tiny(), {})
    save_checkpoint(tmp_path, tiny(), RECIPE)
    (tmp_path / "checksums.json").unlink()  # as who changes a checkpoint does
    weights, recipe = tmp_path / "model.safetensors", tmp_path / "recipe.yaml"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReidaugError, match=r"does not fit recipe.yaml"):
        load_checkpoint(tmp_path)
    weights.write_bytes(whole)
    recipe.write_text(recipe.read_text().replace("- 12", "- 11"))
    with pytest.raises(ReidaugError, match=r"does not fit recipe.yaml"):
        load_checkpoint(tmp_path)
    recipe.write_text("- a list")
    with pytest.raises(ReidaugError, match="names no estimator"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.long(), "holds numbers of the kind int64, not float32"),
        (lambda value: value > 0, "holds numbers of the kind bool, not float32"),
        (lambda value: value.to(torch.complex64), "holds numbers of the kind complex64, not float"),
        (lambda value: value[:1].contiguous(), r"is \(1, .*\), not \("),
        (None, r"it lacks 1 of \d+ tensors, such as {name}"),
    ],
)
def test_a_tensor_of_another_kind_is_named(tmp_path: Path, change, message: str) -> None:
    save_checkpoint(tmp_path, tiny(), RECIPE)
    (tmp_path / "checksums.json").unlink()
    state = load_file(tmp_path / WEIGHTS)
    name = next(key for key, value in state.items() if value.ndim == 4)
    value = state.pop(name)
    save_file(state | ({} if change is None else {name: change(value)}), tmp_path / WEIGHTS)
    with pytest.raises(
        ReidaugError, match="does not fit recipe.yaml: .*" + message.format(name=name)
    ):
        load_checkpoint(tmp_path)
    if change is None:
        save_file(state | {name: value, "more": value.clone()}, tmp_path / WEIGHTS)
        with pytest.raises(ReidaugError, match="no place for 1 tensors, such as more"):
            load_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "recipe.yaml"])
@pytest.mark.parametrize("how", ["half", "empty", "bit"])
def test_a_damaged_checkpoint_is_told(tmp_path: Path, name: str, how: str) -> None:
    save_checkpoint(tmp_path, tiny(), RECIPE)
    assert is_whole(tmp_path)
    spoil(tmp_path / name, how)
    assert not is_whole(tmp_path)
    with pytest.raises(ReidaugError, match=rf"{name} is (empty|not as it was written); train it"):
        load_checkpoint(tmp_path)


def test_checksums_kept_elsewhere_mend_those_of_a_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, tiny(), RECIPE)
    known = {path.name: checksum(path) for path in tmp_path.iterdir()}
    sums = tmp_path / "checksums.json"
    spoil(sums, "half")
    with pytest.raises(
        ReidaugError, match=r"checksums\.json is damaged; train it again, or remove"
    ):
        load_checkpoint(tmp_path)
    assert not is_whole(tmp_path)
    assert is_whole(tmp_path, known)
    assert checksum(sums) == known[sums.name]
    spoil(sums, "half")
    spoil(tmp_path / "model.safetensors", "bit")
    assert not is_whole(tmp_path, known)


@pytest.fixture
def own_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Write the module of an estimator of the user's own, as a new process finds it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(shift: str) -> None:
        source = "from reidaug.flow.closed_form import Identity\n\nclass Mine(Identity):\n"
        (tmp_path / "users_flow.py").write_text(f"{source}    shift = {shift}\n")
        sys.modules.pop("users_flow", None)
        importlib.invalidate_caches()
        importlib.import_module("users_flow")

    yield write
    sys.modules.pop("users_flow", None)


def test_code_that_changed_since_the_training_is_told(
    tmp_path: Path, own_class: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    own_class("1")
    estimator = importlib.import_module("users_flow").Mine()
    recipe = {"estimator": {"class": "users_flow:Mine"}}
    save_checkpoint(tmp_path / "flow", estimator, recipe)
    for shift, told in (("1  # a word", 0), ("2", 1), ("2", 0)):  # once in a process
        own_class(shift)
        load_checkpoint(tmp_path / "flow")
        assert changed_code(tmp_path / "flow") == (("users_flow",) if shift == "2" else ())
        assert capsys.readouterr().err.count("the code of users_flow is not what") == told
    save_checkpoint(tmp_path / "closed", Identity(), {"estimator": {"class": CLOSED}})
    assert {path.name for path in (tmp_path / "closed").iterdir()} == {
        "model.safetensors", "recipe.yaml", "checksums.json",
    }  # fmt: skip
