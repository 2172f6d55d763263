import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from stick_market import stick_market

from reidaug.data.crop_names import ids_in
from reidaug.data.images import encode_png
from reidaug.data.keypoints import read_keypoints, write_patn
from reidaug.data.market1501 import GALLERY, QUERY, SPLITS, TRAIN, Person
from reidaug.dataset_check.checkup import Checkup, check_dataset, duplicate_findings, equal_groups
from reidaug.dataset_check.findings import ADVICE, PROBLEM, REMARK, Finding
from reidaug.dataset_check.identities import identity_findings
from reidaug.dataset_check.images import ImageFacts, inspect_image, inspect_images
from reidaug.dataset_check.joints import outside_share
from reidaug.dataset_check.names import Listing, suggest_pattern
from reidaug.errors import ReidaugError, UsageError
from reidaug.geometry.pose import Pose

KEYPOINTS = "market-annotation-train.csv"


@pytest.fixture
def market(tmp_path: Path) -> Path:
    return stick_market(tmp_path / "market")


def images(market: Path, split: str = TRAIN) -> list[Path]:
    return sorted((market / split).iterdir())


def found(checkup: Checkup, words: str) -> Finding:
    """The one finding whose words these are."""
    (finding,) = (f for f in checkup.findings if words in f.what)
    return finding


def test_a_sound_dataset_has_nothing_but_its_size_against_it(market: Path) -> None:
    checkup = check_dataset(market, keypoints=market / KEYPOINTS)
    assert {split: tuple(counts) for split, counts in checkup.counts.items()} == {
        split: (3, 6, 2, 0, 0) for split in SPLITS
    }
    assert [(f.rank, f.what) for f in checkup.findings] == [
        (ADVICE, "6 images with both shoulders and both hips")
    ]
    assert checkup.usable() == {"augment": True, "training": True, "evaluation": True}
    (missing,) = check_dataset(market).findings
    assert (missing.rank, missing.what) == (REMARK, "no keypoints")


def save(path: Path, change: Callable[[Image.Image], Image.Image], **options: object) -> None:
    """Change an image and store it under the same name."""
    content = io.BytesIO()
    with Image.open(path) as image:
        change(image).save(content, **{"format": "JPEG", **options})
    path.write_bytes(content.getvalue())


def deep(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def exif(turn: int) -> Image.Exif:
    note = Image.Exif()
    note[0x0112] = turn
    return note


STORED: dict[str, tuple[Callable[[Image.Image], Image.Image], dict[str, object], str]] = {
    "grey": (lambda i: i.convert("L"), {}, REMARK),
    "cmyk": (lambda i: i.convert("CMYK"), {}, REMARK),
    "alpha": (lambda i: i.convert("RGBA"), {"format": "PNG"}, REMARK),
    "deep": (deep, {"format": "PNG"}, REMARK),
    "misnamed": (lambda i: i, {"format": "PNG"}, REMARK),
    "turned": (lambda i: i, {"exif": exif(6)}, REMARK),
    "large": (lambda i: i.resize((1000, 2000)), {}, REMARK),
    "tiny": (lambda i: i.resize((8, 16)), {}, ADVICE),
    "shape": (lambda i: i.resize((200, 64)), {}, ADVICE),
    "flat": (lambda i: Image.new("RGB", i.size, "navy"), {}, ADVICE),
}


@pytest.mark.parametrize("mark", STORED)
def test_every_kind_of_image_is_marked(market: Path, mark: str) -> None:
    change, options, _ = STORED[mark]
    path = images(market)[0]
    assert inspect_image(path).marks == ()
    save(path, change, **options)
    facts = inspect_image(path)
    assert mark in facts.marks
    upright = (64, 32) if mark != "turned" else (32, 64)
    if mark not in ("large", "tiny", "shape"):
        assert (facts.height, facts.width) == upright


def test_marks_are_reported_with_their_rank_and_split(market: Path) -> None:
    for path, (change, options, _) in zip(
        (*images(market), *images(market, QUERY)), STORED.values(), strict=False
    ):
        save(path, change, **options)
    checkup = check_dataset(market)
    for words, rank, split in (
        ("CMYK", REMARK, TRAIN),
        ("lie on their side", REMARK, TRAIN),
        ("plain colour", ADVICE, QUERY),
        ("fewer than 32 rows", ADVICE, QUERY),
    ):
        finding = found(checkup, words)
        assert (finding.rank, finding.where, finding.cases) == (rank, split, 1)
    assert "sizes from" in " ".join(f.what for f in checkup.findings)
    assert all(checkup.usable().values())


@pytest.mark.parametrize("content", [b"", b"text", b"half"])
def test_an_unreadable_image_stops_what_reads_all_of_them(market: Path, content: bytes) -> None:
    path = images(market, GALLERY)[1]
    path.write_bytes(path.read_bytes()[:400] if content == b"half" else content)
    checkup = check_dataset(market)
    finding = found(checkup, "cannot be read")
    assert (finding.where, finding.cases, finding.rank) == (GALLERY, 1, PROBLEM)
    assert str(path) in finding.examples[0]
    assert checkup.usable() == {"augment": True, "training": True, "evaluation": False}


def test_copies_are_found_by_content_and_told_by_what_they_spoil(market: Path) -> None:
    train, query = images(market), images(market, QUERY)
    train[1].write_bytes(train[0].read_bytes())  # the same person
    train[4].write_bytes(train[2].read_bytes())  # another person
    query[0].write_bytes(train[3].read_bytes())
    checkup = check_dataset(market)
    assert found(checkup, "more than once in a split").rank == REMARK
    assert found(checkup, "under different persons").rank == ADVICE
    leaked = found(checkup, "training and test alike, byte for byte")
    assert (leaked.rank, leaked.cases, leaked.stops) == (PROBLEM, 1, ("evaluation",))
    assert leaked.examples == (f"{TRAIN}/{train[3].name} = {QUERY}/{query[0].name}",)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_equal_hashes_are_those_a_loop_finds(values: list[int]) -> None:
    expected = [
        [k for k, other in enumerate(values) if other == value]
        for value in dict.fromkeys(values)
        if value and values.count(value) > 1
    ]
    assert equal_groups(np.array(values, dtype=np.uint64)) == expected


def test_two_processes_find_what_one_finds(market: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reidaug.dataset_check.images.AT_ONCE", 2)
    images(market)[3].write_text("text")
    paths = images(market)
    done: list[int] = []
    one, two = (inspect_images(paths, masks=None, workers=k, advance=done.append) for k in (1, 2))
    assert one.digests().tolist() == two.digests().tolist()
    assert one.sizes().tolist() == two.sizes().tolist()
    assert one.errors.examples == two.errors.examples
    assert done == [2, 2, 2] * 2


def crop(split: str, pid: int, camid: int, shot: int = 0) -> Person:
    return Person(Path(split) / f"{pid:04d}_c{camid}s1_{shot:06d}_00.jpg", pid, camid)


def who(
    train: list[tuple[int, int]], query: list[tuple[int, int]], gallery: list[tuple[int, int]]
) -> list[Finding]:
    listings = {
        split: Listing(split, tuple(crop(split, *ids, shot) for shot, ids in enumerate(people)))
        for split, people in zip(SPLITS, (train, query, gallery), strict=True)
    }
    return identity_findings(listings, listed=False)


FINE = [(1, 1), (1, 2), (2, 1), (2, 2)]
TEST = [(7, 1), (8, 2)], [(7, 2), (8, 1)]


@pytest.mark.parametrize(
    ("train", "query", "gallery", "says", "rank"),
    [
        (FINE, [*TEST[0], (9, 1)], TEST[1], "1 of 3 queries show a person the gallery", ADVICE),
        (FINE, [*TEST[0], (7, 2)], TEST[1], "1 of 3 queries meet their person", ADVICE),
        (FINE, [(7, 2)], TEST[1], "1 of 1 queries meet their person", PROBLEM),
        (FINE, [(9, 2)], TEST[1], "1 of 1 queries show a person the gallery", PROBLEM),
        ([*FINE, (8, 1), (8, 2)], *TEST, "1 person number in training and test alike", ADVICE),
        ([*FINE, (3, 1)], *TEST, "1 of 3 persons have one image only", ADVICE),
        ([*FINE, (3, 1), (3, 1)], *TEST, "1 of 3 persons were seen by one camera only", REMARK),
        ([(1, 1), (1, 1), (2, 2), (2, 2)], *TEST, "2 of 2 persons were seen by one", ADVICE),
        ([(1, 1), (1, 2)], *TEST, "only one person", PROBLEM),
        (FINE, TEST[0], [*TEST[1], (0, 1)], "1 image of person 0", REMARK),
        ([*FINE, (0, 1), (0, 2)], *TEST, "2 images of person 0", ADVICE),
        ([*FINE, (3, 11), (3, 12)], *TEST, "2 names with a camera of several digits", ADVICE),
        ([*FINE, (1502, 1), (1502, 2)], *TEST, "2 images with a person above 1501", REMARK),
        ([*FINE, (3, 0), (3, 1)], *TEST, "1 image with a person above 1501 or a camera", REMARK),
    ],
)
def test_persons_and_cameras_are_told(
    train: list[tuple[int, int]],
    query: list[tuple[int, int]],
    gallery: list[tuple[int, int]],
    says: str,
    rank: str,
) -> None:
    assert who(FINE, *TEST) == []
    (finding,) = who(train, query, gallery)
    assert finding.what.startswith(says)
    assert finding.rank == rank
    assert bool(finding.stops) == (rank == PROBLEM)


pids, cameras = st.integers(1, 4), st.integers(1, 3)
shots = st.lists(st.tuples(pids, cameras), min_size=1, max_size=8)


@given(shots, shots)
def test_queries_without_a_match_are_those_a_loop_counts(
    query: list[tuple[int, int]], gallery: list[tuple[int, int]]
) -> None:
    lost = sum(not any(p == pid and c != camid for p, c in gallery) for pid, camid in query)
    findings = [f for f in who(FINE, query, gallery) if f.where == QUERY]
    assert sum(f.cases for f in findings) == lost
    assert any(f.rank == PROBLEM for f in findings) == (lost == len(query))


def test_lists_number_training_and_test_by_themselves() -> None:
    people = {split: Listing(split, (crop(split, 1, 1), crop(split, 2, 2))) for split in SPLITS}
    ranks = {f.rank for f in identity_findings(people, listed=True) if "alike" in f.what}
    assert ranks == {REMARK}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["0000_000_01_0303morning_0015_0.jpg", "0001_000_15_0303noon_0_1.jpg"], [(0, 1), (1, 15)]),
        (["1_001_1_01.jpg", "1_002_2_06.jpg", "5_003_1_01.jpg"], [(1, 1), (2, 2), (3, 1)]),
        (["cam3_0012_a.jpg", "cam1_0013_b.jpg"], [(12, 3), (13, 1)]),
        (["id12-camera02-7.jpg", "id13-camera11-8.jpg"], [(12, 2), (13, 11)]),
        (["0012_cam2.jpg", "0013_cam1.jpg"], [(12, 2), (13, 1)]),
        (["12_3_88.jpg", "13_1_89.jpg"], [(12, 3), (13, 1)]),
        (["person12.jpg", "person13.jpg"], [(12, 1), (13, 1)]),
    ],
)
def test_a_pattern_is_suggested_that_reads_the_names(
    names: list[str], expected: list[tuple[int, int]]
) -> None:
    import re

    suggested = suggest_pattern(names)
    assert suggested is not None
    assert [ids_in(re.compile(suggested), name) for name in names] == expected


def test_no_pattern_is_suggested_where_names_say_nothing() -> None:
    assert suggest_pattern(["anna.jpg", "0002_c1.jpg"]) is None
    assert suggest_pattern([]) is None


def rename(market: Path, split: str, form: str) -> None:
    for k, path in enumerate(images(market, split)):
        path.rename(path.with_name(form.format(pid=k // 2 + 1, cam=k % 2 + 1)))


def test_the_suggested_pattern_makes_a_dataset_of_foreign_names_sound(market: Path) -> None:
    for split in SPLITS:
        rename(market, split, "cam{cam}_{pid:04d}.jpg")
    checkup = check_dataset(market)
    assert not any(checkup.usable().values())
    finding = next(f for f in checkup.findings if f.where == TRAIN)
    assert finding.what == "all 6 names do not say whose they are"
    assert "reads person 1, camera 1 from cam1_0001.jpg" in finding.advice
    pattern = finding.advice.split("'")[1]
    assert check_dataset(market, pattern=pattern).usable()["augment"]


def test_names_that_are_left_out_are_counted(market: Path) -> None:
    (market / TRAIN / "Thumbs.db").touch()
    (market / TRAIN / "notes.jpg").write_bytes(images(market)[0].read_bytes())
    (market / QUERY / "0001_c1s1_000001_00.png").write_bytes(images(market)[1].read_bytes())
    (market / GALLERY / "-1_c1s1_000001_00.jpg").touch()
    checkup = check_dataset(market)
    assert found(checkup, "1 name do not say").where == TRAIN
    assert found(checkup, "do not end in .jpg").where == QUERY
    assert found(checkup, "1 junk image").rank == REMARK
    assert checkup.counts[GALLERY].junk == 1
    assert all(checkup.usable().values())


@pytest.mark.parametrize(
    ("split", "left"),
    [(TRAIN, ["evaluation"]), (QUERY, ["augment", "training"]), (GALLERY, ["augment", "training"])],
)
def test_a_missing_split_leaves_what_does_not_need_it(
    market: Path, split: str, left: list[str]
) -> None:
    for path in images(market, split):
        path.unlink()
    checkup = check_dataset(market)
    assert [use for use, fine in checkup.usable().items() if fine] == left
    (market / split).rmdir()
    checkup = check_dataset(market)
    assert [use for use, fine in checkup.usable().items() if fine] == left
    assert split not in checkup.counts


def test_lists_of_msmt17_are_read(tmp_path: Path, market: Path) -> None:
    source = images(market)
    lines = {"train": [], "query": [], "gallery": []}
    for k, part in enumerate(["train"] * 4 + ["query", "gallery"]):
        folder = "train" if part == "train" else "test"
        name = f"{k // 2:04d}/{k // 2:04d}_000_{k % 2 + 1:02d}_0303morning_{k}_0.jpg"
        (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_bytes(source[k].read_bytes())
        lines[part].append(f"{name} {k // 2}")
    lines["train"].append("0009/0009_000_01_0303morning_0_0.jpg 9")
    for part, text in lines.items():
        (tmp_path / f"list_{part}.txt").write_text("\n".join(text))
    checkup = check_dataset(tmp_path)
    assert checkup.listed
    assert checkup.counts[TRAIN][:3] == (2, 4, 2)
    assert found(checkup, "1 name").advice == "mend these lines of the list"
    assert all(checkup.usable().values())


def poses(market: Path) -> dict[str, Pose]:
    return read_keypoints(market / KEYPOINTS).poses


def test_keypoints_are_matched_with_images(market: Path) -> None:
    known = poses(market)
    first, *others = known
    rest = {name: known[name] for name in others}
    write_patn(market / KEYPOINTS, rest | {"stranger.jpg": known[first]})
    checkup = check_dataset(market, keypoints=market / KEYPOINTS)
    without = found(checkup, "have no keypoints")
    assert (without.rank, without.examples) == (ADVICE, (first,))
    nobody = found(checkup, "that are not in bounding_box_train")
    assert (nobody.rank, nobody.examples) == (REMARK, ("stranger.jpg",))
    assert checkup.usable()["augment"]
    write_patn(market / KEYPOINTS, {f"a{name}": pose for name, pose in known.items()})
    checkup = check_dataset(market, keypoints=market / KEYPOINTS)
    assert found(checkup, "none of 6 training images").rank == PROBLEM
    assert not checkup.usable()["augment"]
    junk = "-1_c1s1_000001_01.jpg"
    (market / TRAIN / junk).write_bytes((market / TRAIN / first).read_bytes())
    write_patn(market / KEYPOINTS, {junk: known[first]})
    checkup = check_dataset(market, keypoints=market / KEYPOINTS)
    assert junk in found(checkup, "none of 6 training images").advice


def test_joints_seldom_seen_are_named(market: Path) -> None:
    known = poses(market)
    for pose in known.values():
        pose.visible[16:] = False
    write_patn(market / KEYPOINTS, known)
    finding = found(check_dataset(market, keypoints=market / KEYPOINTS), "fewer than half")
    assert finding.what.endswith("right_ear 0%, left_ear 0%")
    assert finding.rank == REMARK
    for pose in known.values():
        pose.visible[8] = False
    write_patn(market / KEYPOINTS, known)
    checkup = check_dataset(market, keypoints=market / KEYPOINTS)
    assert found(checkup, "fewer than half").rank == ADVICE
    assert found(checkup, "no image shows both shoulders").stops == ("augment",)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda xy: xy * 2 + 20, "images of another size"),
        (lambda xy: xy.flip(-1), "x and y are exchanged"),
    ],
)
def test_joints_outside_of_their_images_stop_augment(
    market: Path, change: Callable[[torch.Tensor], torch.Tensor], says: str
) -> None:
    moved = {name: Pose(change(p.xy), p.visible) for name, p in poses(market).items()}
    write_patn(market / KEYPOINTS, moved)
    checkup = check_dataset(market, keypoints=market / KEYPOINTS)
    finding = found(checkup, "lie outside of their image")
    assert finding.stops == ("augment",)
    assert says in finding.advice


def test_the_edge_of_a_picture_is_half_a_pixel_beyond_its_centres() -> None:
    xy = torch.full((1, 18, 2), -0.5)
    xy[0, 9:] = torch.tensor([31.5, 63.5])
    seen = torch.ones(1, 18, dtype=torch.bool)
    size = torch.tensor([[64.0, 32.0]])
    assert outside_share(Pose(xy, seen), size) == 0
    assert outside_share(Pose(xy - 0.1, seen), size) == 0.5
    assert outside_share(Pose(xy - 0.1, seen), torch.zeros_like(size)) == 0


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("k.csv", "nonsense", "no column"),
        ("k.json", json.dumps({"images": [], "annotations": []}), "not one usable pose"),
        ("k.txt", "", "keypoints are .csv"),
    ],
)
def test_an_unusable_keypoint_file_is_a_finding(
    market: Path, name: str, content: str, says: str
) -> None:
    (market / name).write_text(content)
    checkup = check_dataset(market, keypoints=market / name)
    assert found(checkup, says).stops == ("augment",)


def test_masks_are_looked_at_where_there_is_a_folder(market: Path) -> None:
    folder = market / "masks"
    folder.mkdir()
    paths = images(market)
    mask = torch.zeros(64, 32, dtype=torch.bool)
    mask[5:60, 10:22] = True
    for path, content in zip(
        paths,
        (
            encode_png(mask), encode_png(mask), encode_png(mask),
            b"text", encode_png(mask[:32]), encode_png(mask & False),
        ),
        strict=True,
    ):  # fmt: skip
        (folder / f"{path.stem}.png").write_bytes(content)
    (folder / f"{paths[0].stem}.png").unlink()
    checkup = check_dataset(market, masks=folder)
    for words, path in (
        ("have no mask", paths[0]),
        ("damaged mask", paths[3]),
        ("mask of another size", paths[4]),
        ("nearly nothing", paths[5]),
    ):
        assert found(checkup, words).examples == (path.name,)
    assert not any("mask" in f.what for f in check_dataset(market).findings)


def test_a_wrong_pattern_or_root_is_an_error(market: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name its groups"):
        check_dataset(market, pattern=r"\d+")
    with pytest.raises(ReidaugError, match="no such folder"):
        check_dataset(tmp_path / "nowhere")


def test_a_file_that_vanished_is_a_finding(market: Path) -> None:
    facts = inspect_image(market / "gone.jpg")
    assert facts == ImageFacts(0, 0, 0, (), f"{market / 'gone.jpg'}: No such file or directory")
    nobody = {split: Listing(split) for split in SPLITS}
    empty = inspect_images([], masks=None, workers=4, advance=lambda done: None)
    assert duplicate_findings(nobody, {split: empty for split in SPLITS}) == []
