"""Links of pages to files of the repository: what the site shows of them, and where."""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Files beside docs/ that are pages of the site."""

_LINK = re.compile(r"\[([^\[\]]*)\]\(([^)\s]+)\)")


def place_of(path: str) -> str | None:
    """Give the page, picture or part of a page that shows a file of the repository.

    Args:
        path: Path from the root of the repository, such as ``docs/using.md``.

    Returns:
        Path from the root of the site's sources, with the anchor of recipes; None for other files.
    """
    if path in PAGES:
        return PAGES[path]
    parts = Path(path).parts
    if parts[0] == "docs":
        return posixpath.join(*parts[1:])
    if parts[0] == "recipes" and path.endswith(".yaml"):
        return f"recipe-files/{parts[1]}.md#{Path(path).stem}yaml"
    return None


def source_of(page: str) -> str:
    """Give the file of the repository that a page of the site shows."""
    own = {shown: path for path, shown in PAGES.items()}
    return own.get(page, f"docs/{page}")


def with_links(markdown: str, page: str) -> str:
    """Lead the links of a page from files of the repository to the pages that show them.

    Links that are named after a file of Markdown get its title.

    Args:
        markdown: Text of the page.
        page: Path of the page in the site's sources.
    """
    folder = posixpath.dirname(source_of(page))

    def led(link: "re.Match[str]") -> str:
        text, target = link.groups()
        path, hash_, anchor = target.partition("#")
        if not path or ":" in path:
            return link[0]
        file = posixpath.normpath(posixpath.join(folder, path))
        place = place_of(file)
        if place is None:  # left as it is: an error of the strict build
            return link[0]
        near = posixpath.relpath(place, posixpath.dirname(page) or ".")
        shown = title_of(file) if posixpath.basename(text) == posixpath.basename(file) else text
        return f"[{shown}]({near}{hash_}{anchor})"

    return _LINK.sub(led, markdown)


def title_of(path: str) -> str:
    """Read the title of a file of Markdown; other files have their name."""
    file = ROOT / path
    if file.suffix != ".md" or not file.is_file():
        return file.name
    return file.read_text().splitlines()[0].removeprefix("# ")


def recipe_files() -> dict[str, str]:
    """Write a page for each folder of recipes, with all its files."""
    pages = {}
    for folder in sorted(path for path in (ROOT / "recipes").iterdir() if path.is_dir()):
        lines = [f"# Recipes in `recipes/{folder.name}`"]
        for path in sorted(folder.glob("*.yaml")):
            lines += ["", f"## {path.name}", "", "```yaml", path.read_text().rstrip(), "```"]
        pages[f"recipe-files/{folder.name}.md"] = "\n".join([*lines, ""])
    return pages
