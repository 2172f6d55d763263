from pathlib import Path

import pytest
from layout_roots import layout_root

from reidaug.data.layouts import LAYOUTS, TRAIN
from reidaug.data.listed_crops import list_lines, read_lists
from reidaug.errors import ReidaugError


def test_validation_crops_are_training_crops_where_asked_for(tmp_path: Path) -> None:
    root = layout_root(tmp_path / "root", "msmt17-val")
    without = read_lists(root, TRAIN)
    assert [person.place for person in without.people] == [""] * 5
    found = read_lists(root, TRAIN, rule=LAYOUTS["msmt17-val"])
    assert len(found.people) == 6
    assert found.people[-1].place == "0003/0003_001_03_0303morning_0008_0.jpg"
    (root / "list_val.txt").unlink()
    with pytest.raises(ReidaugError, match="list_val"):
        read_lists(root, TRAIN, rule=LAYOUTS["msmt17-val"])


@pytest.mark.parametrize("name", ["../0001_001_01_x.jpg", "/tmp/0001_001_01_x.jpg"])
def test_a_place_outside_of_the_folder_is_none(tmp_path: Path, name: str) -> None:
    root = layout_root(tmp_path / "root", "msmt17")
    (root / "0001_001_01_x.jpg").touch()
    text = (root / "list_train.txt").read_text()
    (root / "list_train.txt").write_text(f"{name} 1\n{text}")
    found = read_lists(root, TRAIN, rule=LAYOUTS["msmt17"], allow_left_out=True)
    assert len(found.people) == 5 and len(found.left_out) == 1


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    root = layout_root(tmp_path / "root", "msmt17")
    before = read_lists(root, TRAIN, rule=LAYOUTS["msmt17"])
    lines = list_lines({person.place: person.pid for person in before.people})
    (root / "list_train.txt").write_text(lines)
    assert read_lists(root, TRAIN, rule=LAYOUTS["msmt17"]) == before


def test_an_image_that_lists_name_again_counts_once(tmp_path: Path) -> None:
    root = layout_root(tmp_path / "root", "msmt17-val")
    lists, rule = root / "list_train.txt", LAYOUTS["msmt17-val"]
    once, text = read_lists(root, TRAIN, rule=rule), (root / "list_train.txt").read_text()
    with lists.open("a") as file:
        file.write(f"./{text.splitlines()[0]}\n{(root / 'list_val.txt').read_text()}")
    found = read_lists(root, TRAIN, rule=rule)
    assert {person.path.resolve() for person in found.people} == {p.path for p in once.people}
    assert len(found.people) == len(once.people) == 6
    assert [line.partition(": ")[0] for line in found.left_out] == [
        f"{lists}:6", f"{root}/list_val.txt:1",
    ]  # fmt: skip
    assert f"the same image as in {lists}:1, counted once" in found.left_out[0]
    lists.write_text(f"{text}{text.splitlines()[0][:-1]}9\n")
    with pytest.raises(ReidaugError, match=r"list_train\.txt:6: .*person 9 here, .* 1 in .*txt:1;"):
        read_lists(root, TRAIN)


def test_lists_of_windows_are_read_and_the_first_wrong_line_is_told(tmp_path: Path) -> None:
    root = layout_root(tmp_path / "root", "msmt17")
    before, lists = read_lists(root, TRAIN).people, root / "list_train.txt"
    lists.write_text(lists.read_text().replace("/", "\\"))
    assert read_lists(root, TRAIN).people == before
    lists.write_text(lists.read_text().replace("0001\\", "train\\0001\\", 1))
    lists.write_text(lists.read_text().splitlines()[0])
    with pytest.raises(ReidaugError, match=r"none of its 1 lines .* no image .*train/train/0001"):
        read_lists(root, TRAIN)
