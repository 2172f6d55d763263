"""Records of runs: what a page is made of, read from a run folder or a command's own file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reidaug.checksums import RECIPE, REPORT, describe
from reidaug.errors import ReidaugError, printable
from reidaug.files import read_text
from reidaug.runs import RunFolder, stored_recipe

EVALUATE = "finetune-eval --eval-only"
CHECK, POSE, DEMO = "check", "pose", "demo"
KEPT = ".page.json"
"""What a run keeps of its page: of which state of the run it is, its checksum, and the machine."""
CHECK_KEYS = {"dataset", "splits", "findings", "usable"}
POSE_KEYS = {"crops", "people", "joints", "without_person"}
POSE_REPORT = ".report.json"  # beside the keypoint file of `reidaug pose`
LOOKED_AT = (
    RECIPE, REPORT, "contact_sheet.png", "manifest.parquet", "poses.json", "warps.png",
    "ranked.png",
)  # fmt: skip
"""Files whose checksums are asked; thousands of crops would take minutes."""


class RunRecord(NamedTuple):
    """One run, as its files tell it."""

    path: Path  # its folder, or the file that it wrote
    kind: str  # the command that made it, without options
    command: str  # with options, as its recipe has it
    recipe: Mapping[str, Any]  # resolved; nothing where the command keeps none
    report: Mapping[str, Any]  # content of ``report.json``; nothing while it is unfinished
    log: Sequence[Mapping[str, Any]]  # its log
    finished: bool
    machine: str = ""  # where its page was left; nothing where it is not known


def read_run(path: Path) -> RunRecord:
    """Read the run in a folder, the report of `reidaug check`, or a keypoint file of `pose`.

    Raises:
        ReidaugError: There is none, or its files are damaged.
    """
    if not path.exists():
        raise ReidaugError(f"{printable(path)}: there is no such run")
    if not path.is_dir():
        return _of_file(path)
    recipe = stored_recipe(path)
    command = recipe.get("command")
    if not isinstance(command, str):
        what = f"{RECIPE} is damaged" if (path / RECIPE).exists() else f"has no {RECIPE}"
        what = f"{RECIPE} in it is that of no run" if recipe else what
        raise ReidaugError(
            f"{printable(path)}: {what}; name the folder that a command was given as --out, the "
            "file of check --json or the keypoints of pose"
        )
    run = RunFolder(path, resumed=True)
    if changed := run.checksums.changed(LOOKED_AT):
        raise ReidaugError(
            f"{printable(path)}: {describe(changed)}; run its command again, which makes again "
            "what is damaged"
        )
    report = _report(path / REPORT) if (path / REPORT).exists() else {}
    kind = EVALUATE if command.startswith(EVALUATE) else command.partition(" --")[0]
    machine = str(read_kept(path).get("machine", ""))
    return RunRecord(path, kind, command, recipe, report, run.records(), bool(report), machine)


def read_kept(folder: Path) -> dict[str, Any]:
    """Read what a run keeps of its page; nothing where it is missing or damaged."""
    try:
        values = json.loads(read_text(folder / KEPT))
    except (ReidaugError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _of_file(path: Path) -> RunRecord:
    """Read a file that a command without a run folder wrote."""
    report = path
    if not path.name.endswith(".json"):
        report = path.with_name(path.with_suffix("").name + POSE_REPORT)
        if not report.exists():
            raise ReidaugError(
                f"{printable(path)}: neither a run folder nor the work of a command; no "
                f"{report.name} is beside it"
            )
    values = _report(report)
    for kind, keys in ((CHECK, CHECK_KEYS), (POSE, POSE_KEYS)):
        if keys <= values.keys():
            return RunRecord(path, kind, kind, {}, values, (), True)
    raise ReidaugError(f"{printable(path)}: no report of a command that has no run folder")


def _report(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(read_text(path))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not values:
        raise ReidaugError(f"{printable(path)}: damaged; run its command again")
    return values
