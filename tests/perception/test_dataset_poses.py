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
    train = crops_of(market)
    assert len(train) == 6 and train == sorted(train)
    assert crops_of(market / TRAIN) == train
    assert crops_of(market, ["train", "query", "test"]) == [
        *train, market / QUERY / f"{QUERY}.png", market / GALLERY / f"{GALLERY}.png",
    ]  # fmt: skip
    assert crops_of(market, ["query", QUERY]) == [market / QUERY / f"{QUERY}.png"]
    with pytest.raises(UsageError, match="there are train, query and gallery"):
        crops_of(market, ["val"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReidaugError, match="neither images in it nor a folder bounding_box_train"):
        crops_of(tmp_path / "empty")
    (market / QUERY / f"{QUERY}.png").unlink()
    with pytest.raises(ReidaugError, match="query: no folder with images"):
        crops_of(market, ["query"])
