from importlib import import_module

import pytest
from api_reference import API, api_pages

NAMES = [name for _, names in API.values() for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_a_page_exists_and_says_what_it_is(name: str) -> None:
    module, _, thing = name.rpartition(".")
    try:
        found = import_module(name)
    except ModuleNotFoundError:
        found = getattr(import_module(module), thing)
    assert found.__doc__


def test_pages_name_their_objects() -> None:
    assert "::: reidaug.augment.transform.PoseWarp" in api_pages()["api/augment.md"]
