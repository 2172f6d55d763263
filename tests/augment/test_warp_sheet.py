import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from reidaug.augment import warp_sheet as sheets
from reidaug.augment.inputs import Source
from reidaug.augment.target_poses import TargetPoses
from reidaug.augment.warp_sheet import LONGEST_SIDE, pick, warp_sheet
from reidaug.data.contact_sheet import GAP
from reidaug.data.crop_names import warp_name
from reidaug.data.images import read_image
from reidaug.data.market1501 import TRAIN, Person
from reidaug.geometry.pose import Pose


def source_of(path: Path, pid: int, pose: Pose) -> Source:
    return Source(Person(path, pid, 1), path.name, pose)


def test_pictures_of_any_size_are_small_on_the_sheet(tmp_path: Path) -> None:
    size = (1024, 512)
    path = tmp_path / "0001_c1s1_000100_01.jpg"
    Image.new("RGB", (size[1], size[0]), "red").save(path)
    pose = Pose(torch.full((1, 18, 2), 500.0), torch.ones(1, 18, dtype=torch.bool))
    targets = TargetPoses(size, 0, (path.name,), pose)
    source = source_of(path, 1, Pose(pose.xy[0], pose.visible[0]))
    with Image.open(io.BytesIO(warp_sheet(tmp_path, [source], targets))) as sheet:
        rows, columns = 3, 2  # the target, its skeleton and the person; the source and its warp
        height, width = LONGEST_SIDE, LONGEST_SIDE // 2
        assert sheet.size == (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP)
        assert sheet.getpixel((GAP + width // 2, GAP + 2 * (height + GAP) + 5)) == (254, 0, 0)


def test_the_sheet_shows_every_pose_of_several_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "PEOPLE", 2)
    (tmp_path / TRAIN).mkdir()
    pose = Pose(torch.full((18, 2), 16.0), torch.ones(18, dtype=torch.bool))
    sources = []
    for pid, colour in ((1, "red"), (2, "green"), (3, "blue")):
        path = tmp_path / f"000{pid}_c1s1_000100_01.png"
        Image.new("RGB", (32, 64), colour).save(path)
        sources.append(source_of(path, pid, pose))
    shown = pick(sources, 2)
    assert [s.person.pid for s in shown] == [1, 2]
    for k in range(3):
        warp = Image.new("RGB", (32, 64), (0, 80 * k, 40))
        warp.save(tmp_path / TRAIN / warp_name(shown[1].name, k))
    names = tuple(source.person.path.name for source in sources)
    targets = TargetPoses(
        (64, 32), 0, names, Pose(pose.xy.expand(3, 18, 2), pose.visible.expand(3, 18))
    )
    path = tmp_path / "sheet.png"
    path.write_bytes(warp_sheet(tmp_path, sources, targets))
    sheet = read_image(path)
    assert sheet.shape == (3, 4 * (64 + GAP) + GAP, 4 * (32 + GAP) + GAP)
    last = read_image(tmp_path / TRAIN / warp_name(shown[1].name, 2))
    assert torch.equal(sheet[:, -68:-4, -36:-4], last)
