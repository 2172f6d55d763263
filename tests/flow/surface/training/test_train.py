import pytest
import torch

from reidaug.errors import UsageError
from reidaug.flow.builtin import load_flow
from reidaug.flow.checkpoint import load_checkpoint
from reidaug.flow.estimator import Origin
from reidaug.flow.surface import SurfaceFlow
from reidaug.flow.surface.training.samples import take
from reidaug.flow.surface.training.train import (
    SurfaceTrainer,
    given_joints,
    ideal_flow,
    train_surface,
)
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import Pose
from tests.seeding import seeded
from tests.small_surfaces import surface_recipe


def test_training_writes_a_checkpoint_that_loads_and_resumes_to_the_same_bytes(surfaces, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    report = train_surface(surface_recipe(surfaces), whole)
    assert report["steps"] == 4 and "outline_iou" in report
    assert isinstance(load_checkpoint(whole / "checkpoint"), SurfaceFlow)

    class StoppedError(Exception):
        pass

    taken = SurfaceTrainer.step

    def stop_after_three(self, batch, random):
        if self.steps_done == 3:
            raise StoppedError
        return taken(self, batch, random)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SurfaceTrainer, "step", stop_after_three)
        with pytest.raises(StoppedError):
            train_surface(surface_recipe(surfaces), parts)
    assert train_surface(surface_recipe(surfaces), parts, resume=True) == report
    weights = [folder / "checkpoint" / "model.safetensors" for folder in (whole, parts)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    logs = [(folder / "log.jsonl").read_text() for folder in (whole, parts)]
    assert logs[0] == logs[1] and not (parts / "state.pt").exists()


def test_training_learns(samples, surfaces):
    recipe = surface_recipe(surfaces, schedule={"steps": 60, "rate": 3e-3, "shape": "constant"})
    trainer = SurfaceTrainer(recipe)
    batch = take(samples, torch.arange(6))
    losses = [trainer.step(batch, seeded(k)) for k in range(60)]
    for name in ("seen", "person", "joints", "imagined", "outline", "flow"):
        assert losses[-1][name] < 0.9 * losses[0][name], (name, losses[0], losses[-1])


def test_parts_that_are_not_trained_stay_as_they_are(samples, surfaces):
    trainer = SurfaceTrainer(surface_recipe(surfaces, parts=["refinement"]))
    before = {name: value.clone() for name, value in trainer.estimator.state_dict().items()}
    trainer.step(take(samples, torch.arange(6)), seeded(0))
    after = trainer.estimator.state_dict()
    changed = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"refinement"}


def test_the_refinement_learns_from_the_crops_joints_and_those_given(samples, surfaces):
    trainer = SurfaceTrainer(surface_recipe(surfaces, refined=2))
    told = []
    trainer.estimator.refinement.register_forward_pre_hook(lambda _, inputs: told.append(inputs))
    batch = take(samples, torch.arange(6))
    batch = batch._replace(retargeted=torch.zeros_like(batch.retargeted))
    found = trainer.predict(batch, seeded(0))
    ((flow, seen, imagined, source_pose, target_pose, _),) = told
    assert torch.equal(source_pose.xy, batch.pose.xy[:2])
    assert torch.equal(target_pose.xy, batch.asked.xy[:2])
    assert torch.equal(seen.code, found.seen.code[:2])
    assert torch.equal(imagined.outline, found.imagined.outline[:2])
    ideal, _ = ideal_flow(batch.seen[:2], batch.surface[:2], batch.outline[:2])
    assert torch.equal(found.ideal.nan_to_num(), ideal.nan_to_num()) and len(flow) == 2


def test_the_target_network_gets_joints_of_this_person(samples, surfaces):
    recipe = surface_recipe(surfaces, true_joints=0)
    batch = take(samples, torch.arange(10))
    moved = Pose(torch.full_like(batch.asked.xy, -5.0), batch.asked.visible)
    given = given_joints(batch, moved, recipe, seeded(0))
    other = batch.retargeted
    assert (given.xy[other] == -5).all()
    assert torch.equal(given.xy[~other], batch.asked.xy[~other])
    true = given_joints(batch, moved, surface_recipe(surfaces, true_joints=1), seeded(0))
    assert (true.xy[other] - batch.target_pose.xy[other]).abs().mean() < 2


def test_another_estimator_is_refused_before_anything_is_read(tmp_path):
    estimator = {"class": "reidaug.flow.unwarpme:UnWarpME", "preset": "small"}
    with pytest.raises(UsageError, match="is not trained on surfaces"):
        train_surface(surface_recipe(tmp_path, estimator=estimator), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_start_gives_what_fits_and_tells_what_is_new(surfaces, tmp_path, capsys):
    train_surface(surface_recipe(surfaces, schedule={"steps": 1}), tmp_path / "first")
    start = str(tmp_path / "first" / "checkpoint")
    SurfaceTrainer(surface_recipe(surfaces, start=start))
    trained, wide = load_flow(start), {**surface_recipe(surfaces).estimator, "last": 12}
    started = SurfaceTrainer(surface_recipe(surfaces, start=start, estimator=wide)).estimator
    assert "tensors are new: refinement.fine, target.head, target.last.0" in capsys.readouterr().err
    own, theirs = started.state_dict(), trained.state_dict()
    assert torch.equal(own["source.head.weight"], theirs["source.head.weight"])
    assert own["target.head.weight"].shape[1] == 12
    with pytest.raises(UsageError, match="market is no surface flow"):
        SurfaceTrainer(surface_recipe(surfaces, start="market"))


def test_the_ideal_flow_of_a_crop_in_its_own_pose_is_the_identity(samples):
    batch = take(samples, torch.arange(4))
    person = batch.seen.isfinite().all(1)
    whole = torch.nn.functional.interpolate(person[:, None].float(), scale_factor=2)[:, 0] > 0.5
    flow, origin = ideal_flow(batch.seen, batch.seen, whole)
    known = flow.isfinite().all(1)
    assert (known <= person).all() and known.sum() > 0.9 * person.sum()
    here = identity(64, 32).expand_as(flow)
    off = ((flow - here) * torch.tensor([31.5, 63.5])[:, None, None]).norm(dim=1)[known]
    assert off.mean() < 0.5 and (origin[known] == Origin.SEEN).float().mean() > 0.98
