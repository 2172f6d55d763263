import json
from pathlib import Path

import pytest
from page_reader import check_self_contained
from stick_market import stick_market

from reidaug import cli
from reidaug.data.market1501 import QUERY, SPLITS, TRAIN


@pytest.fixture
def market(tmp_path: Path) -> Path:
    return stick_market(tmp_path / "market")


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(["check", *map(str, arguments)])
    return int(stop.value.code or 0)


def content(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_usable_dataset_ends_with_0_and_is_left_as_it_was(market: Path, capfd) -> None:
    before = content(market)
    assert run(market, "--workers", 1) == 0
    assert content(market) == before
    printed = capfd.readouterr()
    assert "bounding_box_train         3         6        2       0            0" in printed.out
    assert printed.out.endswith("usable for augment: yes; training: yes; evaluation: yes\n")
    assert "check: 18/18" in printed.err
    assert "Traceback" not in printed.err


def test_an_unusable_one_ends_with_1_and_says_why(
    market: Path, tmp_path: Path, capfd, left_pages
) -> None:
    for path in sorted((market / QUERY).iterdir()):
        path.write_bytes(b"")
    report = tmp_path / "report.json"
    assert run(market, "--workers", 1, "--json", report) == 1
    printed = capfd.readouterr()
    problem = "PROBLEM query: 6 of 6 images cannot be read (stops evaluation)"
    assert problem in printed.out
    assert "and 3 more" in printed.out
    assert printed.out.index("PROBLEM") < printed.out.index("advice ")
    assert printed.out.endswith("usable for augment: yes; training: yes; evaluation: no\n")
    assert f"reidaug: {market}: not usable for evaluation; see the problems" in printed.err
    written = json.loads(report.read_text())
    page = check_self_contained(report.with_suffix(".html").read_text())
    assert "query: 6 of 6 images cannot be read (stops evaluation)" in page.text
    assert run(market, "--workers", 1, "--json", report) == 1  # its own it writes again
    mine = tmp_path / "mine.json"
    mine.write_text("[1]")
    assert run(market, "--workers", 1, "--json", mine) == 2
    assert mine.read_text() == "[1]"
    assert written["usable"] == {"augment": True, "training": True, "evaluation": False}
    assert set(written["splits"]) == set(SPLITS)
    assert written["splits"][TRAIN]["images"] == 6
    first = written["findings"][0]
    assert (first["rank"], first["where"], first["cases"]) == ("problem", QUERY, 6)
    assert set(first) == {"rank", "where", "what", "advice", "cases", "examples", "stops"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--keypoints", "nowhere.csv"], 2, "--keypoints nowhere.csv: there is no such thing"),
        (["--masks", "nowhere"], 2, "--masks nowhere: there is no such thing"),
        (["--masks", __file__], 2, "this is a file; name a folder"),
        (["--json", "."], 2, "--json .: name a file in a folder that is there"),
        (["--json", "nowhere/r.json"], 2, "name a file in a folder that is there"),
        (["--pattern", "("], 2, "pattern '('"),
        (["--pattern", "x"], 2, "name its groups"),
        (["--layout", "marz"], 2, "is not one of 'market1501'"),
        (["--layout", "ltcc"], 2, "what is here fits --layout market1501"),
        (["--layout", "mars", "--pattern", "x"], 2, "exclude each other"),
    ],
)
def test_wrong_usage_is_said_in_a_line(
    market: Path, arguments: list[str], code: int, says: str, capfd
) -> None:
    assert run(market, *arguments) == code
    printed = capfd.readouterr()
    assert says in printed.err
    assert not printed.out  # before any work


def test_a_folder_that_is_no_dataset_is_said_in_a_line(tmp_path: Path, capfd) -> None:
    assert run(tmp_path) == 1
    assert "neither images in it nor a folder bounding_box_train" in capfd.readouterr().err
