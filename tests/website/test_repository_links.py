import pytest
from repository_links import ROOT, place_of, recipe_files, source_of, with_links


@pytest.mark.parametrize(
    ("page", "link", "led"),
    [
        ("using.md", "[a](pose.md#output)", "[a](pose.md#output)"),
        (
            "paper.md",
            "[a](../recipes/demo/low_data.yaml)",
            "[a](recipe-files/demo.md#low_datayaml)",
        ),
        ("commands.md", "[a](../SECURITY.md)", "[a](security.md)"),
        ("index.md", "![a](docs/warps.png)", "![a](warps.png)"),
        ("changelog.md", "[a](docs/using.md#x)", "[a](using.md#x)"),
        ("index.md", "[a](https://example.org/docs/a.md)", "[a](https://example.org/docs/a.md)"),
        ("faq.md", "[pose.md](pose.md)", "[Joints and outlines from crops](pose.md)"),
        ("faq.md", "[SECURITY.md](../SECURITY.md)", "[Security](security.md)"),
        ("using.md", "[a](#here)", "[a](#here)"),
        ("using.md", "[a](../reidaug/cli.py)", "[a](../reidaug/cli.py)"),
    ],
)
def test_a_link_leads_to_the_page_that_shows_the_file(page: str, link: str, led: str) -> None:
    assert with_links(f"x {link} y", page) == f"x {led} y"


def test_pages_and_their_files_belong_together() -> None:
    for page in ("index.md", "security.md", "using.md"):
        assert (ROOT / source_of(page)).is_file()
        assert place_of(source_of(page)) == page


def test_every_recipe_is_on_a_page() -> None:
    pages = recipe_files()
    for path in (ROOT / "recipes").rglob("*.yaml"):
        assert f"\n## {path.name}\n" in pages[f"recipe-files/{path.parent.name}.md"]
