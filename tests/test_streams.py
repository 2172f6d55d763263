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
