"""Write the results of README.md and of pages under docs/ from the files under benchmarks/results.

python benchmarks/readme.py
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from adaptation_tables import adaptation_uses
from drawing_tables import drawing
from flow_tables import TITLES, drawn, page, sizes, table1
from model_cards import card
from multiplicity import share_words, verdict
from onnx_rate import rates
from photograph_arm_tables import beside_rendered, compared, headline, job, settings, source
from photograph_tables import averaging, round_trips
from pose_tables import accuracy, tries
from provenance import RESULTS, read_result
from quality_tables import floor, refused, steps, worth
from rate_tables import balance_grid, rate_grid
from reid_tables import in_short, interval, starts, studies
from reliability_tables import spoiled, tried
from shipped import of_these_weights, shipped
from surface_tables import by_eye, on_photographs, on_rendered_people
from uses_tables import training_uses
from world_tables import worlds

ROOT = Path(__file__).parents[1]
TEMPLATES = ROOT / "reidaug" / "report" / "templates"
START = "<!-- results: written by `python benchmarks/readme.py` -->"
END = "<!-- end of results -->"

ARMS = {
    "real_only": "the real crops once more",
    "identity_grey": "own pose on grey",
    "affine_grey": "torso-affine warps on grey",
    "warps_grey": "**UnWarpME-SA warps on grey**",
    "true_views_grey": "true other views on grey (the ceiling)",
}
EXPERIMENTS = {
    "shipped_few-poses_1": "labels, training crops of one side of each person",
    "shipped_many-poses_1": "labels, training crops of all sides",
}
OTHERS = {
    "another_world_*.json": "Nothing changed, other people and cameras",
    "shipped_*.json": "With the flow inside the package",
}
_ONE_PIECE = (
    "Rows that share people and starts, as the first two do, are one piece of evidence, not two. "
    "*Perhaps*: the interval leaves out 0, but trainings with other seeds differ too much to "
    "count on it ([evidence](docs/protocols.md#evidence))."
)
ROWS = {
    "unwarpme": "**UnWarpME-SA**",
    "joint_blend": "joint blend",
    "torso_affine": "torso affine",
    "identity": "identity",
}


def pages() -> dict[Path, Sequence[str]]:
    """Give each page that quotes results, and what each of its blocks should quote."""
    return {
        ROOT / "README.md": ("\n".join(arms()),),
        ROOT / "docs" / "results.md": (results(),),
        ROOT / "docs" / "paper.md": (paper(),),
        ROOT / "docs" / "pose.md": poses(),
        ROOT / "docs" / "quality.md": quality(),
        ROOT / "docs" / "protocols.md": ("\n".join(studies(RESULTS)),),
        ROOT / "docs" / "photographs.md": (
            photographs("job", job),
            photographs("round_trips", round_trips),
            photographs("arms", compared),
            photographs("arms_small", compared),
            worlds(RESULTS),
        ),
        ROOT / "docs" / "does-it-help.md": (photographs("grid", settings), used()),
        ROOT / "docs" / "surface-flow.md": tuple(
            "\n".join(table(RESULTS)) for table in (on_photographs, on_rendered_people, by_eye)
        ),
        ROOT / "docs" / "test-time-averaging.md": (averaged(),),
        ROOT / "docs" / "dgnet.md": (adapted(),),
        ROOT / "docs" / "model-cards.md": tuple(
            "\n".join(card(flow, RESULTS)) for flow in ("surface", "market")
        ),
        ROOT / "docs" / "onnx.md": ("\n".join(rates(RESULTS)),),
        ROOT / "docs" / "reliability.md": reliability(),
        TEMPLATES / "photographs.html": ("\n".join(beside_rendered(RESULTS)),),
    }


def arms() -> list[str]:
    """Tabulate the arms of each experiment with the flow inside the package: README.md."""
    lines, sources = headline(RESULTS)
    lines += [
        "| rendered people, mAP | real crops | own pose on grey | torso-affine warps "
        "| **UnWarpME-SA warps** | warps over the best control on grey, 95 % |",
        "|---|---|---|---|---|---|",
    ]
    for name, title in EXPERIMENTS.items():
        result = of_these_weights(RESULTS / f"{name}.json")
        if result is None:
            continue
        reid = result["reid"]
        cells = [_spread(reid["arms"][arm]["mAP"]) for arm in list(ARMS)[:4]]
        found = reid["gain_over_best_control"]
        gain = f"{found['mean']:+.1f} ({interval(found)}): {verdict(found)}"
        shared = "; its seeds share one start" if len(reid["start"]["mAP"]) == 1 else ""
        lines.append(f"| {title}{shared} | {' | '.join([*cells, gain])} |")
        sources.append(source(result))
    return [*lines, "", f"Measured, from top to bottom, with {'; '.join(sources)}. {_ONE_PIECE}"]


def results() -> str:
    """Write the results of docs/results.md."""
    demo = read_result(RESULTS / "demo.json")
    lines = [f"`{demo['command']}`, {demo['hardware']}, {demo['date']}.", ""]
    lines += _flow(demo["flow"]) + shipped(RESULTS)
    if "table1" in (tables := small_tables()):
        lines += table1(tables["table1"])
    lines += _reid(demo) + _other_worlds(demo) + in_short(RESULTS) + _rates()
    return "\n".join(lines)


def small_tables() -> dict[str, dict[str, Any]]:
    """Read the small tables there are."""
    files = {name: RESULTS / f"{name}_small.json" for name in TITLES}
    return {name: read_result(path) for name, path in files.items() if path.exists()}


def paper() -> str:
    """Write the small tables of docs/paper.md."""
    lines, path = page(small_tables()), RESULTS / "sizes.json"
    if (task := RESULTS / "drawing_task.json").exists():
        lines += drawing(read_result(task))
    if (balance := RESULTS / "task_balance.json").exists():
        lines += balance_grid(read_result(balance))
    if (grid := RESULTS / "learning_rates.json").exists():
        lines += rate_grid(read_result(grid))
    if path.exists():
        result = read_result(path)
        lines += ["### Sizes of the presets `paper` at 256 x 256", ""]
        lines += [f"`{result['command']}`, {result['hardware']}, {result['date']}:"]
        lines += ["", *sizes(result)]
    return "\n".join(lines)


def poses() -> tuple[str, str]:
    """Write the tables of docs/pose.md."""
    return (
        "\n".join(tries(read_result(RESULTS / "second_tries.json"))),
        "\n".join(accuracy(read_result(RESULTS / "pose_errors.json"))),
    )


def quality() -> tuple[str, ...]:
    """Write the tables of docs/quality.md."""
    warps = read_result(RESULTS / "warp_quality.json")
    parts = {part: read_result(RESULTS / f"refused_poses_{part}.json") for part in ("test", "tune")}
    skeletons = read_result(RESULTS / "skeleton_floor.json")
    written = (worth(warps), refused(parts), steps(warps), floor(skeletons))
    return tuple("\n".join(lines) for lines in written)


def averaged() -> str:
    """Write the table of docs/test-time-averaging.md."""
    return "\n".join(averaging(read_result(RESULTS / "uses_test_time.json")))


def used() -> str:
    """Write the results of uses of extra crops in training: docs/does-it-help.md."""
    path = RESULTS / "uses_training.json"
    return "\n".join(training_uses(read_result(path))) if path.exists() else "Not measured yet."


def adapted() -> str:
    """Write the results of uses of warps in adaptation: docs/dgnet.md."""
    path = RESULTS / "uses_adaptation.json"
    if not path.exists():
        return "Not measured yet."
    return "\n".join(adaptation_uses(read_result(path)))


def reliability() -> tuple[str, str]:
    """Write the results of docs/reliability.md."""
    tables = {"reliability": tried, "reliability_files": spoiled}
    paths = {RESULTS / f"{name}.json": table for name, table in tables.items()}
    commands, files = (
        "\n".join(table(read_result(path))) if path.exists() else "Not measured yet."
        for path, table in paths.items()
    )
    return commands, files


def photographs(name: str, tables: Callable[[dict[str, Any]], list[str]]) -> str:
    """Write the results of one section of docs/photographs.md."""
    path = RESULTS / f"photographs_{name}.json"
    return "\n".join(tables(read_result(path))) if path.exists() else "Not measured yet."


def quoted(text: str) -> list[str]:
    """Read the blocks of results of a page."""
    return [block.split(END)[0] for block in text.split(START)[1:]]


def with_results(text: str, written: Sequence[str]) -> str:
    """Put results into the blocks of a page, in its order."""
    before, *blocks = text.split(START)
    filled = [
        f"{START}\n{results}\n{END}{block.split(END)[1]}"
        for results, block in zip(written, blocks, strict=True)
    ]
    return before + "".join(filled)


def _flow(flow: Mapping[str, Any]) -> list[str]:
    names = {"epe_px": "EPE px", "l1": "l1", "l1_32": "l1-32", "ssim": "SSIM"}
    names["stlpips_alex"] = "ST-LPIPS"
    lines = [f"**Flow**, {flow['pairs']} pairs of rendered people never trained on, {drawn(flow)}:"]
    lines += ["", f"| | {' | '.join(names.values())} |", "|---" * (len(names) + 1) + "|"]
    for row, title in ROWS.items():
        scores = flow["rows"][row]
        cells = [
            _interval(scores, name, 1 if name in ("epe_px", "l1", "l1_32") else 3) for name in names
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return [*lines, ""]


def _interval(scores: dict[str, Any], name: str, digits: int) -> str:
    low, high = scores[f"{name}_ci"]
    return f"{scores[name]:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _spread(values: list[float]) -> str:
    return f"{mean(values):.1f} ± {stdev(values):.1f}"


def _reid(demo: Mapping[str, Any]) -> list[str]:
    reid = demo["reid"]
    lines = [
        f"**Re-identification**, rendered world `few-poses`, {len(reid['seeds'])} paired seeds of "
        f"{reid['steps']} steps from {starts(reid)}, mean and standard deviation:",
        "",
        "| fine-tuned on real crops and | mAP | Rank-1 |",
        "|---|---|---|",
    ]
    for arm, title in ARMS.items():
        scores = reid["arms"][arm]
        cells = [_spread(scores[key]) for key in ("mAP", "rank1")]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    best, ceiling = reid["gain_over_best_control"], reid["ceiling"]
    lines += [
        "",
        f"Warps against the best control, {best['vs']}: {best['mean']:+.1f} mAP, "
        f"{interval(best)}, standard deviation of the paired differences "
        f"{best['std']:.1f}, pooled standard deviation {best['pooled_std']:.1f}: "
        f"{verdict(best)}. The ceiling is {ceiling['mean']:+.1f} over the same control; warps "
        f"reach {share_words(ceiling)}. {_spread_of(reid)}"
        "`few-poses` as it is and the rate of fine-tuning were fixed by the affine control and the "
        "ceiling alone, in worlds of other seeds; its length by the time a demo may take.",
        "",
    ]
    return lines


def _spread_of(reid: Mapping[str, Any]) -> str:
    """Say what the spread over seeds leaves out where they share one start."""
    if len(reid["start"]["mAP"]) > 1:
        return ""
    return "The seeds share one start: their spread is that of fine-tuning alone. "


def _other_worlds(demo: Mapping[str, Any]) -> list[str]:
    lines = []
    if "many-poses" in demo["worlds"]:
        result = demo["worlds"]["many-poses"]
        lines += [f"`many-poses`, the easy world: {_in_short(result.get('reid', result))}", ""]
    for pattern, title in OTHERS.items():
        for path in sorted(RESULTS.glob(pattern)):
            result = read_result(path)
            if path.name.startswith("shipped") and of_these_weights(path) is None:
                continue
            seeds = f"{len(result['reid']['seeds'])} seeds from {starts(result['reid'])}"
            lines += [
                f"{title} (`{result['command']}`, {result['date']}; {seeds}): "
                f"{_in_short(result['reid'])}",
                "",
            ]
    return lines


def _in_short(reid: Mapping[str, Any]) -> str:
    best, ceiling = reid["gain_over_best_control"], reid["ceiling"]
    listed = ", ".join(f"{arm} {mean(reid['arms'][arm]['mAP']):.1f}" for arm in ARMS)
    return (
        f"mAP {listed}; warps against {best['vs']} {best['mean']:+.1f}, {interval(best)}, "
        f"standard deviation of the paired differences {best['std']:.1f}, pooled "
        f"{best['pooled_std']:.1f}: {verdict(best)}; "
        f"ceiling {ceiling['mean']:+.1f}: {verdict(ceiling)}."
    )


def _rates() -> list[str]:
    render = read_result(RESULTS / "render_rate.json")
    augment = read_result(RESULTS / "augment_rate.json")
    ranking = read_result(RESULTS / "evaluator_rate.json")
    lines = ["**Rates**:", ""]
    lines.append(f"- rendering {render['crops_per_s']:.0f} crops per second ({_measured(render)})")
    rates = {name: row["images_per_s"] for name, row in augment["rows"].items()}
    listed = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
    lines.append(f"- warping, images per second: {listed} ({_measured(augment)})")
    seconds = ranking["rows"]["hard"]["rank_s"][1]
    lines.append(f"- ranking 3,368 queries in 15,913: {seconds:.2f} s ({_measured(ranking)})")
    reranking = read_result(RESULTS / "rerank.json")
    ours, theirs = (reranking["rows"]["middle"][name] for name in ("k_reciprocal", "torchreid"))
    lines.append(
        f"- k-reciprocal re-ranking of {ours['items']:,}: {ours['median_s']:.1f} s and "
        f"{ours['extra_mb']:,} MiB; torchreid's own, of {theirs['items']:,}: "
        f"{theirs['median_s']:.0f} s and {theirs['extra_mb']:,} MiB ({_measured(reranking)})"
    )
    return lines


def _measured(result: Mapping[str, Any]) -> str:
    return f"`{result['command']}`, {result['hardware'].split(',')[0]}, {result['date']}"


if __name__ == "__main__":
    for path, written in pages().items():
        path.write_text(with_results(path.read_text(), written))
