"""Hooks of the documentation site: pages that are made from code, and links between files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api_reference import API, api_pages
from command_reference import command_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from notebook_page import page_of
from recipe_reference import RECIPES, recipe_pages
from repository_links import PAGES, ROOT, recipe_files, with_links

from reidaug.cli import COMMANDS

ASSETS = Path(__file__).parent / "assets"
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages that are made from code to the contents."""
    recipes = [{name: f"reference/recipe-{name}.md"} for name in RECIPES]
    folders = [{Path(page).stem: page} for page in recipe_files()]
    commands = [{name: f"reference/{name}.md"} for name in COMMANDS]
    made: Mapping[str, list[Any]] = {
        "Commands": ["reference/commands.md", *commands],
        "Recipes": [*recipes, {"Recipe files": folders}],
        "Python": [f"api/{name}.md" for name in API],
    }
    config.nav = [_filled(entry, made) for entry in config.nav or ()]
    return config


def _filled(entry: Any, made: Mapping[str, list[Any]]) -> Any:
    """Replace sections whose pages are ``made`` by those of their name."""
    if not isinstance(entry, dict):
        return entry
    ((title, pages),) = entry.items()
    if pages == "made":
        return {title: made[title]}
    return {title: [_filled(p, made) for p in pages] if isinstance(pages, list) else pages}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are made from code, those beside docs/, and the site's own assets."""
    notebook, pictures = page_of(NOTEBOOK)
    pages = {page: (ROOT / path).read_text() for path, page in PAGES.items()}
    pages |= command_pages() | recipe_pages() | recipe_files() | api_pages()
    pages["notebook.md"] = notebook
    for place, text in pages.items():
        files.append(File.generated(config, place, content=text))
    for name, content in pictures.items():
        files.append(File.generated(config, name, content=content))
    for asset in sorted(ASSETS.iterdir()):
        files.append(File.generated(config, f"assets/{asset.name}", abs_src_path=str(asset)))
    return files


def on_post_page(output: str, **_: object) -> str:
    """Name the dialog of the search, for screen readers."""
    return output.replace('role="dialog">', 'role="dialog" aria-label="Search">')


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Lead links to files of the repository to their pages."""
    return with_links(markdown, page.file.src_uri)
