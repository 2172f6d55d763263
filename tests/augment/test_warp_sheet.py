import io
import shutil
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
        left, top = 2 * GAP + width + 125, 2 * GAP + height + 125  # (500, 500) of 512 x 1024
        near, away = (sheet.crop((left + d, top + d, left + d + 4, top + d + 4)) for d in (-2, -50))
        assert near.getextrema() != away.getextrema() == ((40, 40), (44, 44), (52, 52))


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
    places = torch.tensor([[8.0, 20.0], [16.0, 30.0], [24.0, 40.0]])  # of all joints of a pose
    targets = TargetPoses(
        (64, 32), 0, names, Pose(places[:, None].expand(3, 18, 2), pose.visible.expand(3, 18))
    )
    path = tmp_path / "sheet.png"
    path.write_bytes(warp_sheet(tmp_path, sources, targets))
    sheet = read_image(path)
    assert sheet.shape == (3, 4 * (64 + GAP) + GAP, 4 * (32 + GAP) + GAP)
    cells = {
        (row, column): sheet[
            :, 68 * row + GAP : 68 * (row + 1), 36 * column + GAP : 36 * (column + 1)
        ]
        for row in range(4)
        for column in range(4)
    }
    for k, source in enumerate(sources):  # above, the images that the poses come from
        assert torch.equal(cells[0, k + 1], read_image(source.person.path))
        skeleton = (cells[1, k + 1] != torch.tensor([[[40]], [[44]], [[52]]])).any(0).nonzero()
        assert torch.allclose(skeleton.float().mean(0).flip(0), places[k], atol=1)
        warp = read_image(tmp_path / TRAIN / warp_name(shown[1].name, k))
        assert torch.equal(cells[3, k + 1], warp)
        assert bool((cells[2, k + 1] == 255).all())  # a warp that was not kept
    assert bool((cells[0, 0] < 128).any())  # the corner says what white cells are
    for k in range(3):
        shutil.copy(tmp_path / TRAIN / warp_name(shown[1].name, k),
                    tmp_path / TRAIN / warp_name(shown[0].name, k))  # fmt: skip
    path.write_bytes(warp_sheet(tmp_path, sources, targets))
    assert bool((read_image(path)[:, :68, :36] == 255).all())  # where there are some
    for row, source in enumerate(shown, 2):
        assert torch.equal(cells[row, 0], read_image(source.person.path))
