import pytest

from reidaug.errors import UsageError
from reidaug.flow.surface.training.recipe import resolved
from tests.small_surfaces import surface_recipe


def test_the_preset_is_written_out(tmp_path):
    recipe = surface_recipe(
        tmp_path, estimator={"class": "reidaug.flow.surface:SurfaceFlow", "preset": "small"}
    )
    values = resolved(recipe)
    assert values["estimator"]["code"] == 32 and "preset" not in values["estimator"]


@pytest.mark.parametrize(
    ("key", "value"), [("batch", 0), ("true_joints", 2), ("pairs", "x"), ("weights", {"x": 1})]
)
def test_wrong_values_are_refused(tmp_path, key, value):
    with pytest.raises(UsageError, match=key.split(".")[0]):
        surface_recipe(tmp_path, **{key: value})
