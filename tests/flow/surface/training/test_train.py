import shutil

import pytest
import torch

from reidaug.errors import ReidaugError, UsageError
from reidaug.flow.builtin import load_flow
from reidaug.flow.checkpoint import load_checkpoint
from reidaug.flow.surface import SurfaceFlow
from reidaug.flow.surface.estimator import finished
from reidaug.flow.surface.training import train as train_module
from reidaug.flow.surface.training.losses import losses_of
from reidaug.flow.surface.training.samples import take
from reidaug.flow.surface.training.train import (
    SurfaceTrainer,
    given_joints,
    train_surface,
)
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


def test_a_training_killed_before_it_was_scored_keeps_its_log(surfaces, tmp_path, monkeypatch):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    settings = surface_recipe(surfaces, save_every=3, log_every=1)  # the last step has no state
    report = train_surface(settings, whole)
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "score_samples", None)
        with pytest.raises(TypeError):
            train_surface(settings, killed)
    monkeypatch.setattr(SurfaceTrainer, "step", None)  # it is not trained again
    assert train_surface(settings, killed, resume=True) == report
    assert (killed / "log.jsonl").read_text() == (whole / "log.jsonl").read_text()
    assert not (killed / "state.pt").exists()


def test_a_mask_that_is_gone_while_it_is_read_is_not_one_that_never_was(
    surfaces, tmp_path, monkeypatch
):
    masks, away, run = tmp_path / "masks", tmp_path / "away.png", tmp_path / "run"
    shutil.copytree(surfaces / "masks", masks)
    settings, read = surface_recipe(surfaces, masks=str(masks)), train_module.read_samples
    file = min(masks.glob("*.png"))

    def gone(*given, **options):
        file.rename(away)
        return read(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "read_samples", gone)
        told = rf"found joints and masks: 1 gone \({file.name}\); run the same command again"
        with pytest.raises(ReidaugError, match=told):
            train_surface(settings, run)
    away.rename(file)
    assert train_surface(settings, run, resume=True)["steps"] == 4


def test_a_table_of_joints_that_is_cut_off_is_one_line(surfaces, tmp_path):
    root = tmp_path / "surfaces"
    shutil.copytree(surfaces, root)
    (root / "checksums.json").unlink()
    table = root / "fasion-annotation-train.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(ReidaugError, match=r"train\.csv: no joints of 0000\d_\d\.jpg, of \d crops"):
        train_surface(surface_recipe(root), tmp_path / "run")


def test_a_loss_that_is_not_finite_stops_the_training_with_step_and_crops(surfaces, tmp_path):
    taken = SurfaceTrainer.predict

    def poisoned(self, batch, random):
        found = taken(self, batch, random)
        if self.steps_done == 3:
            refined = found.refined._replace(flow=found.refined.flow * torch.nan)
            return found._replace(refined=refined)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SurfaceTrainer, "predict", poisoned)
        line = r"^step 4: the loss '\w+' is not finite; its crops are \S+\.jpg, .*last_good"
        with pytest.raises(ReidaugError, match=line):
            train_surface(surface_recipe(surfaces), tmp_path / "run")
    assert isinstance(load_checkpoint(tmp_path / "run" / "last_good"), SurfaceFlow)


def test_training_learns(samples, surfaces):
    recipe = surface_recipe(surfaces, schedule={"steps": 60, "rate": 3e-3, "shape": "constant"})
    trainer = SurfaceTrainer(recipe)
    batch = take(samples, torch.arange(6))
    losses = [trainer.step(batch, seeded(k)) for k in range(60)]
    for name in ("seen", "person", "joints", "imagined", "outline", "matched", "flow"):
        assert losses[-1][name] < 0.9 * losses[0][name], (name, losses[0], losses[-1])


def test_parts_that_are_not_trained_stay_as_they_are(samples, surfaces):
    trainer = SurfaceTrainer(surface_recipe(surfaces, parts=["refinement"]))
    before = {name: value.clone() for name, value in trainer.estimator.state_dict().items()}
    trainer.step(take(samples, torch.arange(6)), seeded(0))
    after = trainer.estimator.state_dict()
    changed = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"refinement"}


def test_the_refinement_learns_from_the_crops_joints_and_those_given(samples, surfaces):
    trainer = SurfaceTrainer(surface_recipe(surfaces))
    told = []
    trainer.estimator.refinement.register_forward_pre_hook(lambda _, inputs: told.append(inputs))
    batch = take(samples, torch.arange(6))
    batch = batch._replace(retargeted=torch.zeros_like(batch.retargeted))
    found = trainer.predict(batch, seeded(0))
    ((flow, seen, imagined, source_pose, target_pose, _),) = told
    assert flow is found.matched and seen is found.seen and imagined is found.imagined
    assert torch.equal(source_pose.xy, batch.pose.xy)
    assert torch.equal(target_pose.xy, batch.asked.xy)


def test_training_matches_as_the_estimator_does(samples, surfaces):
    trainer = SurfaceTrainer(surface_recipe(surfaces))
    trainer.estimator.eval()
    batch = take(samples, torch.arange(6))
    batch = batch._replace(retargeted=torch.zeros_like(batch.retargeted))
    with torch.inference_mode():
        learnt = trainer.predict(batch._replace(known=torch.zeros(6, dtype=torch.bool)), seeded(0))
        used = trainer.estimator(batch.image, batch.pose, batch.asked)
    assert torch.allclose(finished(learnt.refined).flow, used, atol=1e-4)


def test_the_loss_of_the_flow_reaches_both_networks(samples, surfaces):
    trainer = SurfaceTrainer(surface_recipe(surfaces))
    batch = take(samples, torch.arange(6))
    losses_of(trainer.predict(batch, seeded(0)), batch)["matched"].backward()
    for network in (trainer.estimator.source, trainer.estimator.target):
        assert network.head.weight.grad[:3].abs().sum() > 0
    assert trainer.estimator.refinement.head.weight.grad is None


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
