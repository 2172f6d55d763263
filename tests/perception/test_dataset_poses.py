from pathlib import Path

import pytest
from drawn_person import drawn_market, drawn_person

from reidaug.data.market1501 import GALLERY, QUERY, TRAIN
from reidaug.errors import ReidaugError, UsageError
from reidaug.perception.dataset_poses import crops_of


@pytest.fixture
def market(tmp_path: Path) -> Path:
    return drawn_market(tmp_path / "market")


def test_splits_and_plain_folders_are_found(market: Path, tmp_path: Path) -> None:
    for split in (QUERY, GALLERY):
        (market / split).mkdir()
        drawn_person((32, 16))[0].save(market / split / f"{split}.png")
    train = crops_of(market).crops
    assert len(train) == 6 and train == sorted(train)
    assert crops_of(market / TRAIN).crops == train
    assert crops_of(market, ["train", "query", "test"]).crops == [
        *train, market / QUERY / f"{QUERY}.png", market / GALLERY / f"{GALLERY}.png",
    ]  # fmt: skip
    assert crops_of(market, ["query", QUERY]).crops == [market / QUERY / f"{QUERY}.png"]
    with pytest.raises(UsageError, match="there are train, query and gallery"):
        crops_of(market, ["val"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReidaugError, match="neither images in it nor a folder bounding_box_train"):
        crops_of(tmp_path / "empty")
    (market / QUERY / f"{QUERY}.png").unlink()
    with pytest.raises(ReidaugError, match="query: no folder with images"):
        crops_of(market, ["query"])


def test_a_pattern_chooses_crops_and_what_is_left_out_is_told(market: Path, capfd) -> None:
    drawn_person((32, 16))[0].save(market / TRAIN / "logo.png")
    (market / TRAIN / "0001_c1s1_000001_09.jpg").symlink_to("nowhere")
    found = crops_of(market, allow_left_out=True)
    assert (len(found.crops), len(found.left_out)) == (7, 1)
    assert "a link that leads nowhere" in found.left_out[0]
    assert capfd.readouterr().err == ""
    with pytest.raises(ReidaugError, match=r"1 of 8 images would be left out.*--allow-left-out"):
        crops_of(market)
    found = crops_of(market, pattern=r"^(\d+)_c(\d)", allow_left_out=True)
    assert (len(found.crops), len(found.left_out)) == (6, 2)
    assert "names are read so: 0001_c1s1" in capfd.readouterr().err


def test_folders_tell_crops_of_one_name_apart(market: Path, tmp_path: Path) -> None:
    for person in ("anna", "bert"):
        (tmp_path / "people" / person).mkdir(parents=True)
        (tmp_path / "people" / person / "1.jpg").touch()
    found = crops_of(tmp_path / "people")
    assert [path.parent.name for path in found.crops] == ["anna", "bert"]
    assert found.in_folders
    assert not crops_of(market).in_folders
