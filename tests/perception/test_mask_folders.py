"""Masks of `reidaug pose` beside joints that come from elsewhere."""

from pathlib import Path

import pytest

from reidaug.errors import ReidaugError
from reidaug.fingerprint import content_digest
from reidaug.jobs import Records
from reidaug.perception.mask_folders import MASKS, check_mask_folder
from reidaug.perception.pose_sums import records_folder, sums_file, write_sums


@pytest.fixture
def crop(tmp_path: Path) -> Path:
    """A crop; its joints in ``k.csv`` and ``mine.csv``, its mask in ``masks``."""
    (tmp_path / "masks").mkdir()
    for name in ("a.jpg", "k.csv", "mine.csv", "masks/a.png"):
        (tmp_path / name).write_text(name)
    crop = tmp_path / "a.jpg"
    digests = {"a.jpg": content_digest(crop)}
    write_sums(tmp_path / "k.csv", "7", [tmp_path / "masks/a.png"], digests)
    return crop


def test_masks_of_a_crop_as_it_was_are_told(crop: Path, tmp_path: Path) -> None:
    masks, mine = tmp_path / "masks", tmp_path / "mine.csv"
    check_mask_folder(masks, [crop], keypoints=mine)
    crop.write_text("another person")
    told = r"masks: crops are not as they were .* made their masks: 1 changed \(a\.jpg\); run it"
    with pytest.raises(ReidaugError, match=told):
        check_mask_folder(masks, [crop], keypoints=mine)
    check_mask_folder(None, [crop], keypoints=mine)
    check_mask_folder(masks, [crop], keypoints=tmp_path / "k.csv")  # tested by itself
    (tmp_path / "drawn").mkdir()
    check_mask_folder(tmp_path / "drawn", [crop], keypoints=mine)
    sums_file(tmp_path / "k.csv").unlink()
    check_mask_folder(masks, [crop], keypoints=mine)


def test_half_finished_masks_are_told(crop: Path, tmp_path: Path) -> None:
    masks, mine = tmp_path / "masks", tmp_path / "mine.csv"
    records = Records(records_folder(tmp_path / "k.csv"))
    records.write(MASKS, str(tmp_path / "elsewhere"))
    check_mask_folder(masks, [crop], keypoints=mine)
    records.write(MASKS, str(masks.resolve()))
    with pytest.raises(ReidaugError, match=r"k\.csv: the command .* has not finished them"):
        check_mask_folder(masks, [crop], keypoints=mine)
