import re
from pathlib import Path

import pytest
from docs_page import DOCS
from hypothesis import given
from hypothesis import strategies as st
from layout_roots import CAMERAS, PEOPLE, layout_root, name_in, who

from reidaug.data.crop_names import warp_name, warp_source
from reidaug.data.layouts import GALLERY, LAYOUTS, QUERY, SPLITS, TRAIN, check_names, known_layout
from reidaug.data.loose_crops import read_people
from reidaug.data.market1501 import names_read, read_market1501
from reidaug.errors import ReidaugError, UsageError

# Names as the datasets' own pages give them: person and camera, where these are no zero-led ones.
REAL = [
    ("market1501", "bounding_box_test/-1_c3s2_049978_01.jpg", -1, 3),
    ("market1501", "bounding_box_test/0000_c1s1_000151_01.jpg", 0, 1),
    ("dukemtmc", "query/0005_c2_f0046985.jpg", 5, 2),
    ("cuhk03-np", "query/0003_c2_21.png", 3, 2),
    ("veri", "image_query/0002_c012_00030600_0.jpg", 2, 12),
    ("image-folder", "train/anna/7.png", None, 1),
    ("image-folder", "gallery/-1/-1_c3s2_049978_01.jpg", -1, 3),
    ("image-folder", "gallery/0000/0000_c1s1_000151_01.jpg", 0, 1),
    ("ltcc", "test/094_2_c11_015815.png", 94, 11),
    ("prcc", "rgb/train/174/C_cropped_rgb045.jpg", 174, 3),
    ("prcc", "rgb/test/B/005/cropped_rgb001.jpg", 5, 2),
    ("mevid", "bbox_test/0201/0201O003C330T004F00192.jpg", 201, 330),
    ("mars", "bbox_test/00-1/00-1C6T0012F034.jpg", -1, 6),
    ("mars", "bbox_test/0000/0000C3T0001F001.jpg", 0, 3),
]


@pytest.mark.parametrize(("layout", "path", "pid", "camid"), REAL)
def test_real_paths_are_read(layout: str, path: str, pid: int | None, camid: int) -> None:
    for root in ("", "/data/0009_c4/"):
        reading = LAYOUTS[layout].read(Path(root + path))
        assert reading is not None
        assert reading.ids[1] == camid
        assert pid is None or reading.ids[0] == pid


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_example_is_read_as_it_says(layout) -> None:
    reading = layout.read(Path(layout.example))
    assert reading == layout.reads
    assert any(layout.example.startswith(f"{folder}/") for folder in layout.folders[TRAIN])
    assert set(layout.folders) == set(SPLITS)


@pytest.mark.parametrize("name", ["001_1_c1_015833.png", "0001C1T0001F001.jpg", "photo.jpg"])
def test_names_of_other_layouts_are_not_read(name: str) -> None:
    fits = [layout for layout in LAYOUTS if LAYOUTS[layout].read(Path("there") / name)]
    assert fits == {"0": ["image-folder", "ltcc"], "C": ["image-folder", "mars"]}.get(
        "C" if "C1T" in name else name[0], ["image-folder"]
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_small_dataset_is_read(tmp_path: Path, layout: str) -> None:
    root = layout_root(tmp_path / "root", layout)
    found = read_market1501(root, layout=layout)
    assert (found.layout, found.root) == (layout, root)
    pairs = {split: {(p, c) for p in PEOPLE[split] for c in CAMERAS[split]} for split in SPLITS}
    if layout == "prcc":
        pairs[QUERY], pairs[GALLERY] = {(7, 3), (8, 3)}, {(7, 1), (8, 1)}
    if layout == "msmt17":
        pairs[TRAIN] -= {(3, 3)}  # that of list_val.txt
    for split, people in zip(SPLITS, (found.train, found.query, found.gallery), strict=True):
        read = {(int(re.sub(r"\D", "", name)), camid % 330) for name, camid in who(people)}
        assert read == pairs[split], split
    assert f"--layout {layout}" in names_read(found)


def test_a_layout_whose_folders_are_not_there_tells_what_fits(tmp_path: Path) -> None:
    root = layout_root(tmp_path / "root", "mars")
    told = r"--layout ltcc looks for train, query, test, as in train/001_1_c1_015833.png, and none "
    with pytest.raises(UsageError, match=told + "is here; what is here fits --layout mars"):
        read_market1501(root, layout="ltcc")
    with pytest.raises(UsageError, match="none is here; no layout fits"):
        read_people(tmp_path, layout="mars")
    with pytest.raises(ReidaugError, match="no such folder; --layout mars looks for bbox_train"):
        read_people(tmp_path / "nowhere", layout="mars")


def test_a_layout_and_a_pattern_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="layout mars and pattern 'x' exclude each other"):
        check_names("x", "mars")
    with pytest.raises(UsageError, match=r"no layout 'marz'.*did you mean 'mars'"):
        check_names(None, "marz")
    with pytest.raises(ValueError, match="no layout 'marz'"):
        known_layout("marz")
    check_names("x", None)


def test_names_are_as_the_layout_has_them() -> None:
    assert name_in("mars", TRAIN, 1, 1) == LAYOUTS["mars"].example


@given(
    layout=st.sampled_from(list(LAYOUTS)),
    split=st.sampled_from(SPLITS),
    person=st.integers(1, 99_999),
    camera=st.integers(1, 3),
    number=st.integers(0, 999),
    pose=st.integers(0, 9_999),
)
def test_a_warp_is_of_the_person_and_camera_of_its_crop(
    layout: str, split: str, person: int, camera: int, number: int, pose: int
) -> None:
    name = name_in(layout, split, person, camera, number)
    reading, of_warp = (LAYOUTS[layout].read(Path(n)) for n in (name, warp_name(name, pose)))
    assert reading is not None and of_warp == reading
    if layout not in ("mevid", "prcc", "image-folder"):
        assert reading.ids == (person, camera)
    assert warp_source(warp_name(name, pose)) == (str(Path(name).with_suffix(".jpg")), pose)


def test_the_page_has_a_line_for_each() -> None:
    lines = (DOCS / "layouts.md").read_text().splitlines()
    for layout in LAYOUTS.values():
        told = "recognised" if layout.recognised else ""
        cells = (f"`{layout.name}`", layout.title, f"`{layout.example}`", layout.says, told)
        assert f"| {' | '.join(cells)} |" in lines
