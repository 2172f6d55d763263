from pathlib import Path

import pytest
from drawn_person import drawn_market, model_file
from PIL import Image

from reidaug.data.image_folders import list_images
from reidaug.data.market1501 import TRAIN
from reidaug.perception.blazepose import BlazePose


@pytest.fixture(scope="session")
def model() -> Path:
    return model_file()


@pytest.fixture(scope="session")
def estimator(model: Path) -> BlazePose:
    return BlazePose(model)


@pytest.fixture
def crops(tmp_path: Path) -> list[Path]:
    folder = drawn_market(tmp_path / "market", people=1) / TRAIN
    Image.new("RGB", (64, 128)).save(folder / "nobody.png")
    (folder / "text.jpg").write_text("text")
    (folder / "note.txt").write_text("no image")
    return list(list_images(folder).images)
