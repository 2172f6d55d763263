"""Code of the user's own: what counts as changed, and which modules are."""

import importlib
import sys
from pathlib import Path

import pytest

from reidaug.own_code import classes_in, own_code

MODULES = {
    "users_net": "import torch\nfrom users_part import Part\n\nclass Net(Part): ...\n",
    "users_part": "import reidaug.errors\n\nclass Part:\n    width = 8\n",
}


@pytest.fixture
def digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Give the digests that a new process finds, with some modules written otherwise."""
    monkeypatch.syspath_prepend(tmp_path)

    def forget() -> None:
        for name in [name for name in sys.modules if name.startswith("users_")]:
            del sys.modules[name]

    def found(**changed: str) -> dict[str, str]:
        for name, source in {**MODULES, **changed}.items():
            (tmp_path / f"{name}.py").write_text(source)
        forget()
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        importlib.invalidate_caches()
        importlib.import_module("users_net")
        return own_code(["users_net:Net"])

    yield found
    forget()


def test_a_class_is_of_its_module_and_of_those_it_takes_something_from(digests):
    before = digests()
    assert list(before) == ["users_net", "users_part"]
    after = digests(users_part=MODULES["users_part"].replace("8", "9"))
    assert [after[name] == before[name] for name in before] == [True, False]


@pytest.mark.parametrize(
    "taken",
    [
        "from users_part import WIDTHS",
        "from users_part import *",
        "import users_part as part\nWIDTHS = part.WIDTHS",
        "from users_package import WIDTHS",
        "from users_package.inner import WIDTHS",
    ],
)
def test_a_number_is_of_the_module_it_is_taken_from(digests, tmp_path: Path, taken: str):
    (tmp_path / "users_package").mkdir()
    (tmp_path / "users_package" / "__init__.py").write_text("from .inner import WIDTHS\n")
    (tmp_path / "users_package" / "inner.py").write_text("from users_part import WIDTHS\n")
    net = f"{taken}\nimport users_package\n\nclass Net: ...\n"
    before = digests(users_net=net, users_part="WIDTHS = [8, 16]\n")
    after = digests(users_net=net, users_part="WIDTHS = [8, 32]\n")
    assert {name for name in before if after[name] != before[name]} == {"users_part"}


def test_comments_and_blank_lines_do_not_count(digests):
    assert digests(users_net=f"# ours\n\n{MODULES['users_net']}") == digests()


def test_what_is_written_after_the_import_does_not_run(digests, tmp_path: Path):
    before = digests()
    (tmp_path / "users_part.py").write_text("")
    assert own_code(["users_net:Net"]) == before


@pytest.mark.parametrize(
    "name", ["resnet18", "timm:resnet50", "fastreid:resnet50", "torch.nn:Linear", ""]
)
def test_ours_and_installed_ones_are_none(name):
    assert own_code([name, "reidaug.flow.unwarpme:UnWarpME"]) == {}


def test_classes_are_found_at_any_depth():
    values = {"class": "a:B", "rows": [{"estimator": {"class": "c:D", "class_": "x"}}], "n": 1}
    assert list(classes_in(values)) == ["a:B", "c:D"]
