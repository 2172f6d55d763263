"""Pages of what is no experiment: checks of datasets, estimated poses, rendered data, pairs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reidaug.report.augment_section import CROP_PIXELS
from reidaug.report.html import PageImage, number, scaled, thousands
from reidaug.report.page import (
    Block,
    Cell,
    Crops,
    Heading,
    Row,
    Section,
    Sheet,
    Table,
    Text,
    Tile,
    numbers_table,
)

RANKS = {"problem": "Problems", "advice": "Advice", "remark": "Remarks"}
SHOWN = 12
FOLDERS = ("bounding_box_train", "train")  # of the images of rendered data


def check_title(report: Mapping[str, Any]) -> str:
    """Say in one line what a dataset can be used for."""
    uses = [use for use, fine in report["usable"].items() if fine]
    name = Path(report["dataset"]).name
    if len(uses) == len(report["usable"]):
        return f"{name}: usable for {', '.join(uses)}"
    stopped = [use for use, fine in report["usable"].items() if not fine]
    return f"{name}: not usable for {', '.join(stopped)}"


def check_tiles(report: Mapping[str, Any]) -> list[Tile]:
    """Count the findings by rank."""
    found = [finding["rank"] for finding in report["findings"]]
    return [
        Tile(str(found.count(rank)), "", name.lower(), main=rank == "problem")
        for rank, name in RANKS.items()
    ]


def check_sections(report: Mapping[str, Any]) -> list[Section]:
    """Show the splits of a dataset, and the findings by rank."""
    keys = ("ids", "images", "cameras", "junk", "distractors")
    rows = [
        Row(name, [Cell(thousands(counts[key])) for key in keys])
        for name, counts in report["splits"].items()
    ]
    blocks: list[Block] = [
        Text([report["dataset"]]),
        Table("Splits of the dataset", ("Split", "persons", *keys[1:]), rows),
    ]
    if report.get("names"):
        blocks.append(Text([f"Names are read so: {'; '.join(report['names'])}"]))
    findings: list[Block] = []
    for rank, name in RANKS.items():
        some = [finding for finding in report["findings"] if finding["rank"] == rank]
        if some:
            findings.append(Heading(name))
        findings += [_finding(finding) for finding in some]
    if not findings:
        findings = [Text(["Nothing was found."])]
    return [Section("dataset", "Dataset", blocks), Section("findings", "Findings", findings)]


def _finding(finding: Mapping[str, Any]) -> Text:
    stops = f" (stops {', '.join(finding['stops'])})" if finding["stops"] else ""
    lines = [f"{finding['where']}: {finding['what']}{stops}"]
    if finding["examples"]:
        more = finding["cases"] - len(finding["examples"])
        rest = f" and {thousands(more)} more" if more > 0 else ""
        lines.append(f"{', '.join(finding['examples'])}{rest}")
    return Text([*lines, f"→ {finding['advice']}"])


def pose_tiles(report: Mapping[str, Any]) -> list[Tile]:
    """Count crops and people."""
    return [
        Tile(thousands(report["people"]), "", "people found", main=True),
        Tile(thousands(report["crops"]), "", "crops"),
        Tile(thousands(report["without_person"]), "", "crops without a person"),
        Tile(thousands(report["at_second_try"]), "", "people found at a second try"),
    ]


def pose_sections(report: Mapping[str, Any], sheet: Path, pixels: int) -> list[Section]:
    """Show how often each joint is visible, and the least certain crops."""
    shares = {
        name.replace("_", " "): f"{number(100 * share, 0)} %"
        for name, share in report["joints"].items()
    }
    table = numbers_table("Visible joints", shares, head=("Joint", "share of people"))
    sections = [Section("joints", "Visible joints", [table])]
    if sheet.exists():
        alt = "The least certain crops with their skeletons and outlines"
        image = Sheet(scaled(sheet, alt, pixels), "The least certain crops come first.")
        sections.insert(0, Section("crops", "Least certain crops", [image]))
    return sections


def counts_section(report: Mapping[str, Any]) -> Section:
    """Show the plain numbers of a report in a table."""
    values = {
        key.replace("_", " "): thousands(value) if type(value) is int else str(value)
        for key, value in report.items()
        if isinstance(value, int | float | str)
    }
    return Section("numbers", "Numbers", [numbers_table("Numbers of the run", values)])


def images_section(folder: Path) -> list[Section]:
    """Show some images of a folder of a run, chosen by number; nothing where it has none."""
    for name in FOLDERS:
        files = sorted(p for p in (folder / name).glob("*") if p.suffix in (".jpg", ".png"))
        if files:
            count = min(SHOWN, len(files))
            chosen = [files[(2 * k + 1) * len(files) // (2 * count)] for k in range(count)]
            groups: list[list[PageImage]] = [
                [scaled(path, f"Image {path.name}", CROP_PIXELS)] for path in chosen
            ]
            caption = f"{count} of {thousands(len(files))} images of {name}, chosen by number."
            return [Section("images", "Images", [Crops(groups, caption)])]
    return []
