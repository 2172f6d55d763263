import torch

from reidaug.flow.surface.training.augmentation import (
    SurfaceAugmentation,
    keep_still,
    mirrored,
)
from reidaug.flow.surface.training.samples import take
from reidaug.geometry.pose import FLIP_18
from tests.seeding import seeded

NOTHING = SurfaceAugmentation(
    found=0.0, mirror=0.0, unmasked=0.0, uneven=0.0, grey=0.0, light=0.0, erased=0.0, face=0.0,
    joint=0.0, jitter=0.0, still=0.0,
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


def test_without_any_change_samples_are_the_files(samples):
    drawn = NOTHING.draw(samples, ALL, seeded(1))
    batch = take(samples, ALL)
    # A blur of one image in five is drawn even then; everything else stays.
    same(drawn._replace(image=batch.image), batch)


def test_each_change_changes_what_it_names(samples):
    batch = take(samples, ALL)
    for name, field in (
        ("light", "image"), ("grey", "image"), ("erased", "image"), ("uneven", "mask"),
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
    assert (still.outline[:4, ::2, ::2] == visible).float().mean() > 0.95
    drawn = SurfaceAugmentation(**{**vars(NOTHING), "still": 1.0}).draw(samples, ALL, seeded(1))
    same((drawn.surface,), (drawn.seen,))


def test_the_same_numbers_make_the_same_samples(samples):
    usual = SurfaceAugmentation()
    same(usual.draw(samples, ALL, seeded(3)), usual.draw(samples, ALL, seeded(3)))
