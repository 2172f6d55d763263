"""Reference of the commands, as `reidaug COMMAND --help` prints it."""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module

import click

from reidaug.cli import COMMANDS, group, with_loudness


def command_pages() -> dict[str, str]:
    """Write a page for every command; gives Markdown by the page's path."""
    pages = {"reference/commands.md": _overview()}
    for name, entry in COMMANDS.items():
        command = import_module(f"reidaug.commands.{entry.module}").command
        needs = f"Needs the extra `{entry.extra}`." if entry.extra else ""
        lines = _command(with_loudness(command), f"reidaug {name}", level=1, first=needs)
        pages[f"reference/{name}.md"] = "\n".join([*lines, ""])
    return pages


def _overview() -> str:
    lines = ["# Commands", "", "| command | what it does | extra |", "|---|---|---|"]
    for name, entry in COMMANDS.items():
        extra = f"`{entry.extra}`" if entry.extra else ""
        lines.append(f"| [`reidaug {name}`]({name}.md) | {entry.help} | {extra} |")
    lines += ["", *_options(group, click.Context(group, info_name="reidaug"))]
    return "\n".join([*lines, "", plain(group.epilog or ""), ""])


def _command(command: click.Command, name: str, *, level: int, first: str = "") -> list[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"{'#' * level} {name}", "", *_prose(command.help or ""), first, ""]
    lines += ["```text", usage, "```", "", *_options(command, context)]
    if isinstance(command, click.Group):
        for inner, part in command.commands.items():
            lines += ["", *_command(part, f"{name} {inner}", level=level + 1)]
    return lines


def _prose(text: str) -> Iterator[str]:
    """Turn a help text into Markdown; paragraphs that click does not wrap are listings."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield from ("```bash", paragraph.removeprefix("\b\n"), "```", "")
        else:
            yield from (plain(paragraph), "")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        names, text = parameter.get_help_record(context) or ("", "")
        if text:  # arguments are told of in the text above
            yield from (f"`{names}`", f":   {plain(text)}", "")


def plain(text: str) -> str:
    """Escape text that is no Markdown but for its `code`."""
    parts = " ".join(text.split()).split("`")
    parts[::2] = [re.sub(r"([\\*_<>\[\]])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)
