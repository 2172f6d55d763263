import torch

from reidaug.flow.surface.retargeting import Retargeting
from reidaug.geometry.pose import Pose
from tests.seeding import seeded

SIZE = (128, 64)


def person(seed, *, scale=1.0, shift=0.0):
    xy = torch.rand(1, 18, 2, generator=seeded(seed)) * torch.tensor([40.0, 100.0])
    return Pose(xy * scale + shift, torch.ones(1, 18, dtype=torch.bool))


def untrained():
    torch.default_generator.manual_seed(0)
    return Retargeting(code=4, width=8)


def test_untrained_it_brings_the_pose_to_the_extent_of_the_source():
    source, target = person(0), person(0, scale=0.5, shift=7.0)
    found = untrained()(source, target, torch.zeros(1, 4), SIZE)
    assert torch.allclose(found.xy, source.xy, atol=1e-3)


def test_what_the_target_does_not_show_stays_missing_and_its_position_means_nothing():
    source, target = person(0), person(1)
    target.visible[0, 4] = False
    wild = Pose(target.xy.clone(), target.visible)
    wild.xy[0, 4] = float("nan")
    model = untrained()
    torch.nn.init.normal_(model.layers[-1].weight, generator=seeded(2))
    first, second = (model(source, pose, torch.ones(1, 4), SIZE) for pose in (target, wild))
    assert torch.equal(first.visible, target.visible)
    assert torch.equal(first.xy, second.xy) and first.xy.isfinite().all()


def test_source_target_and_code_all_count():
    model = untrained()
    torch.nn.init.normal_(model.layers[-1].weight, generator=seeded(2))
    base = (person(0), person(1), torch.zeros(1, 4))
    found = model(*base, SIZE).xy
    for k, other in enumerate((person(5), person(6), torch.ones(1, 4))):
        changed = [*base[:k], other, *base[k + 1 :]]
        assert not torch.allclose(model(*changed, SIZE).xy, found, atol=1e-2)


def test_moving_and_scaling_the_target_changes_nothing():
    model = untrained()
    torch.nn.init.normal_(model.layers[-1].weight, generator=seeded(2))
    source, code = person(0), torch.ones(1, 4)
    one = model(source, person(1), code, SIZE).xy
    other = model(source, person(1, scale=0.6, shift=9.0), code, SIZE).xy
    assert torch.allclose(one, other, atol=1e-2)
