import os
import re
import warnings
from pathlib import Path

import pytest

from reidaug.data.crop_names import PATTERN, compile_pattern, ids_in
from reidaug.data.market1501 import (
    GALLERY,
    QUERY,
    SPLITS,
    TRAIN,
    Person,
    find_root,
    image_names,
    read_market1501,
)
from reidaug.errors import ReidaugError, UsageError

FILES = {
    TRAIN: [
        "0002_c1s1_000451_03.jpg",
        "0002_c1s1_000451_03_w07.jpg",
        "0007_c3s2_077419_03.jpg",
        "-1_c1s1_000401_04.jpg",
        "0000_c2s1_000401_04.jpg",
    ],
    QUERY: ["0001_c1s1_001051_00.jpg", "1501_c6s4_016901_00.jpg"],
    GALLERY: [
        "-1_c1s1_000401_03.jpg",
        "0000_c1s1_000151_01.jpg",
        "0001_c2s1_000301_00.jpg",
        "1501_c5s3_000401_00.jpg",
    ],
}


def market(root: Path, files: dict[str, list[str]] = FILES) -> Path:
    for split, names in files.items():
        (root / split).mkdir(parents=True)
        for name in names:
            (root / split / name).touch()
    return root


def ids(people: tuple[Person, ...]) -> list[tuple[str, int, int]]:
    return [(person.path.name, person.pid, person.camid) for person in people]


def test_junk_is_dropped_and_distractors_are_kept(tmp_path: Path) -> None:
    dataset = read_market1501(market(tmp_path))
    assert dataset.root == tmp_path
    assert ids(dataset.gallery) == [
        ("0000_c1s1_000151_01.jpg", 0, 1),
        ("0001_c2s1_000301_00.jpg", 1, 2),
        ("1501_c5s3_000401_00.jpg", 1501, 5),
    ]
    assert ids(dataset.query) == [
        ("0001_c1s1_001051_00.jpg", 1, 1),
        ("1501_c6s4_016901_00.jpg", 1501, 6),
    ]
    assert ("0002_c1s1_000451_03_w07.jpg", 2, 1) in ids(dataset.train)
    assert all(person.path.is_file() for person in dataset.train)
    assert dataset.left_out == ()


def test_torchreid_reads_the_same(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torchreid = pytest.importorskip("torchreid.reid.data.datasets.image.market1501")
    root = market(tmp_path / "market1501" / "Market-1501-v15.09.15")
    (root / TRAIN / "below").mkdir()
    (root / TRAIN / "below" / "0010_c1s1_000000_00.jpg").touch()
    (root / TRAIN / "._0002_c1s1_000451_03.jpg").touch()
    theirs = torchreid.Market1501(root=str(tmp_path), verbose=False)
    ours = read_market1501(tmp_path)
    relabelled = {person.pid for person in ours.train}
    assert theirs.num_train_pids == len(relabelled)
    for split in ("query", "gallery"):
        assert sorted((Path(item[0]).name, *item[1:3]) for item in getattr(theirs, split)) == [
            (name, pid, camid - 1) for name, pid, camid in ids(getattr(ours, split))
        ]
    # The training ids are counted anew there: the same people must stay together.
    pairs = {
        (by_name[Path(item[0]).name].pid, item[1])
        for by_name in [{person.path.name: person for person in ours.train}]
        for item in theirs.train
    }
    assert len(pairs) == len(relabelled)
    assert sorted((Path(item[0]).name, item[2]) for item in theirs.train) == [
        (name, camid - 1) for name, _, camid in ids(ours.train)
    ]


@pytest.mark.parametrize("below", ["", "Market-1501-v15.09.15", "market1501/Market-1501-v15.09.15"])
def test_the_splits_are_found_below_the_usual_parents(tmp_path: Path, below: str) -> None:
    market(tmp_path / below)
    assert find_root(tmp_path) == tmp_path / below
    assert len(read_market1501(tmp_path).query) == 2


def test_cameras_may_have_many_digits_and_names_other_endings(tmp_path: Path) -> None:
    names = ["0005_c12_f0046985.jpg", "12345_c103s1_000001_00.jpg"]
    dataset = read_market1501(market(tmp_path, dict.fromkeys(SPLITS, names)))
    assert ids(dataset.train) == [
        ("0005_c12_f0046985.jpg", 5, 12),
        ("12345_c103s1_000001_00.jpg", 12345, 103),
    ]


@pytest.mark.parametrize(
    ("pattern", "pid", "camid"),
    [
        (r"(?P<camid>\d+)-(?P<pid>\d+)", 44, 3),
        (r"(\d+)-(\d+)", 3, 44),
        (r"\d+-(?P<pid>\d+)", 44, 1),
    ],
)
def test_other_names_are_read_by_a_pattern(
    tmp_path: Path, pattern: str, pid: int, camid: int
) -> None:
    market(tmp_path, {split: ["cam3-44.jpg"] for split in SPLITS})
    assert ids(read_market1501(tmp_path, pattern=pattern).train) == [("cam3-44.jpg", pid, camid)]


@pytest.mark.parametrize("pattern", ["(", r"\d+", r"(\d)(\d)(\d)", r"(?P<person>\d+)_(\d+)"])
def test_a_pattern_that_cannot_work_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="pattern"):
        read_market1501(market(tmp_path), pattern=pattern)


def test_files_that_do_not_fit_are_reported(tmp_path: Path) -> None:
    root = market(tmp_path)
    for name in ("poster.jpg", "0002_c1s1_000451_04.png", "Thumbs.db", "---_c1.jpg", "new.heic"):
        (root / TRAIN / name).touch()
    dataset = read_market1501(root, allow_left_out=True)
    assert ("0002_c1s1_000451_04.png", 2, 1) in ids(dataset.train)
    assert len(dataset.train) == 5
    assert [line.removeprefix(f"{root / TRAIN}/") for line in dataset.left_out] == [
        rf"---_c1.jpg: the name does not match {PATTERN}",
        rf"poster.jpg: the name does not match {PATTERN}",
        "new.heic: pictures that end in .heic are not read",
    ]


def test_more_than_a_tenth_is_left_out_only_where_that_is_allowed(tmp_path: Path) -> None:
    names = [f"{pid:04d}_c1s1_000000_00.jpg" for pid in range(1, 10)]
    root = market(tmp_path, {TRAIN: [*names, "poster.jpg"]})
    assert len(read_market1501(root, splits=(TRAIN,)).left_out) == 1
    (root / TRAIN / "logo.png").touch()
    with pytest.raises(
        ReidaugError,
        match=r"bounding_box_train: 2 of 11 images would be left out, such as .*logo\.png: the "
        r"name does not match.*; rename them like 0002_c1s1.*; or go on without them by "
        r"--allow-left-out",
    ):
        read_market1501(root, splits=(TRAIN,))
    found = read_market1501(root, splits=(TRAIN,), allow_left_out=True)
    assert (len(found.train), len(found.left_out)) == (9, 2)


@pytest.mark.parametrize("suffix", ["png", "bmp", "JPG", "jpeg", "webp", "tif", "gif"])
def test_images_of_every_format_count(tmp_path: Path, suffix: str) -> None:
    files = {
        split: [name.replace("jpg", suffix) for name in names] for split, names in FILES.items()
    }
    dataset = read_market1501(market(tmp_path, files))
    assert [len(part) for part in dataset[1:4]] == [4, 2, 3]
    assert dataset.left_out == ()


@pytest.mark.parametrize(
    "names",
    [
        ["001_2_c10_015833.jpg", "002_1_c10_015834.jpg"],  # the second number is the clothes
        ["id-1_c1s1_0.jpg", "id-2_c1s1_0.jpg"],
        ["anna7_c1.jpg", "bert7_c2.jpg"],
        ["c1_002_90.jpg", "c2_003_91.jpg"],
        ["-2_c1.jpg"],
    ],
)
def test_names_that_do_not_begin_with_the_person_ask_for_a_pattern(
    tmp_path: Path, names: list[str]
) -> None:
    root = market(tmp_path, {TRAIN: names})
    with pytest.raises(ReidaugError, match=r"and none that counts, such as .*--pattern"):
        read_market1501(root, splits=(TRAIN,))


def test_three_names_show_what_was_read(tmp_path: Path) -> None:
    assert read_market1501(market(tmp_path)).examples == (
        "0000_c2s1_000401_04.jpg: person 0, camera 2",
        "0002_c1s1_000451_03_w07.jpg: person 2, camera 1",
        "0007_c3s2_077419_03.jpg: person 7, camera 3",
    )


def test_long_ids_are_numbered_the_same_everywhere(tmp_path: Path) -> None:
    long, camera = "12345678901234567890", "98765432109876543210"
    names = [f"{long}_c{camera}s1_1.jpg", f"{long}_c1s1_1.jpg", "7_c1s1_1.jpg"]
    dataset = read_market1501(market(tmp_path, dict.fromkeys(SPLITS, names)))
    people = {person.path.name: person for person in dataset.train}
    pids = {person.pid for person in dataset.train}
    assert len(pids) == 2
    assert {person.pid for person in dataset.query} == pids
    assert people[names[0]].pid == people[names[1]].pid
    assert people[names[0]].camid != 1
    assert all(max(person.pid, person.camid) < 2**63 for person in dataset.train)


def layumi(root: Path, files: dict[str, list[str]] = FILES) -> Path:
    folders = {TRAIN: ("train", "train_all"), QUERY: ("query",), GALLERY: ("gallery",)}
    for split, names in files.items():
        for name in (name for name in names if not name.startswith("-1")):
            for folder in folders[split]:
                path = root / "pytorch" / folder / name[:4] / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    return root


def test_a_folder_for_each_person_is_read_in_every_split(tmp_path: Path) -> None:
    market(tmp_path / "market")
    expected = read_market1501(tmp_path / "market")
    root = layumi(tmp_path / "layumi")
    for place in (root, root / "pytorch"):
        found = read_market1501(place)
        assert found.root == root / "pytorch"
        for ours, theirs in zip(found[1:4], expected[1:4], strict=True):
            assert ids(ours) == ids(theirs)
    (root / "pytorch" / "query").rename(root / "elsewhere")
    (root / "pytorch" / "gallery").rename(root / "elsewhere2")
    assert len(read_market1501(root, splits=(TRAIN,)).train) == 4


def test_folders_are_persons_where_names_give_nobody(tmp_path: Path) -> None:
    for split in SPLITS:
        for person in ("anna", "bert", "17", "-1"):
            (tmp_path / split / person).mkdir(parents=True)
            (tmp_path / split / person / "img_01.png").touch()
    dataset = read_market1501(tmp_path)
    people = {p.path.parent.name: (p.pid, p.camid) for p in dataset.train}
    assert people.keys() == {"anna", "bert", "17"}  # -1 is junk
    assert people["17"] == (17, 1)
    assert len(set(people.values())) == 3
    assert {p.path.parent.name: (p.pid, p.camid) for p in dataset.query} == people
    assert "anna/img_01.png: person anna, camera 1" in dataset.examples
    pattern = r"^(?P<pid>[^/]+)/img_(?P<camid>\d+)"
    assert {p.camid for p in read_market1501(tmp_path, pattern=pattern).train} == {1}
    before = tmp_path / TRAIN / "bert"
    for name in ("masks", "Person", "cam_a", "camera 2", "video3", "date_2024-03-12", "images_1"):
        before = before.rename(tmp_path / TRAIN / name)
        with pytest.raises(ReidaugError, match=f"folders such as {name} are none"):
            read_market1501(tmp_path)
    for name in ("Parth", "Daya", "c1", "id2", "viewer 1a"):
        before = before.rename(tmp_path / TRAIN / name)
        assert name in {person.words[0] for person in read_market1501(tmp_path).train}


def test_a_person_is_the_same_in_either_spelling(tmp_path: Path) -> None:
    for k, person in enumerate(("Zo\u00eb", "Zoe\u0308", "Ana")):
        (tmp_path / TRAIN / person).mkdir(parents=True)
        (tmp_path / TRAIN / person / f"{k}.png").touch()
    people = read_market1501(tmp_path, splits=(TRAIN,)).train
    assert [person.who for person in people] == ["Ana", "Zo\u00eb", "Zo\u00eb"]
    assert len({person.pid for person in people}) == 2
    pattern = compile_pattern(r"^(?P<pid>[^_]+)_")
    assert ids_in(pattern, "Zo\u00eb_1.jpg") == ids_in(pattern, "Zoe\u0308_1.jpg")


def test_files_that_are_no_images_are_left_out(tmp_path: Path) -> None:
    root = market(tmp_path)
    (root / TRAIN / "0009_c1s1_000000_00.jpg").symlink_to("0009_c1s1_000000_00.jpg")
    (root / TRAIN / "0009_c1s1_000000_01.jpg").symlink_to("nowhere")
    os.mkfifo(root / TRAIN / "0009_c1s1_000000_02.jpg")
    (root / TRAIN / "0009_c1s1_000000_03.jpg").mkdir()
    Path(os.fsdecode(bytes(root / TRAIN) + b"/0009_c1s1_0000\xff.jpg")).touch()
    (root / TRAIN / "0009_c1s1\n.jpg").touch()
    for k, character in enumerate("\x1b\x85\u2028"):
        (root / TRAIN / f"0010_c{k}s1_{character}.jpg").touch()
    unprintable = "the name is not UTF-8 or has a line break or another control character"
    dataset = read_market1501(root, allow_left_out=True)
    assert 9 not in {person.pid for person in dataset.train}
    lines = sorted(line.removeprefix(f"{root / TRAIN}/") for line in dataset.left_out)
    assert lines == [
        rf"0009_c1s1\n.jpg: {unprintable}",
        "0009_c1s1_000000_00.jpg: a link that leads nowhere",
        "0009_c1s1_000000_01.jpg: a link that leads nowhere",
        "0009_c1s1_000000_02.jpg: is a named pipe; only regular files are read",
        rf"0009_c1s1_0000\udcff.jpg: {unprintable}",
        rf"0010_c0s1_\x1b.jpg: {unprintable}",
        rf"0010_c1s1_\x85.jpg: {unprintable}",
        rf"0010_c2s1_\u2028.jpg: {unprintable}",
    ]


def test_a_wrong_folder_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ReidaugError, match=r"no such folder; a Market-1501 root holds bounding"):
        read_market1501(tmp_path / "nowhere")
    with pytest.raises(ReidaugError, match=r"no folder bounding_box_train here or in Market-1501"):
        read_market1501(tmp_path)
    (tmp_path / "one.jpg").touch()
    with pytest.raises(ReidaugError, match=r"one\.jpg: a file, and no folder; a Market-1501 root"):
        read_market1501(tmp_path / "one.jpg")
    root = market(tmp_path / "data")
    with pytest.raises(ReidaugError, match=rf"this is one split.*{re.escape(str(root))}$"):
        read_market1501(root / QUERY)


def test_a_missing_or_empty_split_is_an_error_unless_it_is_not_read(tmp_path: Path) -> None:
    root = market(tmp_path, {TRAIN: FILES[TRAIN], GALLERY: ["-1_c1s1_000401_03.jpg"]})
    with pytest.raises(ReidaugError, match=r"no folder query; a Market-1501 root holds"):
        read_market1501(root)
    with pytest.raises(ReidaugError, match=r"bounding_box_test: 1 images, 1 of them junk"):
        read_market1501(root, splits=(GALLERY,))
    (root / QUERY).mkdir()
    with pytest.raises(ReidaugError, match=r"query: 0 images, .* names are like 0002_c1s1"):
        read_market1501(root)
    dataset = read_market1501(root, splits=(TRAIN,))
    assert len(dataset.train) == 4
    assert dataset.query == dataset.gallery == ()


def msmt17(root: Path) -> Path:
    lists = {
        "train": [
            "0000/0000_000_01_0303morning_0015_0.jpg 0",
            "0001/0001_003_14_0303noon_1_1.jpg 1",
        ],
        "query": ["0000/0000_001_02_0303morning_0018_0.jpg 0"],
        "gallery": ["0000/0000_002_15_0303morning_0018_1.jpg 0"],
    }
    for split, lines in lists.items():
        for line in lines:
            image = root / ("train" if split == "train" else "test") / line.split()[0]
            image.parent.mkdir(parents=True, exist_ok=True)
            image.touch()
        (root / f"list_{split}.txt").write_text("\n".join(lines) + "\n")
    return root


def test_msmt17_is_read_by_its_lists(tmp_path: Path) -> None:
    root = msmt17(tmp_path / "MSMT17_V1")
    dataset = read_market1501(tmp_path)
    assert dataset.root == root
    assert [(p.pid, p.camid) for p in dataset.train] == [(0, 1), (1, 14)]
    assert [(p.pid, p.camid) for p in dataset.query] == [(0, 2)]
    assert [(p.pid, p.camid) for p in dataset.gallery] == [(0, 15)]
    assert all(p.path.is_file() for p in (*dataset.train, *dataset.query, *dataset.gallery))


def test_damaged_lines_of_msmt17_are_reported(tmp_path: Path) -> None:
    path = msmt17(tmp_path) / "list_train.txt"
    path.write_text(path.read_text() + "what is this\n\n0000/0000_009_01_0303morning_0_0.jpg 0\n")
    with pytest.raises(ReidaugError, match=r"2 of 4 images would be left out.*correct these lines"):
        read_market1501(tmp_path)
    dataset = read_market1501(tmp_path, allow_left_out=True)
    assert len(dataset.train) == 2
    assert [line.removeprefix(f"{path}:")[:9] for line in dataset.left_out] == [
        "3: expect",
        "5: no ima",
    ]
    path.write_text(f"{'9' * 300}/0000_000_01_0.jpg 0\n{'a/' * 3000}0000_000_01_0.jpg 0\n")
    with pytest.raises(ReidaugError, match="none of its 2 lines names an image"):
        read_market1501(tmp_path)
    path.write_text("nonsense\n")
    with pytest.raises(ReidaugError, match="none of its 1 lines names an image"):
        read_market1501(tmp_path)


def test_annotations_count_junk_too(tmp_path: Path) -> None:
    root = market(tmp_path)
    (root / GALLERY / "Thumbs.db").touch()
    assert list(image_names(root / GALLERY)) == sorted(FILES[GALLERY])
    with pytest.raises(ReidaugError, match="no folder elsewhere"):
        image_names(root / "elsewhere")
