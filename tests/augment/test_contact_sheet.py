import io
from pathlib import Path

import torch
from PIL import Image

from reidaug.augment.contact_sheet import GAP, LONGEST_SIDE, contact_sheet
from reidaug.augment.target_poses import TargetPoses
from reidaug.augment.warping import Source
from reidaug.data.market1501 import Person
from reidaug.geometry.pose import Pose


def test_pictures_of_any_size_are_small_on_the_sheet(tmp_path: Path) -> None:
    size = (1024, 512)
    path = tmp_path / "0001_c1s1_000100_01.jpg"
    Image.new("RGB", (size[1], size[0]), "red").save(path)
    pose = Pose(torch.full((1, 18, 2), 500.0), torch.ones(1, 18, dtype=torch.bool))
    targets = TargetPoses(size, 0, (path.name,), pose)
    source = Source(Person(path, 1, 1), path.stem, Pose(pose.xy[0], pose.visible[0]))
    with Image.open(io.BytesIO(contact_sheet(tmp_path, [source], targets, [path]))) as sheet:
        rows, columns = 3, 2  # the model, its skeleton and the person; the source and its warp
        height, width = LONGEST_SIDE, LONGEST_SIDE // 2
        assert sheet.size == (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP)
        assert sheet.getpixel((GAP + width // 2, GAP + 2 * (height + GAP) + 5)) == (254, 0, 0)
