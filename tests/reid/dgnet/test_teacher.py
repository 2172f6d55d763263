"""The teacher and its five ways of naming a drawn crop."""

import copy

import pytest
import torch
from small_dgnet import PEOPLE, chance, crops, same, state, teacher, touched
from torch import nn

from reidaug.reid.dgnet.networks import preset
from reidaug.reid.dgnet.teacher import build_teacher

WEARS, BODY = torch.tensor([1, 3]), torch.tensor([0, 3])


def asked(style, classes=PEOPLE + 2, structure=BODY):
    return teacher(style)(crops(0), classes=classes, appearance=WEARS, structure=structure)


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
    found = asked("soft")
    torch.testing.assert_close(found[:, :PEOPLE], slow_soft())
    assert not found[:, PEOPLE:].any()
    torch.testing.assert_close(found.sum(1), torch.ones(2))


def test_the_other_styles():
    soft = slow_soft()
    rows = torch.arange(2)
    assert torch.equal(asked("hard").argmax(1), soft.argmax(1))
    assert torch.equal(asked("hard").max(1).values, torch.ones(2))
    assert torch.equal(asked("appearance")[rows, WEARS], torch.ones(2))
    assert torch.equal(asked("uniform"), torch.tensor([[1 / PEOPLE] * PEOPLE + [0.0] * 2] * 2))
    parents = asked("parents")
    share = soft[0, 1] / (soft[0, 0] + soft[0, 1])
    torch.testing.assert_close(parents[0, :3], torch.stack((1 - share, share, 0 * share)))
    assert float(parents[1, 3]) == pytest.approx(1)
    assert float(asked("parents", structure=None)[0, 1]) == pytest.approx(1)
    for style in ("hard", "appearance", "parents"):
        torch.testing.assert_close(asked(style).sum(1), torch.ones(2))


def test_it_never_learns_nor_remembers_and_dropout_stays_off_after_an_evaluation():
    """The original's dropout comes on with the first train() after an eval()."""
    whole = nn.ModuleList([teacher()])
    before = state(whole)
    first = whole[0](crops(0), classes=PEOPLE, appearance=WEARS)
    whole.eval()
    whole.train()
    assert torch.equal(first, whole[0](crops(0), classes=PEOPLE, appearance=WEARS))
    assert same(before, state(whole))
    assert not any(p.requires_grad for p in whole.parameters())
    assert not touched(whole)


def test_it_takes_the_statistics_of_the_batch():
    one = teacher()
    images = crops(0, 4)
    labels = torch.zeros(4, dtype=torch.long)
    together = one(images, classes=PEOPLE, appearance=labels)
    apart = one(images[:2], classes=PEOPLE, appearance=labels[:2])
    assert not torch.allclose(together[:2], apart)


def test_what_it_cannot_do_is_told():
    with pytest.raises(ValueError, match="the teacher knows 5 people, the learner only 4"):
        asked("soft", classes=4)


def test_its_first_weights_come_from_the_generator():
    one, other = (build_teacher(preset("small"), 3, generator=chance(1)) for _ in range(2))
    assert same(state(one), state(other))
