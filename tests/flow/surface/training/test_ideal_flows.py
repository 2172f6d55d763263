import torch

from reidaug.flow.estimator import Origin
from reidaug.flow.surface.training.ideal_flows import ideal_flow, ideal_flows
from reidaug.flow.surface.training.samples import take
from reidaug.geometry.flow import identity

ALL = torch.arange(10)


def test_the_ideal_flow_of_a_crop_in_its_own_pose_is_the_identity(samples):
    batch = take(samples, torch.arange(4))
    person = batch.seen.isfinite().all(1)
    whole = torch.nn.functional.interpolate(person[:, None].float(), scale_factor=2)[:, 0] > 0.5
    flow, origin = ideal_flows(batch.seen, batch.seen, whole)
    known = flow.isfinite().all(1)
    assert (known <= person).all() and known.sum() > 0.9 * person.sum()
    here = identity(64, 32).expand_as(flow)
    off = ((flow - here) * torch.tensor([31.5, 63.5])[:, None, None]).norm(dim=1)[known]
    assert off.mean() < 0.5 and (origin[known] == Origin.SEEN).float().mean() > 0.98


def test_samples_bring_the_ideal_flows_of_their_crop_and_target(samples):
    batch = take(samples, ALL)
    for k in range(10):
        flow, origin = ideal_flow(batch.seen[k], batch.surface[k], batch.outline[k])
        assert torch.allclose(batch.ideal[k], flow, atol=2e-3, equal_nan=True)
        assert torch.equal(batch.origin[k], origin)


def test_nobody_has_no_ideal_flow(samples):
    batch = take(samples, torch.arange(1))
    nobody = torch.full_like(batch.seen[0], torch.nan)
    for maps in ((nobody, batch.surface[0]), (batch.seen[0], nobody)):
        flow, origin = ideal_flow(*maps, batch.outline[0])
        assert flow.isnan().all() and (origin == Origin.SEEN).all()
