"""A notebook as a page: its text, its code, and the pictures and lines that it gave."""

import base64
import json
from pathlib import Path
from typing import Any


def page_of(path: Path) -> tuple[str, dict[str, bytes]]:
    """Write a notebook as Markdown.

    Args:
        path: The notebook.

    Returns:
        Markdown, and its pictures by their path beside the page.
    """
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for k, cell in enumerate(json.loads(path.read_text())["cells"]):
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        for output in cell.get("outputs", ()):
            data: dict[str, Any] = output.get("data", {})
            if "image/png" in data:
                name = f"{path.stem}-{k}.png"
                pictures[name] = base64.b64decode("".join(data["image/png"]))
                alt = cell["metadata"].get("alt", "")
                parts.append(f"![{alt}]({name})")
            elif lines := "".join(output.get("text", data.get("text/plain", ()))):
                parts.append(f"```text\n{lines.rstrip()}\n```")
    return "\n\n".join([*parts, ""]), pictures
