import shutil

import pytest
import torch

from reidaug.data.images import read_image
from reidaug.data.keypoints import read_keypoints, write_patn
from reidaug.errors import ReidaugError
from reidaug.flow.surface.training.samples import read_samples, take
from reidaug.geometry.pose import Pose
from reidaug.people3d.surface_dataset import read_surfaces


def test_samples_are_the_files(surfaces, samples):
    assert samples.names == ("00001_0.jpg", "00001_1.jpg", "00002_0.jpg", "00002_1.jpg")
    assert len(samples.targets.source) == 10 and samples.size == (128, 64)
    second = read_surfaces(surfaces / "surfaces" / "train" / "00002.npz")
    numbers = torch.arange(5, 10)
    batch = take(samples, numbers)
    assert samples.targets.source[numbers].tolist() == [2 + int(k) for k in second.source]
    for k in range(5):
        name = f"00002_{second.source[k]}.jpg"
        assert torch.equal(batch.image[k], read_image(surfaces / "train" / name) / 255)
        assert torch.equal(batch.outline[k], torch.from_numpy(second.outline[k]))
        given = second.asked if second.retargeted[k] else second.joints
        assert torch.equal(batch.asked.xy[k], torch.from_numpy(given[k, :, :2]))
        assert torch.equal(batch.asked.visible[k], torch.from_numpy(given[k, :, 2] > 0))
        assert torch.equal(batch.target_pose.xy[k], torch.from_numpy(second.joints[k, :, :2]))
    known = batch.surface.isfinite()
    assert torch.equal(batch.surface[known], torch.from_numpy(second.target).float()[known])


def test_joints_and_masks_of_a_network_stand_beside_the_true_ones(surfaces, tmp_path):
    true = read_keypoints(surfaces / "fasion-annotation-train.csv").poses
    moved = {name: Pose(pose.xy + 1, pose.visible) for name, pose in list(true.items())[:3]}
    write_patn(tmp_path / "found.csv", moved, decimals=2)
    shutil.copy(surfaces / "masks" / "00001_1.png", tmp_path / "00001_0.png")
    found = read_samples(surfaces, "train", keypoints=tmp_path / "found.csv", masks=tmp_path)
    first, second = found.crops.poses
    for k, name in enumerate(found.names):
        shift = (second.xy[k] - first.xy[k])[first.visible[k]]
        assert torch.allclose(shift, torch.full_like(shift, float(name in moved)), atol=0.02)
    masks = found.crops.masks
    assert torch.equal(masks[1][0], masks[0][1]) and torch.equal(masks[1][1:], masks[0][1:])


def test_a_folder_without_surfaces_is_refused(tmp_path):
    with pytest.raises(ReidaugError, match="no rendered surfaces here; reidaug synth surfaces"):
        read_samples(tmp_path, "train")


def test_misplaced_joints_of_a_network_are_refused(surfaces, tmp_path):
    true = read_keypoints(surfaces / "fasion-annotation-train.csv").poses
    half = {name: Pose(pose.xy / 2, pose.visible) for name, pose in true.items()}
    write_patn(tmp_path / "found.csv", half, decimals=2)
    with pytest.raises(ReidaugError, match=r"found\.csv: .* made for images of half the size"):
        read_samples(surfaces, "train", keypoints=tmp_path / "found.csv")
