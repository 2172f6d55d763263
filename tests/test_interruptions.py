"""Signals end a command in one line, whenever they come."""

import signal
import subprocess
import sys
import time

import pytest

from reidaug.interruptions import (
    HungUp,
    Terminated,
    interruptible,
    interruption_in,
    line_of,
    signal_of,
)

pytestmark = pytest.mark.usefixtures("heard_signals")
WORDS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "its terminal was closed",
}
KINDS = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
    signal.SIGHUP: HungUp,
}
START = """
import os, signal, sys, time
from reidaug.interruptions import *
from reidaug.interruptions import SIGNALS
number = signal.Signals(int(sys.argv[1]))
end_while_importing()
"""
IMPORTS = """
try:
    signal.raise_signal(number)
except BaseException:  # as libraries do amid their imports
    pass
"""
WORK = """
with interruptible():
    raise_from_now_on()
    try:
        signal.raise_signal(number)
    except KeyboardInterrupt as error:
        print(type(error).__name__, flush=True)
signal.raise_signal(number)
"""
COPY = """
with interruptible():
    raise_from_now_on()
    if not (pid := os.fork()):
        signal.raise_signal(number)
        os._exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
IGNORED = """
with interruptible():
    raise_from_now_on()
    signal.raise_signal(number)
    print([signal.getsignal(n) == signal.SIG_IGN for n in SIGNALS])
"""


def run(text: str, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", text, str(int(number))]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("number", WORDS)
def test_a_command_ends_at_once_while_it_is_imported(number: signal.Signals) -> None:
    ended = run(START + IMPORTS, number)
    assert (ended.returncode, ended.stderr) == (128 + number, f"{line_of(number)}\n")
    assert line_of(number).startswith(f"reidaug: {WORDS[number]}; run the same command again")


@pytest.mark.parametrize("number", WORDS)
def test_work_is_closed_and_what_comes_after_it_says_nothing(number: signal.Signals) -> None:
    ended = run(START + WORK, number)
    name = KINDS[number].__name__
    assert (ended.returncode, ended.stdout, ended.stderr) == (-number, f"{name}\n", "")
    assert (signal_of(KINDS[number]()), signal_of(KINDS[number])) == (number, number)


def test_a_terminal_that_is_gone_takes_no_line_and_sends_its_signal_twice() -> None:
    gone = "import os\nos.close(2)\n" + START + IMPORTS
    assert run(gone, signal.SIGHUP).returncode == 129
    closing = "print(type(error).__name__, flush=True)"
    twice = WORK.replace(closing, f"signal.raise_signal(number); {closing}")
    ended = run(START + twice, signal.SIGHUP)
    assert (ended.stdout, ended.stderr) == ("HungUp\n", "")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 7), (signal.SIGTERM, -15), (signal.SIGHUP, 7)]
)
def test_a_copy_of_the_process_ends_with_it_and_says_nothing(
    number: signal.Signals, code: int
) -> None:
    ended = run(START + COPY, number)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{code}\n", "")


def test_what_the_caller_ignores_stays_ignored() -> None:
    before = "import signal\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\n"
    ended = run(before + START + IGNORED, signal.SIGINT)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[True, True, True]\n", "")


@pytest.mark.parametrize("number", WORDS)
def test_an_interruption_amid_the_disposal_of_an_object_is_not_lost(
    number: signal.Signals, capfd
) -> None:
    class Disposed:
        def __del__(self) -> None:
            signal.raise_signal(number)

    before = [signal.getsignal(n) for n in WORDS]
    with pytest.raises(KINDS[number]), interruptible():
        with interruptible():  # of a command that runs another
            pass
        Disposed()
        time.sleep(10)
    assert capfd.readouterr().err == ""
    assert [signal.getsignal(n) for n in WORDS] == before


def test_an_interruption_is_found_in_what_it_became() -> None:
    assert interruption_in(ValueError()) is None
    assert isinstance(interruption_in(Terminated()), Terminated)
    for cause in (None, KeyError()):
        try:
            try:
                raise Terminated
            except Terminated as error:
                raise ImportError from (cause or error)
        except ImportError as error:
            assert isinstance(interruption_in(error), Terminated) == (cause is None)
    try:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise SystemError from None
    except SystemError as error:
        assert interruption_in(error) is not None


EARLY = """
import signal, sys, reidaug.__main__ as start

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "reidaug.interruptions":
            signal.raise_signal(int(sys.argv[1]))

sys.meta_path.insert(0, Interrupted())
start.main()
"""


@pytest.mark.parametrize("number", WORDS)
def test_before_anything_is_imported_a_signal_ends_it_without_a_word(
    number: signal.Signals,
) -> None:
    ended = run(EARLY, number)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-number, "", "")
