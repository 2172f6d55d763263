"""Rendered worlds beside photographs as Markdown: docs/photographs.md."""

from pathlib import Path
from typing import Any

from provenance import read_result

FIGURES = {
    "sharpness": "variance of the Laplacian, median",
    "kilobytes": "size of the file in kB, median",
    "brightness": "brightness (0 to 255), median",
    "saturation": "saturation, median",
    "person_saturation": "saturation of the person, median",
    "person_brighter": "person brighter than the ground, median",
    "cover": "share of the crop that is the person, median",
}
MEDIAN = 1  # place of the median among the quantiles
DISTANCES = {
    "colour_distance": "difference of two people's mean colours",
    "chroma_distance": "the same without brightness",
    "imagenet_distance": "cosine distance of ImageNet features",
}
PAIRS = ("own_same_camera", "own_other_camera", "others")
NETWORKS = {
    "colour": "mAP of colour histograms",
    "imagenet": "mAP of ImageNet features",
    "osnet": "mAP of OSNet trained on MSMT17",
}


def worlds(results: Path) -> str:
    """Write the figures and the order of settings of all worlds, as far as they were measured."""
    lines = []
    for name, tables in (("world_statistics", figures), ("world_tau", orders)):
        path = results / f"{name}.json"
        if path.exists():
            lines += [*tables(read_result(path)), ""]
    return "\n".join(lines[:-1]) or "Not measured yet."


def figures(result: dict[str, Any]) -> list[str]:
    """Tabulate world_statistics.json: a row a figure, a column a world."""
    measured = result["worlds"]
    rows = {
        **{words: [w[key][MEDIAN] for w in measured.values()] for key, words in FIGURES.items()},
        "cameras of a training person": [w["cameras_a_person"] for w in measured.values()],
    }
    lines = [
        *_source(result),
        f"| | {' | '.join(measured)} |",
        f"|---|{'---|' * len(measured)}",
        *(f"| {words} | {' | '.join(map(_number, row))} |" for words, row in rows.items()),
    ]
    for key, words in DISTANCES.items():
        cells = [
            " / ".join(_number(world[key][pair]) for pair in PAIRS) for world in measured.values()
        ]
        lines.append(
            f"| {words}: own, same camera / own, other camera / others | {' | '.join(cells)} |"
        )
    for name, words in NETWORKS.items():
        cells = [_number(world["mAP"].get(name)) for world in measured.values()]
        lines.append(f"| {words}, no training here | {' | '.join(cells)} |")
    return lines


def orders(result: dict[str, Any]) -> list[str]:
    """Tabulate world_tau.json: the mAP of every setting, and how the worlds order them."""
    measured = result["worlds"]
    lines = [
        *_source(result),
        "mAP by setting, mean over seeds, and Kendall's tau with photographs; between halves of "
        f"the people and seeds, one seed each, photographs reach {_tau(result['ceiling'])} with "
        "themselves; whole worlds, with less chance in them, can agree better than that.",
        "",
        f"| | {' | '.join(measured)} |",
        f"|---|{'---|' * len(measured)}",
    ]
    for setting in result["settings"]:
        cells = [f"{_mean(world['mAP'][setting]):.1f}" for world in measured.values()]
        lines.append(f"| {setting} | {' | '.join(cells)} |")
    seeds = [str(len(world["mAP"]["base"])) for world in measured.values()]
    taus = [_tau(world["tau"]) if world["tau"] else "" for world in measured.values()]
    decided = [_decided(world["tau"]) if world["tau"] else "" for world in measured.values()]
    return [
        *lines,
        f"| seeds | {' | '.join(seeds)} |",
        f"| **tau** | {' | '.join(taus)} |",
        f"| tau of pairs that photographs decide | {' | '.join(decided)} |",
    ]


def _source(result: dict[str, Any]) -> list[str]:
    machines = {one for where in result.get("trained_on", {}).values() for one in where}
    where = "; ".join(sorted(machines)) or result["hardware"]
    return [f"`{result['command']}`, {where}, {result['date']}.", ""]


def _tau(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['tau']:.2f} ({low:.2f} to {high:.2f})"


def _decided(found: dict[str, Any]) -> str:
    if found["tau_decided"] is None:
        return "no pair"
    return f"{found['tau_decided']:.2f} ({found['decided']} of {found['pairs']})"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
