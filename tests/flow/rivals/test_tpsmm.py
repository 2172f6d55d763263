import pytest
import torch
from flow_figures import images, pairs, poses, rival, shaken
from seeding import seeded

from reidaug.flow.rivals.tpsmm import TPSMM


def small(**keywords: object) -> TPSMM:
    net = rival("tpsmm", **keywords)
    assert isinstance(net, TPSMM)
    return net


def test_dropout_rises_over_a_tenth_and_ends_after_35_hundredths() -> None:
    net = small(dropout=0.3, dropout_start=0.1)
    assert net.dropout_probability() == 0  # nobody told the progress
    found = []
    for share in (0.0, 0.05, 0.1, 0.34, 0.35, 1.0):
        net.set_progress(share, seeded(0))
        found.append(round(net.dropout_probability(), 6))
    assert found == [0.1, 0.25, 0.3, 0.3, 0.0, 0.0]
    net.set_progress(0.2, seeded(0))
    assert net.eval().dropout_probability() == 0


def test_dropout_depends_on_the_generator_alone_and_is_off_in_evaluation() -> None:
    net = shaken(small(dropout=0.7), 1)
    source, ps, pt = images(2, 0), poses(2, 1), poses(2, 2)

    def flow(share: float, seed: int) -> torch.Tensor:
        net.set_progress(share, seeded(seed))
        return net(source, ps, pt)

    assert torch.equal(flow(0.2, 0), flow(0.2, 0))
    assert not torch.equal(flow(0.2, 0), flow(0.2, 1))
    whole = flow(0.5, 0)
    assert torch.equal(whole, flow(0.5, 1))
    net.eval()
    assert torch.equal(flow(0.2, 0), whole)  # instance norm is the same in use


def test_dropped_groups_are_as_if_unknown_and_the_background_is_never_dropped() -> None:
    net = small(dropout=0.99)
    net.set_progress(0.2, seeded(0))
    known = torch.ones(50, 10) > 0
    kept = net._drop(known)
    expected = torch.rand(50, 10, generator=seeded(0)) >= 0.99
    assert torch.equal(kept, expected)
    source, ps, pt = images(2, 0), poses(2, 1), poses(2, 2)
    assert net(source, ps, pt).isfinite().all()


def test_the_background_loss_belongs_to_a_predicted_background() -> None:
    batch = pairs(2, 0)
    for keywords in ({}, {"background": "predicted"}):
        net = small(**keywords)
        motion = net.motion(batch.source, batch.source_pose, batch.target_pose)
        losses = net.own_losses(batch, motion, seeded(0))
        assert set(losses) == ({"background"} if keywords else set())
    assert net.background is not None
    with torch.no_grad():
        net.background.network.fc.bias[2] = 0.25  # type: ignore[union-attr, index]
    expected = torch.tensor(2 * 0.25 / 9)  # a shift there and the same shift back
    torch.testing.assert_close(
        net.own_losses(batch, motion, seeded(0))["background"], expected, atol=1e-6, rtol=0
    )


def test_wrong_keywords_are_errors() -> None:
    for wrong, words in [
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": 0.1, "dropout_start": 0.2}, "dropout_start"),
        ({"ridge": 0.0}, "ridge"),
        ({"background": "grey"}, "background"),
        ({"scale": 0.75}, "scale"),
    ]:
        with pytest.raises(ValueError, match=words):
            small(**wrong)
