from pathlib import Path

import pytest

from reidaug.errors import ReidaugError, UsageError
from reidaug.flow.builtin import SHIPPED, UNTRAINED, checkpoint_of, load_flow, resolved
from reidaug.flow.checkpoint import save_checkpoint
from reidaug.flow.closed_form import JointBlend


def test_closed_forms_have_no_weights_and_keep_their_names() -> None:
    for name, kind in UNTRAINED.items():
        assert type(load_flow(name)) is kind
        assert checkpoint_of(name) is None
        assert resolved(name) == name
    assert resolved(SHIPPED) == SHIPPED


def test_a_folder_goes_by_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = {"estimator": {"class": "reidaug.flow.closed_form:JointBlend"}}
    save_checkpoint(tmp_path / SHIPPED, JointBlend(), recipe)
    monkeypatch.chdir(tmp_path)
    assert resolved(f"./{SHIPPED}") == str((tmp_path / SHIPPED).resolve())
    assert isinstance(load_flow(f"./{SHIPPED}"), JointBlend)


@pytest.mark.parametrize(("name", "error"), [("nowhere", UsageError), (".", ReidaugError)])
def test_what_is_no_flow_is_told(
    name: str, error: type[ReidaugError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=r"no such checkpoint folder|no flow checkpoint here"):
        load_flow(name)
