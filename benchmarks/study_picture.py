"""Screenshot of a question of a study, for docs/study.md.

    python benchmarks/study_picture.py STUDY [--round 5] [--out docs/pictures/study.png]

STUDY is a study of rendered people, such as docs/study.md makes of a demo. Serves a copy of it,
answers the questions before the round, and keeps the page as a PNG of few colours. Needs the extra
[app], playwright and Chromium on the path.
"""

import argparse
import io
import shutil
import tempfile
import threading
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from reidaug.app.server import LOOPBACK, address_of, listen
from reidaug.app.study.answers import QUESTIONS
from reidaug.app.study.folder import read_study
from reidaug.app.study.pages import study_application

SIZE = {"width": 860, "height": 530}


def screenshot(folder: Path, before: int) -> bytes:
    """Take the picture (PNG) of the round after ``before`` rounds of the first participant."""
    study = read_study(folder)
    with study.answers() as answers:
        one = answers.participants()[0]
        while one.answered < before * len(QUESTIONS):
            one = answers.answer(one, one.answered, "left")
    opened = listen(LOOPBACK, 0)
    server = uvicorn.Server(uvicorn.Config(study_application(study), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
    thread.start()
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.goto(f"{address_of(opened)}/study/{one.token}")
        page.wait_for_selector("#left:enabled")
        picture = page.screenshot()
        browser.close()
    server.should_exit = True
    thread.join()
    return picture


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--round", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/study.png"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "study"
        shutil.copytree(options.study, copy)
        picture = Image.open(io.BytesIO(screenshot(copy, options.round - 1)), formats=("PNG",))
    few = picture.convert("RGB").quantize(160)
    few.save(options.out, optimize=True)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
