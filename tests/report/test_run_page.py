from pathlib import Path

import pytest
from page_reader import check_self_contained
from small_runs import HOSTILE, small_runs, write_run

from reidaug.errors import ReidaugError
from reidaug.report import run_page
from reidaug.report.augment_section import warps_section
from reidaug.report.html import scaled
from reidaug.report.page import Sheet, render_page
from reidaug.report.run_page import RunPage, page_of, pages_of, run_names
from reidaug.report.run_record import read_run

SHOWN = {
    "augment": (
        "18 warps of 6 images in 3 poses",
        "target pose",
        "into the front",
        "joint-blend",
        "the person whose pose it takes",
        "poses of other images, chosen",
    ),
    "train-flow": ("0.25", "flow error", "Training curves", "UnWarpME"),
    "compare": ("1 000 training pairs", "Differences from soft", "10 019", "better", "12 s"),
    "finetune": ("Warps into new poses helped", "55 %", "by Holm's rule", "a gain", "Running mean"),
    "uda": ("After the warm-up", "outliers by round", "12 source crops of 4 people"),
    "evaluate": ("mAP 50.0 %", "re-ranked", "gnn", "1 queries have no match", "Median average"),
    "check": ("not usable for evaluation", "(stops evaluation)", "and 4 more", "→ make them again"),
    "pose": ("5 people on 6 crops", "right hip", "100 %", "least certain"),
    "pairs": ("72 pairs", "24"),
    "synth": ("6 crops, 4 train pairs", "1 of 1 images of train"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return small_runs(tmp_path_factory.mktemp("runs"))


made: dict[Path, RunPage] = {}


def page(*paths: Path) -> str:
    """Render the page of some runs; charts take time, and each run's are drawn once."""
    records = [read_run(path) for path in paths]
    for record in records:
        if record.path not in made:
            made[record.path] = page_of(record)
    return render_page(pages_of(records, [made[path] for path in paths]))


@pytest.mark.parametrize("kind", SHOWN)
def test_a_run_of_any_command_has_a_page(runs: dict[str, Path], kind: str) -> None:
    html = page(runs[kind])
    reader = check_self_contained(html)
    assert [
        words for words in SHOWN[kind] if words.replace(" ", "") not in joined(reader.text)
    ] == []
    assert "<script" not in html
    assert len(html) < 2**20


def test_white_cells_of_a_contact_sheet_are_explained(runs: dict[str, Path]) -> None:
    record = read_run(runs["augment"])
    every = {**record.report, "poses_each": 2, "rejected": 3, "turned": 1}
    for report, words in (
        (every, "White: poses that an image was not warped into, warps left out, of a quality "
         "below 0.35, half turns left out."),
        (dict(record.report), ""),
    ):  # fmt: skip
        section = warps_section(runs["augment"], report, {"min_quality": 0.35}, 10_000)
        (caption,) = (block.caption for block in section.blocks if isinstance(block, Sheet))
        assert caption.partition("joints. ")[2] == words


def joined(text: str) -> str:
    """Text without the kinds of spaces there are."""
    return "".join(text.split())


def test_several_runs_stand_side_by_side_section_by_section(runs: dict[str, Path]) -> None:
    some = [runs["augment"], runs["finetune"], runs["uda"], runs["compare"]]
    html = page(*some)
    reader = check_self_contained(html)
    assert reader.text.count("Re-identification") == 2  # in the contents and over both
    assert HOSTILE not in html


def test_differences_of_recipes_are_listed_where_the_command_is_one(tmp_path: Path) -> None:
    kept = [
        write_run(tmp_path / name, "pairs", {"pairs": k}, dataset=name, same={"a": [1]})
        for k, name in enumerate(("one", "two"))
    ]
    reader = check_self_contained(page(*kept))
    assert "Differences of the recipes" in reader.text
    assert "same.a" not in reader.text
    assert "do not differ" in check_self_contained(page(kept[0], kept[0])).text


def test_an_unfinished_run_is_shown_as_far_as_it_is_and_says_so(tmp_path: Path) -> None:
    losses = [{"stage": "start", "seed": 0, "step": k, "loss": 1 / k} for k in (1, 2)]
    for kind in ("finetune-eval", "train-flow", "demo"):
        reader = check_self_contained(page(write_run(tmp_path / kind, kind, None, losses)))
        assert f"{kind}: this run is not finished" in reader.text


def test_an_unknown_kind_and_a_report_of_something_else_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ReidaugError, match="a run of 'paint', of which no page is made"):
        page(write_run(tmp_path / "a", "paint", {"x": 1}))
    for kind in run_page.KINDS:
        if not kind.startswith(("synth", "pairs", "check", "pose", "train-flow")):
            folder = write_run(tmp_path / kind.replace(" ", ""), kind, {"x": 1})
            with pytest.raises(ReidaugError, match=r"damaged|no such") as told:
                page(folder)
            assert "\n" not in str(told.value)


def test_runs_are_named_by_what_tells_them_apart() -> None:
    assert run_names([Path("/a/run"), Path("/b/run")]) == ["a/run", "b/run"]
    assert run_names([Path("/a/run")]) == ["run"]
    assert run_names([Path("/a"), Path("/a")]) == ["/a (1)", "/a (2)"]


def test_large_pictures_are_made_smaller(runs: dict[str, Path]) -> None:
    sheet = runs["augment"] / "contact_sheet.png"
    small = scaled(sheet, "a sheet", 10_000)
    assert small.width * small.height <= 10_100
    assert small.source.startswith("data:image/jpeg")
    with pytest.raises(ReidaugError, match="not readable as a picture"):
        scaled(runs["check"], "no picture", 100)


def test_a_damaged_log_is_drawn_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    good = [{"step": k, "loss": 1 / k} for k in (1, 2)]
    bad = [[], {}, "x", None, True, 10**400, [1]]
    log = [*good, *({"step": 3, "loss": value} for value in bad)]
    log += [{"step": value, "loss": 1.0} for value in bad]
    log += [{"stage": "start", "seed": value, "step": 3, "loss": 0.5} for value in bad]
    for kind in ("finetune-eval", "train-flow"):
        reader = check_self_contained(page(write_run(tmp_path / kind, kind, None, log)))
        assert f"{kind}: this run is not finished" in reader.text
        assert "Training curves" in reader.text
