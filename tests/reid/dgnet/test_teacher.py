"""The teacher and its five styles of labels."""

import copy

import pytest
import torch
from seeding import seeded
from small_dgnet import PEOPLE, crops, same, state, teacher, with_gradient
from torch import nn

from reidaug.reid.dgnet.networks import preset
from reidaug.reid.dgnet.teacher import build_teacher

APPEARANCE, STRUCTURE = torch.tensor([1, 3]), torch.tensor([0, 3])


def labels(style, classes=PEOPLE + 2, structure=STRUCTURE):
    return teacher(style)(crops(0), classes=classes, appearance=APPEARANCE, structure=structure)


def slow_soft():
    """Softmax over image and mirror image, by a copy in train mode without dropout."""
    network = copy.deepcopy(teacher().network).train()
    network.heads[0].dropout.p = 0.0
    with torch.no_grad():
        views = [network(images).logits[0] for images in (crops(0), crops(0).flip(3))]
    soft = [[one.exp() / one.exp().sum() for one in rows] for rows in views]
    return torch.stack([(one + other) / 2 for one, other in zip(*soft, strict=True)])


def test_its_network_has_the_published_size():
    with torch.device("meta"):
        network = build_teacher(preset("paper"), 751)
    assert sum(p.numel() for p in network.parameters()) == 24_943_407


def test_soft_labels_are_the_mean_over_the_mirror_with_nothing_for_clusters():
    found = labels("soft")
    torch.testing.assert_close(found[:, :PEOPLE], slow_soft())
    assert not found[:, PEOPLE:].any()
    torch.testing.assert_close(found.sum(1), torch.ones(2))


def test_the_other_styles():
    soft = slow_soft()
    rows = torch.arange(2)
    assert torch.equal(labels("hard").argmax(1), soft.argmax(1))
    assert torch.equal(labels("hard").max(1).values, torch.ones(2))
    assert torch.equal(labels("appearance")[rows, APPEARANCE], torch.ones(2))
    assert torch.equal(labels("uniform"), torch.tensor([[1 / PEOPLE] * PEOPLE + [0.0] * 2] * 2))
    parents = labels("parents")
    share = soft[0, 1] / (soft[0, 0] + soft[0, 1])
    torch.testing.assert_close(parents[0, :3], torch.stack((1 - share, share, 0 * share)))
    assert float(parents[1, 3]) == pytest.approx(1)
    assert float(labels("parents", structure=None)[0, 1]) == pytest.approx(1)
    for style in ("hard", "appearance", "parents"):
        torch.testing.assert_close(labels(style).sum(1), torch.ones(2))


def test_it_never_changes_and_dropout_stays_off_after_an_evaluation():
    """The original's dropout comes on with the first train() after an eval()."""
    whole = nn.ModuleList([teacher()])
    before = state(whole)
    first = whole[0](crops(0), classes=PEOPLE, appearance=APPEARANCE)
    whole.eval()
    whole.train()
    assert torch.equal(first, whole[0](crops(0), classes=PEOPLE, appearance=APPEARANCE))
    assert same(before, state(whole))
    assert not any(p.requires_grad for p in whole.parameters())
    assert not with_gradient(whole)


def test_batch_norm_uses_the_statistics_of_the_batch():
    one = teacher()
    images = crops(0, 4)
    people = torch.zeros(4, dtype=torch.long)
    together = one(images, classes=PEOPLE, appearance=people)
    apart = one(images[:2], classes=PEOPLE, appearance=people[:2])
    assert not torch.allclose(together[:2], apart)


def test_a_student_with_fewer_identities_is_an_error():
    with pytest.raises(ValueError, match=r"teacher has 5 identities, .* 4"):
        labels("soft", classes=4)


def test_its_initial_weights_depend_on_the_generator():
    one, other = (build_teacher(preset("small"), 3, generator=seeded(1)) for _ in range(2))
    assert same(state(one), state(other))
