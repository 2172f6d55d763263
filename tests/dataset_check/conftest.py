from pathlib import Path

import pytest
from stick_market import stick_market

from reidaug.data.market1501 import TRAIN
from reidaug.dataset_check.checkup import Checkup
from reidaug.dataset_check.findings import Finding

KEYPOINTS = "market-annotation-train.csv"


@pytest.fixture
def market(tmp_path: Path) -> Path:
    return stick_market(tmp_path / "market")


def images(market: Path, split: str = TRAIN) -> list[Path]:
    return sorted((market / split).iterdir())


def found(checkup: Checkup, words: str) -> Finding:
    """The one finding whose words these are."""
    (finding,) = (f for f in checkup.findings if words in f.what)
    return finding
