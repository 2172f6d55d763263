"""Names in docs/dgnet.md: tests, files, functions and losses exist."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dgnet.md").read_text()
PARTS = (ROOT / "tests" / part for part in ("reid", "experiments"))
TESTS = "".join(path.read_text() for part in PARTS for path in sorted(part.rglob("test_*.py")))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE))))
def test_named_tests_are_there(name):
    assert f"def {name}(" in TESTS


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`(tests/reid/(?:dgnet/)?\w+\.py)`", PAGE)))
)
def test_named_files_are_there(name):
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(reid\.\w+(?:\.\w+)*)`", PAGE))))
def test_named_functions_are_there(name):
    assert pkgutil.resolve_name(f"reidaug.{name}")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+_(?:loss|penalty))`", PAGE))))
def test_named_losses_are_there(name):
    assert hasattr(importlib.import_module("reidaug.reid.dgnet.losses"), name)
