"""Break commands off in every way, go on, and compare; read spoiled files: docs/reliability.md.

python benchmarks/reliability.py commands --kills 50
python benchmarks/reliability.py files --minutes 10
python benchmarks/reliability.py files COCO OpenPose --minutes 10
python benchmarks/reliability.py commands pose --kills 50
python benchmarks/reliability.py commands --faults "source gone" "full disk" --kills 50

The trials are those of tests/faults, on inputs of a second or two. They come in rounds, of every
command a few, and the results so far are written after each: a run that is stopped has tried less.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from provenance import RESULTS, ROOT, about, write_result

FAULTS = ROOT / "tests" / "faults"
COMMANDS = (
    "augment", "pairs", "synth pairs", "train-flow", "finetune-eval", "synth market",
    "synth surfaces", "pose", "compare",
)  # fmt: skip
SLOW = ("train-flow, surfaces", "finetune-eval, uda")
READERS = (
    "images", "keypoints CSV", "COCO", "OpenPose", "MAT", "Parquet", "recipes", "weights",
    "flow checkpoints", "flows", "target poses", "training states", "pair lists", "image lists",
    "file names",
)  # fmt: skip
WITH_WORKERS = (
    "augment, 2 workers", "pairs, 2 workers", "synth pairs, 2 workers", "train-flow, 2 workers",
    "finetune-eval, 2 workers", "synth market, 2 workers", "synth surfaces, 2 workers",
    "pose, 2 workers", "compare, 2 workers", "finetune-eval, uda, 2 workers",
)  # fmt: skip
ROUND = {"kill": 5, "SIGINT": 1, "SIGTERM": 1, "SIGHUP": 1, "full disk": 1, "output gone": 1}
ROUND |= {"source gone": 1, "source cut": 1, "output refused": 1}
WORKERS = {"worker": 1, "parent": 1, "two runs": 1}
KINDS = {
    "traceback": "traceback", "hang": "hang", "lost": "lost or changed",
    "differs": "lost or changed", "left over": "left over", "log.jsonl": "log doubled",
    "exit code": "another exit code", "full disk told": "told otherwise",
    "processes left": "processes left",
}  # fmt: skip


def main() -> None:
    """Try one or the other, and write benchmarks/results/reliability*.json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("commands", "files"))
    parser.add_argument("only", nargs="*", help="Some of them; results of others stay.")
    parser.add_argument(
        "--faults", nargs="+", choices=[*ROUND, *WORKERS], default=[],
        help="Some of them; results of others stay.",
    )  # fmt: skip
    parser.add_argument("--kills", type=int, default=50, help="Trials with kills of each command.")
    parser.add_argument(
        "--minutes", type=float, default=10, help="CPU minutes for each kind of file."
    )
    parser.add_argument("--hours", type=float, default=24, help="Begin no round after these.")
    arguments = parser.parse_args()
    command = f"python benchmarks/reliability.py {arguments.what}"
    if arguments.what == "files":
        command += f" --minutes {arguments.minutes:g}"
        path = RESULTS / "reliability_files.json"
        readers = json.loads(path.read_text())["readers"] if arguments.only else {}
        for name in arguments.only or READERS:
            own = about(command)
            readers[name] = fuzzed(name, arguments.minutes) | {"commit": own["commit"]}
            write_result(path.stem, command, readers=readers)
        return
    command += f" --kills {arguments.kills}"
    path, commit = RESULTS / "reliability.json", about(command)["commit"]
    only, chosen = arguments.only, arguments.faults
    before = json.loads(path.read_text()) if only or chosen else {"commands": {}, "commits": {}}
    commands = {
        name: {f: row for f, row in faults.items() if chosen and f not in chosen}
        if not only or name in only else faults
        for name, faults in before["commands"].items()
    }  # fmt: skip
    commits = {name: before["commits"][name] for name, faults in commands.items() if faults}
    until = time.monotonic() + 3600 * arguments.hours
    for name, fault, trial in trials(arguments.kills, until, only=only, faults=chosen):
        count(commands.setdefault(name, {}), fault, trial)["commit"] = commit
        commits[name] = commit
        write_result(path.stem, command, commands=commands, commits=commits)


def fuzzed(name: str, minutes: float) -> dict[str, Any]:
    """Read spoiled files of a kind in a process of its own."""
    command = [sys.executable, str(FAULTS / "fuzz.py"), name, "--minutes", str(minutes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        return {
            "minutes": minutes,
            "died": done.returncode,
            "read": 0,
            "refused": 0,
            "failures": [],
        }
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {key: result[key] for key in ("minutes", "read", "refused", "failures")}


def trials(
    kills: int, until: float, *, only: Sequence[str], faults: Sequence[str] = ()
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the trials of all commands, or of some, in rounds: command, fault, result."""
    alone = ["unshare", "-rm"]  # with mounts of its own: small disks
    may = shutil.which("unshare") and subprocess.run([*alone, "true"], check=False).returncode == 0
    command = [*(alone if may else ()), sys.executable, str(FAULTS / "trials.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        chosen = {f for f in faults or (*ROUND, *WORKERS) if may or f != "full disk"}
        for request in _requests(kills, chosen):
            if only and request["command"] not in only:
                continue
            if time.monotonic() > until:
                break
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                result = json.loads(line)
                if "done" in result:
                    break
                yield request["command"], result["fault"], result
            else:
                raise SystemExit("the process of the trials ended; see above")
        process.stdin.close()


def _requests(kills: int, chosen: Collection[str]) -> Iterator[dict[str, Any]]:
    others = {fault: trials for fault, trials in ROUND.items() if fault != "kill"}
    for number in range(-(-kills // ROUND["kill"])):
        first = {name: {"kill": ROUND["kill"]} for name in (*COMMANDS, *SLOW)}
        workers = {**WORKERS, "two runs": int(number % 4 == 0)}
        first |= dict.fromkeys(WITH_WORKERS, workers)
        rest = dict.fromkeys((*COMMANDS, *SLOW), others)
        for name, faults in (*first.items(), *rest.items()):
            if some := {fault: count for fault, count in faults.items() if fault in chosen}:
                yield {"command": name, "faults": some, "seed": number}


def count(command: dict[str, Any], fault: str, trial: dict[str, Any]) -> dict[str, Any]:
    """Add a trial to the counts of its command and fault, and give these."""
    sums: dict[str, Any] = command.setdefault(
        fault, {"trials": 0, "times": 0, "as whole": 0, "wrong": {}}
    )
    sums["trials"] += 1
    sums["times"] += trial["times"]
    sums["as whole"] += not trial["wrong"]
    kinds = {
        next((kind for start, kind in KINDS.items() if wrong.startswith(start)), "did not go on")
        for wrong in trial["wrong"]
    }
    for kind in kinds:
        sums["wrong"][kind] = sums["wrong"].get(kind, 0) + 1
    for wrong in trial["wrong"][:2]:
        examples = sums.setdefault("examples", [])
        if len(examples) < 5:
            examples.append(re.sub(r"/\S*/out/", "", wrong))
    return sums


if __name__ == "__main__":
    main()
