import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from commandline import reidaug

from reidaug import cli

ROOT = Path(cli.__file__).parents[1]


def test_the_command_line_answers_without_heavy_imports() -> None:
    code = (
        "import sys, reidaug.cli\n"
        "try: reidaug.cli.main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nonsense"], 2, "No such command 'nonsense'"),
        (["augment"], 2, "Missing argument"),
        (["train-flow", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["finetune-eval", "nowhere.yaml"], 2, "nowhere.yaml"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], code: int, says: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "reidaug", *arguments], capture_output=True, text=True, check=False
    )
    assert ran.returncode == code
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_file_that_ends_early_is_no_interruption(capsys, monkeypatch) -> None:
    @click.command()
    def read() -> None:
        raise EOFError("no data left in file")

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: read)
    with pytest.raises(SystemExit) as stop:
        cli.main(["augment"])
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert "a file is shorter than it should be (no data left in file)" in error
    assert "interrupted" not in error


@pytest.mark.parametrize("kind", [ImportError, SystemError, OSError])
def test_an_interruption_that_a_library_made_an_error_of_is_one_line(
    kind: type[Exception], capsys, monkeypatch
) -> None:
    @click.command()
    def read() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise kind("import failed") from error

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: read)
    with pytest.raises(SystemExit) as stop:
        cli.main(["augment"])
    assert stop.value.code == 130
    assert capsys.readouterr().err.startswith("reidaug: interrupted; run the same command again")


def test_output_that_nobody_reads_is_one_line_after_the_work() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for errors in (subprocess.PIPE, writer):
        ran = subprocess.run(
            [sys.executable, "-m", "reidaug", "--version"], stdout=writer, stderr=errors, text=True,
            check=False,
        )  # fmt: skip
        assert ran.returncode == 1
        if errors == subprocess.PIPE:
            assert ran.stderr.startswith("reidaug: standard output: Broken pipe; some of what was")
            assert ran.stderr.count("\n") == 1
    os.close(writer)


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        (["augmnet"], "No such command 'augmnet'; did you mean 'augment'?"),
        (["finetune", "x.yaml"], "No such command 'finetune'; did you mean 'finetune-eval'?"),
        (["my_crops"], "No such command 'my_crops'\n"),
        (["check", "--patern", "x"], "'--pattern'"),
        (["study", "srve"], "'serve'"),
    ],
)
def test_a_misspelt_command_or_option_is_asked_about(typed: list[str], asked: str, capsys) -> None:
    assert reidaug(*typed) == 2
    assert asked in capsys.readouterr().err


def test_without_a_command_it_says_what_to_try_first(capsys) -> None:
    assert reidaug() == 0
    lines = capsys.readouterr().out.splitlines()
    tried = [line.split()[1] for line in lines if line.startswith("  reidaug ")]
    assert tried == ["demo", "check", "augment"]
    assert all(name in cli.COMMANDS for name in tried)


@pytest.mark.parametrize("before", [True, False])
def test_loudness_is_chosen_before_or_after_the_command(before: bool, tmp_path, capsys) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    (crops / "a.jpg").write_bytes(b"no image")
    command = ["check", str(crops), "--workers", "1"]
    for option, said in (("-q", False), ("--quiet", False), ("-v", True), ("--verbose", True)):
        reidaug(*([option, *command] if before else [*command, option]))
        error = capsys.readouterr().err
        assert (f"reading {crops / 'a.jpg'}" in error) == said
        assert ("Traceback" in error) == said
        assert error.splitlines()[-1].endswith(" s") == said
    assert reidaug("-q", "check", "-v", crops) == 2
    assert "choose one" in capsys.readouterr().err


def test_commands_and_those_below_them_have_the_options_of_all() -> None:
    for name in ("check", "synth", "synth"):  # taken twice, they have the options once
        command = cli.group.get_command(click.Context(cli.group), name)
        inner = getattr(command, "commands", {}).values()
        for found in (command, *inner):
            flags = [flag for option in found.params for flag in option.opts]
            assert len(flags) == len(set(flags))
            assert {"--quiet", "-q", "--verbose", "-v"} <= set(flags)


def completed(words: str, monkeypatch, capsys) -> list[str]:
    monkeypatch.setenv("_REIDAUG_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    reidaug()
    told = capsys.readouterr()
    assert told.err == ""
    return [line.split(",")[1] for line in told.out.splitlines() if line]


def test_shells_complete_commands_and_options(monkeypatch, capsys) -> None:
    assert completed("reidaug ", monkeypatch, capsys)[: len(cli.COMMANDS)] == [*cli.COMMANDS]
    assert completed("reidaug au", monkeypatch, capsys) == ["augment"]
    assert "--keypoints" in completed("reidaug check --k", monkeypatch, capsys)
    monkeypatch.setitem(cli.EXTRAS, "onnx", ("no_such_module",))
    assert "--out" not in completed("reidaug export --o", monkeypatch, capsys)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_completion_is_offered_as_the_help_says(
    shell: str, monkeypatch, capsys
) -> None:
    assert reidaug("--help") == 0
    assert f"{shell}_source" in capsys.readouterr().out
    monkeypatch.setenv("_REIDAUG_COMPLETE", f"{shell}_source")
    reidaug()
    assert "_REIDAUG_COMPLETE" in capsys.readouterr().out


def test_nothing_is_coloured() -> None:
    """NO_COLOR asks for what is so anyway: no module styles what it prints."""
    package = Path(cli.__file__).parent
    for path in package.rglob("*.py"):
        assert not re.search(r"click\.(style|secho)|\\033\[|\\x1b\[", path.read_text()), path


def test_a_file_of_the_current_folder_is_no_module_of_the_start(tmp_path: Path) -> None:
    for name in ("pathlib", "signal", "threading", "click", "contextlib"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    ran = subprocess.run(
        [sys.executable, "-m", "reidaug", "--version"], capture_output=True, text=True, check=False,
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ran.stdout.startswith("reidaug, version"), ran.stderr


def test_examples_stand_on_lines_of_their_own() -> None:
    context = click.Context(cli.group)
    for name in cli.group.list_commands(context):
        command = cli.group.get_command(context, name)
        for found in (command, *getattr(command, "commands", {}).values()):
            assert "\\b" not in found.get_help(click.Context(found)), found.name


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "not enough memory; end other programs"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
            "not enough memory",
        ),
        (RuntimeError("can't start new thread"), "not enough memory (can't start new thread)"),
    ],
)
def test_a_lack_of_memory_is_one_line(error: Exception, says: str, capsys, monkeypatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(cli.group, "main", fail)
    assert reidaug("check", "crops") == 1
    told = capsys.readouterr().err
    assert told.startswith(f"reidaug: {says}") and told.count("\n") == 1


def test_a_current_folder_that_was_removed_is_told(tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for crops in ("crops", tmp_path):  # also where no path is of it: MKL needs one
        assert reidaug("check", crops) == 1
        told = capsys.readouterr().err
        assert told == "reidaug: the current folder was removed; change to one that is there\n"
