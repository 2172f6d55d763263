import numpy as np
import pytest
from numpy.random import Generator

from reidaug.people3d.appearance_sampling import sample_person
from reidaug.people3d.mesh import PersonMesh, build_mesh
from reidaug.people3d.render import Render, RenderPlan, render
from reidaug.people3d.render_plans import plan_pair_images
from reidaug.people3d.worlds import MANY_POSES

SIZE = (128, 64)


@pytest.fixture(scope="session")
def mesh() -> PersonMesh:
    return build_mesh(sample_person(MANY_POSES, 3, 1))


@pytest.fixture(scope="session")
def plans() -> list[RenderPlan]:
    return plan_pair_images(3, 1, 6, white=False)


@pytest.fixture(scope="session")
def renders(mesh: PersonMesh, plans: list[RenderPlan]) -> list[Render]:
    return [render(mesh, plan, SIZE) for plan in plans]


@pytest.fixture
def rng() -> Generator:
    return np.random.default_rng(0)
