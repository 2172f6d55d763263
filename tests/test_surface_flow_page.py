"""The listing of docs/surface-flow.md is run."""

import runpy
from pathlib import Path

from docs_page import listings


def test_the_listing_gives_what_its_comments_say(tmp_path: Path) -> None:
    (text,) = listings("surface-flow.md", "python")
    script = tmp_path / "listing.py"
    script.write_text(text)
    found = runpy.run_path(str(script))["found"]
    assert found.flow.shape == (2, 2, 64, 32) and found.outline.shape == (2, 128, 64)
    assert found.pose.xy.shape == (2, 18, 2) and found.origin.shape == (2, 64, 32)
