import shutil
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader
from torchvision import tv_tensors

from reidaug.augment import PosedCrops, PosedImage, PoseWarp, TrainingCrop, as_source
from reidaug.augment.target_poses import poses_in
from reidaug.data.images import read_image
from reidaug.data.keypoints import read_keypoints, write_patn
from reidaug.errors import ReidaugError, UsageError
from reidaug.flow.closed_form import Identity
from reidaug.geometry.pose import Pose

KEYPOINTS = "market-annotation-train.csv"


def standing(count: int) -> Pose:
    xy = torch.rand(count, 18, 2, generator=torch.Generator().manual_seed(0)) * 30
    return Pose(xy, torch.ones(count, 18, dtype=torch.bool))


def test_crops_come_with_labels_without_gaps(market: Path) -> None:
    lines = (market / KEYPOINTS).read_text().splitlines()
    some = market.parent / "some.csv"
    some.write_text("\n".join(lines[:5]) + "\n")
    crops = PosedCrops(market, keypoints=some)
    assert (len(crops), len(crops.sources), len(crops.left_out)) == (9, 4, 5)
    assert [crops.posed(k).source is None for k in range(9)] == [False] * 4 + [True] * 5
    rows = [crops[k] for k in range(9)]
    assert [row.label for row in rows] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [row.camera for row in rows] == [0, 1, 2] * 3
    assert rows[0].path == str(crops.people[0].path)
    assert isinstance(rows[0], TrainingCrop)
    assert type(rows[0].image) is tv_tensors.Image
    batch = next(iter(DataLoader(crops, batch_size=9)))
    assert batch.image.shape == (9, 3, 64, 32)
    assert batch.label.tolist() == [row.label for row in rows]


def test_a_pool_comes_from_a_keypoint_file_too(market: Path, tmp_path: Path) -> None:
    every = poses_in(market / KEYPOINTS, size=(64, 32))
    assert (every.size, len(every.images), every.pose.xy.shape) == ((64, 32), 9, (9, 18, 2))
    crops = PosedCrops(market)
    chosen = poses_in(market / KEYPOINTS, size=(64, 32), count=4, seed=5)
    of_crops = crops.targets(4, seed=5)
    assert chosen.images == of_crops.images
    assert torch.equal(chosen.pose.xy, of_crops.pose.xy)
    with pytest.raises(ReidaugError, match="10 target poses"):
        poses_in(market / KEYPOINTS, size=(64, 32), count=10)
    hidden = read_keypoints(market / KEYPOINTS).poses
    for pose in hidden.values():
        pose.visible[8] = False
    write_patn(tmp_path / "hidden.csv", hidden)
    with pytest.raises(ReidaugError, match="no pose in it shows"):
        poses_in(tmp_path / "hidden.csv", size=(64, 32))


def test_wrong_crops_are_refused(market: Path) -> None:
    crops = PosedCrops(market)
    warp = PoseWarp(Identity(), crops.targets(2), p=1.0)
    with pytest.raises(UsageError, match="no pose"):
        warp.warp(PosedImage.of(read_image(crops.people[0].path), None), 0)
    for target in (-1, 2):
        with pytest.raises(UsageError, match=f"the pool has poses 0 to 1, not {target}"):
            warp.warp(crops.posed(0), target)
    with pytest.raises(UsageError, match="no such folder of masks"):
        PoseWarp(Identity(), crops.targets(2), masks=market / "nowhere")
    for image in (torch.zeros(3, 64, 32), torch.zeros(1, 64, 32, dtype=torch.uint8)):
        with pytest.raises(UsageError, match="a crop is RGB bytes"):
            PosedImage.of(image, crops.sources[0])
    pose = crops.sources[0].pose
    for factor in (0.01, 10):  # shares of the crop; its frame
        away = as_source(Pose(pose.xy * factor, pose.visible), "a.jpg")
        with pytest.raises(UsageError, match=r"a\.jpg: .*; joints count its own pixels"):
            PosedImage.of(read_image(crops.people[0].path), away)
    with pytest.raises(ValueError, match="one pose of 18 joints"):
        as_source(standing(2), "a.jpg")
    one = Pose(torch.full((18, 2), torch.inf), torch.ones(18, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"a\.jpg: a visible joint has no finite position"):
        as_source(one, "a.jpg")
    hidden = Pose(one.xy, ~one.visible)
    assert as_source(hidden, "a.jpg").pose is not None
    with pytest.raises(UsageError, match="no such keypoint file"):
        PosedCrops(market, keypoints="nowhere.csv")
    with pytest.raises(UsageError, match="no such folder of masks"):
        PosedCrops(market, masks="nowhere")


def test_folders_of_persons_and_patterns_are_read(market: Path, tmp_path: Path, capsys) -> None:
    people, poses = tmp_path / "people", {}
    known = read_keypoints(market / KEYPOINTS).poses
    for path in sorted((market / "bounding_box_train").iterdir()):
        folder = people / ("anna", "bert", "cleo")[int(path.name[:4]) - 1]
        folder.mkdir(parents=True, exist_ok=True)
        name = f"cam{path.name[6]}_{len(list(folder.iterdir()))}.jpg"
        shutil.copy(path, folder / name)
        poses[f"{folder.name}/{name}"] = known[path.name]
    write_patn(people / KEYPOINTS, poses)
    crops = PosedCrops(people)
    assert len({crops[k].label for k in range(9)}) == 3
    assert (len(crops.sources), crops.left_out) == (9, ())
    for k in range(9):
        key = f"{crops.people[k].path.parent.name}/{crops.people[k].path.name}"
        source = crops.posed(k).source
        assert source is not None
        assert torch.equal(source.pose.xy, poses[key].xy)
    crops = PosedCrops(people, pattern=r"^(?P<pid>[a-z]+)/cam(?P<camid>\d)")
    assert {crops[k].camera for k in range(9)} == {0, 1, 2}
    assert len({crops[k].label for k in range(9)}) == 3
    pattern = r"^(?P<pid>anna|bert)/cam(?P<camid>\d)"
    with pytest.raises(ReidaugError, match=r"3 of 9 images would be left out, such as .*cleo/cam"):
        PosedCrops(people, pattern=pattern)
    assert len(PosedCrops(people, pattern=pattern, allow_left_out=True)) == 6
    assert "3 of 9 images left out:" in capsys.readouterr().err
