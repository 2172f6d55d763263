import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from standing_people import standing_people

from reidaug.data.deepfashion import (
    SPELLINGS,
    fashion_name,
    fashion_outfit,
    fashion_pairs,
    market_identity,
    read_deepfashion,
    same_person_pairs,
    write_pairs_csv,
)
from reidaug.data.keypoints import write_patn
from reidaug.errors import ReidaugError, UsageError
from reidaug.geometry.pose import OPENPOSE_18, Pose, select

WHOLE = Pose(torch.full((18, 2), 20.0), torch.ones(18, dtype=torch.bool))
CELLS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)


def without(joint: str) -> Pose:
    visible = WHOLE.visible.clone()
    visible[OPENPOSE_18.index(joint)] = False
    return Pose(WHOLE.xy, visible)


def fashion(root: Path, word: str = "fasion", split: str = "train") -> Path:
    (root / split).mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (root / split / name).touch()
    write_patn(root / f"{word}-annotation-{split}.csv", {"a.jpg": WHOLE, "b.jpg": WHOLE})
    write_pairs_csv(
        root / f"{word}-pairs-{split}.csv", list(itertools.permutations(["a.jpg", "b.jpg"], 2))
    )
    return root


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("word", SPELLINGS)
def test_every_spelling_is_found(tmp_path: Path, word: str, split: str) -> None:
    pairs = read_deepfashion(fashion(tmp_path, word, split), split)
    assert pairs.folder == tmp_path / split
    assert pairs.pairs == (("a.jpg", "b.jpg"), ("b.jpg", "a.jpg"))
    assert set(pairs.poses) == {"a.jpg", "b.jpg"}
    assert pairs.left_out == ()
    assert pairs.flows is None
    assert pairs.annotated_size is None


def test_exact_flows_beside_the_images_are_found(tmp_path: Path) -> None:
    (tmp_path / "flows" / "train").mkdir(parents=True)
    assert read_deepfashion(fashion(tmp_path), "train").flows == tmp_path / "flows" / "train"


def test_rows_that_cannot_be_used_are_reported_with_their_line(tmp_path: Path) -> None:
    path = fashion(tmp_path) / "fasion-pairs-train.csv"
    rows = ["a.jpg,z.jpg", "c.jpg,a.jpg", "", "a.jpg", ",b.jpg", '"a.jpg,b.jpg', "b.jpg,a.jpg"]
    path.write_text("\n".join(["from,to", *rows]))
    pairs = read_deepfashion(tmp_path, "train")
    assert pairs.pairs == (("b.jpg", "a.jpg"),)
    assert [line.removeprefix(f"{path}:") for line in pairs.left_out] == [
        f"2: no image {tmp_path / 'train' / 'z.jpg'}",
        "3: no keypoints of c.jpg in fasion-annotation-train.csv",
        "5: nothing in column 'to'",
        "6: nothing in column 'from'",
        "7: nothing in column 'from'",
    ]


@pytest.mark.parametrize("name", ["b/" * 3000, f"b/{'9' * 300}"])
def test_a_name_that_no_file_can_have_is_no_image(tmp_path: Path, name: str) -> None:
    path = fashion(tmp_path) / "fasion-pairs-train.csv"
    path.write_text(f"from,to\na.jpg,{name}\nb.jpg,a.jpg\n")
    pairs = read_deepfashion(tmp_path, "train")
    assert pairs.pairs == (("b.jpg", "a.jpg"),)
    assert [line.removeprefix(f"{path}:")[:11] for line in pairs.left_out] == ["2: no image"]


def test_damaged_keypoints_are_reported_too(tmp_path: Path) -> None:
    path = fashion(tmp_path) / "fasion-annotation-train.csv"
    path.write_text(path.read_text() + "c.jpg: [: []\n")
    assert read_deepfashion(tmp_path, "train").left_out == (
        f"{path}:4: keypoints_x: 18 numbers expected, 0 found",
    )


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    path = fashion(tmp_path) / "fasion-pairs-train.csv"
    path.write_bytes(b"\xef\xbb\xbfview, to ,from\r\nside,b.jpg,a.jpg\r\n")
    assert read_deepfashion(tmp_path, "train").pairs == (("a.jpg", "b.jpg"),)


def test_what_is_missing_as_a_whole_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are train and test"):
        read_deepfashion(tmp_path, "val")
    with pytest.raises(ReidaugError, match=r"no folder train[^;]*$"):
        read_deepfashion(tmp_path, "train")
    (tmp_path / "train").mkdir()
    with pytest.raises(ReidaugError, match=r"no folder test .*; .* evaluate_on=held_out"):
        read_deepfashion(tmp_path, "test")
    (tmp_path / "train").rmdir()
    (tmp_path / "test").mkdir()
    with pytest.raises(ReidaugError, match=r"no <word>-pairs-test\.csv .* fasion, fashion"):
        read_deepfashion(tmp_path, "test")
    path = fashion(tmp_path) / "fasion-pairs-train.csv"
    path.write_text("source,target\na.jpg,b.jpg\n")
    with pytest.raises(ReidaugError, match=r":1: no column 'from' in the header"):
        read_deepfashion(tmp_path, "train")
    path.write_text("from,to\na.jpg,z.jpg\n")
    with pytest.raises(ReidaugError, match=r"no usable pair in it; first: .*:2: no image"):
        read_deepfashion(tmp_path, "train")
    path.unlink()
    with pytest.raises(ReidaugError, match=r"no fasion-pairs-train\.csv"):
        read_deepfashion(tmp_path, "train")


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_pairs_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "pairs.csv"
    write_pairs_csv(path, pairs)
    from reidaug.data.deepfashion import _pair_rows  # the reader proper needs images too

    assert [row[1:] for row in _pair_rows(path)] == pairs


def test_original_paths_become_flat_names() -> None:
    flat = "fashionWOMENTees_Tanksid0000783805_7additional.jpg"
    assert fashion_name("WOMEN/Tees_Tanks/id_00007838/05_7_additional.jpg") == flat
    assert fashion_name("img\\MEN\\Denim\\id_00000080\\01_1_front.jpg") == (
        "fashionMENDenimid0000008001_1front.jpg"
    )
    assert fashion_outfit(flat) == "0000783805"
    assert fashion_outfit("0002_c1s1_000451_03.jpg") is None
    with pytest.raises(ValueError, match="no DeepFashion path"):
        fashion_name("WOMEN/id_1/05_7.jpg")


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("0002_c1s1_000451_03.jpg", "0002"),
        ("0000_c1s1_000151_01.jpg", None),
        ("-1_c1s1_000401_03.jpg", None),
    ],
)
def test_a_market_image_shows_the_person_its_name_says(name: str, person: str | None) -> None:
    assert market_identity(name) == person


def test_pairs_are_all_ordered_ones_of_usable_images_of_a_person() -> None:
    poses = {
        "0002_c2s1_000001_00.jpg": WHOLE,
        "0002_c1s1_000001_00.jpg": WHOLE,
        "0002_c3s1_000001_00.jpg": without("left_hip"),
        "0002_c4s1_000001_00.jpg": without("left_wrist"),
        "0003_c1s1_000001_00.jpg": WHOLE,
        "nobody_c1.jpg": WHOLE,
        "nobody_c2.jpg": WHOLE,
    }
    usable = [f"0002_c{camera}s1_000001_00.jpg" for camera in (1, 2, 4)]
    found = same_person_pairs(poses, lambda n: None if n.startswith("nobody") else n[:4])
    assert found == list(itertools.permutations(usable, 2))


def test_fashion_pairs_stay_within_an_outfit() -> None:
    names = [
        "fashionWOMENTees_Tanksid0000783805_7additional.jpg",
        "fashionWOMENTees_Tanksid0000783805_1front.jpg",
        "fashionWOMENTees_Tanksid0000783806_1front.jpg",
        "unknown.jpg",
    ]
    assert fashion_pairs(dict.fromkeys(names, WHOLE)) == [
        (names[1], names[0]),
        (names[0], names[1]),
    ]
    assert fashion_pairs({names[0]: WHOLE, names[1]: without("right_shoulder")}) == []


def test_poses_off_their_images_are_left_out_and_a_whole_file_is_refused(tmp_path: Path) -> None:
    poses, _ = standing_people(12, 1)
    (tmp_path / "train").mkdir()
    known = {}
    for k in range(12):
        name = f"{k:02d}.jpg"
        Image.new("RGB", (64, 128)).save(tmp_path / "train" / name)
        known[name] = select(poses, k)
    names = list(known)
    write_pairs_csv(tmp_path / "fasion-pairs-train.csv", list(itertools.pairwise(names)))
    known[names[3]] = Pose(known[names[3]].xy + 5e5, known[names[3]].visible)
    file = tmp_path / "fasion-annotation-train.csv"
    write_patn(file, known, decimals=2)
    pairs = read_deepfashion(tmp_path, "train")
    assert len(pairs.pairs) == 9 and names[3] not in pairs.poses
    assert pairs.left_out[0].startswith(f"{file}: 03.jpg: ")
    assert pairs.left_out[1].endswith("no keypoints of 03.jpg in fasion-annotation-train.csv")
    with pytest.raises(ReidaugError, match="images of half the size"):
        read_deepfashion(tmp_path, "train", annotated_size=(256, 128))
    twice = {name: Pose(pose.xy * 2, pose.visible) for name, pose in known.items()}
    write_patn(file, twice, decimals=2)
    assert len(read_deepfashion(tmp_path, "train", annotated_size=(256, 128)).pairs) == 9
