"""Trials of small commands: a fault, then the same command to its end, compared with a whole run.

``python tests/faults/trials.py`` reads requests from standard input, one JSON object a line:
``{"command": "augment", "faults": {"kill": 50, "SIGTERM": 2}, "seed": 0}``, and writes one for each
trial and, after each request, ``{"done": COMMAND}``. Faults are those of `FAULTS`.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import psutil

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from attempts import Ended, attempt, kill_group  # noqa: E402
from small_commands import COMMANDS, SmallCommand, clear, content, logged  # noqa: E402

ENDS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
ROOM = "64m"  # of the disk, once there is room again


class Whole(NamedTuple):
    """A small command, its inputs, and what it leaves behind when nothing happens to it."""

    name: str
    command: SmallCommand
    folder: Path
    out: Path
    arguments: list[str]
    files: dict[str, bytes]
    log: list[str]
    ended: Ended


def whole_run(name: str, folder: Path) -> Whole:
    """Prepare a command's inputs, and run it to its end."""
    command, out = COMMANDS[name], folder / "out"
    module = str(command.arguments(folder, out)[0]).replace("-", "_")
    import_module(f"reidaug.commands.{module}")
    command.prepare(folder)
    clear(out)
    arguments = [str(argument) for argument in command.arguments(folder, out)]
    if command.workers:
        arguments += ["--workers", str(command.workers)]
    ended = attempt(arguments, folder, place=out)
    if ended.code != 0:
        raise RuntimeError(f"{name}: {ended}")
    return Whole(name, command, folder, out, arguments, content(out), logged(out), ended)


def kill(whole: Whole, draw: random.Random) -> Iterator[Ended]:
    """Kill the whole group before a change of a file or at any time; often the next run too."""
    for _ in range(draw.choice((1, 1, 2))):
        if draw.random() < 0.6 and whole.command.workers < 2:
            number = draw.randint(1, whole.ended.changes)
            yield struck(whole, before=(number, kill_group))
        else:
            yield struck(whole, after=(_moment(whole, draw), _kill_all))


def parent(whole: Whole, draw: random.Random) -> Iterator[Ended]:
    """Kill the command's process alone."""
    yield struck(whole, after=(_moment(whole, draw), psutil.Process.kill))


def worker(whole: Whole, draw: random.Random) -> Iterator[Ended]:
    """Kill one of its workers, as soon as it has some."""

    def strike(process: psutil.Process) -> None:
        workers: list[psutil.Process] = []
        while not workers and process.status() != psutil.STATUS_ZOMBIE:
            with suppress(psutil.NoSuchProcess):
                workers = [p for p in process.children() if _is_worker(p)]
            time.sleep(0.005)
        if workers:
            draw.choice(workers).kill()

    yield struck(whole, after=(_moment(whole, draw), strike))


def _is_worker(process: psutil.Process) -> bool:
    tracker = "resource_tracker" in " ".join(process.cmdline())
    return not tracker and process.status() != psutil.STATUS_ZOMBIE


def told_to_end(name: str) -> Callable[[Whole, random.Random], Iterator[Ended]]:
    """Send a signal before a change of a file, or at any time."""

    def strike(whole: Whole, draw: random.Random) -> Iterator[Ended]:
        number = signal.Signals[name]
        if draw.random() < 0.5:
            moment = (draw.randint(1, whole.ended.changes), lambda: signal.raise_signal(number))
            yield struck(whole, before=moment)
        else:
            after = (_moment(whole, draw), lambda process: process.send_signal(number))
            yield struck(whole, after=after)

    return strike


def two_runs(whole: Whole, draw: random.Random) -> Iterator[Ended]:
    """Start the same command on the same folder a second time, while the first is at work."""
    second: list[subprocess.Popen[bytes]] = []
    said = whole.folder / "second"

    def strike() -> None:
        arguments = [sys.executable, "-m", "reidaug", *whole.arguments, *_resume(whole)]
        with said.open("wb") as file:
            second.append(subprocess.Popen(arguments, stdout=file, stderr=file))
        with suppress(subprocess.TimeoutExpired):
            second[-1].wait(90)
        (whole.folder / "second.code").write_text(str(second[-1].poll()))

    yield struck(whole, before=(draw.randint(2, whole.ended.changes), strike))
    code = (whole.folder / "second.code").read_text()
    line = said.read_text()
    refused = code == "1" and "another run is at work" in line
    yield Ended(1 if refused else 70, line if not refused else "", 0.0, 0, 0)


def full_disk(whole: Whole, draw: random.Random) -> Iterator[Ended]:
    """Let the disk be full after a part of what the command writes."""
    pages = sum(1 + len(x) // 4096 for x in whole.files.values())
    _mount(whole.out, f"size={4096 * draw.randint(1, pages + pages // 4)}")
    yield attempt([*whole.arguments, *_resume(whole)], whole.folder, place=whole.out)
    _mount(whole.out, f"remount,size={ROOM}")


def source_gone(whole: Whole, draw: random.Random) -> Iterator[Ended]:
    """Take one of the files away that the command reads, and put it back afterwards."""
    path, aside = _source(whole, draw), whole.folder / "aside"
    yield struck(whole, before=(_early(whole, draw), lambda: path.rename(aside)))
    if aside.exists():
        aside.rename(path)


def source_cut(whole: Whole, draw: random.Random) -> Iterator[Ended]:
    """Cut one of the files short that the command reads, and put it back afterwards."""
    path, aside = _source(whole, draw), whole.folder / "aside"

    def strike() -> None:
        path.rename(aside)
        path.write_bytes(aside.read_bytes()[: aside.stat().st_size // 2])

    yield struck(whole, before=(_early(whole, draw), strike))
    if aside.exists():
        aside.replace(path)


def output_gone(whole: Whole, draw: random.Random) -> Iterator[Ended]:
    """Kill the command, and lose one of the files that it had written, but no log."""
    yield struck(whole, before=(draw.randint(2, whole.ended.changes), kill_group))
    files = [p for p in sorted(whole.out.rglob("*")) if p.is_file() and not p.is_symlink()]
    files = [p for p in files if p.name != "log.jsonl"]  # what is in none is nowhere else
    if files:
        draw.choice(files).unlink()


def output_refused(whole: Whole, draw: random.Random) -> Iterator[Ended]:
    """Let standard output, error or both take nothing: a full disk, or a pipe without a reader."""
    if draw.random() < 0.5:
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, descriptor = os.pipe()
        os.close(reader)
    streams = dict.fromkeys(draw.choice(((1,), (2,), (1, 2))), descriptor)
    ended = struck(whole, streams=streams)
    os.close(descriptor)
    told = "" if 2 in streams else "reidaug: standard output: "
    wrong = list(_differences(whole))
    if ended.code != int(1 in streams) or told not in ended.said:
        wrong.append(f"{ended.code}, {_last_line(ended)}")
    yield ended._replace(code=70, said="; ".join(wrong)) if wrong else ended


FAULTS: dict[str, Callable[[Whole, random.Random], Iterator[Ended]]] = {
    "kill": kill,
    "parent": parent,
    "worker": worker,
    "SIGINT": told_to_end("SIGINT"),
    "SIGTERM": told_to_end("SIGTERM"),
    "SIGHUP": told_to_end("SIGHUP"),
    "two runs": two_runs,
    "full disk": full_disk,
    "source gone": source_gone,
    "source cut": source_cut,
    "output gone": output_gone,
    "output refused": output_refused,
}


def struck(whole: Whole, **moment: Any) -> Ended:
    """Run a command, as one that goes on would, with something happening to it."""
    return attempt([*whole.arguments, *_resume(whole)], whole.folder, place=whole.out, **moment)


def trial(whole: Whole, fault: str, seed: str) -> dict[str, Any]:
    """Let a fault happen, run the same command to its end, and compare.

    Returns:
        JSON values; ``wrong`` lists what should not be.
    """
    clear(whole.out)
    struck_by = list(FAULTS[fault](whole, random.Random(seed)))
    wrong = [problem for ended in struck_by for problem in _wrong(fault, ended)]
    last = attempt([*whole.arguments, *_resume(whole)], whole.folder, place=whole.out)
    if last.code != 0:
        wrong.append(f"the same command ends with {last.code}: {_last_line(last)}")
    wrong += [*_wrong("", last), *_differences(whole)]
    if os.path.ismount(whole.out):
        subprocess.run(["umount", whole.out], check=True)
    return {
        "command": whole.name,
        "fault": fault,
        "seed": seed,
        "times": sum(_happened(fault, ended) for ended in struck_by),
        "codes": [ended.code for ended in struck_by],
        "said": [_last_line(ended) for ended in struck_by],
        "wrong": wrong,
    }


def _wrong(fault: str, ended: Ended) -> Iterator[str]:
    if ended.code is None:
        yield "hang"
    if "Traceback" in ended.said:
        yield f"traceback: {_last_line(ended)}"
    if ended.left:
        yield f"processes left: {ended.left}"
    if ended.code not in (None, 0, 1, -signal.SIGKILL, ENDS.get(fault)):
        yield f"exit code {ended.code}: {_last_line(ended)}"
    if fault == "full disk" and ended.code == 1 and "No space left on device" not in ended.said:
        yield f"full disk told as: {_last_line(ended)}"


def _differences(whole: Whole) -> Iterator[str]:
    """Compare what is there with what a whole run leaves."""
    found = content(whole.out)
    for name in sorted(whole.files.keys() - found.keys()):
        yield f"lost {name}"
    for name in sorted(found.keys() - whole.files.keys()):
        yield f"left over {name}"
    for name in sorted(found.keys() & whole.files.keys()):
        if found[name] != whole.files[name]:
            yield f"differs {name}"
    log = logged(whole.out)
    if whole.command.repeats:
        log = sorted(set(log))
    if whole.command.resumes and log != sorted(set(whole.log)):
        yield "log.jsonl has other lines, or one twice"


def _happened(fault: str, ended: Ended) -> bool:
    """Whether a fault came before the end of its attempt."""
    if fault in ("kill", "parent", "output gone"):
        return ended.code == -signal.SIGKILL
    if fault == "two runs":
        return ended.seconds > 0
    return fault.startswith(("source", "output refused")) or ended.code != 0


def _source(whole: Whole, draw: random.Random) -> Path:
    return draw.choice(_sources(whole))


def _sources(whole: Whole) -> list[Path]:
    """List the files that a command reads; some read none."""
    files = [p for p in sorted(whole.folder.rglob("*")) if p.is_file() and not p.is_symlink()]
    own = (whole.out, whole.folder / "said", whole.folder / "changes")
    inputs = [p for p in files if not any(p == o or o in p.parents for o in own)]
    return [p for p in inputs if p.name != "recipe.yaml"]


def _early(whole: Whole, draw: random.Random) -> int:
    """Draw one of the first changes or, as often, of all: later on less is read, such as sheets."""
    return draw.randint(1, max(1, whole.ended.changes // draw.choice((1, 3))))


def _moment(whole: Whole, draw: random.Random) -> float:
    return draw.uniform(0.02, 0.98) * whole.ended.seconds


def _kill_all(process: psutil.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _resume(whole: Whole) -> list[str]:
    return ["--resume"] if whole.command.resumes else []


def _last_line(ended: Ended) -> str:
    lines = [line for line in ended.said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)


def _say(result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Answer requests."""
    import torch

    torch.set_num_threads(1)
    place, wholes = Path(tempfile.mkdtemp()), dict[str, Whole]()
    try:
        for line in sys.stdin:
            request = json.loads(line)
            name = request["command"]
            missing = (extra := COMMANDS[name].extra) and find_spec(extra) is None
            if name not in wholes and not missing:
                wholes[name] = whole_run(name, place / name.replace(" ", "_"))
            for fault, count in request["faults"].items() if not missing else ():
                alone = fault.startswith("source") and not _sources(wholes[name])
                for k in range(0 if alone else count):
                    seed = f"{request['seed']} {name} {fault} {k}"
                    _say(trial(wholes[name], fault, seed))
            _say({"done": name, "missing": bool(missing)})
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
