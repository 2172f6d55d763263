"""The documentation site, built once."""

import logging
from pathlib import Path

import pytest

CONFIG = Path(__file__).parents[2] / "website" / "mkdocs.yml"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site in a folder, read only; a broken link would have been an error."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(CONFIG), site_dir=str(folder)))
    logging.getLogger("mkdocs").handlers.clear()
    return folder
