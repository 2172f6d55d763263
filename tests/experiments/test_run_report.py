from pathlib import Path

import pytest
from page_reader import check_self_contained
from small_runs import write_run

from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.run_report import (
    LONGEST_NAME,
    MOST_RUNS,
    PAGE,
    page_for,
    report_page,
    write_page,
)


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, "pairs", {"pairs": 2}) for name in "ab"]
    out = tmp_path / "page.html"
    size = write_page(runs, out)
    first = out.read_bytes()
    assert len(first) == size
    write_page(runs, out)
    assert out.read_bytes() == first
    check_self_contained(first.decode())
    with pytest.raises(UsageError, match=f"{MOST_RUNS} are the most"):
        report_page(runs * MOST_RUNS)


def test_pages_of_several_runs_are_named_after_them(tmp_path: Path) -> None:
    file = tmp_path / "keypoints.csv"
    file.touch()
    assert page_for([tmp_path]) == tmp_path / PAGE
    assert page_for([file]) == tmp_path / "keypoints.html"
    assert page_for([tmp_path / "gone"]) == Path(PAGE)
    assert page_for([Path("x/a"), Path("x/b")]) == Path("report_a_b.html")
    assert page_for([Path("x/reid"), Path("y/reid")]) == Path("report_x-reid_y-reid.html")
    many = [Path(f"{k}{'long' * 20}") for k in range(6)]
    names = {page_for(many).name, page_for(many[:5]).name, page_for([*many[:5], Path("b")]).name}
    assert len(names) == 3 and all(len(name) < LONGEST_NAME for name in names)


def test_a_file_of_the_users_is_not_overwritten(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", "pairs", {"pairs": 2})
    mine = tmp_path / "mine.html"
    mine.write_text("<p>mine</p>")
    for out, told in ((mine, "no page of reidaug"), (tmp_path / "no" / "a.html", "a folder that")):
        with pytest.raises(UsageError, match=told):
            write_page([run], out)
    assert mine.read_text() == "<p>mine</p>"


def test_a_demo_without_its_stages_is_one_line(tmp_path: Path) -> None:
    demo = write_run(tmp_path / "demo", "demo", {"flow": {}}, sizes={})
    with pytest.raises(ReidaugError, match="damaged, or of another version"):
        report_page([demo])
