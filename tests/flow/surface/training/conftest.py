import pytest

from reidaug.flow.surface.training.samples import Samples, read_samples
from tests.small_surfaces import render_small


@pytest.fixture(scope="session")
def surfaces(tmp_path_factory):
    return render_small(tmp_path_factory.mktemp("surfaces") / "root")


@pytest.fixture(scope="session")
def samples(surfaces) -> Samples:
    return read_samples(surfaces, "train")
