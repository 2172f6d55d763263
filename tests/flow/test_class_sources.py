import sys
from pathlib import Path

import pytest
import yaml

from reidaug.errors import ReidaugError
from reidaug.flow.checkpoint import load_checkpoint, save_checkpoint
from reidaug.flow.class_sources import derives
from reidaug.flow.closed_form import Identity
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.image_generator import ImageGenerator

MARK = "from pathlib import Path\nPath(__file__).with_name('executed').touch()\n"
SOURCES = {
    "traps_plain.py": "class Net: ...\n",
    "traps_function.py": "def Net(): ...\n",
    "traps_claims.py": "FlowEstimator = object\nclass Net(FlowEstimator): ...\n",
    "traps_module.py": "import torch\nclass Net(torch.nn.Module): ...\n",
    "traps_circle.py": "class A(B): ...\nclass B(A): ...\nNet = A\nclass Net(B): ...\n",
    "traps_broken.py": "def (:\n",
    "traps/__init__.py": "",
    "traps/inside.py": "class Net: ...\n",
    "good.py": "from reidaug.flow.closed_form import Identity\nclass Net(Identity): ...\n",
    "good_alias.py": "import reidaug.flow.closed_form as c\nclass Net(c.Identity): ...\n",
    "good_from.py": "from reidaug.flow import closed_form\nclass Net(closed_form.Identity): ...\n",
    "good_dotted.py": "import reidaug.flow.estimator\n"
    "class Net(reidaug.flow.estimator.FlowEstimator): ...\n",
    "good_two.py": "from good import Net as Other\nclass Between(Other): ...\n"
    "if True:\n    class Net(Between): ...\n",
    "good_again.py": "from good import Net\n",
    "goods/__init__.py": "from .a import Net\n",
    "goods/a.py": "from .deeper.b import Base\nclass Net(Base): ...\n",
    "goods/deeper/__init__.py": "",
    "goods/deeper/b.py": "from good import Net as Base\n",
}
GOOD = [
    "good:Net", "good_alias:Net", "good_from:Net", "good_dotted:Net", "good_two:Net",
    "good_again:Net", "goods:Net", "goods.a:Net", "goods.deeper.b:Base",
]  # fmt: skip
TRAPS = [
    "traps_plain:Net", "traps_function:Net", "traps_claims:Net", "traps_module:Net",
    "traps_circle:Net", "traps_broken:Net", "traps.inside:Net", "good:Path", "antigravity:Net",
    "os:system", "torch.hub:load", "torch.nn:Module", "reidaug.cli:main", "reidaug.__main__:main",
]  # fmt: skip
NOWHERE = [
    "nowhere:Net",
    "traps.nowhere:Net",
    "reidaug.nowhere:Net",
    "",
    "Net",
    ".:Net",
    ":Net",
    "a:b:c",
]


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "modules"
    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text if "broken" in name else MARK + text)
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    description = {"estimator": {"class": "reidaug.flow.closed_form:Identity"}}
    save_checkpoint(tmp_path / "checkpoint", Identity(), description)
    return tmp_path / "checkpoint"


def name_in(checkpoint: Path, path: str) -> None:
    (checkpoint / "recipe.yaml").write_text(yaml.safe_dump({"estimator": {"class": path}}))
    (checkpoint / "checksums.json").unlink()  # nobody forges a checkpoint and leaves them


@pytest.mark.parametrize("path", GOOD)
def test_estimators_are_found_by_their_source_and_then_load(
    sources: Path, checkpoint: Path, path: str
) -> None:
    assert derives(path, FlowEstimator) is True
    assert derives(path, ImageGenerator) is False
    assert not list(sources.rglob("executed"))
    name_in(checkpoint, path)
    try:
        assert isinstance(load_checkpoint(checkpoint), Identity)
    except ReidaugError as error:  # abstract: it has no flow
        assert path == "good_dotted:Net" and "abstract" in str(error)
    finally:
        for name in [n for n in sys.modules if n.split(".")[0].startswith("good")]:
            del sys.modules[name]


@pytest.mark.parametrize("path", TRAPS)
def test_a_checkpoint_runs_no_module_but_an_estimators(
    sources: Path, checkpoint: Path, path: str
) -> None:
    before = set(sys.modules)
    assert derives(path, FlowEstimator) is False
    name_in(checkpoint, path)
    with pytest.raises(ReidaugError, match="is no flow estimator by its source, so it is not imp"):
        load_checkpoint(checkpoint)
    assert not list(sources.rglob("executed"))
    if not path.startswith("reidaug"):
        assert set(sys.modules) == before


@pytest.mark.parametrize("path", NOWHERE)
def test_what_is_not_there_is_said(sources: Path, checkpoint: Path, path: str) -> None:
    assert derives(path, FlowEstimator) is None
    name_in(checkpoint, path)
    with pytest.raises(ReidaugError, match=r"recipe\.yaml: estimator\.class: no "):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize(
    "path", ["reidaug.flow.unwarpme:UnWarpME", "reidaug.flow.rivals.gfla:GFLA"]
)
def test_our_own_are_found_where_they_are_offered(path: str) -> None:
    assert derives(path, FlowEstimator) is True
