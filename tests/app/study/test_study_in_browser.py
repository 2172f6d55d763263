"""The page of a study in Chromium: keys, a server that comes back, nothing that axe-core faults."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import PHONE, is_too_wide, opened, serious_faults
from small_study import StudyServer, study_server, write_study

from reidaug.app.study.folder import Study

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE = 10_000  # milliseconds


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return write_study(tmp_path_factory.mktemp("browser") / "study", rounds=2, participants=4)


@pytest.fixture(scope="module")
def server(study: Study) -> Iterator[StudyServer]:
    with study_server(study.path) as started:
        yield started


def link(study: Study, server: StudyServer, number: int) -> str:
    with study.answers() as kept:
        return f"{server.address}/study/{kept.participants()[number - 1].token}"


def sides(study: Study, number: int) -> list[str]:
    with study.answers() as kept:
        return [answer.side for answer in kept if answer.participant == number]


def wait_for_question(page: "Page", where: str) -> None:
    """Wait until a question is asked and can be answered."""
    page.get_by_text(where, exact=True).wait_for(timeout=PATIENCE)
    page.locator("#left:enabled").wait_for(timeout=PATIENCE)


def press(page: "Page", key: str) -> None:
    """Press a key, which is taken as an answer."""
    with page.expect_response("**/answer", timeout=PATIENCE) as answer:
        page.keyboard.press(key)
    assert answer.value.status == 200


def test_a_whole_study_by_keys_through_a_restart_of_the_server(
    browser: "Browser", study: Study, server: StudyServer
) -> None:
    url = link(study, server, 1)
    with opened(browser, url, restarts=True) as page:
        assert serious_faults(page) == []
        page.keyboard.press("1")  # nothing is asked yet
        page.get_by_role("button", name="Begin").click()
        wait_for_question(page, "Practice 1 of 1, question 1 of 2")
        drawn = "[...document.images].filter(i => i.naturalWidth === 32).length"
        assert page.evaluate(drawn) == 4
        press(page, "1")
        wait_for_question(page, "Practice 1 of 1, question 2 of 2")
        press(page, "2")
        page.get_by_text("Practice is over").wait_for(timeout=PATIENCE)
        page.keyboard.press("1")  # neither here
        page.keyboard.press("Enter")  # the button has the focus
        wait_for_question(page, "Round 1 of 2, question 1 of 2")
        server.kill()
        server.start()
        press(page, "2")
        wait_for_question(page, "Round 1 of 2, question 2 of 2")
        page.get_by_role("button", name="right result").click()
        wait_for_question(page, "Round 2 of 2, question 1 of 2")
    assert sides(study, 1) == ["left", "right", "right", "right"]
    with opened(browser, url) as page:  # come back another day
        page.get_by_text("Thank you").wait_for(state="hidden")
        wait_for_question(page, "Round 2 of 2, question 1 of 2")
        press(page, "1")
        wait_for_question(page, "Round 2 of 2, question 2 of 2")
        press(page, "1")
        page.get_by_text("Thank you").wait_for(timeout=PATIENCE)
    assert sides(study, 1) == ["left", "right", "right", "right", "left", "left"]


@contextmanager
def any_page(browser: "Browser", url: str) -> "Iterator[Page]":
    """A page that may log errors: that a server is away is one to Chromium."""
    page = browser.new_page()
    try:
        page.goto(url)
        yield page
    finally:
        page.close()


def test_an_answer_waits_for_a_server_that_is_away(
    browser: "Browser", study: Study, server: StudyServer
) -> None:
    with any_page(browser, link(study, server, 2)) as page:
        page.get_by_role("button", name="Begin").click()
        wait_for_question(page, "Practice 1 of 1, question 1 of 2")
        server.kill()
        page.keyboard.press("2")
        page.get_by_text("nothing is lost").wait_for(timeout=PATIENCE)
        page.keyboard.press("1")  # one answer is on its way: no second one
        server.start()
        wait_for_question(page, "Practice 1 of 1, question 2 of 2")
        assert page.get_by_text("nothing is lost").count() == 0
    assert sides(study, 2) == ["right"]


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone_light_and_dark(
    browser: "Browser", study: Study, server: StudyServer, dark: bool
) -> None:
    with opened(browser, link(study, server, 3), size=PHONE, dark=dark) as page:
        assert not is_too_wide(page)
        page.get_by_role("button", name="Begin").click()
        wait_for_question(page, "Practice 1 of 1, question 1 of 2")
        assert not is_too_wide(page)
        assert serious_faults(page) == []


def test_a_wrong_link_is_a_page(browser: "Browser", server: StudyServer, tmp_path: Path) -> None:
    with any_page(browser, f"{server.address}/study/nobody") as page:
        assert page.get_by_role("heading", name="Not Found").is_visible()
        assert serious_faults(page) == []
