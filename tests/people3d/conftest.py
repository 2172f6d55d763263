import numpy as np
import pytest
from numpy.random import Generator

from reidaug.people3d.figure import Figure, dress
from reidaug.people3d.render import Render, Shot, render
from reidaug.people3d.shot_plans import pair_shots
from reidaug.people3d.worlds import MANY_POSES, look_of

SIZE = (128, 64)


@pytest.fixture(scope="session")
def figure() -> Figure:
    return dress(look_of(MANY_POSES, 3, 1))


@pytest.fixture(scope="session")
def shots() -> list[Shot]:
    return pair_shots(3, 1, 6, white=False)


@pytest.fixture(scope="session")
def renders(figure: Figure, shots: list[Shot]) -> list[Render]:
    return [render(figure, shot, SIZE) for shot in shots]


@pytest.fixture
def rng() -> Generator:
    return np.random.default_rng(0)
