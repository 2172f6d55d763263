"""Splits of pairs, and people on grey."""

import shutil
from pathlib import Path

import pytest
import torch
from flow_figures import SIZE
from small_trainings import train_recipe

from reidaug.data.deepfashion import PairList, read_deepfashion
from reidaug.data.images import encode_png
from reidaug.data.pairs import PairDataset
from reidaug.errors import ReidaugError
from reidaug.flow.score_table import scored_batches
from reidaug.flow.training.pair_sources import (
    check_readable,
    hold_out,
    masked_pairs,
    people_of,
    read_splits,
    trained_pairs,
)
from reidaug.flow.training.train import train


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


@pytest.mark.parametrize("split", ["train", "test"])
def test_one_mask_that_is_missing_is_told_and_unmasks_nobody_in_silence(
    people: Path, tmp_path: Path, split: str, capsys
) -> None:
    root = shutil.copytree(people, tmp_path / "pairs")
    name = {"train": "0005_1", "test": "0101_0"}[split]
    (root / "masks" / f"{name}.png").unlink()
    with pytest.raises(
        ReidaugError, match=rf"no mask of 1 of \d+ images of {split}, .* {name}\.jpg"
    ):
        read_splits(train_recipe(root))
    pairs = read_deepfashion(root, split)
    with pytest.raises(ReidaugError, match="no mask of 1 of"):  # one that vanished meanwhile
        masked_pairs(pairs, SIZE, background="grey")
    read_splits(train_recipe(root, background="image"))
    assert f"such as {name}.jpg: whole images are compared" in capsys.readouterr().err
    shutil.rmtree(root / "masks")
    read_splits(train_recipe(root))
    assert "no masks: people keep their backgrounds" in capsys.readouterr().err


@pytest.mark.parametrize(
    "file", ["train/0003_0.jpg", "masks/0003_1.png", "flows/test/0100_0___0100_1.npz"]
)
def test_a_damaged_file_is_told_before_the_first_step(
    people: Path, tmp_path: Path, file: str
) -> None:
    root = shutil.copytree(people, tmp_path / "pairs")
    splits = read_splits(train_recipe(root))
    check_readable(*splits)
    content = (root / file).read_bytes()
    (root / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(ReidaugError, match=rf"1 of 45 files of .* cannot be read: .*/{file}"):
        train(train_recipe(root), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_each_image_is_cut_by_its_own_mask(people: Path, tmp_path: Path) -> None:
    """In training and in scoring; a source's person is on the left here, a target's above."""
    root = shutil.copytree(people, tmp_path / "pairs")
    pairs = read_deepfashion(root, "train")
    source, target = pairs.pairs[0]
    left, above = torch.zeros(2, *SIZE, dtype=torch.bool)
    left[:, : SIZE[1] // 2], above[: SIZE[0] // 2] = True, True
    for name, mask in ((source, left), (target, above)):
        (root / "masks" / f"{Path(name).stem}.png").write_bytes(encode_png(mask))
    pairs = pairs._replace(pairs=pairs.pairs[:1])
    plain, grey = PairDataset(pairs, size=SIZE)[0], masked_pairs(pairs, SIZE)
    assert grey is not None
    for image, whole, mask in (
        (grey[0].source, plain.source, left),
        (grey[0].target, plain.target, above),
    ):
        assert torch.equal(image, torch.where(mask, whole, torch.full_like(whole, 0.5)))
    (batch,) = scored_batches(pairs, SIZE, background="grey")
    assert batch.person is not None
    assert torch.equal(batch.person[0], above)
    assert torch.equal(batch.input()[0], grey[0].source)
    assert torch.equal(batch.pairs.source[0], plain.source)
    assert torch.equal(batch.pairs.target[0], plain.target)


def test_flows_are_read_for_a_task_that_needs_them_alone(people: Path) -> None:
    pairs = read_deepfashion(people, "train")
    with_flow, without = (
        trained_pairs(train_recipe(people, cycle=cycle), pairs)[0]
        for cycle in (["affine", "exact+reconstruction"], ["affine", "reconstruction"])
    )
    assert with_flow.flow is not None
    assert without.flow is without.visible is None
    assert torch.equal(with_flow.source, without.source)
