from pathlib import Path

import pytest
from drawn_person import model_file

from reidaug.perception.blazepose import BlazePose


@pytest.fixture(scope="session")
def model() -> Path:
    return model_file()


@pytest.fixture(scope="session")
def estimator(model: Path) -> BlazePose:
    return BlazePose(model)
