"""Pages in a browser: Chromium without a screen, and what must be true of every page in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
PHONE = {"width": 375, "height": 740}
DESK = {"width": 1200, "height": 900}
SERIOUS = ("serious", "critical")


# One a module: as long as it is open, no other code of the process can run an event loop.
@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Chromium; a test that asks for it is skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("needs Chromium on the path")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def opened(
    browser: "Browser",
    url: str,
    *,
    size: dict[str, int] | None = None,
    dark: bool = False,
    restarts: bool = False,
) -> "Iterator[Page]":
    """Open a page; at its end it must have logged no error and asked no other place for anything.

    Args:
        browser: The fixture.
        url: Its address: ``file://`` or a server of this machine.
        size: Width and height of the window; by default that of a desk.
        dark: Whether the system is in dark colours.
        restarts: Whether its server is away for a while, which Chromium logs as errors.
    """
    context = browser.new_context(
        viewport=size or DESK, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    faults: list[str] = []
    page = context.new_page()

    def logged(kind: str, text: str) -> None:
        if kind == "error" and not (restarts and "ERR_CONNECTION" in text):
            faults.append(text)

    page.on("console", lambda message: logged(message.type, message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    origin = url.split("/", 3)[2]

    def asked(address: str) -> None:
        own = address.startswith(("data:", "blob:", "about:"))
        if not own and address.split("/", 3)[2:3] != [origin]:
            faults.append(f"asked for {address}")

    page.on("request", lambda request: asked(request.url))
    try:
        page.goto(url)
        yield page
        assert not faults, faults
    finally:
        context.close()


def serious_faults(page: "Page") -> list[str]:
    """What axe-core finds that keeps people from using a page, each with an element."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    # Stylesheets are not asked for once more, which pages that are opened from disk may not do.
    found = axe.Axe().run(page, options={"preload": False}).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["impact"] in SERIOUS]


def is_too_wide(page: "Page") -> bool:
    """Whether a page scrolls sideways."""
    wide: bool = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    return wide
