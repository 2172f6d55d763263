"""Standard streams that the caller closed, or that cannot hold every character."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CLOSED = """
import os, sys
from pathlib import Path
from reidaug.streams import make_usable
make_usable()
first = Path(sys.argv[1]).open("w")
print("a result")
sys.stderr.write("a line")
os.write(1, b"of a library")
os.write(2, b"of a library")
sys.stdin.read()
first.write(str(first.fileno() > 2))
"""


@pytest.mark.parametrize("numbers", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)])
def test_nothing_is_printed_into_files_where_streams_are_closed(
    tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    closed = " ".join(f"{number}>&-" for number in numbers)
    command = f'exec "$0" -c "$1" "$2" {closed}'
    code = subprocess.run(
        ["sh", "-c", command, sys.executable, CLOSED, tmp_path / "first"], check=False, timeout=60,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ).returncode  # fmt: skip
    assert (code, (tmp_path / "first").read_text()) == (0, "True")


def test_characters_that_a_stream_lacks_are_escaped() -> None:
    text = "from reidaug.streams import make_usable; make_usable(); print('a \\u2013 \\u00e9')"
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-c", text]
    shown = subprocess.run(command, capture_output=True, check=True, env=environment, timeout=60)
    assert shown.stdout == b"a \\u2013 \xe9\n"


REFUSED = """
import sys
from reidaug.streams import make_usable, refused
make_usable()
print("a result " * int(sys.argv[1]))
sys.stderr.write("a line")
print("another")
why = refused()
sys.stderr.write(f"; {why}")
"""


def test_unbuffered_streams_stay_so() -> None:
    """Of ``python -u`` or PYTHONUNBUFFERED, as containers set it: nothing waits for a flush."""
    text = "import os, sys; from reidaug.streams import make_usable; make_usable();"
    text += "sys.stderr.write('a warning'); sys.stdout.write('a result'); os._exit(0)"
    command = [sys.executable, "-u", "-c", text]
    shown = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert (shown.stdout, shown.stderr) == (b"a result", b"a warning")


@pytest.mark.parametrize("unbuffered", [(), ("-u",)])
@pytest.mark.parametrize("length", [1, 10_000])
@pytest.mark.parametrize(
    ("sink", "why"), [("/dev/full", "No space left on device"), ("", "Broken pipe")]
)
def test_what_a_stream_refuses_is_dropped_and_told(
    sink: str, why: str, length: int, unbuffered: tuple[str, ...]
) -> None:
    """In the end: the work goes on, and its results are files."""
    if sink and not Path(sink).exists():
        pytest.skip(f"needs {sink}")
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open(sink, os.O_WRONLY) if sink else os.dup(writer)
    command = [sys.executable, *unbuffered, "-c", REFUSED, str(length)]
    try:
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
        assert (ended.returncode, ended.stderr) == (0, f"a line; standard output: {why}")
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=full, text=True, check=False, timeout=60
        )
        assert (ended.returncode, ended.stdout.endswith("result \nanother\n")) == (0, True)
    finally:
        os.close(writer)
        os.close(full)
