"""Everything docs/extending.md lists is run: a stranger's estimator, checked, trained, compared,
used to augment."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from docs_page import DOCS, folder_of, listings
from small_pairs import write_pairs
from stick_market import stick_market

from reidaug.cli import main

PAGE = "extending.md"
SHORT = {
    "train-flow": ["--set", "schedule.steps=2", "--set", "stlpips=[]"],
    "compare": ["--set", "budget=4", "--set", "stlpips=[]", "--set", "rows.unwarpme.batch=2"],
    "augment": ["--poses", "2", "--workers", "1"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the page's files and small data where the page has large data."""
    with folder_of(PAGE, tmp_path_factory.mktemp("extending")) as place:
        write_pairs(place / "runs" / "pairs")
        stick_market(place / "Market-1501")
        yield place


def commands() -> list[list[str]]:
    lines = "".join(listings(PAGE, "bash")).replace("\\\n", " ").splitlines()
    assert lines[0] == "export PYTHONPATH=$PWD"
    return [shlex.split(line) for line in lines[1:]]


def test_the_page_lists_exactly_these_files(place: Path) -> None:
    files = {path.name for path in place.iterdir()} - {"runs", "Market-1501"}
    assert files == {"my_flow.py", "test_my_flow.py", "train.yaml", "compare.yaml"}


def test_the_pages_own_check_passes(place: Path) -> None:
    names: dict[str, object] = {}
    exec(compile((place / "test_my_flow.py").read_text(), "test_my_flow.py", "exec"), names)
    tests = [run for name, run in names.items() if name.startswith("test_")]
    assert len(tests) == 1
    for run in tests:
        assert callable(run)
        run()


def test_the_pages_commands_train_compare_and_augment(place: Path) -> None:
    done = []
    for program, name, *rest in commands():
        assert program == "reidaug"
        with pytest.raises(SystemExit) as ended:
            main([name, *rest, *SHORT[name]])
        assert ended.value.code == 0, (name, rest)
        done.append(name)
    assert done == ["train-flow", "compare", "augment"]
    report = json.loads((place / "runs/compare/report.json").read_text())
    assert list(report["rows"])[:3] == ["unwarpme", "drift", "drift48"]
    assert report["training"]["drift"]["steps"] == 1
    assert report["training"]["unwarpme"]["steps"] == 2
    assert report["rows"]["drift48"]["parameters"] > report["rows"]["drift"]["parameters"]
    assert len(pd.read_parquet(place / "runs/warps/manifest.parquet")) == 12


def test_the_failure_quoted_on_the_page_is_the_real_one(place: Path) -> None:
    from reidaug.flow.closed_form import Identity
    from reidaug.testing import check_flow_estimator

    class Displaced(Identity):
        def forward(self, *asked):  # type: ignore[no-untyped-def]
            return super().forward(*asked) * 0

    with pytest.raises(AssertionError) as caught:
        check_flow_estimator(Displaced(), identity_within=0.1)
    quoted = re.sub(r"\s+", " ", (DOCS / PAGE).read_text())
    assert str(caught.value) in quoted
