import itertools
import json
from functools import partial
from pathlib import Path

import pytest
from commandline import reidaug
from stick_market import stick_market

from reidaug.augment.training_pairs import make_pairs
from reidaug.data.deepfashion import PairList, read_deepfashion
from reidaug.data.market1501 import TRAIN
from reidaug.flow.training.pair_sources import hold_out

KEYPOINTS = "market-annotation-train.csv"
RECIPE = Path(__file__).parents[2] / "recipes" / "market1501" / "train_flow.yaml"

run = partial(reidaug, "pairs")


@pytest.fixture
def market(tmp_path: Path) -> Path:
    return stick_market(tmp_path / "market", people=4, images=3)


def test_all_ordered_pairs_of_a_person_are_what_a_flow_is_trained_on(
    market: Path, tmp_path: Path, capfd
) -> None:
    stranger = market / TRAIN / "0000_c1s1_000000_00.jpg"
    known = sorted((market / TRAIN).iterdir())
    stranger.write_bytes(known[0].read_bytes())
    text = (market / KEYPOINTS).read_text()
    (market / KEYPOINTS).write_text(
        text
        + next(line for line in text.splitlines() if known[0].name in line).replace(
            known[0].name, stranger.name
        )
        + "\n"
    )
    out = tmp_path / "pairs"
    assert run(market, "--out", out) == 0
    told = capfd.readouterr()
    assert "24 pairs of 12 images of 4 people" in told.out
    assert f"1 of 13 images left out:\n  {stranger}: a distractor (pid 0)\n" in told.err
    read = read_deepfashion(out, "train")
    names = [path.name for path in known]
    expected = [p for k in range(4) for p in itertools.permutations(names[3 * k : 3 * k + 3], 2)]
    assert list(read.pairs) == expected
    assert read.left_out == ()
    assert json.loads((out / "report.json").read_text())["masks"] == (out / "masks").exists()
    before = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
    assert run(market, "--out", out) == 0
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == before


def test_masks_are_linked_and_other_inputs_need_another_folder(
    market: Path, tmp_path: Path, capfd
) -> None:
    (market / "masks").mkdir(exist_ok=True)
    name = f"{next((market / TRAIN).iterdir()).stem}.png"
    (market / "masks" / name).write_bytes(b"mask")
    out = tmp_path / "pairs"
    assert make_pairs(market, out).masks
    assert (out / "masks" / name).read_bytes() == b"mask"
    assert run(market, "--out", out, "--pattern", r"c(?P<pid>\d)") == 1
    assert "holds another run" in capfd.readouterr().err
    assert run(market, "--out", tmp_path / "x", "--model", "none.tflite") == 2
    assert "--model has nothing to read" in capfd.readouterr().err


def test_people_are_held_out_also_where_names_begin_alike(tmp_path: Path) -> None:
    pairs = tuple(
        (f"cam{a}_p{person}_0.jpg", f"cam{b}_p{person}_0.jpg")
        for person in range(4)
        for a, b in ((0, 1), (1, 0))
    )
    kept, held = hold_out(PairList(tmp_path, pairs, {}, (), None), 0.5)
    assert (kept.pairs, held.pairs) == (pairs[:4], pairs[4:])


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--keypoints", "no.csv"], 2, "no.csv: no such keypoint file"),
        (["--pattern", "no groups"], 2, "name its groups"),
        (
            ["--pattern", r"c(?P<camid>\d)s1_(?P<pid>\d+)"],
            1,
            "no two training images of one person",
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    flags: list[str], code: int, says: str, market: Path, tmp_path: Path, capfd
) -> None:
    assert run(market, "--out", tmp_path / "out", *flags) == code
    printed = capfd.readouterr().err
    assert says in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_crops_that_name_nobody_cannot_be_paired(market: Path, tmp_path: Path, capfd) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    for number, path in enumerate((market / TRAIN).iterdir()):
        path.rename(crops / f"{number}.jpg")
    assert run(crops, "--out", tmp_path / "out") == 2
    assert (
        "names such as 0.jpg give no person; rename them like 0002_c1s1" in capfd.readouterr().err
    )
