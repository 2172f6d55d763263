"""The documentation site: built without a complaint, whole, and read without a network."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from browser import PHONE, is_too_wide, opened, serious_faults

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DOCS = Path(__file__).parents[2] / "docs"
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"(?:https?:)?//|@import|url\(http"
)
STYLES = re.compile(r"<link\b[^>]*rel=\"(?:stylesheet|preconnect|preload)\"[^>]*href=\"https?://")


def test_every_page_of_the_documentation_is_in_it(site: Path) -> None:
    missing = [path for path in DOCS.glob("*.md") if not (site / f"{path.stem}.html").is_file()]
    assert not missing


def test_no_page_names_a_file_of_another_place(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text()
        assert not FETCHED.search(text), path
        assert not STYLES.search(text), path


def test_links_to_recipes_and_other_files_lead_to_pages(site: Path) -> None:
    page = (site / "does-it-help.html").read_text()
    assert 'href="recipe-files/photographs.html#gridyaml"' in page
    assert 'id="gridyaml"' in (site / "recipe-files/photographs.html").read_text()
    assert 'href="does-it-help.html"' in (site / "index.html").read_text()


def test_pages_open_from_disk_on_a_phone_and_in_the_dark(browser: "Browser", site: Path) -> None:
    with opened(browser, f"file://{site}/index.html", size=PHONE) as page:
        for name in ("does-it-help", "reference/augment", "api/augment", "notebook"):
            assert not is_too_wide(page), page.url
            page.goto(f"file://{site}/{name}.html")
    with opened(browser, f"file://{site}/tutorial.html", dark=True) as page:
        assert not serious_faults(page)
        page.emulate_media(color_scheme="light")
        assert not serious_faults(page)


def test_the_search_answers_from_disk(browser: "Browser", site: Path) -> None:
    with opened(browser, f"file://{site}/index.html") as page:
        page.get_by_role("textbox", name="Search").click()
        page.keyboard.type("consent", delay=20)
        found = page.locator(".md-search-result__link").first
        found.wait_for()
        assert (found.get_attribute("href") or "").split("?")[0].endswith(".html")
