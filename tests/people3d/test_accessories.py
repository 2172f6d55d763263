import numpy as np
import pytest

from reidaug.people3d.accessories import BAG, BODY, HAIR, SKIRT, TAIL
from reidaug.people3d.mesh import build_mesh


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda appearance: appearance._replace(bag=appearance.bag._replace(kind="backpack")), BAG),
        (lambda appearance: appearance._replace(bag=appearance.bag._replace(kind="hand")), BAG),
        (lambda appearance: appearance._replace(hair=appearance.hair._replace(style="long")), HAIR),
        (
            lambda appearance: appearance._replace(bottom=appearance.bottom._replace(skirt=0.6)),
            SKIRT,
        ),
        (lambda appearance: appearance._replace(top=appearance.top._replace(skirt=0.6)), TAIL),
    ],
)
def test_what_hangs_free_has_triangles_of_its_own(mesh, change, part):
    bare = mesh.appearance._replace(
        hair=mesh.appearance.hair._replace(style="short"),
        bag=mesh.appearance.bag._replace(kind="none"),
        bottom=mesh.appearance.bottom._replace(skirt=0.0),
        top=mesh.appearance.top._replace(skirt=0.0),
    )
    assert set(np.unique(build_mesh(bare).part)) == {BODY}
    assert set(np.unique(build_mesh(change(bare)).part)) == {BODY, part}
