from pathlib import Path

import pytest
import torch
from drawing_task import ROWS, SCALES, parts, recipe_of
from flow_figures import pairs
from torch import Tensor

from reidaug.flow.perceptual_networks import FeatureNetwork
from reidaug.geometry.flow import identity
from reidaug.geometry.warp import warp


class Colours(FeatureNetwork):
    """Two depths, the second ten times as large."""

    def features(self, image: Tensor, *, depths: int | None = None) -> list[Tensor]:
        return [image, 10 * image][:depths]


@pytest.mark.parametrize("name", ROWS)
def test_rows_differ_in_what_trains_them_alone(name: str, tmp_path: Path) -> None:
    recipe, first = recipe_of(name, tmp_path, 100), recipe_of("affine_only", tmp_path, 100)
    assert recipe.schedule.steps == (50 if name == "affine_half" else 100)
    assert recipe.depths == (int(name[-1]) if name[-1].isdigit() else None)
    changed = {"cycle", "generator", "discriminator", "schedule", "depths"}
    one, other = (r.model_dump(exclude=changed) for r in (recipe, first))
    assert one == other
    assert recipe.evaluate_on == "held_out"


def test_parts_are_those_of_the_warped_source_and_the_target() -> None:
    batch = pairs(2, 0)
    size = (batch.source.shape[-2], batch.source.shape[-1])
    flow = identity(*size).expand(2, -1, -1, -1).clone().requires_grad_()
    exact = flow.detach() + 0.25
    known = batch._replace(flow=exact, visible=torch.ones(2, *size, dtype=torch.bool))
    found = dict(parts(flow, known, Colours()))
    assert float(found["exact"].detach()) == pytest.approx(0.25)
    difference = float((warp(batch.source, flow.detach()) - batch.target).abs().mean())
    assert float(found["absolute", 1.0, 1].detach()) == pytest.approx(difference)
    assert float(found["absolute", 1.0, 2].detach()) == pytest.approx(10 * difference, rel=1e-4)
    share = difference / float(batch.target.abs().mean())
    for depth in (1, 2):
        assert float(found["relative", 1.0, depth].detach()) == pytest.approx(share, rel=1e-4)
    assert {key[1] for key in found if key != "exact"} == set(SCALES)
