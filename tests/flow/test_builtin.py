from pathlib import Path

import pytest

from reidaug.errors import ReidaugError, UsageError
from reidaug.flow.builtin import SHIPPED, UNTRAINED, checkpoint_of, load_flow, named_flow, resolved
from reidaug.flow.checkpoint import save_checkpoint
from reidaug.flow.closed_form import JointBlend


def test_closed_forms_have_no_weights_and_keep_their_names() -> None:
    for name, kind in UNTRAINED.items():
        assert type(load_flow(name)) is kind
        assert checkpoint_of(name) is None
        assert resolved(name) == name
    assert resolved(SHIPPED) == SHIPPED


def test_a_folder_is_named_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {"estimator": {"class": "reidaug.flow.closed_form:JointBlend"}}
    save_checkpoint(tmp_path / SHIPPED, JointBlend(), recipe)
    monkeypatch.chdir(tmp_path)
    assert resolved(f"./{SHIPPED}") == str((tmp_path / SHIPPED).resolve())
    assert isinstance(load_flow(f"./{SHIPPED}"), JointBlend)


@pytest.mark.parametrize(("name", "error"), [("nowhere", UsageError), (".", ReidaugError)])
def test_an_unknown_flow_is_an_error(
    name: str, error: type[ReidaugError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=r"nor a checkpoint folder|no flow checkpoint here"):
        load_flow(name)


@pytest.mark.parametrize("load", [load_flow, named_flow])
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("surfcae", "did you mean 'surface'?"),
        ("runs/traind", "did you mean 'trained'?"),
        ("runs/weights.pt", "it is a file, and a flow estimator is a folder"),
        ("nope", "nor a checkpoint folder"),
    ],
)
def test_an_unknown_flow_is_named_as_it_was_typed(
    load, typed: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs" / "trained").mkdir(parents=True)
    (tmp_path / "runs" / "weights.pt").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as told:
        load(typed)
    line = str(told.value)
    assert line.startswith(f"flow {typed!r}: neither a flow of the package (market, surface, ")
    assert line.endswith(meant) or meant in line
    assert str(tmp_path) not in line


def test_a_named_flow_is_the_same_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {"estimator": {"class": "reidaug.flow.closed_form:JointBlend"}}
    save_checkpoint(tmp_path / "flow", JointBlend(), recipe)
    monkeypatch.chdir(tmp_path)
    flow = named_flow("flow")
    assert flow.name == str((tmp_path / "flow").resolve())
    assert {path.name for path in flow.files} == {"model.safetensors", "recipe.yaml"}
    monkeypatch.chdir("/")
    assert isinstance(flow.estimator(), JointBlend)
    assert named_flow("identity").files == ()
    assert named_flow("identity").estimator().keeps_pose
    assert not named_flow("joint-blend").estimator().keeps_pose


def test_load_flow_is_imported_from_the_package_itself() -> None:
    from reidaug import flow

    assert flow.load_flow is load_flow
    with pytest.raises(AttributeError, match="unload_flow"):
        _ = flow.unload_flow
