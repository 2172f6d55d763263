import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reidaug.data.keypoints import Keypoints, read_keypoints, write_patn
from reidaug.data.openpose_people import BODY_25
from reidaug.errors import ReidaugError, UsageError
from reidaug.geometry.pose import COCO_17, MARKET_14, OPENPOSE_18, Pose

SHARED = Path(__file__).parents[2] / "../shared/keypoints"
NAMES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=":"), min_size=1)
POSES = st.builds(
    lambda xy, seen: Pose(torch.from_numpy(xy), torch.from_numpy(seen)),
    arrays(np.float32, (18, 2), elements=st.floats(-20, 300, width=32)),
    arrays(np.bool_, 18),
).filter(lambda pose: bool(pose.visible.any()))

HEADER = "name:keypoints_y:keypoints_x"
ZEROS = json.dumps([0] * 18)


def patn(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "market-annotation-train.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@given(st.dictionaries(NAMES, POSES, min_size=1, max_size=4), st.integers(0, 3))
def test_patn_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, poses: dict[str, Pose], decimals: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "poses.csv"
    write_patn(path, poses, decimals=decimals)
    content = path.read_bytes()
    read, left_out, *_ = read_keypoints(path)
    assert left_out == ()
    assert list(read) == list(poses)
    for name, pose in poses.items():
        assert torch.equal(read[name].visible, pose.visible)
        away = (read[name].xy - pose.xy)[pose.visible].abs()
        # Half a step, and one more where a joint would stand on the mark for missing ones.
        assert (away <= 1.51 * 10.0**-decimals).all()
        assert (read[name].xy[~pose.visible] == -1).all()
    write_patn(path, read, decimals=decimals)
    assert path.read_bytes() == content


def test_patn_rows_look_as_patn_writes_them(tmp_path: Path) -> None:
    pose = Pose(torch.arange(36.0).reshape(18, 2), torch.arange(18) > 0)
    write_patn(tmp_path / "a.csv", {"0002_c1s1_000451_03.jpg": pose})
    header, row = (tmp_path / "a.csv").read_text().splitlines()
    assert header == HEADER
    assert row.startswith("0002_c1s1_000451_03.jpg: [-1, 3, 5, 7, ")
    assert ": [-1, 2, 4, 6, " in row
    write_patn(tmp_path / "a.csv", {"a.jpg": Pose(pose.xy + 0.256, pose.visible)}, decimals=2)
    assert "a.jpg: [-1, 3.26, 5.26, " in (tmp_path / "a.csv").read_text()


def test_y_comes_first_and_either_coordinate_marks_a_missing_joint(tmp_path: Path) -> None:
    y, x = [10.5] * 18, [3] * 18
    y[2], x[4] = -1, -1
    path = patn(tmp_path, f"a.jpg: {json.dumps(y)}: {json.dumps(x)}")
    pose = read_keypoints(path).poses["a.jpg"]
    assert pose.xy[0].tolist() == [3, 10.5]
    assert (~pose.visible).nonzero().flatten().tolist() == [2, 4]


def test_columns_come_in_any_order_and_lines_end_as_on_windows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    ys = json.dumps([1] * 18)
    path.write_bytes(f"keypoints_x:name:keypoints_y\r\n{ZEROS}:a.jpg:{ys}\r\n\r\n".encode())
    assert read_keypoints(path).poses["a.jpg"].xy[5].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"b.jpg: [1, 2: {ZEROS}", "keypoints_y: broken JSON"),
        (f"b.jpg: {ZEROS}: [0, np.int64(3)]", "keypoints_x: broken JSON"),
        (f"b.jpg: {json.dumps([0] * 17)}: {ZEROS}", "keypoints_y: 18 numbers expected, 17 found"),
        (f"b.jpg: {ZEROS}", "3 columns expected, 2 found"),
        (f"b.jpg: {ZEROS}: {ZEROS}: 7", "3 columns expected, 4 found"),
        (f"b.jpg: {json.dumps([-1] * 18)}: {ZEROS}", "b.jpg has no visible joint"),
        (f": {ZEROS}: {ZEROS}", "no image name"),
        (f"b.jpg: 18: {ZEROS}", "keypoints_y: not a list"),
        (f"b.jpg: {json.dumps([None] * 18)}: {ZEROS}", "not a list of plain numbers"),
        (f"b.jpg: {json.dumps([True] * 18)}: {ZEROS}", "not a list of plain numbers"),
        (f"b.jpg: {json.dumps([float('nan')] * 18)}: {ZEROS}", "not a list of plain numbers"),
        (f"b.jpg: {json.dumps([10**400] * 18)}: {ZEROS}", "not a list of plain numbers"),
    ],
)
def test_a_damaged_row_is_left_out_and_reported(tmp_path: Path, row: str, reason: str) -> None:
    path = patn(tmp_path, f"a.jpg: {ZEROS}: {ZEROS}", row)
    read = read_keypoints(path)
    assert list(read.poses) == ["a.jpg"]
    assert len(read.left_out) == 1
    assert read.left_out[0].startswith(f"{path}:3: ")
    assert reason in read.left_out[0]


@pytest.mark.parametrize("other", [[7] * 18, [-1] * 18], ids=["other joints", "nobody"])
@pytest.mark.parametrize("turned", [1, -1])
def test_rows_that_contradict_each_other_are_refused(
    tmp_path: Path, other: list[int], turned: int
) -> None:
    rows = [f"a.jpg: {ZEROS}: {ZEROS}", f"a.jpg: {other}: {other}"][::turned]
    path = patn(tmp_path, *rows, f"b.jpg: {ZEROS}: {ZEROS}", rows[0])
    said = rf"{path}:2 and {path.name}:3: a\.jpg has different joints there"
    with pytest.raises(ReidaugError, match=f"{said}; give each image one entry"):
        read_keypoints(path)
    both = (row.replace("a.jpg", "c.jpg") for row in rows)
    with pytest.raises(ReidaugError, match=f"{said}, one of 2 such images; give"):
        read_keypoints(patn(tmp_path, *rows, *both))


def test_rows_that_repeat_others_count_once_and_are_told(tmp_path: Path) -> None:
    row = f"a.jpg: {ZEROS}: {ZEROS}"
    read = read_keypoints(patn(tmp_path, row, f"b.jpg: {ZEROS}: {ZEROS}", row, row))
    assert (list(read.poses), read.left_out) == (["a.jpg", "b.jpg"], ())
    assert read.notes == ("2 entries repeat another one word for word, and count once",)


def test_nothing_left_is_an_error_that_shows_the_first_reason(tmp_path: Path) -> None:
    with pytest.raises(ReidaugError, match=r"not one usable pose.*:2: keypoints_y: broken JSON"):
        read_keypoints(patn(tmp_path, f"b.jpg: [1, 2: {ZEROS}"))
    with pytest.raises(ReidaugError, match="not one usable pose"):
        read_keypoints(patn(tmp_path))


@pytest.mark.parametrize("header", ["name:keypoints_y", "name,keypoints_y,keypoints_x", ""])
def test_a_missing_column_is_named(tmp_path: Path, header: str) -> None:
    with pytest.raises(ReidaugError, match=r"csv:1: no column '(keypoints_x|name)' in the header"):
        read_keypoints(patn(tmp_path, f"a.jpg: {ZEROS}: {ZEROS}", header=header))


def test_what_is_no_keypoint_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReidaugError, match="no such keypoint file"):
        read_keypoints(tmp_path / "a.csv")
    patn(tmp_path, f"a.jpg: {ZEROS}: {ZEROS}").rename(tmp_path / "A.CSV")
    assert read_keypoints(tmp_path / "A.CSV").poses.keys() == {"a.jpg"}
    (tmp_path / "a.txt").touch()
    with pytest.raises(UsageError, match=r"\.csv, \.json, \.mat or a folder"):
        read_keypoints(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["a:b.jpg", " a.jpg", "a\nb.jpg", ""])
def test_a_name_that_would_break_the_file_is_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReidaugError, match="cannot be written"):
        write_patn(tmp_path / "a.csv", {name: Pose(torch.zeros(18, 2), torch.ones(18) > 0)})
    assert not list(tmp_path.iterdir())


def test_a_pose_that_is_none_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="18 joints"):
        write_patn(tmp_path / "a.csv", {"a": Pose(torch.zeros(17, 2), torch.ones(17) > 0)})
    with pytest.raises(ValueError, match="finite"):
        write_patn(
            tmp_path / "a.csv", {"a": Pose(torch.full((18, 2), torch.nan), torch.ones(18) > 0)}
        )


def coco(folder: Path, annotations: list[object], images: object = None) -> Path:
    path = folder / "coco.json"
    images = images or [{"id": 7, "file_name": "train/a.jpg"}, {"id": 8, "file_name": "b.jpg"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def coco_joints(shift: float = 0.0, v: int = 2) -> list[float]:
    return [value for k in range(17) for value in (k + shift, 2 * k + shift, v)]


def test_coco_joints_find_their_places(tmp_path: Path) -> None:
    joints = coco_joints()
    joints[3 * COCO_17.index("left_wrist") + 2] = 0
    joints[3 * COCO_17.index("left_ankle") + 2] = 1
    path = coco(tmp_path, [{"image_id": 7, "keypoints": joints}])
    pose = read_keypoints(path).poses["train/a.jpg"]
    for k, name in enumerate(OPENPOSE_18):
        if name in COCO_17 and name != "left_wrist":
            place = COCO_17.index(name)
            assert pose.visible[k]
            assert pose.xy[k].tolist() == [place, 2 * place]
    assert not pose.visible[OPENPOSE_18.index("left_wrist")]
    assert pose.visible[1]
    assert pose.xy[1].tolist() == [5.5, 11]  # the neck, between the shoulders 5 and 6


def test_of_several_people_the_most_visible_one_counts(tmp_path: Path) -> None:
    half = coco_joints(100)
    half[2::6] = [0] * 9
    path = coco(
        tmp_path,
        [
            {"image_id": 7, "keypoints": half},
            {"image_id": 7, "keypoints": coco_joints(0)},
            {"image_id": 7, "keypoints": coco_joints(50)},
        ],
    )
    read = read_keypoints(path)
    assert read.left_out == ()
    assert read.poses["train/a.jpg"].xy[0].tolist() == [0, 0]


def test_damaged_coco_annotations_are_left_out_and_reported(tmp_path: Path) -> None:
    path = coco(
        tmp_path,
        [
            {"image_id": 8, "keypoints": coco_joints()},
            {"image_id": 9, "keypoints": coco_joints()},
            {"image_id": 7, "keypoints": [1, 2, 2]},
            {"image_id": [7], "keypoints": coco_joints()},
            {"image_id": 7, "bbox": [1, 2, 3, 4]},
            {"image_id": 7, "keypoints": coco_joints(v=0)},
            "keypoints",
        ],
    )
    poses, left_out, refused, nobody, _ = read_keypoints(path)
    assert list(poses) == ["b.jpg"]
    reasons = dict(line.removeprefix(f"{path}:").split(": ", 1) for line in left_out)
    assert reasons == {
        "annotations[1]": "its image is not in 'images'",
        "annotations[2]": "keypoints: 51 or 78 or 399 or 408 numbers expected, 3 found",
        "annotations[3]": "its image is not in 'images'",
        "annotations[4]": "no list 'keypoints'",
        "annotations[5]": "train/a.jpg has no visible joint",
        "annotations[6]": "no list 'keypoints'",
    }
    assert "train/a.jpg" in refused and "b.jpg" not in refused
    line = f"{path}:annotations[5]: train/a.jpg has no visible joint"
    assert nobody == {"train/a.jpg": line}


def test_names_that_no_text_holds_are_written_so_that_any_file_takes_them(tmp_path: Path) -> None:
    names = ("a.jpg", "\ud800.jpg", "c\nd.jpg")
    images = [{"id": k, "file_name": name} for k, name in enumerate(names)]
    nobody = [{"image_id": k, "keypoints": [0] * 51} for k in (1, 2)]
    whole = {"image_id": 0, "keypoints": coco_joints()}
    found = read_keypoints(coco(tmp_path, [whole, *nobody], images))
    assert list(found.poses) == ["a.jpg"]
    assert found.nobody.keys() == set(names[1:])
    assert [line.split(": ", 1)[1] for line in found.left_out] == [
        r"\ud800.jpg has no visible joint", r"c\nd.jpg has no visible joint"
    ]  # fmt: skip


def test_other_json_is_no_coco_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text in ("{", "[]", '{"images": 3, "annotations": []}', '{"images": [{}]}'):
        path.write_text(text)
        with pytest.raises(ReidaugError, match=r"broken JSON|no COCO file"):
            read_keypoints(path)


def openpose(folder: Path, stem: str, content: object) -> None:
    (folder / f"{stem}_keypoints.json").write_text(json.dumps(content))


@pytest.mark.parametrize("skeleton", [OPENPOSE_18, BODY_25], ids=["18", "25"])
def test_openpose_folders_of_both_skeletons_are_read(
    tmp_path: Path, skeleton: tuple[str, ...]
) -> None:
    flat = [value for k in range(len(skeleton)) for value in (k, 2 * k, 0.5)]
    flat[3 * skeleton.index("left_ear") + 2] = 0
    openpose(tmp_path, "a", {"people": [{"pose_keypoints_2d": flat}, {"pose_keypoints_2d": []}]})
    poses, left_out, *_ = read_keypoints(tmp_path)
    assert left_out == ()
    pose = poses["a.jpg"]
    for k, name in enumerate(OPENPOSE_18):
        assert pose.visible[k] == (name != "left_ear")
        if name != "left_ear":
            assert pose.xy[k].tolist() == [skeleton.index(name), 2 * skeleton.index(name)]


def test_openpose_names_follow_the_images(tmp_path: Path) -> None:
    openpose(tmp_path, "a", {"people": [{"pose_keypoints_2d": [5, 5, 1] * 18}]})
    assert list(read_keypoints(tmp_path, names=["a.png", "b.png"]).poses) == ["a.png"]


def test_damaged_openpose_files_are_left_out_and_reported(tmp_path: Path) -> None:
    openpose(tmp_path, "a", {"people": [{"pose_keypoints_2d": [5, 5, 1] * 18}]})
    openpose(tmp_path, "b", {"people": []})
    openpose(tmp_path, "c", {"people": [{"pose_keypoints_2d": [5, 5, 1] * 17}]})
    openpose(tmp_path, "d", [])
    (tmp_path / "e_keypoints.json").write_text("{")
    poses, left_out, refused, *_ = read_keypoints(tmp_path)
    assert list(poses) == ["a.jpg"]
    assert [line.split(":1: ")[1] for line in left_out] == [
        "nobody in the image",
        "pose_keypoints_2d: 54 or 75 numbers expected, 51 found",
        "broken JSON, or no list 'people' in it",
        "broken JSON, or no list 'people' in it",
    ]
    assert refused == {"b.jpg", "c.jpg", "d.jpg", "e.jpg"}


def test_a_folder_without_openpose_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReidaugError, match="neither OpenPose's"):
        read_keypoints(tmp_path)


def mat(folder: Path, table: np.ndarray, key: str = "pp") -> Path:
    path = folder / "points.mat"
    with h5py.File(path, "w") as file:
        file[key] = table
    return path


@pytest.mark.parametrize("transposed", [False, True])
def test_fourteen_joints_are_counted_from_one_in_name_order(
    tmp_path: Path, transposed: bool
) -> None:
    table = np.concatenate(
        [np.arange(14) + 1 + 100 * np.arange(3)[:, None], np.tile(np.arange(14) + 51, (3, 1))], 1
    ).astype(np.float64)
    path = mat(tmp_path, table.T if transposed else table)
    poses, left_out, *_ = read_keypoints(path, names=["c.jpg", "a.jpg", "b.jpg"])
    assert left_out == ()
    for n, image in enumerate(["a.jpg", "b.jpg", "c.jpg"]):
        pose = poses[image]
        for k, name in enumerate(OPENPOSE_18):
            assert pose.visible[k] == (name in MARKET_14)
            if name in MARKET_14:
                place = MARKET_14.index(name)
                assert pose.xy[k].tolist() == [place + 100 * n, place + 50]


def test_a_position_that_is_no_number_is_a_missing_joint(tmp_path: Path) -> None:
    table = np.full((2, 28), 9.0)
    table[0, MARKET_14.index("neck")] = np.nan
    pose = read_keypoints(mat(tmp_path, table), names=["a.jpg", "b.jpg"]).poses["a.jpg"]
    assert not pose.visible[1]
    assert torch.isfinite(pose.xy).all()


def test_fourteen_joint_files_that_do_not_fit_are_said(tmp_path: Path) -> None:
    path = mat(tmp_path, np.ones((2, 28)))
    with pytest.raises(UsageError, match="names no images"):
        read_keypoints(path)
    with pytest.raises(ReidaugError, match="poses of 2 images, but there are 1"):
        read_keypoints(path, names=["a.jpg"])
    with pytest.raises(ReidaugError, match="expected 28 numbers"):
        read_keypoints(mat(tmp_path, np.ones((2, 27))), names=["a.jpg", "b.jpg"])
    with pytest.raises(ReidaugError, match="not readable as HDF5"):
        read_keypoints(mat(tmp_path, np.ones((2, 28)), key="qq"), names=["a.jpg", "b.jpg"])
    path.write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(ReidaugError, match="not readable as HDF5"):
        read_keypoints(path, names=["a.jpg", "b.jpg"])


def test_a_number_beyond_all_images_costs_its_row(tmp_path: Path) -> None:
    for far in (1e39, -1e39, 1e300, 2e6):
        table = np.full((3, 28), 9.0)
        table[1, 5] = far
        path = mat(tmp_path, table)
        read = read_keypoints(path, names=["a.jpg", "b.jpg", "c.jpg"])
        assert list(read.poses) == ["a.jpg", "c.jpg"]
        assert read.left_out == (f"{path}:2: not a list of plain numbers",)


def test_a_table_of_other_size_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "points.mat"
    for shape in ((10**12, 28), (28, 10**12)):
        with h5py.File(path, "w") as file:
            file.create_dataset("pp", shape=shape, dtype="f8", chunks=(28, 28))
        assert path.stat().st_size < 100_000
        with pytest.raises(
            ReidaugError, match="poses of 1,000,000,000,000 images, but there are 2"
        ):
            read_keypoints(path, names=["a.jpg", "b.jpg"])


ELSEWHERE = "not readable as HDF5|a link to another place|in other files|expected 28"


def test_only_numbers_in_the_file_itself_are_read(tmp_path: Path) -> None:
    other = mat(tmp_path, np.ones((2, 28))).rename(tmp_path / "other.mat")
    path = tmp_path / "points.mat"
    names = ["a.jpg", "b.jpg"]
    for link in (
        h5py.ExternalLink(str(other), "pp"),
        h5py.SoftLink("/qq"),
        np.array(["a", "b"], "S"),
    ):
        with h5py.File(path, "w") as file:
            file["pp"] = link
        with pytest.raises(ReidaugError, match=ELSEWHERE):
            read_keypoints(path, names=names)
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout((2, 28), "f8")
        layout[:] = h5py.VirtualSource(str(other), "pp", (2, 28))
        file.create_virtual_dataset("pp", layout)
    with pytest.raises(ReidaugError, match=ELSEWHERE):
        read_keypoints(path, names=names)
    with h5py.File(path, "w") as file:
        file.create_group("pp")
    with pytest.raises(ReidaugError, match=ELSEWHERE):
        read_keypoints(path, names=names)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    | st.just("a.jpg") | st.lists(st.floats(0, 2), min_size=51, max_size=54)
    | st.sampled_from([[1, 2, 0.5] * 17, [1, 2, 2] * 17, [1, 2, 0.5] * 18, [1, 2, 0.5] * 25]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["images", "annotations", "id", "image_id", "file_name", "keypoints",
                         "people", "pose_keypoints_2d", "score", "height", "width"]),
        inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip
IDS = st.sampled_from([0, 1, "1", "a.jpg", None, [1], {}, 2**80, "x/../a.jpg", 1.5])
IMAGES = st.lists(st.fixed_dictionaries({"id": IDS, "file_name": IDS | JSON}), max_size=3)
PEOPLE = st.lists(st.fixed_dictionaries({"image_id": IDS, "keypoints": JSON}), max_size=3)


@settings(max_examples=200)
@given(
    JSON | PEOPLE | st.fixed_dictionaries({"images": IMAGES | JSON, "annotations": PEOPLE | JSON})
)
def test_any_json_is_read_or_refused_in_a_line(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    (folder / "a_keypoints.json").write_text(json.dumps(content))
    for path in (folder, folder / "a_keypoints.json"):
        try:
            read = read_keypoints(path, names=["a.jpg", "1.jpg"], size_of=lambda name: (128, 64))
        except ReidaugError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            assert all(pose.xy.isfinite().all() for pose in read.poses.values())


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real 14-joint files are not on this machine")
@pytest.mark.parametrize(("split", "count"), [("train", 12_936), ("query", 3_368)])
def test_the_real_joints_of_market_1501(split: str, count: int) -> None:
    names = [f"{k:05d}.jpg" for k in range(count)]
    read: Keypoints = read_keypoints(SHARED / f"market1501_14point_{split}.mat", names=names)
    assert len(read.poses) == count
    assert read.left_out == ()
    xy = torch.stack([pose.xy[1:14] for pose in read.poses.values()])
    assert xy.min() >= 0
    assert xy[..., 0].max() <= 63
    assert xy[..., 1].max() <= 127
    # Necks are above hips, hips above ankles.
    middle = xy.median(0).values
    assert middle[0, 1] < middle[7, 1] < middle[9, 1]


def test_joints_in_the_corner_are_missing(tmp_path: Path) -> None:
    y, x = [9.5] * 18, [3] * 18
    y[2] = x[2] = y[4] = x[4] = 0
    path = patn(tmp_path, f"a.jpg: {json.dumps(y)}: {json.dumps(x)}")
    assert (~read_keypoints(path).poses["a.jpg"].visible).nonzero().flatten().tolist() == [2, 4]
    table = np.full((28, 1), 7.0)
    table[[3, 17]], table[[5, 19]] = 0, -1
    visible = read_keypoints(mat(tmp_path, table), names=["a.jpg"]).poses["a.jpg"].visible
    missing = [OPENPOSE_18.index(MARKET_14[k]) for k in (3, 5) if MARKET_14[k] in OPENPOSE_18]
    assert not visible[missing].any() and visible.sum() == 18 - 5 - len(missing)
