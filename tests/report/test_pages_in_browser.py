"""Two pages in Chromium: one of every kind of block, and one of several runs side by side."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from browser import DESK, PHONE, is_too_wide, opened, serious_faults
from small_runs import small_runs

from reidaug.report.page import render_page
from reidaug.report.run_page import page_of, pages_of
from reidaug.report.run_record import read_run


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    root = tmp_path_factory.mktemp("pages")
    runs = small_runs(root)
    written = []
    for kinds in (("augment",), ("compare", "evaluate", "check", "augment")):
        records = [read_run(runs[kind]) for kind in kinds]
        page = pages_of(records, [page_of(record) for record in records])
        written.append(root / f"{len(kinds)}.html")
        written[-1].write_text(render_page(page))
    return written


@pytest.mark.parametrize(("which", "dark"), [(0, False), (1, True)])
def test_everybody_can_use_a_page_and_it_logs_no_error(
    browser, pages: Sequence[Path], which: int, dark: bool
) -> None:
    with opened(browser, pages[which].as_uri(), dark=dark) as page:
        assert serious_faults(page) == []
        assert not is_too_wide(page)
        page.set_viewport_size(PHONE)
        assert not is_too_wide(page)
        for code in page.locator("pre").all():  # its lines are broken, not cut
            assert code.evaluate("e => e.scrollWidth <= e.clientWidth")


def test_a_sheet_is_enlarged_from_the_keyboard(browser, pages: Sequence[Path]) -> None:
    with opened(browser, pages[0].as_uri(), size=PHONE) as page:
        box, sheet = page.locator(".sheet input"), page.locator(".sheet img")
        small = sheet.bounding_box()["width"]
        box.focus()
        page.keyboard.press("Space")
        assert sheet.bounding_box()["width"] > small
        assert not is_too_wide(page)
        page.set_viewport_size(DESK)
        page.emulate_media(media="print")
        assert not is_too_wide(page)
