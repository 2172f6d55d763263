import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from stick_market import stick_market

from reidaug.data.image_poses import read_image_poses
from reidaug.data.keypoints import read_keypoints, write_patn
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import Pose

KEYPOINTS = "market-annotation-train.csv"


def test_poses_lie_on_their_images_or_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = stick_market(tmp_path / "market", people=6, images=2)
    known = read_keypoints(root / KEYPOINTS).poses
    images = sorted((root / TRAIN).iterdir())
    known[images[3].name].xy[5] = torch.tensor([1e5, 3])
    known[images[3].name].visible[5] = True
    write_patn(root / KEYPOINTS, known)
    read = read_image_poses(images, root / KEYPOINTS)
    assert read.keys == {image: image.name for image in images}
    placed = read.place(file=root / KEYPOINTS)
    assert list(placed.left_out) == [images[3].name]
    assert len(placed.poses) == 11
    twice = {name: Pose(pose.xy * 2, pose.visible) for name, pose in known.items()}
    write_patn(root / KEYPOINTS, twice)
    read = read_image_poses(images, root / KEYPOINTS)
    with pytest.raises(ReidaugError, match="images of twice the size"):
        read.place(file=root / KEYPOINTS)
    assert len(read.place(file=root / KEYPOINTS, size=(128, 64)).poses) == 11
    assert capsys.readouterr().err == ""


def test_crops_of_equal_names_have_their_own_poses(tmp_path: Path) -> None:
    """Half of the crops once had another crop's pose."""
    root = stick_market(tmp_path / "market", people=4, images=2)
    known = read_keypoints(root / KEYPOINTS).poses
    right, images, annotations = {}, [], []
    for k, path in enumerate(sorted((root / TRAIN).iterdir())):
        own = tmp_path / "crops" / f"{k // 2:04d}" / f"{k % 2}.jpg"
        own.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, own)
        right[own] = known[path.name]
        xy, seen = known[path.name]
        order = [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]
        joints = [v for j in order for v in (*xy[j].tolist(), 2 * int(seen[j]))]
        images.append({"id": k, "file_name": f"{own.parent.name}/{own.name}"})
        annotations.append({"image_id": k, "keypoints": joints})
    file = tmp_path / "coco.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations}))
    read = read_image_poses(list(right), file)
    for path, pose in right.items():
        found = read.known.poses[read.keys[path]]
        assert torch.equal(found.xy[2:][pose.visible[2:]], pose.xy[2:][pose.visible[2:]])
    for image in images:
        image["file_name"] = str(image["file_name"]).rsplit("/")[-1]
    file.write_text(json.dumps({"images": images, "annotations": annotations}))
    with pytest.raises(ReidaugError, match=r"images 0 and 2 are both called '0\.jpg'"):
        read_image_poses(list(right), file)
    write_patn(tmp_path / "k.csv", {"0.jpg": known[min(known)]})
    with pytest.raises(ReidaugError, match=r"0\.jpg may be .*0000/0\.jpg or .*0001/0\.jpg; name"):
        read_image_poses(list(right), tmp_path / "k.csv")


def test_only_files_and_folders_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "k.csv")
    with pytest.raises(ReidaugError, match="only regular files are read"):
        read_image_poses([tmp_path / "a.jpg"], tmp_path / "k.csv")
    (tmp_path / "open").mkdir()
    os.mkfifo(tmp_path / "open" / "a_keypoints.json")
    with pytest.raises(ReidaugError, match="not one usable pose"):
        read_image_poses([tmp_path / "a.jpg"], tmp_path / "open")
