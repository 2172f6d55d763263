import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from reidaug.commands import options
from reidaug.errors import UsageError


def test_paths_that_no_report_can_hold_are_refused(tmp_path: Path) -> None:
    @click.command()
    @click.argument("path", type=options.PATH)
    def show(path: Path) -> None:
        click.echo(repr(path))

    (tmp_path / "loop").symlink_to("loop")
    for path, why in (
        (tmp_path / "loop", "a link that leads round in a circle"),
        (tmp_path / os.fsdecode(b"a\xff"), "not UTF-8 or with a line break"),
        (tmp_path / ("a" * 300), "File name too long"),
        ("~nobody-of-this-name/crops", "there is no such user"),
    ):
        with pytest.raises(UsageError, match=why):
            CliRunner().invoke(show, [str(path)], catch_exceptions=False)
    (tmp_path / os.fsdecode(b"a\xff")).mkdir()
    (tmp_path / "link").symlink_to(os.fsdecode(b"a\xff"))
    with pytest.raises(UsageError, match="not UTF-8"):
        CliRunner().invoke(show, [str(tmp_path / "link")], catch_exceptions=False)
    assert CliRunner().invoke(show, ["a b"]).output == f"{Path('a b')!r}\n"


def test_the_home_folder_is_meant_also_in_quotes_and_no_path_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    @click.argument("path", type=options.PATH)
    @click.option("--out", "-o", type=options.PATH)
    def show(path: Path, out: Path | None) -> None:
        click.echo(f"{path} {out}")

    monkeypatch.setenv("HOME", str(tmp_path))
    shown = CliRunner().invoke(show, ["~/crops", "--out=~/warps"]).output
    assert shown == f"{tmp_path}/crops {tmp_path}/warps\n"
    for arguments, name in ((["", "-o", "x"], "PATH"), (["x", "--out", ""], "-o")):
        with pytest.raises(UsageError, match=f"^{name}: the path is empty"):
            CliRunner().invoke(show, arguments, catch_exceptions=False)
