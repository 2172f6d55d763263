"""Pages of runs: what a page shows of each kind, and of several runs side by side."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from reidaug.errors import ReidaugError
from reidaug.report.augment_samples import read_samples
from reidaug.report.augment_section import (
    augment_tiles,
    flow_samples_section,
    quality_section,
)
from reidaug.report.augment_section import warps_section as augmented_section
from reidaug.report.compare_section import (
    compare_tiles,
    compare_title,
    costs_section,
    scores_section,
    warps_section,
)
from reidaug.report.data_section import (
    check_sections,
    check_tiles,
    check_title,
    counts_section,
    images_section,
    pose_sections,
    pose_tiles,
)
from reidaug.report.evaluation_section import (
    evaluation_section,
    evaluation_tiles,
    evaluation_title,
    ranked_section,
)
from reidaug.report.experiment import ExperimentReport, FinetuneReport, Scores, read_report
from reidaug.report.flow_section import training_section
from reidaug.report.html import number, signed, thousands
from reidaug.report.page import Block, Cell, Page, Part, Row, Section, Table, Text, Tile
from reidaug.report.recipe_section import differences, recipe_sections
from reidaug.report.reid_section import experiment_blocks, finetune_blocks, training_blocks
from reidaug.report.run_record import DEMO, EVALUATE, RunRecord
from reidaug.report.verdicts import name_of, spread, verdict

SHEET_PIXELS = 3_000_000  # of a contact sheet; of those of several runs together
FOOTER = "Made by reidaug report: one file, which fetches nothing."


class RunPage(NamedTuple):
    """What a page shows of a run."""

    title: str  # its result in one line
    tiles: Sequence[Tile]
    sections: Sequence[Section]


def page_of(record: RunRecord, *, pixels: int = SHEET_PIXELS) -> RunPage:
    """Make the sections of a run.

    Args:
        record: The run.
        pixels: Most pixels of each large picture.

    Raises:
        ReidaugError: It is of an unknown kind, or its report or files are not those of one.
    """
    make = KINDS.get(record.kind)
    if make is None and (record.kind != DEMO or record.finished):
        known = ", ".join([*KINDS, DEMO])
        raise ReidaugError(
            f"{record.path}: a run of {record.kind!r}, of which no page is made; of {known} one is"
        )
    try:
        if make is None or not record.finished:
            return RunPage(f"{record.kind}: not finished", (), [*_so_far(record)])
        shown = make(record, pixels)
        return shown._replace(sections=[*shown.sections, *recipe_sections(record)])
    except (
        ValidationError, KeyError, TypeError, ValueError, AttributeError, IndexError,
        ArithmeticError,
    ) as error:  # fmt: skip
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ReidaugError(
            f"{record.path}: its report, log or recipe is damaged, or of another version ({what})"
        ) from None


def _so_far(record: RunRecord) -> list[Section]:
    """Show what an unfinished run has: its curves and its recipe."""
    blocks = [*training_blocks(record.log)]
    if not blocks:
        blocks = [*training_section({}, record.log).blocks[1:]]
    sections = [Section("progress", "So far", blocks)] if blocks else []
    return [*sections, *recipe_sections(record)]


def pages_of(
    records: Sequence[RunRecord], shown: Sequence[RunPage], *, footer: str = FOOTER
) -> Page:
    """Put one page together, of one run or of several side by side."""
    names = run_names([record.path for record in records])
    warnings = [
        f"{name}: this run is not finished. What it has so far is shown; run its command again."
        for name, record in zip(names, records, strict=True)
        if not record.finished
    ]
    if len(records) == 1:
        eyebrow = f"reidaug {records[0].kind}"
        part = Part("", shown[0].sections)
        title = shown[0].title
        return Page(eyebrow, title, (), [part], shown[0].tiles, warnings, footer=footer)
    first = Part("", [_overview(records, shown, names)])
    parts = [Part(name, one.sections) for name, one in zip(names, shown, strict=True)]
    title = f"{len(records)} runs side by side"
    return Page("reidaug report", title, (), [first, *parts], (), warnings, footer=footer)


def run_names(paths: Sequence[Path]) -> list[str]:
    """Name runs by as many of their last folders as tell them apart."""
    whole = [path.resolve().parts for path in paths]
    longest = max(len(parts) for parts in whole)
    for count in range(1, longest + 1):
        names = ["/".join(parts[-count:]) for parts in whole]
        if len({*names}) == len(names):
            return names
    return [f"{name} ({k})" for k, name in enumerate(map(str, paths), 1)]


def _overview(
    records: Sequence[RunRecord], shown: Sequence[RunPage], names: Sequence[str]
) -> Section:
    """Tabulate the main numbers of several runs, and what differs between their recipes."""
    labels = list(dict.fromkeys(tile.label for one in shown for tile in one.tiles))
    by_run = [{tile.label: f"{tile.value} {tile.unit}".strip() for tile in o.tiles} for o in shown]
    rows = [Row("command", [Cell(record.kind) for record in records])]
    rows += [Row(label, [Cell(one.get(label, "–")) for one in by_run]) for label in labels]
    lines = [f"{name}: {one.title}" for name, one in zip(names, shown, strict=True)]
    table = Table("Main numbers of the runs", ("", *names), rows)
    return Section("overview", "Side by side", [Text(lines), table, *differences(records, names)])


def _augment(record: RunRecord, pixels: int) -> RunPage:
    report = record.report
    found = read_samples(record.path, record.recipe)
    poses = "their own pose" if report["own_pose"] else f"{report['poses']} poses"
    return RunPage(
        f"{thousands(report['images'])} warps of {thousands(report['sources'])} images in {poses}",
        augment_tiles(report),
        [
            augmented_section(record.path, report, record.recipe, pixels, borrowed=found.borrowed),
            flow_samples_section(found, own_pose=report["own_pose"]),
            quality_section(report, found.views),
        ],
    )


def _train_flow(record: RunRecord, pixels: int) -> RunPage:
    del pixels
    report = record.report
    where = ""
    if "rows" in report:
        height, width = report["size"]
        where = (
            f"Scored on {report['pairs']} pairs of people it was never trained on, at "
            f"{height} × {width}."
        )
    section = training_section(report, record.log, where)
    own = next((name for name in report.get("rows", {}) if name == record.recipe.get("row")), None)
    tiles = []
    if own is not None:
        row = report["rows"][own]
        keys = (("epe_px", "px", "flow error", 2), ("l1", "of 255", "l1 to the target", 1),
                ("ssim", "", "SSIM with the target", 3))  # fmt: skip
        tiles = [Tile(number(row[k], d), u, label) for k, u, label, d in keys if row.get(k)]
    return RunPage(f"A trained flow estimator: {own or 'surface flow'}", tiles, [section])


def _compare(record: RunRecord, pixels: int) -> RunPage:
    report = record.report
    return RunPage(
        compare_title(report),
        compare_tiles(report),
        [scores_section(report), warps_section(record.path, pixels), costs_section(report)],
    )


def _finetune(record: RunRecord, pixels: int) -> RunPage:
    del pixels
    blocks: list[Block]
    if record.report["protocol"] == "uda":
        reid, blocks = _adaptation(record.report)
    else:
        tuned = read_report(record.report, FinetuneReport)
        reid, blocks = tuned, finetune_blocks(tuned)
    section = Section("reid", "Re-identification", [*blocks, *training_blocks(record.log)])
    return RunPage(verdict(reid), _gain_tiles(reid), [section])


def _adaptation(report: Mapping[str, Any]) -> tuple[ExperimentReport, list[Block]]:
    """Present an adaptation: its arms, and what every clustering found."""
    reid = read_report(report, ExperimentReport)
    before: dict[str, Scores] = {
        "After training on the source": report["start"],
        "After the warm-up": report["warmup"],
    }
    steps = ", ".join(f"{name_of(name)} {count}" for name, count in report["steps"].items())
    facts = (
        f"From {thousands(report['source_images'])} source crops of "
        f"{thousands(report['source_people'])} people to {thousands(report['target_images'])} "
        f"target crops; steps: {steps}"
    )
    rows = [
        Row(
            f"{name_of(name)}, seed {seed}",
            [Cell(" · ".join(str(one[key]) for one in found)) for key in ("clusters", "outliers")],
        )
        for name, seeds in report["clusters"].items()
        for seed, found in zip(reid.seeds, seeds, strict=False)
    ]
    head = ("Stage or arm", "clusters by round", "outliers by round")
    table = Table("Clusters of the target crops", head, rows)
    return reid, [*experiment_blocks(reid, before, facts), table]


def _gain_tiles(reid: ExperimentReport) -> list[Tile]:
    """Give the gain over the best control and over the baseline, and the method's own mAP."""
    gains = {g.vs: g for g in (reid.gain_over_best_control, reid.gain_mAP) if g is not None}
    return [
        Tile(
            signed(gain.mean),
            f"mAP, {spread(gain)}, {gain.words}",
            f"{name_of(gain.arm)} over {name_of(vs).lower()}",
            main=k == 0,
        )
        for k, (vs, gain) in enumerate(gains.items())
    ]


def _evaluate(record: RunRecord, pixels: int) -> RunPage:
    report = record.report
    ranked = ranked_section(record.path, report, pixels)
    return RunPage(
        evaluation_title(report), evaluation_tiles(report), [evaluation_section(report), *ranked]
    )


def _check(record: RunRecord, pixels: int) -> RunPage:
    del pixels
    report = record.report
    return RunPage(check_title(report), check_tiles(report), check_sections(report))


def _pose(record: RunRecord, pixels: int) -> RunPage:
    report, stem = record.report, record.path.name.removesuffix(".report.json")
    name = stem if stem != record.path.name else record.path.with_suffix("").name
    sections = pose_sections(report, record.path.with_name(f"{name}.sheet.png"), pixels)
    title = f"{thousands(report['people'])} people on {thousands(report['crops'])} crops"
    return RunPage(title, pose_tiles(report), sections)


def _data(record: RunRecord, pixels: int) -> RunPage:
    del pixels
    report = record.report
    words = ", ".join(
        f"{thousands(v)} {k.replace('_', ' ')}" for k, v in report.items() if type(v) is int
    )
    sections = [*images_section(record.path), counts_section(report)]
    return RunPage(words or record.kind, (), sections)


KINDS: dict[str, Callable[[RunRecord, int], RunPage]] = {
    "augment": _augment,
    "compare": _compare,
    "train-flow": _train_flow,
    "finetune-eval": _finetune,
    EVALUATE: _evaluate,
    "check": _check,
    "pose": _pose,
    "pairs": _data,
    "synth pairs": _data,
    "synth market": _data,
    "synth surfaces": _data,
    "synth views": _data,
}
"""What a page shows of the runs of each command."""
