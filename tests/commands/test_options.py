from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner
from pydantic import Field

from reidaug.cli import main
from reidaug.commands import options
from reidaug.data.crop_names import PATTERN_HELP
from reidaug.data.image_folders import ALLOW_HELP
from reidaug.data.layouts import LAYOUT_HELP
from reidaug.recipes import Recipe, resolve


class Example(Recipe):
    """A recipe with a field of each kind."""

    name: str | None = Field(default=None, description="A name.")
    folder: Path | None = None
    count: int = Field(default=3, ge=1, le=9)
    share: float = Field(default=0.5, ge=0, le=1)
    kind: Literal["round", "flat"] = "round"
    colour: str = "grey"
    spread: bool = True
    keep_all: bool = False
    hidden: int = 7


@click.command()
@options.of_recipe(Example, choices={"colour": ("grey", "red")}, leave_out=("hidden",))
def command(**chosen: Any) -> None:
    click.echo(repr(resolve(chosen, Example, where="example")))


def result(*arguments: str) -> str:
    return CliRunner().invoke(command, arguments).output


def test_defaults_are_those_of_the_recipe() -> None:
    assert result() == f"{Example()!r}\n"


def test_every_kind_of_field_has_its_option() -> None:
    arguments = "--name a --folder b --count 9 --share 0.1 --kind flat --colour red --no-spread"
    expected = Example(
        name="a", folder=Path("b"), count=9, share=0.1, kind="flat", colour="red", spread=False,
        keep_all=True,
    )  # fmt: skip
    assert result(*arguments.split(), "--keep-all") == f"{expected!r}\n"


@pytest.mark.parametrize(
    "wrong", ["--count 0", "--count 10", "--share 2", "--kind x", "--colour x", "--hidden 1"]
)
def test_values_outside_the_range_are_refused(wrong: str) -> None:
    assert wrong.split(maxsplit=1)[0] in result(*wrong.split())
    assert "Usage" in result(*wrong.split())


@pytest.mark.parametrize(
    "words",
    [
        ["augment", "x", "--out", "y", "--min-quality", "nan"],
        ["augment", "x", "--out", "y", "--seed", str(2**40)],
        ["augment", "x", "--out", "y", "--workers", "100000"],
        ["synth", "pairs", "--out", "y", "--people", "2", "--cut", "nan"],
        ["finetune-eval", "r.yaml", "--average-weight", "nan"],
        ["finetune-eval", "r.yaml", "--average-weight", "inf"],
    ],
)
def test_numbers_that_are_none_are_refused_by_every_command(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "Invalid value for" in capsys.readouterr().err.replace("invalid value", "Invalid value")


def test_the_help_comes_from_the_recipe() -> None:
    printed = result("--help")
    assert "A name." in printed
    assert "--spread / --no-spread" in printed
    assert "1<=x<=9" in printed
    assert "[grey|red]" in printed


def test_what_was_left_out_is_printed_with_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "left_out.txt"
    path.write_text("")
    options.show_left_out(path, 9, what="images")
    assert capsys.readouterr().err == ""
    path.write_text("a.jpg: torn\n")
    options.show_left_out(path, 9, what="images")
    printed = capsys.readouterr().err
    assert "1 of 9 images left out:" in printed
    assert str(path) in printed


@pytest.mark.parametrize("name", ["check", "pose", "pairs", "augment"])
def test_every_command_reads_names_by_the_same_options(name: str) -> None:
    command = import_module(f"reidaug.commands.{name}").command
    texts = {option.name: option.help for option in command.params if hasattr(option, "help")}
    assert texts["pattern"] == PATTERN_HELP
    assert texts["layout"] == LAYOUT_HELP
    assert texts["allow_left_out"] == ALLOW_HELP
