"""The README's Python runs, and its links lead somewhere."""

import re
import warnings
from pathlib import Path

import pytest
from stick_market import stick_market

from reidaug.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_listing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (listing,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len([line for line in listing.splitlines() if line]) <= 12
    monkeypatch.chdir(tmp_path)
    stick_market(tmp_path / "Market-1501", people=9, images=3, size=(128, 64))
    with pytest.raises(SystemExit) as ended:
        main(["augment", "Market-1501", "--out", "warped", "--poses", "6", "--workers", "1"])
    assert ended.value.code == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names: dict[str, object] = {}
        exec(listing, names)
    assert tuple(names["batch"].image.shape) == (27, 3, 256, 128)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_the_readme_fits_a_screen_and_a_half() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 95
