"""A full disk in a flow training: one line that names the file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_trainings import train_recipe

# Writing to files below a folder fails once a number of bytes are written there, as on a full disk.
FULL = '''
"""Usage: RECIPE OUT PARTS. Trains; then with room for one part, two parts ... of what it wrote."""
import builtins, contextlib, errno, io, json, os, sys
from pathlib import Path

recipe, parts = sys.argv[1], int(sys.argv[3])
folder = os.path.realpath(sys.argv[2])
room, written = 10**12, 0
real = io.open


class Limited(io.FileIO):
    def write(self, content):
        global written
        size = len(memoryview(content).cast("B"))
        if written + size > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += size
        return super().write(content)


def limited(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, *rest, **more):
    inside = isinstance(file, (str, os.PathLike)) and os.path.realpath(file).startswith(folder)
    if not inside or not set(mode) & set("wa+x"):
        return real(file, mode, buffering, encoding, errors, newline, *rest, **more)
    binary = io.BufferedWriter(Limited(file, mode.replace("b", "").replace("t", "")))
    return binary if "b" in mode else io.TextIOWrapper(binary, encoding, errors, newline)


builtins.open = io.open = limited
from reidaug.cli import main


def train(out, *flags):
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            main(["train-flow", recipe, "--out", out, *flags])
        except SystemExit as end:
            return end.code, said.getvalue()


def weights(out):
    return Path(out, "checkpoint", "model.safetensors").read_bytes()


whole = os.path.join(folder, "whole")
code, said = train(whole)
assert code == 0, said
total = written
for part in range(parts):
    room, written = total * part // parts, 0
    out = os.path.join(folder, str(part))
    code, said = train(out)
    partial = [str(path) for path in Path(out).rglob(".*.part")]
    room = 10**12
    resumed, _ = train(out, "--resume")
    same = resumed == 0 and weights(out) == weights(whole)
    print(json.dumps({"out": out, "code": code, "said": said, "left": partial, "same": same}))
'''


@pytest.mark.slow
def test_a_full_disk_is_one_line_that_names_the_file(people: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    values = train_recipe(people, save_every=3).model_dump(mode="json", exclude_unset=True)
    recipe.write_text(json.dumps(values))
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(recipe), str(tmp_path / "runs"), "16"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0 and "Traceback" not in ran.stderr, ran.stderr
    results = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith('{"out"')]
    assert len(results) == 16
    named = set()
    for result in results:
        lines = [x for x in result["said"].splitlines() if not x.startswith("train: ")]
        assert result["code"] == 1 and len(lines) == 1, result
        assert lines[0].startswith(f"reidaug: {result['out']}{os.sep}")
        assert lines[0].endswith(": No space left on device")
        assert ".part" not in lines[0].replace("state.part", "")
        assert result["left"] == [] and result["same"], result
        named.add(Path(lines[0].split(": ")[1]).name)
    assert {"recipe.yaml", "model.safetensors"} <= named
