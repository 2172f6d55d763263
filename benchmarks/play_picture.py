"""docs/pictures/play.png: the page of `reidaug play` while an arm is dragged.

    python benchmarks/play_picture.py

Needs playwright, and Chromium on the path. Nobody is on it but people who were rendered.
"""

import argparse
import io
import shutil

from PIL import Image
from play_latency import served
from provenance import ROOT

PICTURE = ROOT / "docs" / "pictures" / "play.png"
WIDTH, HEIGHT = 1280, 1010  # pixels of the window
COLOURS = 256
DRAGS = {"left elbow": (18, -6), "left wrist": (34, -130)}  # pixels of the page


def main() -> None:
    """Open the page, drag an arm, and write the picture."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    from playwright.sync_api import sync_playwright

    with served() as server, sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(server.address)
        page.wait_for_selector("#cards .card:nth-child(3)[data-answers]")
        for joint, (across, down) in DRAGS.items():
            dot = page.locator(f'#target .dot[aria-label^="{joint},"] .point')
            box = dot.bounding_box()
            assert box is not None
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + across, y + down, steps=5)
            page.mouse.up()
        page.wait_for_timeout(5000)
        content = page.screenshot()
        browser.close()
    picture = Image.open(io.BytesIO(content), formats=("PNG",)).convert("RGB")
    picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        PICTURE, optimize=True
    )


if __name__ == "__main__":
    main()
