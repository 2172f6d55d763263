"""OpenPose's folders of people."""

import json
from pathlib import Path

import pytest

from reidaug.data.keypoints import read_keypoints
from reidaug.data.openpose_people import MIN_CONFIDENCE, read_openpose
from reidaug.errors import ReidaugError


def test_low_confidences_of_openpose_are_not_visible(tmp_path: Path) -> None:
    joints = [v for k in range(18) for v in (k, k, 0.05 if k % 2 else 0.5)]
    (tmp_path / "a_keypoints.json").write_text(
        json.dumps({"people": [{"pose_keypoints_2d": joints}]})
    )
    read = read_keypoints(tmp_path)
    assert read.poses["a.jpg"].visible.tolist() == [k % 2 == 0 for k in range(18)]
    says = f"joints below {MIN_CONFIDENCE} count as not visible, 9 of 18"
    assert read.notes[0].endswith(says)


def test_images_of_one_stem_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a_keypoints.json").write_text(
        json.dumps({"people": [{"pose_keypoints_2d": [5, 5, 1] * 18}]})
    )
    with pytest.raises(ReidaugError, match=r"a_keypoints\.json may be of a\.jpg or a\.png"):
        read_openpose(tmp_path, ["a.jpg", "a.png"])
    assert list(read_keypoints(tmp_path, names=["a.png"]).poses) == ["x/a.png"]


def test_names_that_keep_the_ending_of_their_image_are_read(tmp_path: Path) -> None:
    person = {"pose_keypoints_2d": [5.0, 6.0, 0.9] * 18}
    for name in ("a.jpg", "b.png", "c"):
        (tmp_path / f"{name}_keypoints.json").write_text(json.dumps({"people": [person]}))
    found = read_openpose(tmp_path, ["a.jpg", "b.png", "c.png"])
    assert [entry[1] for entry in found.entries] == ["a.jpg", "b.png", "c.png"]
