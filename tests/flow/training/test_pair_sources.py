"""Splits of pairs, and people on grey."""

import shutil
from pathlib import Path

import torch
from flow_figures import SIZE

from reidaug.data.deepfashion import PairList, read_deepfashion
from reidaug.flow.training.pair_sources import hold_out, masked_pairs, people_of


def test_pairs_identify_people_where_names_do_not(tmp_path: Path) -> None:
    pairs = (("kim.jpg", "a.jpg"), ("lee.jpg", "b.jpg"), ("a.jpg", "kim.jpg"), ("c.jpg", "a.jpg"))
    listed = PairList(tmp_path, pairs, {}, (), None)
    kim, lee, again, other = people_of(pairs)
    assert kim == again == other != lee
    kept, held = hold_out(listed, 0.5)
    assert held.pairs == (("lee.jpg", "b.jpg"),)
    assert kept.pairs == (pairs[0], pairs[2], pairs[3])


def test_people_with_masks_stand_on_grey(people: Path, tmp_path: Path) -> None:
    root = shutil.copytree(people, tmp_path / "pairs")
    pairs = read_deepfashion(root, "train")
    grey = masked_pairs(pairs, SIZE)
    assert grey is not None
    pair, mask = grey[0], grey.mask(pairs.pairs[0][1], grey[0].target)
    assert pair.source[:, ~mask].eq(0.5).all()
    assert torch.equal(pair.target[:, mask], grey.pairs[0].target[:, mask])
    assert torch.equal(pair.source_pose.xy, grey.pairs[0].source_pose.xy)
    (root / "masks" / "0005_1.png").unlink()
    assert masked_pairs(pairs, SIZE) is None
