from pathlib import Path

import pytest
from augmented import augmented, content
from layout_roots import layout_root, who

from reidaug.augment.output_folder import base_name, origin_stem, training_folder, warp_stem
from reidaug.data.layouts import LAYOUTS, TRAIN
from reidaug.data.loose_crops import read_training
from reidaug.data.market1501 import Person, read_market1501
from reidaug.errors import UsageError
from reidaug.runs import stored_recipe


@pytest.mark.parametrize("layout", LAYOUTS)
def test_warps_lie_as_the_crops_they_are_of(tmp_path: Path, layout: str) -> None:
    root, out = layout_root(tmp_path / "root", layout), tmp_path / "out"
    before = read_market1501(root, layout=layout)
    augmented(root, out, flow="identity", layout=layout, keep_original=True)
    after = read_market1501(out, layout=layout)
    assert who(after.train) == sorted(2 * who(before.train))
    assert who(after.query) == who(before.query) and who(after.gallery) == who(before.gallery)
    assert read_market1501(out) == after  # the folder says which layout it has
    assert training_folder(out) == out / before.train_folder
    warps = [person for person in after.train if person.file.endswith("_w00.jpg")]
    assert {origin_stem(warp) for warp in warps} == {warp_stem(p) for p in before.train}
    example = Path(LAYOUTS[layout].example).with_suffix(".jpg")
    depth = {len(path.relative_to(out).parts) for path in out.rglob("*_w00.jpg")}
    assert depth == {len(example.parts)}
    assert stored_recipe(out)["layout"] == layout


def test_the_same_layout_twice_changes_nothing(tmp_path: Path) -> None:
    root, out = layout_root(tmp_path / "root", "mars"), tmp_path / "out"
    augmented(root, out, flow="identity")
    done = content(out)
    assert "bbox_train/0001/0001C1T0001F001_w00.jpg" in done
    augmented(root, out, flow="identity", layout="mars")  # recognised before
    assert content(out) == done
    (root / "bbox_train/0001/0001C1T0001F001.jpg").unlink()
    (root / "bbox_train/0001/0001C3T0001F001.jpg").unlink()
    augmented(root, out, flow="identity", allow_left_out=True)
    assert not (out / "bbox_train/0001").exists()
    assert len(read_training(out)[0].train) == 4


def test_the_list_of_msmt17_has_every_warp(tmp_path: Path) -> None:
    root, out = layout_root(tmp_path / "root", "msmt17-val"), tmp_path / "out"
    augmented(root, out, flow="identity", layout="msmt17-val")
    lines = (out / "list_train.txt").read_text().splitlines()
    assert lines[0] == "0001/0001_001_01_0303morning_0008_0_w00.jpg 1"
    assert len(lines) == 6 and (out / "list_val.txt").read_text() == ""
    assert (out / "list_query.txt").resolve() == root / "list_query.txt"


def test_without_a_layout_warps_are_named_as_in_market1501(tmp_path: Path) -> None:
    root, out = layout_root(tmp_path / "root", "image-folder"), tmp_path / "out"
    augmented(root, out, flow="identity")
    assert "layout" not in stored_recipe(out)
    assert all(path.parent == out / TRAIN for path in out.rglob("*_w00.jpg"))


def test_warps_of_a_layout_are_not_written_into_its_folders(tmp_path: Path) -> None:
    root = layout_root(tmp_path / "root", "ltcc")
    with pytest.raises(UsageError, match="lies in the dataset's train; name another folder"):
        augmented(root, root / "train/warps", flow="identity", layout="ltcc")


def test_names_too_long_for_a_pose_are_cut_in_their_folder() -> None:
    person = Person(Path("a"), 1, 1, place=f"anna/{'x' * 240}.jpg")
    name = base_name(person)
    assert name.startswith("anna/xxx") and name.endswith(".jpg") and len(name) < 200
