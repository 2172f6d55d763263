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
    assert "2 runs side by side" in Path("report.html").read_text()
    assert reidaug("report", "a", "b", "--out", "c.html") == 0
    assert Path("c.html").read_bytes() == Path("report.html").read_bytes()
    assert reidaug("report", "a", "b/../a") == 2
    assert "the same run is named twice" in capsys.readouterr().err


def test_what_is_no_run_ends_in_one_line(tmp_path: Path, capsys) -> None:
    assert reidaug("report", tmp_path / "gone") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"reidaug: {tmp_path / 'gone'}: there is no such run\n"
    assert reidaug("report") == 2
