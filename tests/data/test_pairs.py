from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from reidaug.data.deepfashion import PairList
from reidaug.data.images import encode_png
from reidaug.data.pairs import (
    PairDataset,
    PosePair,
    collate,
    flow_name,
    read_flow,
    write_flow,
)
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import from_affine, identity, to_normalised, to_pixels
from reidaug.geometry.pose import Pose
from reidaug.geometry.warp import warp

SIZE = (33, 17)


def pose(seed: int) -> Pose:
    generator = torch.Generator().manual_seed(seed)
    xy = torch.rand(18, 2, generator=generator) * torch.tensor([16.0, 32.0])
    return Pose(xy, torch.rand(18, generator=generator) > 0.2)


def picture(seed: int, size: tuple[int, int] = SIZE) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)


def pair_list(
    root: Path, *, flows: bool = False, sizes: tuple[tuple[int, int], ...] = ()
) -> PairList:
    names = ["a.png", "b.png", "c.png"]
    for k, name in enumerate(names):
        (root / name).write_bytes(encode_png(picture(k, sizes[k] if sizes else SIZE)))
    pairs = (("a.png", "b.png"), ("b.png", "a.png"), ("c.png", "a.png"))
    if flows:
        (root / "flows").mkdir()
        for source, target in pairs:
            write_flow(root / "flows" / flow_name(source, target), shift(), half_seen())
    poses = {name: pose(k) for k, name in enumerate(names)}
    return PairList(root, pairs, poses, (), root / "flows" if flows else None)


def shift() -> Tensor:
    # Two columns to the right, in normalised coordinates of 17 columns.
    return from_affine(torch.eye(2), torch.tensor([0.25, 0.0]), SIZE)


def half_seen() -> Tensor:
    seen = torch.zeros(SIZE, dtype=torch.bool)
    seen[:, :8] = True
    return seen


def test_a_pair_is_what_the_files_hold(tmp_path: Path) -> None:
    dataset = PairDataset(pair_list(tmp_path), size=None)
    assert len(dataset) == 3
    assert dataset.names(2) == ("c.png", "a.png")
    pair = dataset[2]
    assert torch.equal(pair.source, picture(2).float() / 255)
    assert torch.equal(pair.target, picture(0).float() / 255)
    assert torch.equal(pair.source_pose.xy, pose(2).xy)
    assert torch.equal(pair.target_pose.visible, pose(0).visible)
    assert pair.flow is pair.visible is None
    with pytest.raises(IndexError):
        dataset[3]


def test_everything_is_brought_to_one_size_and_still_fits(tmp_path: Path) -> None:
    size = (65, 49)
    pair = PairDataset(pair_list(tmp_path, flows=True), size=size)[0]
    assert pair.source.shape == pair.target.shape == (3, *size)
    assert torch.allclose(
        to_normalised(pair.source_pose.xy, size), to_normalised(pose(0).xy, SIZE), atol=1e-5
    )
    assert pair.flow is not None
    assert pair.visible is not None
    assert torch.allclose(
        pair.flow, from_affine(torch.eye(2), torch.tensor([0.25, 0.0]), size), atol=2e-3
    )
    assert pair.visible.shape == size
    assert pair.visible[:, :21].all()
    assert not pair.visible[:, 24:].any()
    # A joint seen through the flow lands on the same colours at either size.
    small = warp(picture(0)[None].float() / 255, shift()[None])[0]
    large = warp(pair.source[None], pair.flow[None])[0]
    points = pose(0).xy.clamp(min=torch.tensor([1.0, 1.0]), max=torch.tensor([12.0, 30.0])).round()
    for x, y in points.long().tolist():
        u, v = to_pixels(to_normalised(torch.tensor([x, y]).float(), SIZE), size).tolist()
        assert (large[:, round(v), round(u)] - small[:, y, x]).abs().max() < 0.02


def test_flows_survive_in_half_precision_and_equal_flows_are_equal_bytes(tmp_path: Path) -> None:
    exact = identity(*SIZE) * 0.9
    write_flow(tmp_path / "a.npz", exact, half_seen())
    write_flow(tmp_path / "b.npz", exact, half_seen())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    flow, visible = read_flow(tmp_path / "a.npz")
    assert flow.dtype == torch.float32
    assert (flow - exact).abs().max() < 5e-4
    assert torch.equal(visible, half_seen())
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["flow"].dtype == np.float16


def test_damaged_flows_are_named(tmp_path: Path) -> None:
    pairs = pair_list(tmp_path, flows=True)
    dataset = PairDataset(pairs, size=None)
    path = tmp_path / "flows" / "a___b.npz"
    whole = path.read_bytes()
    for content in (b"", whole[:300], whole[:60] + b"\0\0\0\0\0\0\0\0" + whole[68:]):
        path.write_bytes(content)
        with pytest.raises(ReidaugError, match=r"a___b\.npz: not readable"):
            dataset[0]
    np.savez(path, flow=np.zeros((2, 3, 4)), visible=np.zeros((4, 3)))
    with pytest.raises(ReidaugError, match=r"a___b\.npz: flow .* do not fit"):
        dataset[0]
    path.unlink()
    with pytest.raises(ReidaugError, match=r"a___b\.npz: no such file; it should hold a flow"):
        dataset[0]


def test_joints_measured_in_another_size_are_carried_over(tmp_path: Path) -> None:
    pairs = pair_list(tmp_path)._replace(annotated_size=(17, 9))
    pair = PairDataset(pairs, size=None)[0]
    assert torch.allclose(
        to_normalised(pair.source_pose.xy, SIZE), to_normalised(pose(0).xy, (17, 9)), atol=1e-5
    )


def test_images_are_opened_on_access(tmp_path: Path) -> None:
    dataset = PairDataset(pair_list(tmp_path), size=None)
    (tmp_path / "c.png").write_bytes(b"no image")
    dataset[0]
    with pytest.raises(ReidaugError, match=r"c\.png: not a readable image"):
        dataset[2]


@pytest.mark.parametrize("flows", [False, True])
def test_pairs_come_in_batches_and_out_of_workers(tmp_path: Path, flows: bool) -> None:
    dataset = PairDataset(pair_list(tmp_path, flows=flows), size=(16, 8))
    loader = DataLoader(dataset, batch_size=2, num_workers=1, collate_fn=collate)
    batches = list(loader)
    assert [batch.source.shape[0] for batch in batches] == [2, 1]
    first = batches[0]
    assert isinstance(first, PosePair)
    assert first.target_pose.xy.shape == (2, 18, 2)
    assert torch.equal(first.target[1], dataset[1].target)
    if flows:
        assert first.flow is not None
        assert first.flow.shape == (2, 2, 16, 8)
    else:
        assert first.flow is None


def test_an_unreadable_image_in_a_worker_is_one_line(tmp_path: Path) -> None:
    dataset = PairDataset(pair_list(tmp_path), size=None)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ReidaugError) as caught:
        list(DataLoader(dataset, num_workers=1, collate_fn=collate))
    assert str(caught.value) == f"{tmp_path / 'a.png'}: not a readable image (empty file)"


def test_pairs_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    dataset = PairDataset(pair_list(tmp_path, sizes=(SIZE, (20, 10), SIZE)), size=None)
    with pytest.raises(ReidaugError, match="different sizes, 10x20 and 17x33: set one size"):
        collate([dataset[0]])
    pair = dataset[2]
    with pytest.raises(ValueError, match="some have none"):
        collate([pair, pair._replace(flow=identity(*SIZE), visible=half_seen())])


def test_each_combination_of_annotations_is_a_pair_of_its_own(tmp_path: Path) -> None:
    once = pair_list(tmp_path)
    other = {"a.png": pose(7), "b.png": pose(8)}  # says nothing of c
    dataset, plain = (
        PairDataset(once._replace(more_poses=(other,)), size=None),
        PairDataset(once, size=None),
    )
    assert len(dataset) == 4 * len(plain)
    told = {"a.png": (pose(0), pose(7)), "b.png": (pose(1), pose(8)), "c.png": (pose(2), pose(2))}
    for combination, (s, t) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        for k in range(len(plain)):
            index = combination * len(plain) + k
            names = dataset.names(index)
            assert names == plain.names(k)
            assert torch.equal(dataset[index].source, plain[k].source)
            assert torch.equal(dataset[index].source_pose.xy, told[names[0]][s].xy)
            assert torch.equal(dataset[index].target_pose.xy, told[names[1]][t].xy)
    with pytest.raises(IndexError):
        dataset[len(dataset)]
