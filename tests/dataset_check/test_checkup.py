from pathlib import Path

import pytest

from reidaug.data.market1501 import SPLITS
from reidaug.dataset_check.checkup import check_dataset
from reidaug.dataset_check.findings import ADVICE, REMARK
from reidaug.errors import ReidaugError, UsageError
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


def test_a_wrong_pattern_or_root_is_an_error(market: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name its groups"):
        check_dataset(market, pattern=r"\d+")
    with pytest.raises(ReidaugError, match="no such folder"):
        check_dataset(tmp_path / "nowhere")
