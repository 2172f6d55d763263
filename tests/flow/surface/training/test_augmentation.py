import torch

from reidaug.flow.surface.training.augmentation import (
    SurfaceAugmentation,
    erring,
    keep_still,
    mirrored,
)
from reidaug.flow.surface.training.ideal_flows import ideal_flow
from reidaug.flow.surface.training.samples import take
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import FLIP_18, OPENPOSE_18, Pose
from tests.seeding import seeded

NOTHING = SurfaceAugmentation(
    found=0.0, mirror=0.0, unmasked=0.0, uneven=0.0, light=0.0, erased=0.0, face=0.0,
    joint=0.0, jitter=0.0, still=0.0, noise=0.0, coarse=0.0,
    colours=0.0, shading=0.0, erring=0.0,
)  # fmt: skip
ALL = torch.arange(10)


def same(one, other):
    for a, b in zip(one, other, strict=True):
        parts = zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]
        for pair in parts:
            x, y = (part.float().nan_to_num(nan=7.0) for part in pair)
            assert torch.allclose(x, y, atol=1e-5)


def test_mirrored_twice_is_as_before_and_left_is_right(samples):
    batch = take(samples, ALL)
    same(mirrored(mirrored(batch)), batch)
    other = mirrored(batch)
    order = list(FLIP_18)
    assert torch.allclose(other.target_pose.xy[..., 1], batch.target_pose.xy[:, order][..., 1])
    known = batch.surface[:, 0].isfinite()
    flipped = other.surface.flip(-1)
    assert torch.allclose(flipped[:, 0][known], -batch.surface[:, 0][known])
    assert torch.allclose(flipped[:, 2][known], batch.surface[:, 2][known])
    assert torch.equal(other.outline, batch.outline.flip(-1))
    again = [ideal_flow(other.seen[k], other.surface[k], other.outline[k]) for k in range(10)]
    flow, origin = (torch.stack(part) for part in zip(*again, strict=True))
    assert torch.equal(flow.isnan(), other.ideal.isnan())
    same_origin = (origin == other.origin) & flow.isfinite().all(1)
    apart = (other.ideal - flow).abs().amax(1)[same_origin]
    assert same_origin.sum() > 0.9 * flow.isfinite().all(1).sum() and apart.median() < 0.02


def test_without_any_change_samples_are_the_files(samples):
    drawn = NOTHING.draw(samples, ALL, seeded(1))
    batch = take(samples, ALL)
    # A blur of one image in five is drawn even then; everything else stays.
    same(drawn._replace(image=batch.image), batch)


def test_each_change_changes_what_it_names(samples):
    batch = take(samples, ALL)
    for name, field in (
        ("light", "image"), ("erased", "image"), ("uneven", "mask"), ("noise", "image"),
        ("coarse", "image"), ("colours", "image"), ("shading", "image"),
    ):  # fmt: skip
        drawn = SurfaceAugmentation(**{**vars(NOTHING), name: 1.0}).draw(samples, ALL, seeded(2))
        assert not torch.allclose(getattr(drawn, field), getattr(batch, field))
    drawn = SurfaceAugmentation(**{**vars(NOTHING), "unmasked": 1.0}).draw(samples, ALL, seeded(2))
    assert not drawn.known.any()
    drawn = SurfaceAugmentation(**{**vars(NOTHING), "face": 1.0}).draw(samples, ALL, seeded(2))
    assert not drawn.pose.visible[:, 0].any() and not drawn.asked.visible[:, 0].any()
    drawn = SurfaceAugmentation(**{**vars(NOTHING), "jitter": 0.01}).draw(samples, ALL, seeded(2))
    assert 0.2 < (drawn.pose.xy - batch.pose.xy).abs().mean() < 5
    assert torch.equal(drawn.target_pose.xy, batch.target_pose.xy)


def test_what_is_kept_still_is_asked_for_itself(samples):
    batch = take(samples, ALL)
    which = ALL < 4
    still = keep_still(batch, which)
    assert torch.equal(still.asked.xy[:4], batch.pose.xy[:4])
    assert torch.equal(still.target_pose.xy[:4], batch.pose.xy[:4])
    assert not still.retargeted[:4].any()
    same((still.surface[:4],), (batch.seen[:4],))
    assert torch.equal(still.retargeted[4:], batch.retargeted[4:])
    assert torch.equal(still.outline[4:], batch.outline[4:])
    visible = batch.seen[:4].isfinite().all(1)
    here = torch.where(visible[:, None], identity(64, 32), torch.nan)
    same((still.ideal[:4], still.ideal[4:]), (here, batch.ideal[4:]))
    assert not still.origin[:4].any() and torch.equal(still.origin[4:], batch.origin[4:])
    assert (still.outline[:4, ::2, ::2] == visible).float().mean() > 0.95
    drawn = SurfaceAugmentation(**{**vars(NOTHING), "still": 1.0}).draw(samples, ALL, seeded(1))
    same((drawn.surface,), (drawn.seen,))


def with_errors(samples, errors):
    """The samples, with a network's joints that err by so much on each crop."""
    true = samples.crops.poses[0]
    found = Pose(true.xy + errors, true.visible)
    return samples._replace(crops=samples.crops._replace(poses=(true, found)))


def test_joints_err_as_those_of_a_crop_from_the_same_side(samples):
    true = samples.crops.poses[0]
    own = Pose(true.xy.clone(), torch.ones_like(true.visible))
    right, left = (OPENPOSE_18.index(f"{side}_shoulder") for side in ("right", "left"))
    count = len(own.xy)
    own.xy[:, right, 0], own.xy[:, left, 0] = 20.0, 40.0  # all seen from the front,
    own.xy[0, right, 0], own.xy[0, left, 0] = 40.0, 20.0  # but the first
    samples = samples._replace(crops=samples.crops._replace(poses=(own,)))
    errors = torch.arange(1.0, count + 1)[:, None, None].expand(-1, 18, 2)
    moved = erring(own, with_errors(samples, errors), (128, 64), seeded(0)).xy - own.xy
    assert torch.allclose(moved[0], errors[0], atol=1e-4)
    assert {round(float(m)) for m in moved[1:, 0, 0]} <= set(range(2, count + 1))
    assert (moved - moved[:, :1, :1]).abs().max() < 1e-4  # all joints of one crop
    wild = erring(own, with_errors(samples, errors + 100), (128, 64), seeded(0))
    assert torch.equal(wild.xy, own.xy)


def test_only_the_joints_asked_for_err(samples):
    errors = torch.full_like(samples.crops.poses[0].xy, 2.0)
    batch = take(samples, ALL)
    changed = SurfaceAugmentation(**{**vars(NOTHING), "erring": 1.0})
    drawn = changed.draw(with_errors(samples, errors), ALL, seeded(1))
    shift = (drawn.asked.xy - batch.asked.xy)[batch.asked.visible]
    moved = shift.abs() > 1
    assert torch.allclose(shift, 2.0 * moved, atol=1e-4) and moved.float().mean() > 0.5
    same((drawn.pose, drawn.target_pose), (batch.pose, batch.target_pose))


def test_the_same_numbers_make_the_same_samples(samples):
    usual = SurfaceAugmentation()
    same(usual.draw(samples, ALL, seeded(3)), usual.draw(samples, ALL, seeded(3)))
