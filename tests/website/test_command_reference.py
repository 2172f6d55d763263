"""The commands' pages say what --help says."""

from importlib import import_module

import click
import pytest
from command_reference import command_pages, plain

from reidaug.cli import COMMANDS


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return command_pages()


def options(command: click.Command) -> set[str]:
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    own = {name for p in command.params if isinstance(p, click.Option) for name in p.opts}
    return own.union(*map(options, inner))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_every_option_of_its_command(name: str, pages: dict[str, str]) -> None:
    command = import_module(f"reidaug.commands.{COMMANDS[name].module}").command
    page = pages[f"reference/{name}.md"]
    assert page.startswith(f"# reidaug {name}\n")
    assert {option for option in options(command) if f"{option} " not in page + " "} <= {
        option for option in options(command) if f"{option}`" in page or f"{option}," in page
    }
    assert "\b" not in page


def test_the_overview_lists_all_commands(pages: dict[str, str]) -> None:
    for name in COMMANDS:
        assert f"({name}.md)" in pages["reference/commands.md"]


def test_text_that_is_no_markdown_is_escaped_but_for_code() -> None:
    assert plain("a_b *c* <d> `e_f` [g]") == r"a\_b \*c\* \<d\> `e_f` \[g\]"
