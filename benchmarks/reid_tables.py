"""The re-ID studies in Markdown: Table 5 with and without labels, little data, re-ranking."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from multiplicity import RULE, evident, share_words, standing, verdict
from provenance import read_result
from shipped import of_these_weights
from uses_tables import spread


def studies(results: Path) -> list[str]:
    """Write the re-ID studies of docs/protocols.md.

    Args:
        results: Folder of the files that the benchmarks write; what is missing, or was measured
            with other weights than those inside the package, is left out.

    Returns:
        Lines of Markdown.
    """
    lines: list[str] = []
    for path in sorted(results.glob("table5_supervised_*.json")):
        lines += _supervised(path)
    lines += _in_place(results / "warps_only.json")
    for path in sorted(results.glob("table5_uda_*.json")):
        lines += _adapted(path)
    lines += _low_data(results / "low_data.json") + _reranked(results / "rerank.json")
    return lines


def in_short(results: Path) -> list[str]:
    """Summarise these studies in a line each, for docs/results.md.

    Args:
        results: As in `studies`.

    Returns:
        Lines of Markdown.
    """
    lines = []
    for path in sorted(results.glob("table5_supervised_*.json")):
        run = of_these_weights(path)
        if run:
            world = path.stem.removeprefix("table5_supervised_")
            lines.append(f"- Table 5 with labels, `{world}`: {_against_control(run['reid'])}.")
            if found := run.get("other_ground", {}).get("gain_over_best_control"):
                lines.append(
                    f"- The same with `--background other`: mAP "
                    f"{mean(run['reid']['arms']['warps_other_ground']['mAP']):.1f} in place of "
                    f"{mean(run['reid']['arms']['warps_grey']['mAP']):.1f}; warps against the "
                    f"best control, {found['vs']}, {_difference(found)}."
                )
    for path in sorted(results.glob("table5_uda_*.json")):
        run = of_these_weights(path)
        if run:
            adaptation = run["reid"]["adaptation"]
            lines.append(
                f"- Table 5 without labels of the target, world A to B: DG-Net++ `small` against "
                f"no adaptation {_difference(adaptation)}; {_against_control(run['reid'])}."
            )
    run = of_these_weights(results / "low_data.json")
    if run:
        gains = {k: cell["gain_over_best_control"] for k, cell in enumerate(run["cells"])}
        means, stand = [found["mean"] for found in gains.values()], standing(gains)
        count = sum(verdict(f, stands=k in stand) == "a gain" for k, f in gains.items())
        evidently = f"evidently a gain in {count or 'none'}"
        lines.append(
            f"- Little data, {len(gains)} cells of people and crops: warps against the best "
            f"control {min(means):+.1f} to {max(means):+.1f} mAP, {evidently} by "
            f"{RULE} among them."
        )
    if lines:
        lines = ["**Table 5 in small**, all arms in [protocols.md](protocols.md):", "",
                 *lines, ""]  # fmt: skip
    return lines


def interval(found: Mapping[str, Any]) -> str:
    """Write the interval of a difference and what it draws; older results do not say: queries."""
    low, high = found["ci"]
    return f"{low:+.1f} to {high:+.1f} over {found.get('interval_over', 'queries')}"


def starts(reid: Mapping[str, Any]) -> str:
    """Say whether the seeds of an experiment continue from starts of their own."""
    return "one start" if len(reid["start"]["mAP"]) == 1 else "a start of each seed's own"


def _against_control(reid: Mapping[str, Any]) -> str:
    found = reid.get("gain_over_best_control")
    if found is None:
        return "the arm with warps was not run"
    return f"warps against the best control, {found['vs']}, {_difference(found)}"


def _difference(found: Mapping[str, Any]) -> str:
    return (
        f"{found['mean']:+.1f} mAP ({interval(found)}, standard deviation of the paired "
        f"differences {found['std']:.1f}): {verdict(found)}"
    )


def _supervised(path: Path) -> list[str]:
    run = of_these_weights(path)
    if run is None:
        return []
    reid, world = run["reid"], path.stem.removeprefix("table5_supervised_")
    lines = [
        f"### Table 5 with labels, rendered world `{world}`",
        "",
        f"`{run['command']}`, {run['hardware']}, {run['date']}; protocol `{reid['protocol']}`, "
        f"{len(reid['seeds'])} paired seeds of {reid['steps']} steps from {starts(reid)}, "
        f"{reid['train_people']} people with {reid['train_images']} crops:",
        "",
        *_arms({"start (no fine-tuning)": reid["start"], **reid["arms"]}, reid),
    ]
    lines += _ceiling(reid)
    elsewhere = run.get("other_ground", {})
    if found := elsewhere.get("gain_over_best_control"):
        lines += [
            "",
            "On other people's backgrounds, warps against the best control there or on grey, "
            f"{found['vs']}: {_difference(found)}.",
            *_ceiling(elsewhere),
        ]
    return [*lines, ""]


def _in_place(path: Path) -> list[str]:
    """Say what warps in place of the real crops reach; one arm of the table, measured again."""
    run = of_these_weights(path)
    if run is None:
        return []
    reid, found = run["reid"], run["reid"]["differences"]["real_only"]
    real, beside, alone = (
        spread(reid["arms"][arm]["mAP"]) for arm in ("real_only", "warps_grey", "warps_only")
    )
    return [
        f"`warps_only` measured again (`{run['command']}`, {run['hardware']}, {run['date']}; "
        f"{len(reid['seeds'])} seeds from {starts(reid)}), with batch statistics from real crops, "
        f"in mAP: real crops {real}, with warps beside them {beside}, with warps in their place "
        f"{alone}, which against real crops is {_difference(found)}.",
        "",
    ]


def _ceiling(reid: Mapping[str, Any]) -> list[str]:
    found = reid.get("ceiling", {})
    if found.get("share_recovered") is None:
        return []
    if not evident(found):  # by today's rule; older results have a share all the same
        return [f"True views gain {_difference(found)}."]
    return [f"True views gain {_difference(found)}; warps reach {share_words(found)}."]


def _adapted(path: Path) -> list[str]:
    run = of_these_weights(path)
    if run is None:
        return []
    reid = run["reid"]
    rows = {"start (no adaptation)": reid["start"], "after the warm-up": reid["warmup"]}
    lines = [
        "### Table 5 without labels of the target, rendered world A to B",
        "",
        f"`{run['command']}`, {run['hardware']}, {run['date']}; protocol `{reid['protocol']}`, "
        f"preset `{reid['preset']}`, {len(reid['seeds'])} seeds; {reid['source_images']} source "
        f"crops of {reid['source_people']} people, {reid['target_images']} target crops:",
        "",
        *_arms({**rows, **reid["arms"]}, reid),
        f"Adaptation ({reid['adaptation']['vs']} to dgnetpp): {_difference(reid['adaptation'])}.",
    ]
    return [*lines, ""]


def _arms(rows: Mapping[str, Mapping[str, Sequence[float]]], reid: Mapping[str, Any]) -> list[str]:
    differences = reid.get("differences", {})
    stand = standing(differences)
    over = {found.get("interval_over", "queries") for found in differences.values()}
    against = "warps_grey against it" + "".join(f", 95 % over {what}" for what in sorted(over))
    lines = [
        f"| arm | mAP | mAP, trapezoid | Rank-1 | {against} | evidence, by {RULE} |",
        "|---|---|---|---|---|---|",
    ]
    for name, scores in rows.items():
        cells = [spread(scores[key]) for key in ("mAP", "mAP_trapezoid", "rank1")]
        found = differences.get(name)
        beside = ["", ""]
        if found:
            low, high = found["ci"]
            words = verdict(found, stands=name in stand)
            beside = [f"{found['mean']:+.1f} ({low:+.1f} to {high:+.1f})", words]
        lines.append(f"| {' | '.join([name, *cells, *beside])} |")
    return [*lines, ""]


def _low_data(path: Path) -> list[str]:
    run = of_these_weights(path)
    if run is None:
        return []
    cells = {(cell["share"], cell["images"]): cell for cell in run["cells"]}
    stand = standing({key: cell["gain_over_best_control"] for key, cell in cells.items()})
    shares, images = (sorted({key[place] for key in cells}) for place in (0, 1))
    bold = {k for k, c in cells.items() if evident(c["gain_over_best_control"], stands=k in stand)}
    lines = [
        "### Little data",
        "",
        f"`{run['command']}`, {run['hardware']}, {run['date']}: gain of warps over the best "
        f"control in mAP, bold where there is evidence by {RULE} among the {len(cells)} cells "
        f"({len(bold) or 'in none'}); in "
        f"brackets the mAP of real crops once more. {_seeds(run['cells'][0])}.",
        "",
        "![Gains by people and crops](pictures/low_data.png)",
        "",
        "| people | " + " | ".join(f"{count} crops each" for count in images) + " |",
        "|---" * (len(images) + 1) + "|",
    ]
    for share in shares:
        row = [f"{cells[share, images[0]]['train_people']} ({share:.0%})"]
        for count in images:
            cell = cells[share, count]
            found = cell["gain_over_best_control"]
            mark = "**" if (share, count) in bold else ""
            plain = mean(cell["arms"]["real_only"]["mAP"])
            row.append(f"{mark}{found['mean']:+.1f}{mark} ({plain:.1f})")
        lines.append(f"| {' | '.join(row)} |")
    return [*lines, ""]


def _seeds(cell: Mapping[str, Any]) -> str:
    """Count the seeds of a cell; older results do not say how many starts they had: one."""
    seeds = len(cell["arms"]["real_only"]["mAP"])
    return f"{seeds} seeds a cell from {starts({'start': {'mAP': [0.0]}, **cell})}"


def _reranked(path: Path) -> list[str]:
    if not path.exists():
        return []
    run = read_result(path)
    lines = [
        "### Re-ranking and clustering",
        "",
        f"`{run['command']}`, {run['hardware']}, {run['date']}; random clustered features, "
        "each method in a process of its own:",
        "",
        "| features | method | items | seconds | peak extra memory, MiB |",
        "|---|---|---|---|---|",
    ]
    for features, rows in run["rows"].items():
        for name, row in rows.items():
            if "median_s" in row:
                cells = [features, name, f"{row['items']:,}", f"{row['median_s']:.1f}"]
                lines.append(f"| {' | '.join([*cells, str(row['extra_mb'])])} |")
    return [*lines, ""]
