from pathlib import Path

from commandline import reidaug
from small_runs import write_run


def test_one_run_has_its_page_beside_it_and_several_where_they_are_told(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        write_run(Path(name), "pairs", {"pairs": 2})
    assert reidaug("report", "a") == 0
    assert capsys.readouterr().out == "a/report.html: 0.0 MB\n"
    assert reidaug("report", "a", "b") == 0
    assert "2 runs side by side" in Path("report_a_b.html").read_text()
    assert reidaug("report", "a", "b", "--out", "c.html") == 0
    assert Path("c.html").read_bytes() == Path("report_a_b.html").read_bytes()
    assert reidaug("report", "a", "b/../a") == 2
    assert "the same run is named twice" in capsys.readouterr().err


def test_pages_of_other_runs_stay_and_one_that_is_replaced_is_told(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        write_run(Path(name), "pairs", {"pairs": ord(name)})
    for others in (("a", "b"), ("a", "c")):
        assert reidaug("report", *others) == 0
    assert {page.name for page in Path().glob("*.html")} == {"report_a_b.html", "report_a_c.html"}
    capsys.readouterr()
    for others, told in (("b", ""), ("b", ""), ("c", ", in place of an earlier page")):
        assert reidaug("report", "a", others, "--out", "page.html") == 0
        assert capsys.readouterr().out == f"page.html: 0.0 MB{told}\n"
    assert reidaug("report", "a") == 0 and reidaug("report", "a") == 0
    assert "in place of" not in capsys.readouterr().out
    Path("report_b_c.html").write_text("of the user")
    assert reidaug("report", "b", "c") == 2
    assert Path("report_b_c.html").read_text() == "of the user"


def test_what_is_no_run_ends_in_one_line(tmp_path: Path, capsys) -> None:
    assert reidaug("report", tmp_path / "gone") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"reidaug: {tmp_path / 'gone'}: there is no such run\n"
    assert reidaug("report") == 2
