"""MMPose's folders of people, one file an image."""

import json
from pathlib import Path
from typing import Any

import pytest

from reidaug.data.keypoints import read_keypoints
from reidaug.data.mmpose_people import read_mmpose
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import COCO_17

SIZE = (40, 20)


def person(x: float, y: float, scale: float = 1.0, score: float = 0.9) -> dict[str, Any]:
    """A person as MMPose's inferencer writes one."""
    keypoints = [[x + scale * (k % 4), y + scale * 2 * k] for k in range(17)]
    box = {"bbox": [[0, 0, 9, 9]], "bbox_score": 0.9}
    return {"keypoints": keypoints, "keypoint_scores": [score] * 17, **box}


def meta(names: tuple[str, ...] = COCO_17) -> dict[str, Any]:
    return {"dataset_name": "mine", "keypoint_id2name": dict(enumerate(names))}


def test_files_of_inferencer_and_demo_are_read(tmp_path: Path) -> None:
    mine, other = person(8, 2), person(1, 1, 0.3)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.json").write_text(json.dumps([[other, mine]]))
    demo = {"meta_info": meta(), "instance_info": [mine, other]}
    (tmp_path / "results_b.json").write_text(json.dumps(demo))
    (tmp_path / "results_c.json").write_text(json.dumps([mine]))
    names = ["a.png", "b.jpg", "results_c.jpg"]
    found = read_keypoints(tmp_path, names=names, size_of=lambda name: SIZE)
    assert set(found.poses) == {"x/a.png", "b.jpg", "results_c.jpg"}
    for pose in found.poses.values():
        assert pose.xy[0].tolist() == [8, 2]
    assert found.notes[0].startswith("2 of 3 images show several people")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([], "nobody in the image"),
        ([{"frame_id": 0, "instances": [person(8, 2)]}], "frames of a video"),
        ({"instance_info": [person(8, 2)], "meta_info": meta(COCO_17[::-1])},
         "joints of mine, not COCO's 17: its first ones are right_ankle, left_ankle, right_knee"),
        ({"version": "", "bodies": []}, "neither a list of people nor one called 'instance_info'"),
        ([person(8, 2) | {"keypoints": [[1, 2, 3]] * 17}], "positions in space"),
        ([person(8, 2, score=0.1)], "a.jpg has no visible joint"),
        (["x"], "no list 'keypoints'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(tmp_path: Path, content: object, told: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ReidaugError, match=rf"not one usable pose in it; first: .*{told}"):
        read_keypoints(tmp_path, names=["a.jpg"])


def test_a_folder_of_other_files_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ReidaugError, match=r"neither OpenPose's .* nor MMPose's"):
        read_mmpose(tmp_path, [])
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ReidaugError, match=r"a\.json may be of a\.jpg or a\.png"):
        read_mmpose(tmp_path, ["a.jpg", "a.png"])
    assert "broken JSON" in str(read_mmpose(tmp_path, ["a.jpg"]).entries)
