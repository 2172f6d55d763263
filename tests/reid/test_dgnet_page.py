"""docs/dgnet.md names what there is."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dgnet.md").read_text()
TESTS = "".join(path.read_text() for path in sorted((ROOT / "tests" / "reid").glob("test_*.py")))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE))))
def test_named_tests_are_there(name):
    assert f"def {name}(" in TESTS


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(tests/reid/\w+\.py)`", PAGE))))
def test_named_files_are_there(name):
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(reid\.\w+(?:\.\w+)*)`", PAGE))))
def test_named_functions_are_there(name):
    room, file, *path = name.split(".")
    found = importlib.import_module(f"reidaug.{room}.{file}")
    for part in path:
        found = getattr(found, part)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+_(?:loss|penalty))`", PAGE))))
def test_named_losses_are_there(name):
    assert hasattr(importlib.import_module("reidaug.reid.dgnet.losses"), name)
