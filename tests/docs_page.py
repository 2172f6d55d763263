"""Pages of docs/ whose listings are run."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def listings(page: str, language: str) -> list[str]:
    """The listings of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


@contextmanager
def folder_of(page: str, folder: Path) -> Iterator[Path]:
    """Work in a folder with the page's Python and YAML files, named in their first lines."""
    for text in (*listings(page, "python"), *listings(page, "yaml")):
        (folder / text.splitlines()[0].removeprefix("# ")).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        yield folder
