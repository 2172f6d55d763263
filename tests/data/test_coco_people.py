"""Lists of results in COCO's form, as other programs write them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from reidaug.data.detected_people import HALPE_26, SKELETONS
from reidaug.data.keypoints import Keypoints, read_keypoints
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import COCO_17, OPENPOSE_18

XY = [[float(k), 2.0 * k] for k in range(136)]


def read(folder: Path, content: object) -> Keypoints:
    (folder / "k.json").write_text(json.dumps(content))
    return read_keypoints(folder / "k.json", names=["a.jpg"])


def alphapose(joints: int, **more: object) -> dict[str, Any]:
    """A person as AlphaPose writes one."""
    flat = [value for x, y in XY[:joints] for value in (x, y, 0.9)]
    box = {"box": [0, 0, 9, 9], "idx": [0.0], "category_id": 1, "score": 2.9}
    return {"image_id": "a.jpg", "keypoints": flat, **box, **more}


@pytest.mark.parametrize("joints", [17, 26, 133, 136])
def test_alphapose_s_results_are_read_whatever_its_skeleton(tmp_path: Path, joints: int) -> None:
    assert joints in map(len, SKELETONS)
    pose = read(tmp_path, [alphapose(joints)]).poses["a.jpg"]
    skeleton = HALPE_26 if joints in (26, 136) else COCO_17
    for k, name in enumerate(OPENPOSE_18):
        if name in skeleton:
            assert pose.xy[k].tolist() == XY[skeleton.index(name)]
    assert pose.visible.all()


def test_joints_may_be_pairs_with_scores_or_triples(tmp_path: Path) -> None:
    scores = [0.9] * 16 + [0.1]
    pairs = {"keypoints": XY[:17], "keypoint_scores": scores, "bbox_score": 0.8}
    triples = [[*xy, s] for xy, s in zip(XY, scores, strict=False)]
    flat = [value for joint in triples for value in joint]
    expected = read(tmp_path, [{"image_id": "a.jpg", "keypoints": flat}])
    for one in ({"image_id": "a.jpg", **pairs}, {"image_id": "a.jpg", "instances": [pairs]},
                {"image_id": "a.jpg", "keypoints": triples}):  # fmt: skip
        found = read(tmp_path, [one])
        assert torch.equal(found.poses["a.jpg"].xy, expected.poses["a.jpg"].xy)
        assert not found.poses["a.jpg"].visible[OPENPOSE_18.index("right_ankle")]
        assert found.notes == expected.notes != ()


PERSON = {"keypoints": XY[:17], "keypoint_scores": [0.9] * 17}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([PERSON], "predictions of MMPose for one image .*; give the folder of such files"),
        ([[PERSON]], "predictions of MMPose"),
        ({"meta_info": {}, "instance_info": [PERSON]}, "predictions of MMPose"),
        ([{"frame_id": 0, "instances": [PERSON]}], "predictions of MMPose"),
        ({"preds": [], "image_paths": []}, "the output of MMPose's test; write a list of"),
        ({"a.jpg": {"version": "", "bodies": []}}, "AlphaPose's file by --format cmu or open; run"),
        ([{"keypoints": [1] * 51}], "name no image; each needs image_id"),
        ([{"image_id": "a.jpg", **PERSON, "keypoints": [[1, 2, 3]] * 17}], "positions in space"),
        ([{"image_id": "a.jpg", "keypoints": XY[:17]}], "with a list 'keypoint_scores', or x, y"),
        ([{"image_id": "a.jpg", "keypoints": [[1], [1, 2]]}], "joints of several lengths"),
        ([alphapose(16)], "51 or 78 or 399 or 408 numbers expected, 48 found"),
    ],
)
def test_other_forms_are_named(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(ReidaugError, match=told):
        read(tmp_path, content)


def test_annotations_of_animals_do_not_count(tmp_path: Path) -> None:
    joints = [value for x, y in XY[:17] for value in (x, y, 2)]
    dog = [value for k in range(17) for value in (3 * k, 4 * k, 2)]
    annotations = [
        {"image_id": 1, "keypoints": dog, "category_id": 2},
        {"image_id": 1, "keypoints": joints, "category_id": 1},
    ]
    images = [{"id": 1, "file_name": "a.jpg", "height": 40, "width": 20}]
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}]
    content = {"images": images, "annotations": annotations}
    found = read(tmp_path, {**content, "categories": categories})
    assert found.poses["a.jpg"].xy[0].tolist() == XY[0]
    assert found.notes == ("1 of 2 annotations are of other categories than person",)
    assert read(tmp_path, {**content, "categories": categories[1:]}).notes[0].startswith("1 of 1")


@pytest.mark.parametrize("third", [2, 0.9])
def test_joints_that_were_not_found_are_zeros_whatever_is_said(
    tmp_path: Path, third: float
) -> None:
    joints = [value for x, y in XY[1:18] for value in (x, y, third)]
    for joint in (5, 9):  # left shoulder, left wrist
        joints[3 * joint : 3 * joint + 2] = 0, 0
    pose = read(tmp_path, [{"image_id": "a.jpg", "keypoints": joints}]).poses["a.jpg"]
    missing = [name for name, seen in zip(OPENPOSE_18, pose.visible, strict=True) if not seen]
    assert missing == ["neck", "left_shoulder", "left_wrist"]


def test_joints_that_a_file_names_otherwise_are_refused(tmp_path: Path) -> None:
    annotations = [{**alphapose(17), "image_id": 1}]
    people = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": annotations}
    kind = {"id": 1, "name": "person", "keypoints": list(COCO_17)}
    assert read(tmp_path, {**people, "categories": [kind]}).poses
    assert read(tmp_path, {**people, "categories": [{**kind, "keypoints": ["a"] * 17}]}).poses
    other = {**kind, "name": "horse", "keypoints": ["left_eye", "right_eye", "nose", *COCO_17[3:]]}
    with pytest.raises(ReidaugError, match="joints of horse begin with left_eye, right_eye, nose"):
        read(tmp_path, {**people, "categories": [other]})


def _annotated(*changes: dict[str, Any]) -> dict[str, Any]:
    """Annotations of one image, which differ as told."""
    joints = {"image_id": 7, "keypoints": [5, 9, 2] * 17}
    images = [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}]
    return {"images": images, "annotations": [joints | change for change in changes]}


def test_a_person_who_is_there_twice_counts_once_and_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, _annotated({"id": 1}, {"id": 1}, {"id": 2}))
    assert found.notes == ("2 people are there twice, joint for joint, and count once",)
    assert found.poses["a.jpg"].xy[0].tolist() == [5, 9]
    scored = [
        {"id": k, "score": score, "keypoints": [5, 9, 0.9] * 17}
        for k, score in enumerate((0.2, 0.8))
    ]
    other = {"id": 3, "score": 0.7, "keypoints": [6, 9, 0.9] * 17}
    assert read(tmp_path, _annotated(*scored, other)).poses["a.jpg"].xy[0].tolist() == [5, 9]


def test_people_without_a_joint_are_not_one_who_is_there_twice(tmp_path: Path) -> None:
    far = {"keypoints": [0] * 51, "num_keypoints": 0}
    found = read(tmp_path, _annotated({"id": 1}, {"id": 2} | far, {"id": 3} | far))
    assert found.notes == ()
    assert found.poses["a.jpg"].xy[0].tolist() == [5, 9]
    with pytest.raises(ReidaugError, match=r"annotations\[0\]: a\.jpg has no visible joint"):
        read(tmp_path, _annotated({"id": 1} | far, {"id": 2} | far))


OTHER = {"keypoints": [1, 2, 2, 9, 9, 2] * 8 + [1, 2, 2]}


def test_an_id_of_two_annotations_of_an_image_is_refused(tmp_path: Path) -> None:
    annotations = _annotated({"id": 3, "image_id": 8}, {"id": 4}, {"id": 4} | OTHER)
    with pytest.raises(ReidaugError, match="1 and 2 of one image have one id, 4, and other joints"):
        read(tmp_path, annotations)


@pytest.mark.parametrize("own", [{"id": 0}, {"id": -1}, {"id": None}, {}])
def test_the_one_id_of_a_file_tells_nothing(tmp_path: Path, own: dict[str, Any]) -> None:
    changes = ({}, {"image_id": 8}, OTHER)
    found = read(tmp_path, _annotated(*({**own, **change} for change in changes)))
    expected = read(tmp_path, _annotated(*({"id": k} | c for k, c in enumerate(changes))))
    assert found.poses.keys() == {"a.jpg", "b.jpg"}
    assert found.poses["a.jpg"].xy[0].tolist() == expected.poses["a.jpg"].xy[0].tolist() == [1, 2]
    assert found.notes == expected.notes
    assert found.notes[0].startswith("1 of 2 images show several people")


def test_ids_may_begin_anew_with_every_image(tmp_path: Path) -> None:
    found = read(tmp_path, _annotated({"id": 0}, {"id": 1} | OTHER, {"id": 0, "image_id": 8}))
    assert found.poses.keys() == {"a.jpg", "b.jpg"}


def test_results_that_call_an_image_by_two_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps([{"image_id": k, "keypoints": [5, 9, 1] * 17} for k in ("a", "a.jpg")])
    )
    with pytest.raises(ReidaugError, match=r"image_id 'a' and 'a\.jpg' both mean a\.jpg"):
        read_keypoints(path, names=["a.jpg"])
