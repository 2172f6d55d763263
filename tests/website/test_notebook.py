"""The notebook: it runs, and its page shows what it gave."""

import json
from pathlib import Path

import pytest
from notebook_page import page_of

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
CELLS = json.loads(NOTEBOOK.read_text())["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


def test_its_code_runs_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("IPython", reason="needs IPython")
    names: dict[str, object] = {}
    for text in CODE:
        exec(compile(text, "notebook", "exec"), names)
    assert len(capsys.readouterr().out.splitlines()) == len(names["people"])  # type: ignore[arg-type]


@pytest.mark.slow
def test_it_runs_in_a_kernel() -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, 4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    kinds = [[o["output_type"] for o in c.get("outputs", ())] for c in notebook.cells]
    assert kinds == [[o["output_type"] for o in c.get("outputs", ())] for c in CELLS]


def test_its_page_has_text_code_and_described_pictures() -> None:
    page, pictures = page_of(NOTEBOOK)
    assert page.startswith("# From a crop to a warp")
    assert all(text in page for text in CODE)
    assert len(pictures) == page.count("](notebook-") == 4
    assert "![](" not in page
    assert all(content.startswith(b"\x89PNG") for content in pictures.values())
