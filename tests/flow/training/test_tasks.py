"""Losses of the training tasks, one by one."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from flow_figures import SIZE, pairs, tiny
from known_motion import FittedAffine
from torch import Tensor

from reidaug.data.pairs import PosePair
from reidaug.flow.closed_form import Identity
from reidaug.flow.estimator import Motion
from reidaug.flow.loss_weights import LossWeights
from reidaug.flow.perceptual_networks import FeatureNetwork
from reidaug.flow.rivals.gfla_losses import SamplingLosses
from reidaug.flow.training.joint_model import EstimatorWithGenerator, Prediction
from reidaug.flow.training.networks import Networks
from reidaug.flow.training.pair_augmentation import PairAugmentation
from reidaug.flow.training.recipe import TASKS, TrainFlow
from reidaug.flow.training.tasks import (
    PAIR_TASKS,
    Criteria,
    affine_losses,
    exact_losses,
    pair_losses,
    perceptual_losses,
    reconstruction_losses,
    sampling_losses,
)
from reidaug.flow.training.warp_losses import smoothness_loss, structural_loss
from reidaug.geometry.warp import warp
from reidaug.recipes import resolve


def prediction(batch: PosePair, *tasks: str) -> Prediction:
    result: Prediction = EstimatorWithGenerator(tiny())(batch, tasks)
    return result


def criteria(**weights: float) -> Criteria:
    return Criteria(LossWeights(**weights), None, None, None, nullcontext)


class Colours(FeatureNetwork):
    """Two depths that are alike."""

    def features(self, image: Tensor, *, depths: int | None = None) -> list[Tensor]:
        return [image, image][:depths]


def test_features_are_loaded_only_when_a_loss_needs_them() -> None:
    class LoadedError(Exception):
        pass

    def features() -> FeatureNetwork:
        raise LoadedError

    def make(*cycle: str, **keys: Any) -> Criteria:
        values = {"pairs": "x", "estimator": {}, "schedule": {"steps": 1}, "cycle": cycle, **keys}
        recipe = resolve(values, TrainFlow, where="test")
        return Criteria.make(recipe, Networks(EstimatorWithGenerator(tiny()), None, features))

    assert make("reconstruction+exact", "affine").perceptual is None
    unweighted = make("generation", weights={"perceptual": 0.0}, generator={})
    assert unweighted.compare_features(torch.zeros(1), torch.zeros(1)) == {}
    for task in ("perceptual", "sampling"):
        with pytest.raises(LoadedError):
            make(task)


@pytest.mark.parametrize(("depths", "counted"), [(1, 1), (2, 2), (5, 2), (None, 2)])
def test_the_perceptual_loss_counts_as_many_depths_as_the_recipe_says(
    depths: int | None, counted: int
) -> None:
    values = {"pairs": "x", "estimator": {}, "schedule": {"steps": 1}, "cycle": ["perceptual"]}
    recipe = resolve(values | {"scales": [1.0], "depths": depths}, TrainFlow, where="test")
    model = EstimatorWithGenerator(tiny())
    found = Criteria.make(recipe, Networks(model, None, Colours)).compare_features(
        torch.full((1, 3, 8, 8), 0.25), torch.zeros(1, 3, 8, 8)
    )
    assert found["perceptual"].item() == pytest.approx(10 * 0.25 * counted)


def test_every_task_of_a_recipe_has_losses() -> None:
    assert ("affine", *PAIR_TASKS) == TASKS


def test_exact_needs_flows_and_hidden_parts_need_a_weight() -> None:
    batch = pairs(3, 0)
    found = prediction(batch, "exact")
    assert set(exact_losses(found, batch, criteria())) == {"exact"}
    assert set(exact_losses(found, batch, criteria(hidden=1.0))) == {"exact", "hidden"}
    with pytest.raises(ValueError, match="exact"):
        exact_losses(found, batch._replace(flow=None, visible=None), criteria())


def test_hidden_points_are_compared_apart_from_visible_ones() -> None:
    batch = pairs(2, 0)
    assert batch.flow is not None
    visible = torch.zeros(2, *SIZE, dtype=torch.bool)
    visible[:, :5] = True
    wrong = torch.where(visible[:, None], batch.flow, batch.flow + 0.5)
    wrong[:, :, 6] = torch.nan
    found = Prediction(Motion(batch.flow), None, (), {})
    changed = batch._replace(flow=wrong, visible=visible)
    losses = exact_losses(found, changed, criteria(hidden=1.0))
    assert losses["exact"] == 0
    torch.testing.assert_close(losses["hidden"], torch.tensor(0.5))


def test_a_perfect_flow_reconstructs_the_target() -> None:
    batch = pairs(2, 0)
    assert batch.flow is not None
    found = Prediction(Motion(batch.flow), None, (), {})
    assert reconstruction_losses(found, batch, criteria())["l1"] < 1e-5


def test_reconstruction_computes_only_losses_with_a_weight() -> None:
    batch = pairs(3, 0)
    found = prediction(batch, "reconstruction")
    assert set(reconstruction_losses(found, batch, criteria())) == {"l1", "structure"}
    assert set(reconstruction_losses(found, batch, criteria(structure=0.0))) == {"l1"}
    assert reconstruction_losses(found, batch, criteria(l1=0.0, structure=0.0)) == {}


def test_sampling_gets_every_flow() -> None:
    counts = []

    class Losses(SamplingLosses):
        def __init__(self) -> None: ...

        def __call__(self, flows: Any, batch: PosePair) -> dict[str, Tensor]:
            counts.append(len(flows))
            return {"correctness": flows[0].abs().mean(), "regularity": flows[0].mean()}

    batch = pairs(2, 0)
    flow = torch.zeros(2, 2, 8, 4)
    found = Prediction(Motion(flow), None, (flow, flow), {})
    assert set(sampling_losses(found, batch, replace(criteria(), sampling=Losses()))) == {
        "correctness",
        "regularity",
    }
    assert counts == [2]
    assert len(prediction(batch, "sampling").flows) == 1


def test_the_affine_task_needs_targets_alone() -> None:
    model, batch = EstimatorWithGenerator(tiny()).eval(), pairs(4, 0)
    other = pairs(4, 1)
    swapped = batch._replace(source=other.source, source_pose=other.source_pose)
    one, same, another = (
        affine_losses(model, b, PairAugmentation(), torch.Generator().manual_seed(seed))["affine"]
        for b, seed in ((batch, 0), (swapped, 0), (batch, 1))
    )
    assert one == same != another


def known_affine(estimator: Any, augmentation: PairAugmentation, seed: int = 0) -> Tensor:
    model, random = EstimatorWithGenerator(estimator), torch.Generator().manual_seed(seed)
    return affine_losses(model, pairs(6, 0), augmentation, random)["affine"]


def test_equation_8_is_zero_for_a_w_that_returns_the_known_map() -> None:
    still = PairAugmentation(face=0.0, joint=0.0)
    assert known_affine(Identity(), still) > 0.1
    for seed in range(3):
        assert known_affine(FittedAffine(), still, seed) < 1e-4
    assert known_affine(FittedAffine(), PairAugmentation(face=0.3, joint=0.2)) < 1e-4


def test_in_task_1_the_moved_pose_is_the_source_and_it_alone_loses_joints() -> None:
    w, batch = FittedAffine(), pairs(6, 0)
    random = torch.Generator().manual_seed(0)
    affine_losses(EstimatorWithGenerator(w), batch, PairAugmentation(joint=0.5), random)
    ((image, source_pose, target_pose),) = w.asked
    assert torch.equal(image, batch.target)
    assert torch.equal(target_pose.xy, batch.target_pose.xy)
    assert torch.equal(target_pose.visible, batch.target_pose.visible)
    assert not torch.equal(source_pose.xy, batch.target_pose.xy)
    kept = source_pose.visible[batch.target_pose.visible].float().mean()
    assert 0.3 < kept < 0.7


def test_images_are_compared_with_the_target_after_the_source_was_warped() -> None:
    """A wrong flow, of a grid of its own, so that every part of the comparison counts."""
    batch = pairs(3, 0)
    flow = prediction(batch, "exact").motion.flow
    warped = warp(batch.source, flow)
    found = Prediction(Motion(flow), None, (), {})
    losses = reconstruction_losses(found, batch, criteria())
    assert torch.equal(losses["l1"], (warped - batch.target).abs().mean())
    assert torch.equal(losses["structure"], structural_loss(warped, batch.target))
    asked: list[tuple[Tensor, Tensor]] = []

    def compare(image: Tensor, target: Tensor) -> Tensor:
        asked.append((image, target))
        return image.mean()

    perceptual_losses(found, batch, replace(criteria(), perceptual=compare))
    assert torch.equal(asked[0][0], warped)
    assert torch.equal(asked[0][1], batch.target)


def test_all_losses_of_a_step_are_there() -> None:
    batch = pairs(3, 0)
    found = prediction(batch, "exact")._replace(own_losses={"features": torch.ones(())})
    weights = criteria(smoothness=1.0)
    losses = pair_losses(["reconstruction", "exact"], found, batch, weights)
    assert set(losses) == {"smoothness", "features", "exact", "l1", "structure"}
    assert torch.equal(losses["smoothness"], smoothness_loss(found.motion.flow))
    assert set(pair_losses(["exact"], found, batch, weights)) == {
        "smoothness", "features", "exact"
    }  # fmt: skip
