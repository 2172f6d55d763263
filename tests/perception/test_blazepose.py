import io
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_person import drawn_person, pixels
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from reidaug.data.images import channels_last, read_image
from reidaug.errors import ReidaugError, UsageError
from reidaug.geometry.pose import BLAZEPOSE_33, FLIP_18, OPENPOSE_18
from reidaug.perception.blazepose import (
    PADDING,
    SIDE,
    BlazePose,
    Box,
    joints,
    letter_box,
    on_square,
    outline,
)
from reidaug.perception.pose_estimator import shows_person

SIZES = st.tuples(st.integers(1, 600), st.integers(1, 600))
PLACES = {name: k for k, name in enumerate(BLAZEPOSE_33)}
SURE = 8.0  # a logit


def literal(image: np.ndarray) -> tuple[np.ndarray, int, int, int]:
    """Pad with black to a square 1.25 times the longer side, then resize, as first measured."""
    height, width = image.shape[:2]
    side = round(PADDING * max(height, width))
    top, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((side, side, 3), dtype=np.uint8)
    square[top : top + height, left : left + width] = image
    resized = Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.float32) / 255, side, top, left


def landmarks(xy: np.ndarray, box: Box, size: tuple[int, int], visible: np.ndarray) -> np.ndarray:
    """What the network would say of joints (33, 2) in pixels of the crop."""
    table = np.zeros((39, 5), dtype=np.float32)
    table[:33, 0] = box.left + (xy[:, 0] + 0.5) * box.width / size[1]
    table[:33, 1] = box.top + (xy[:, 1] + 0.5) * box.height / size[0]
    table[:33, 3] = np.where(visible, SURE, -SURE)
    return table


@given(SIZES)
def test_a_crop_fills_the_middle_up_to_the_padding(size: tuple[int, int]) -> None:
    box = letter_box(size)
    assert max(box.height, box.width) == round(SIDE / PADDING)
    for start, length in ((box.top, box.height), (box.left, box.width)):
        assert start >= 0
        assert abs((SIDE - length) / 2 - start) <= 0.5
    shorter = min(size) * SIDE / (PADDING * max(size))
    assert abs(min(box.height, box.width) - max(shorter, 1)) <= 0.5


@given(SIZES, st.integers(0, 255))
def test_around_a_crop_is_black(size: tuple[int, int], grey: int) -> None:
    box = letter_box(size)
    square = on_square(np.full((*size, 3), grey, dtype=np.uint8), box)
    assert square.shape == (SIDE, SIDE, 3)
    inside = square[box.top : box.top + box.height, box.left : box.left + box.width]
    assert np.allclose(inside, grey / 255)
    assert np.isclose(square.sum(), inside.sum())


@given(SIZES, st.randoms(use_true_random=False))
def test_points_come_back_to_the_crop_they_were_in(size: tuple[int, int], random) -> None:
    rng = np.random.default_rng(random.randrange(1000))
    xy = rng.uniform(-0.5, 0.5, (33, 2)) + (np.array(size[::-1]) - 1) * rng.random((33, 2))
    visible = rng.random(33) > 0.3
    box = letter_box(size)
    pose, certainty = joints(landmarks(xy, box, size, visible), box, size)
    for k, name in enumerate(OPENPOSE_18):
        sides = ["left_shoulder", "right_shoulder"] if name == "neck" else [name]
        places = [PLACES[side] for side in sides]
        assert bool(pose.visible[k]) == bool(visible[places].all())
        logit = SURE if visible[places].all() else -SURE
        assert float(certainty[k]) == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)
        if pose.visible[k]:
            expected = xy[places].mean(0)
            assert np.allclose(pose.xy[k].numpy(), expected, atol=1e-3 * max(size))
        else:
            assert pose.xy[k].tolist() == [-1, -1]


def test_a_joint_outside_the_crop_is_missing() -> None:
    size = (128, 64)
    box = letter_box(size)
    xy = np.full((33, 2), 30.0)
    xy[PLACES["left_ankle"]] = (30, 128.2)
    xy[PLACES["right_ankle"]] = (30, 127.4)
    xy[PLACES["left_wrist"]] = (-0.6, 50)
    pose, certainty = joints(landmarks(xy, box, size, np.ones(33, dtype=bool)), box, size)
    seen = dict(zip(OPENPOSE_18, pose.visible.tolist(), strict=True))
    assert [name for name, visible in seen.items() if not visible] == ["left_wrist", "left_ankle"]
    assert (certainty > 0.99).all()


@given(arrays(np.float32, (4, 3), elements=st.floats(-2000, 2000, width=32)), SIZES)
def test_an_outline_has_the_size_of_its_crop(corner: np.ndarray, size: tuple[int, int]) -> None:
    logits = np.zeros((SIDE, SIDE), dtype=np.float32)
    logits[:4, :3] = corner
    logits[SIDE // 2] = 1900
    mask = outline(logits, letter_box(size), size)
    assert mask.shape == size
    assert mask.dtype == bool


def test_an_outline_is_cut_out_of_the_crops_box() -> None:
    size = (205, 102)  # the crop as large as its place: pixels are pixels
    box = letter_box(size)
    assert (box.height, box.width) == size
    logits = np.full((SIDE, SIDE), -50, dtype=np.float32)
    logits[box.top + 20 : box.top + 90, box.left + 10 : box.left + 40] = 50
    logits[: box.top] = 50
    mask = outline(logits, box, size)
    expected = np.zeros(size, dtype=bool)
    expected[20:90, 10:40] = True
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize("size", [(64, 32), (128, 64), (128, 128), (300, 90), (4000, 2000)])
def test_the_joints_of_a_drawn_person_are_found(estimator: BlazePose, size) -> None:
    picture, xy = drawn_person(size)
    estimate = estimator.estimate(np.asarray(picture))
    assert shows_person(estimate)
    assert estimate.mask.shape == size
    off = np.linalg.norm(estimate.pose.xy.numpy() - xy, axis=1) / size[0]
    assert estimate.pose.visible[:3].all()
    assert off[estimate.pose.visible.numpy()].max() < 0.08
    background = (np.asarray(picture) == (150, 170, 150)).all(-1)
    assert (estimate.mask == ~background).mean() > 0.9


def test_an_estimate_is_that_of_a_literal_implementation(estimator: BlazePose) -> None:
    image = pixels((128, 64), 3)
    estimate = estimator.estimate(image)
    square, side, top, left = literal(image)
    assert estimator._network is not None
    points, person, _ = estimator._network(square)
    assert person == pytest.approx(estimate.person, abs=0.02)
    for k, name in enumerate(OPENPOSE_18):
        if name != "neck" and estimate.pose.visible[k]:
            expected = points[PLACES[name], :2] * side / SIDE - (left, top) - 0.5
            assert np.linalg.norm(expected - estimate.pose.xy[k].numpy()) < 1.5


def test_a_mirrored_crop_gives_mirrored_joints(estimator: BlazePose) -> None:
    image = pixels((128, 64), 4)
    there = estimator.estimate(image)
    back = estimator.estimate(np.ascontiguousarray(image[:, ::-1]))
    xy = back.pose.xy[list(FLIP_18)]
    xy[:, 0] = 63 - xy[:, 0]
    both = there.pose.visible & back.pose.visible[list(FLIP_18)]
    assert both.sum() >= 14
    assert float((xy - there.pose.xy)[both].norm(dim=-1).median()) < 2.5
    assert (there.mask == back.mask[:, ::-1]).mean() > 0.95


def test_a_pickled_estimator_gives_the_same_estimate(estimator: BlazePose) -> None:
    image = pixels((128, 64), 5)
    first = estimator.estimate(image)
    sent = pickle.dumps(estimator)
    assert len(sent) < 1000
    for other in (estimator, pickle.loads(sent)):
        second = other.estimate(image)
        assert torch.equal(first.pose.xy, second.pose.xy)
        assert torch.equal(first.certainty, second.certainty)
        assert first.person == second.person
        assert np.array_equal(first.mask, second.mask)


@pytest.mark.parametrize("grey", [0, 128])
def test_an_empty_picture_shows_no_person(estimator: BlazePose, grey: int) -> None:
    assert not shows_person(estimator.estimate(np.full((128, 64, 3), grey, dtype=np.uint8)))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (16, 8)])
def test_odd_sizes_are_read(estimator: BlazePose, size: tuple[int, int]) -> None:
    estimate = estimator.estimate(np.asarray(drawn_person(size)[0]))
    assert estimate.mask.shape == size
    assert estimate.pose.xy.isfinite().all()
    assert 0 <= estimate.person <= 1
    assert ((estimate.certainty >= 0) & (estimate.certainty <= 1)).all()


def test_upside_down_is_read_too(estimator: BlazePose) -> None:
    estimate = estimator.estimate(np.ascontiguousarray(pixels((128, 64))[::-1]))
    assert estimate.pose.xy.isfinite().all()


def saved(picture: Image.Image, form: str) -> bytes:
    stream = io.BytesIO()
    if form == "grey":
        picture.convert("L").save(stream, "JPEG", quality=95)
    elif form == "cmyk":
        picture.convert("CMYK").save(stream, "JPEG", quality=95)
    elif form == "alpha":
        picture.convert("RGBA").save(stream, "PNG")
    elif form == "rotated":
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.transpose(Image.Transpose.ROTATE_90).save(stream, "JPEG", exif=exif, quality=95)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["grey", "cmyk", "alpha", "rotated"])
def test_the_same_joints_whatever_the_file(estimator: BlazePose, tmp_path: Path, form: str) -> None:
    picture, _ = drawn_person((128, 64))
    path = tmp_path / "a.img"
    path.write_bytes(saved(picture, form))
    image = channels_last(read_image(path))
    estimate, plain = estimator.estimate(image), estimator.estimate(np.asarray(picture))
    assert shows_person(estimate)
    both = estimate.pose.visible & plain.pose.visible
    assert both.sum() >= 14
    assert float((estimate.pose.xy - plain.pose.xy)[both].norm(dim=-1).median()) < 2.5


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra [pose]")
    (tmp_path / "model.tflite").write_bytes(b"no model at all, but long enough to be looked at")
    estimator = BlazePose(tmp_path / "model.tflite")
    with pytest.raises(ReidaugError, match=r"model\.tflite: not readable as a pose model"):
        estimator.estimate(pixels((32, 16)))


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(UsageError, match=r"pip install 'reidaug\[pose\]'"):
        BlazePose(Path("model.tflite"))
