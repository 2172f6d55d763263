from pathlib import Path

import pytest

from reidaug.checksums import SUMS, Checksums, check_written
from reidaug.data.market1501 import SPLITS
from reidaug.dataset_check.checkup import check_dataset
from reidaug.dataset_check.findings import ADVICE, REMARK
from reidaug.errors import ReidaugError, UsageError
from reidaug.files import checksum
from tests.dataset_check.conftest import KEYPOINTS


def test_a_sound_dataset_has_no_finding_but_its_size(market: Path) -> None:
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


def test_damaged_files_of_a_dataset_of_ours_stop_all_uses(market: Path) -> None:
    image = min((market / "bounding_box_train").iterdir())
    sums = Checksums(market / SUMS)
    sums.write({f"bounding_box_train/{image.name}": checksum(image)})
    before = check_dataset(market, keypoints=market / KEYPOINTS)
    assert all(before.usable().values())
    image.write_bytes(image.read_bytes() + b"!")
    checkup = check_dataset(market, keypoints=market / KEYPOINTS)
    (found,) = set(checkup.findings) - set(before.findings)
    assert f"{image.name} is not as it was written" in found.what
    assert not any(checkup.usable().values())
    sums.path.write_text("{")
    with pytest.raises(ReidaugError, match="is damaged, and what lies beside it"):
        check_written(market)


def test_a_wrong_pattern_or_root_is_an_error(market: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name its groups"):
        check_dataset(market, pattern=r"\d+")
    with pytest.raises(ReidaugError, match="no such folder"):
        check_dataset(tmp_path / "nowhere")
