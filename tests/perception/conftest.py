from pathlib import Path

import pytest
from drawn_person import model_file

from reidaug.perception.blazepose import PersonReader


@pytest.fixture(scope="session")
def model() -> Path:
    return model_file()


@pytest.fixture(scope="session")
def reader(model: Path) -> PersonReader:
    return PersonReader(model)
