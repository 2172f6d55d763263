import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from standing_people import standing_people

from reidaug.data.detected_people import MIN_SCORE, prominence
from reidaug.data.keypoints import Keypoints, read_keypoints
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import COCO_17, OPENPOSE_18, Pose, select

SIZE = (128, 64)
FROM_18 = [OPENPOSE_18.index(name) for name in COCO_17]


def flat(pose: Pose, score: float, order: list[int] | None = None) -> list[float]:
    """Write joints as x, y, score; missing ones as zeros."""
    joints = order or list(range(18))
    return [
        value
        for k in joints
        for value in ((*pose.xy[k].tolist(), score) if pose.visible[k] else (0, 0, 0))
    ]


def bystander(pose: Pose, scale: float, x: float, y: float) -> Pose:
    """Move a person elsewhere on the crop, all joints found; those outside are not."""
    xy = pose.xy * scale + torch.tensor([x, y])
    inside = (xy >= 0).all(-1) & (xy[:, 0] < SIZE[1]) & (xy[:, 1] < SIZE[0])
    return Pose(xy, inside)


BYSTANDERS = {
    "small": (0.12, 50.0, 2.0, 0.95),
    "half as large": (0.5, 40.0, 10.0, 0.95),
    "cut by the right edge": (1.0, 34.0, 0.0, 0.95),
    "cut by the left edge": (1.0, -34.0, 4.0, 0.95),
    "larger, cut by the edge": (1.5, 30.0, -20.0, 0.95),
    "a ghost on the same place": (1.0, 1.0, 1.0, 0.12),
}


@pytest.mark.parametrize("form", ["openpose", "coco"])
@pytest.mark.parametrize("kind", BYSTANDERS)
@given(st.integers(0, 2**32 - 1), st.permutations(range(3)))
def test_the_person_of_the_crop_counts_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, form: str, kind: str, seed: int, order: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("people")
    pose = select(standing_people(1, seed, SIZE)[0], 0)
    whole = Pose(pose.xy, torch.ones(18, dtype=torch.bool))
    scale, x, y, score = BYSTANDERS[kind]
    people = [
        (pose, 0.8),
        (bystander(whole, scale, x, y), score),
        (bystander(whole, 0.1, 2, 2), 0.9),
    ]
    read = written(folder, form, [people[k] for k in order])
    assert torch.equal(read.poses["a.jpg"].visible[2:], pose.visible[2:])
    seen = pose.visible.clone()
    seen[1] = False  # COCO has no neck
    assert torch.allclose(read.poses["a.jpg"].xy[seen], pose.xy[seen], atol=1e-3)
    assert read.notes[0] == (
        "1 of 1 images show several people; the largest, most central and most certain one counts"
    )


def written(folder: Path, form: str, people: list[tuple[Pose, float]]) -> Keypoints:
    if form == "openpose":
        found = [{"pose_keypoints_2d": flat(*person)} for person in people]
        (folder / "a_keypoints.json").write_text(json.dumps({"people": found}))
        return read_keypoints(folder, names=["a.jpg"], size_of=lambda name: SIZE)
    annotations = [{"image_id": 1, "keypoints": flat(*person, FROM_18)} for person in people]
    image = {"id": 1, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1]}
    return coco(folder, annotations, [image])


def coco(folder: Path, annotations: object, images: object, **keywords: object) -> Keypoints:
    path = folder / "coco.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return read_keypoints(path, **keywords)  # type: ignore[arg-type]


def test_prominence_is_size_middle_and_certainty() -> None:
    def rank(x: float, y: float, side: float, certainty: float = 1.0) -> float:
        box = np.array([[x, y, 1], [x + side, y + side, 1], [500, 500, 0]], dtype=np.float64)
        return prominence(box, certainty, (100, 100))

    assert rank(24.5, 24.5, 50) == pytest.approx(np.hypot(0.5, 0.5))
    assert rank(25, 25, 50) > rank(35, 35, 30) > rank(5, 5, 30)
    assert rank(25, 25, 50, 0.5) == pytest.approx(rank(25, 25, 50) / 2)
    assert rank(-900, -900, 1_000) < rank(25, 25, 50)  # what is outside of the image is no size
    assert prominence(np.array([[0, 0, 1.0], [3, 4, 1]]), 1.0, None) == 5


def test_a_score_is_no_visibility(tmp_path: Path) -> None:
    """Joints a network did not find have a place too, and a low score."""
    rng = random.Random(0)
    poses, _ = standing_people(12, 5, SIZE, visible=0.6)
    images = [{"id": k, "file_name": f"{k}.jpg"} for k in range(12)]
    score, flag = [], []
    for k in range(12):
        pose = select(poses, k)
        low = flat(pose, 0.7, FROM_18)
        high = flat(pose, 2, FROM_18)
        for joint in range(17):
            if not high[3 * joint + 2]:
                low[3 * joint : 3 * joint + 3] = [rng.random() * 64, 9.0, rng.uniform(0.02, 0.08)]
        score.append({"image_id": k, "keypoints": low})
        flag.append({"image_id": k, "keypoints": high})
    by_score, by_flag = coco(tmp_path, score, images), coco(tmp_path, flag, images)
    for name, pose in by_flag.poses.items():
        assert torch.equal(by_score.poses[name].visible, pose.visible)
        assert torch.equal(by_score.poses[name].xy, pose.xy)
    hidden = sum(not v for item in flag for v in item["keypoints"][2::3])  # type: ignore[index]
    assert by_flag.notes == ()
    assert by_score.notes == (
        f"third numbers of joints are scores: joints below {MIN_SCORE} count as not visible, "
        f"{hidden} of {12 * 17}",
    )
    # A list of results has the same joints, its images named or numbered.
    for ids in ([f"{k}.jpg" for k in range(12)], list(range(12)), [f"{k:03d}" for k in range(12)]):
        results = [{**item, "image_id": own} for item, own in zip(score, ids, strict=True)]
        (tmp_path / "r.json").write_text(json.dumps(results))
        names = [f"{k:03d}.jpg" if isinstance(ids[0], int) else f"{k}.jpg" for k in range(12)]
        if ids[0] == "000":
            names = [f"{k:03d}.jpg" for k in range(12)]
        read = read_keypoints(tmp_path / "r.json", names=names)
        assert [p.visible.tolist() for p in read.poses.values()] == [
            p.visible.tolist() for p in by_flag.poses.values()
        ]


@pytest.mark.parametrize("third", [[0.0, 3.0], [85.0, 12.5], [0.5, 100.0]])
def test_third_numbers_that_are_neither_are_refused(tmp_path: Path, third: list[float]) -> None:
    joints = [v for k in range(17) for v in (k, k, third[k % 2])]
    with pytest.raises(ReidaugError, match=r"third numbers of joints reach \d+; they are visibil"):
        coco(tmp_path, [{"image_id": 1, "keypoints": joints}], [{"id": 1, "file_name": "a.jpg"}])


def test_images_of_one_name_are_refused(tmp_path: Path) -> None:
    joints = [v for k in range(17) for v in (k, k, 2)]
    both = [{"image_id": k, "keypoints": joints} for k in (1, 2)]
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "a.jpg"}]
    with pytest.raises(ReidaugError, match=r"images 1 and 2 are both called 'a\.jpg'; give file_n"):
        coco(tmp_path, both, images)
    images = [{"id": 1, "file_name": "x/a.jpg"}, {"id": 2, "file_name": "y\\a.jpg"}]
    assert list(coco(tmp_path, both, images).poses) == ["x/a.jpg", "y/a.jpg"]
    with pytest.raises(ReidaugError, match=r"image 1 is both 'a\.jpg' and 'b\.jpg'"):
        coco(tmp_path, both, [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}])
    (tmp_path / "r.json").write_text(json.dumps([{"image_id": 1, "keypoints": joints}]))
    with pytest.raises(ReidaugError, match=r"image_id '1' may be 01\.jpg or 001\.jpg"):
        read_keypoints(tmp_path / "r.json", names=["01.jpg", "001.jpg"])
    with pytest.raises(ReidaugError, match="no image is called like its image_id"):
        read_keypoints(tmp_path / "r.json", names=["7.jpg"])


def test_numbers_of_images_may_be_floating_point(tmp_path: Path) -> None:
    joints = [v for k in range(17) for v in (k, k, 2)]
    found = [{"image_id": 7.0, "keypoints": joints}]
    assert coco(tmp_path, found, [{"id": 7, "file_name": "a.jpg"}]).poses.keys() == {"a.jpg"}
    (tmp_path / "r.json").write_text(json.dumps(found))
    assert read_keypoints(tmp_path / "r.json", names=["7.jpg"]).poses.keys() == {"7.jpg"}
