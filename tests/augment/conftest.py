from pathlib import Path

import pytest
import torch
from stick_market import stick_market

from reidaug.data.images import encode_png
from reidaug.data.market1501 import TRAIN


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = stick_market(tmp_path_factory.mktemp("stick") / "market", people=3, images=3)
    (root / "masks").mkdir()
    for path in sorted((root / TRAIN).iterdir())[::2]:
        mask = torch.zeros(64, 32, dtype=torch.bool)
        mask[5:60, 6:26] = True  # whole, and around all joints
        (root / "masks" / f"{path.stem}.png").write_bytes(encode_png(mask))
    return root
