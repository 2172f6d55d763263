from pathlib import Path

import pytest
import refused_poses
from drawn_person import drawn_market
from PIL import Image

from reidaug.perception.dataset_poses import estimate_poses

pytestmark = pytest.mark.usefixtures("blazepose")


def test_crops_of_one_part_are_examined_and_counted(tmp_path: Path) -> None:
    root = drawn_market(tmp_path / "market", people=6)
    crops = sorted((root / "bounding_box_train").iterdir())
    keypoints, masks = tmp_path / "joints.csv", tmp_path / "masks"
    estimate_poses(crops, keypoints, masks=masks, workers=1)
    sources = refused_poses.candidates(root, keypoints, "tune")
    assert {source.person.pid for source in sources} == {2}
    assert refused_poses.examine(sources, masks, 2)["refused"] == 0
    torn = masks / f"{sources[0].person.path.stem}.png"
    Image.new("L", (64, 128)).save(torn)
    found = refused_poses.examine(sources, masks, len(sources))
    assert (found["examined"], found["refused"]) == (len(sources), 1)
    assert found["flaws"] == {"no outline": 1}
