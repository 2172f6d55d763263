from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from reidaug.augment.output_folder import base_name, copy_originals, show_split
from reidaug.data.crop_names import PATTERN, compile_pattern, id_of, ids_in, warp_name
from reidaug.data.images import is_jpeg
from reidaug.data.market1501 import TRAIN, Person
from reidaug.errors import ReidaugError
from reidaug.jobs import Records


@pytest.mark.parametrize(
    ("name", "pid", "camid", "expected"),
    [
        ("0002_c1s1_000451_03.jpg", 2, 1, "0002_c1s1_000451_03.jpg"),
        ("0002_c12s1_000451_03.jpg", 2, 12, "0002_c12s1_000451_03.jpg"),
        ("0000_000_01_0303morning_0008_0.jpg", 0, 1, "0000_c1_0000_000_01_0303morning_0008_0.jpg"),
        ("anna-front.jpeg", 7, 3, "0007_c3_anna-front.jpg"),
        ("0002_c1s1_000451_03.png", 2, 1, "0002_c1s1_000451_03.jpg"),
        ("2024-01-01_c1_x.jpg", 4, 1, "0004_c1_2024-01-01_c1_x.jpg"),
        ("x_0002_c1.jpg", 2, 1, "0002_c1_x_0002_c1.jpg"),
    ],
)
def test_every_toolkit_reads_person_and_camera_from_a_name(
    name: str, pid: int, camid: int, expected: str
) -> None:
    assert base_name(Person(Path("x") / name, pid, camid)) == expected


def test_a_split_is_linked_once(tmp_path: Path) -> None:
    (tmp_path / "query").mkdir()
    (tmp_path / "query" / "a.jpg").write_bytes(b"a")
    link = tmp_path / "out"
    assert show_split(tmp_path / "query", link)
    assert show_split(tmp_path / "query", link)
    assert link.is_symlink()
    (tmp_path / "gallery").symlink_to(tmp_path / "gone")
    with pytest.raises(ReidaugError, match="gallery: a link that leads nowhere; mend it"):
        show_split(tmp_path / "gallery", tmp_path / "other")
    assert (link / "a.jpg").read_bytes() == b"a"
    assert not show_split(tmp_path / "nowhere", tmp_path / "other")
    link.unlink()
    link.symlink_to(tmp_path)
    with pytest.raises(ReidaugError, match="does not show"):
        show_split(tmp_path / "query", link)
    (tmp_path / "query").rename(tmp_path / "away")
    assert not show_split(tmp_path / "query", link)
    assert link.is_symlink()


def test_a_split_is_copied_where_links_are_not_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    (tmp_path / "query").mkdir()
    (tmp_path / "query" / "a.jpg").write_bytes(b"a")
    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert show_split(tmp_path / "query", tmp_path / "out")
    assert not (tmp_path / "out").is_symlink()
    assert (tmp_path / "out" / "a.jpg").read_bytes() == b"a"
    assert show_split(tmp_path / "query", tmp_path / "out")
    (tmp_path / "query" / "b.jpg").write_bytes(b"b")
    with pytest.raises(ReidaugError, match=r"out does not show .*query as it is now; remove it"):
        show_split(tmp_path / "query", tmp_path / "out")


def copies(people: Sequence[Person], out: Path) -> list[Path]:
    digests = {person.path: person.path.read_bytes().hex() for person in people}
    return copy_originals(people, out, digests, Records(out / ".chunks"))


def test_copies_follow_their_images(tmp_path: Path) -> None:
    (tmp_path / "out" / TRAIN).mkdir(parents=True)
    people = [Person(tmp_path / f"000{k}_c1s1_000000_00.jpg", k, 1) for k in range(3)]
    for person in people:
        Image.new("RGB", (8, 16)).save(person.path)
    own = tmp_path / "out" / TRAIN / "mine.jpg"
    own.write_text("of the user's")
    assert len(copies(people, tmp_path / "out")) == 3
    first, second, gone = (tmp_path / "out" / TRAIN / person.path.name for person in people)
    times = first.stat().st_mtime_ns
    Image.new("RGB", (8, 16), "red").save(people[1].path)
    assert len(copies(people[:2], tmp_path / "out")) == 2
    assert first.stat().st_mtime_ns == times
    assert second.read_bytes() == people[1].path.read_bytes()
    assert own.exists()
    assert not gone.exists()


def test_only_images_are_copied_as_originals(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out" / TRAIN).mkdir(parents=True)
    text = tmp_path / "in" / "0001_c1s1_000000_00.jpg"
    text.write_text("not an image")
    assert copies([Person(text, 1, 1)], tmp_path / "out") == []
    assert not list((tmp_path / "out" / TRAIN).iterdir())


@pytest.mark.parametrize("letter", ["a", "é", "人"])
def test_long_names_are_cut_and_stay_apart(letter: str) -> None:
    longest = f"0002_c1s1_{letter * (240 // len(letter.encode()))}"
    one, other = (base_name(Person(Path(f"{longest}{end}.jpg"), 2, 1)) for end in "xy")
    assert one != other
    assert one.startswith("0002_c1s1_")
    assert len(warp_name(one, 9999).encode()) < 230
    ids = id_of("anna"), id_of("door")
    foreign = base_name(Person(Path(f"x_{longest}.jpg"), *ids))
    assert len(warp_name(foreign, 9999).encode()) <= 255
    assert ids_in(compile_pattern(PATTERN), foreign) == ids


def test_originals_are_counted_as_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out" / TRAIN).mkdir(parents=True)
    people = []
    for suffix in (".jpg", ".png"):
        path = tmp_path / "in" / f"0001_c1s1_000000_00{suffix}"
        Image.new("RGB", (8, 16)).save(path)
        people.append(Person(path, 1, 1))
    for _ in range(2):
        (copy,) = copies(people, tmp_path / "out")
        before = copy.read_bytes()
        copy.write_bytes(before[:40])  # damaged
    assert copies(people, tmp_path / "out") == [copy]
    assert copy.read_bytes() == before
    assert len(list((tmp_path / "out" / TRAIN).iterdir())) == 1


def test_the_content_decides_what_is_copied_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out" / TRAIN).mkdir(parents=True)
    names = ("0001_c1s1_000000_00.jpg", "0002_c1s1_000000_00.png")
    paths = [tmp_path / "in" / name for name in names]
    Image.new("RGB", (8, 16), "red").save(paths[0], format="PNG")  # each is called as the other
    Image.new("RGB", (8, 16), "red").save(paths[1], format="JPEG")
    copies([Person(path, k, 1) for k, path in enumerate(paths, 1)], tmp_path / "out")
    first, second = sorted((tmp_path / "out" / TRAIN).iterdir())
    assert is_jpeg(first)
    assert is_jpeg(second)
    assert not is_jpeg(paths[0])
    assert second.read_bytes() == paths[1].read_bytes()


def test_warps_of_people_named_by_words_say_whose_they_are() -> None:
    ids = id_of("Anna B"), 1
    name = base_name(Person(Path("Anna B/img_1.png"), *ids, words=("Anna B", "")))
    assert name == f"{ids[0]}_c1_Anna-B_img_1.jpg"
    assert ids_in(compile_pattern(PATTERN), name) == ids
    told = base_name(Person(Path("anna_img_1.png"), *ids, words=("anna", "")))
    assert told == f"{ids[0]}_c1_anna_img_1.jpg"
