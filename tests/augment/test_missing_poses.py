from pathlib import Path

import pytest
import torch
from PIL import Image

from reidaug.augment.missing_poses import STAND_INS, WORDS, StandIns, standing
from reidaug.data.images import encode_png
from reidaug.data.market1501 import Person
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import OPENPOSE_18, Pose

JOINT = {name: k for k, name in enumerate(OPENPOSE_18)}


def crop(folder: Path, name: str, size: tuple[int, int] = (64, 32)) -> Person:
    Image.new("RGB", size[::-1]).save(folder / name)
    return Person(folder / name, int(name[:4]), int(name[6]))


def pose_at(value: float) -> Pose:
    return Pose(torch.full((18, 2), value), torch.ones(18, dtype=torch.bool))


def nearest_of(folder: Path, name: str, found: list[str]) -> str | None:
    people = [(crop(folder, other), pose_at(k)) for k, other in enumerate(sorted(found))]
    nearest = StandIns(people, None).nearest(crop(folder, name))
    return nearest[0].path.name if nearest else None


@pytest.mark.parametrize(
    ("found", "nearest"),
    [
        # The sequence counts before the number of the frame, and no other person or camera.
        (["0001_c1s1_000100_01.jpg", "0001_c1s1_000190_01.jpg"], "0001_c1s1_000190_01.jpg"),
        (["0001_c1s1_000151_01.jpg", "0001_c1s1_000140_01.jpg"], "0001_c1s1_000151_01.jpg"),
        (["0001_c1s1_009000_01.jpg", "0001_c1s2_000150_01.jpg"], "0001_c1s1_009000_01.jpg"),
        (["0001_c1s3_000900_01.jpg", "0001_c1s2_000200_01.jpg"], "0001_c1s2_000200_01.jpg"),
        (["0001_c1s1_000140_01.jpg", "0001_c1s1_000160_01.jpg"], "0001_c1s1_000140_01.jpg"),
        (["0001_c2s1_000150_01.jpg", "0002_c1s1_000150_01.jpg"], None),
        ([], None),
    ],
)
def test_the_nearest_frame_is_of_the_same_person_and_camera(
    tmp_path: Path, found: list[str], nearest: str | None
) -> None:
    assert nearest_of(tmp_path, "0001_c1s1_000150_01.jpg", found) == nearest


def test_names_without_frames_are_near_in_their_order(tmp_path: Path) -> None:
    found = ["0001_c1_a.jpg", "0001_c1_e.jpg", "0001_c1_z.jpg"]
    assert nearest_of(tmp_path, "0001_c1_f.jpg", found) == "0001_c1_e.jpg"
    assert nearest_of(tmp_path, "0001_c1_d.jpg", found) == "0001_c1_a.jpg"
    assert nearest_of(tmp_path, "0001_c1_0.jpg", found) == "0001_c1_a.jpg"


def test_the_pose_of_the_nearest_frame_is_scaled_to_the_crop(tmp_path: Path) -> None:
    other = crop(tmp_path, "0001_c1s1_000100_01.jpg", (33, 17))
    pose = Pose(torch.tensor([[8.0, 16.0]] * 18), torch.arange(18) > 3)
    person = crop(tmp_path, "0001_c1s1_000150_01.jpg", (65, 33))
    stand_in = StandIns([(other, pose)], None).of(person)
    assert (stand_in.pose_from, stand_in.mask_fits) == ("nearest", False)  # there is no mask
    assert stand_in.pose.xy[4:].tolist() == [[16.0, 32.0]] * 14
    assert torch.equal(stand_in.pose.visible, pose.visible)


@pytest.mark.parametrize(("joint", "fits"), [(30.0, True), (5.0, False)])
def test_a_mask_goes_with_the_nearest_pose_where_the_joints_are_in_it(
    tmp_path: Path, joint: float, fits: bool
) -> None:
    other, person = (crop(tmp_path, f"0001_c1s1_00{k}_01.jpg") for k in (100, 150))
    mask = torch.zeros(64, 32, dtype=torch.bool)
    mask[20:, 10:] = True
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / f"{person.path.stem}.png").write_bytes(encode_png(mask))
    stand_in = StandIns([(other, pose_at(joint))], tmp_path / "masks").of(person)
    assert (stand_in.pose_from, stand_in.mask_fits) == ("nearest", fits)


def test_without_a_frame_a_person_stands_in_the_mask_else_in_the_crop(tmp_path: Path) -> None:
    person = crop(tmp_path, "0001_c1s1_000150_01.jpg", (128, 64))
    (tmp_path / "masks").mkdir()
    file = tmp_path / "masks" / f"{person.path.stem}.png"
    mask = torch.zeros(128, 64, dtype=torch.bool)
    mask[20:120, 10:50] = True
    file.write_bytes(encode_png(mask))
    in_mask = StandIns([], tmp_path / "masks").of(person)
    assert (in_mask.pose_from, in_mask.mask_fits) == ("mask", True)
    neck, ankle = in_mask.pose.xy[JOINT["neck"]], in_mask.pose.xy[JOINT["left_ankle"]]
    assert neck.tolist() == pytest.approx([9.5 + 0.5 * 40, 19.5 + 0.21 * 100])
    assert ankle.tolist() == pytest.approx([9.5 + 0.61 * 40, 19.5 + 0.89 * 100])
    mask[:] = False
    mask[0, 0] = True  # too small to be a person
    file.write_bytes(encode_png(mask))
    in_crop = StandIns([], tmp_path / "masks").of(person)
    assert (in_crop.pose_from, in_crop.mask_fits) == ("crop", False)
    assert in_crop.pose.xy[JOINT["neck"]].tolist() == pytest.approx([31.5, -0.5 + 0.21 * 128])


def test_a_person_stands_upright_and_faces_the_camera() -> None:
    pose = standing(torch.ones(100, 50, dtype=torch.bool))
    assert int(pose.visible.sum()) == 14
    assert not pose.visible[[JOINT["left_eye"], JOINT["right_ear"]]].any()
    x, y = pose.xy.unbind(-1)
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        left, right = JOINT[f"left_{joint}"], JOINT[f"right_{joint}"]
        assert float(x[left] + x[right]) == pytest.approx(49)
        assert x[left] > x[right]
    down = [float(y[JOINT[f"left_{j}"]]) for j in ("shoulder", "hip", "knee", "ankle")]
    assert down == sorted(down) and y[JOINT["nose"]] < down[0]


def test_an_image_that_cannot_be_read_has_no_stand_in(tmp_path: Path) -> None:
    person = crop(tmp_path, "0001_c1s1_000150_01.jpg")
    person.path.write_text("text")
    with pytest.raises(ReidaugError, match="not a readable image"):
        StandIns([], None).of(person)


def test_every_kind_has_words() -> None:
    assert set(WORDS) > STAND_INS
