from pathlib import Path

import pytest
from layout_roots import layout_root

from reidaug.data.dataset_roots import find_dataset, recognise
from reidaug.data.layouts import LAYOUTS, QUERY, TRAIN
from reidaug.data.loose_crops import read_people
from reidaug.data.market1501 import names_read, read_market1501
from reidaug.errors import UsageError


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if LAYOUTS[name].recognised])
def test_some_are_recognised_and_told(tmp_path: Path, layout: str) -> None:
    root = layout_root(tmp_path / "root", layout)
    found = read_market1501(root)
    assert found == read_market1501(root, layout=layout)
    assert f"names are read as in {LAYOUTS[layout].title} (--layout {layout}): " in names_read(
        found
    )


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if not LAYOUTS[name].recognised])
def test_the_others_are_read_as_ever(tmp_path: Path, layout: str) -> None:
    root = layout_root(tmp_path / "root", layout)
    assert read_market1501(root, splits=(TRAIN,)).layout == ""


def test_folders_that_fit_two_layouts_are_refused(tmp_path: Path) -> None:
    root = layout_root(layout_root(tmp_path / "root", "mars"), "veri")
    with pytest.raises(UsageError, match="--layout veri or --layout mars decides"):
        read_people(root)
    assert read_people(root, layout="veri").layout == "veri"


def test_a_dataset_is_found_below_its_usual_folders(tmp_path: Path) -> None:
    root = layout_root(tmp_path / "LTCC_ReID", "ltcc")
    place = find_dataset(tmp_path, layout="ltcc")
    assert (place.folder, place.split(TRAIN), place.split(QUERY)) == (
        root, root / "train", root / "query",
    )  # fmt: skip
    assert recognise(tmp_path) == LAYOUTS["ltcc"]
    assert not place.rule.nobody and not place.listed
    assert find_dataset(layout_root(tmp_path / "m", "msmt17")).listed


def test_a_pattern_is_no_layout(tmp_path: Path) -> None:
    root = layout_root(tmp_path / "root", "ltcc")
    assert find_dataset(root, pattern=r"^(?P<pid>\d+)").rule.name == ""
