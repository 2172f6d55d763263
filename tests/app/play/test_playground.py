from pathlib import Path

import pytest
import torch
from drawn_person import model_file, pixels
from PIL import Image

from reidaug.app.play.playground import (
    BESIDE,
    CROPS_KEPT,
    OUTSIDE,
    PlayedCrop,
    Playground,
    Wish,
    other_grounds,
)
from reidaug.app.play.rendered_people import KEYPOINTS, MASKS, rendered_people
from reidaug.augment import PosedImage, PoseWarp, as_source
from reidaug.augment.engine import Models, warp_crops
from reidaug.augment.inputs import Source
from reidaug.augment.options import AugmentOptions
from reidaug.augment.outlines import target_outlines
from reidaug.augment.shipped_poses import SIZE, load_shipped, shipped_targets
from reidaug.augment.target_poses import TargetPoses
from reidaug.augment.warping import read_crops
from reidaug.data.images import encode_jpeg, encode_png
from reidaug.data.market1501 import Person
from reidaug.errors import ReidaugError, UsageError
from reidaug.geometry.pose import Pose, on_canvas, select, stack
from reidaug.geometry.silhouette import silhouette
from reidaug.perception.blazepose import BlazePose

FLOWS = ("surface", "market", "torso-affine", "identity", "random-tps")


@pytest.fixture(scope="module")
def playground() -> Playground:
    return Playground(FLOWS)


@pytest.fixture
def crop(playground: Playground) -> PlayedCrop:
    person = rendered_people()[0]
    return playground.add(person.image, person.name, pose=person.pose, mask=person.mask)


def shipped(number: int, crop: PlayedCrop) -> Pose:
    return on_canvas(select(load_shipped().pose, number), SIZE, crop.size)


@pytest.mark.parametrize("background", ["grey", "source"])
@pytest.mark.parametrize("flow", FLOWS)
def test_the_bytes_are_those_of_the_transform(
    playground: Playground, crop: PlayedCrop, tmp_path: Path, flow: str, background: str
) -> None:
    """With a mask of the crop, a dragged joint of it, and a target whose limbs are drawn."""
    source = Pose(crop.pose.xy.clone(), crop.pose.visible)
    source.xy[4] += 5.25
    wish = Wish(crop, source, shipped(5, crop), None, flow, background)
    (tmp_path / "crop.png").write_bytes(encode_png(crop.mask))
    pool = TargetPoses(crop.size, 0, ("somebody.png",), stack([wish.target]))
    warp = PoseWarp(playground.flows[flow], pool, masks=tmp_path, background=background)
    made = warp.warp(PosedImage.of(crop.image, as_source(source, "crop.png")), 0)
    assert torch.equal(playground.warp(wish).pixels, made.as_subclass(torch.Tensor))


@pytest.mark.parametrize("background", ["grey", "source"])
def test_bytes_and_quality_are_those_of_the_command(
    playground: Playground, background: str
) -> None:
    """What `reidaug augment` does with a crop; in larger batches sums are rounded otherwise."""
    person, flow = rendered_people()[1], playground.flows["surface"]
    options = AugmentOptions(background=background, min_quality=0).for_estimator(flow)
    size = (person.image.shape[1], person.image.shape[2])
    targets = shipped_targets(1, size=size)
    models = Models(flow, target_outlines(targets, MASKS), None)
    source = Source(Person(KEYPOINTS.parent / person.name, 3, 3), person.name, person.pose)
    with torch.inference_mode():
        crops, _ = read_crops([source], size, MASKS)
        ((row, jpeg),) = warp_crops(models, crops, options)
    crop = playground.add(person.image, person.name, pose=person.pose, mask=person.mask)
    outline = playground.outline(targets.images[0], crop.size)
    wish = Wish(crop, crop.pose, select(targets.pose, 0), outline, "surface", background)
    warped = playground.warp(wish)
    assert encode_jpeg(warped.pixels) == jpeg
    assert float(warped.quality.quality) == pytest.approx(row.quality, abs=1e-4)
    assert warped.joints == pytest.approx(row.joints, abs=1e-4)
    assert warped.half_turn == row.turned


def test_places_are_counted_as_the_quality_counts_them(
    playground: Playground, crop: PlayedCrop
) -> None:
    outline = playground.outline("shipped_005", crop.size)
    wish = Wish(crop, crop.pose, shipped(5, crop), outline, "surface")
    for flow in ("surface", "torso-affine"):
        warped = playground.warp(wish._replace(flow=flow))
        inside = warped.places[warped.outline]
        if warped.tells_origin:
            assert int(inside.max()) < BESIDE
            share = float((inside == 3).float().mean())
            assert share == pytest.approx(float(warped.quality.invented), abs=0.03)
        else:
            share = float((inside == 0).float().mean())
            assert share == pytest.approx(float(warped.quality.foreground), abs=0.03)
    far = Pose(wish.target.xy - torch.tensor([60.0, 0.0]), wish.target.visible)
    assert (
        OUTSIDE
        in playground.warp(wish._replace(flow="torso-affine", target=crop.pose, source=far)).places
    )


def test_outlines_are_those_of_poses_crops_and_limbs(
    playground: Playground, crop: PlayedCrop
) -> None:
    outline = playground.outline("shipped_005", crop.size, mirrored=True)
    plain = playground.outline("shipped_005", crop.size)
    assert outline is not None
    assert plain is not None
    assert torch.equal(outline.flip(1), plain)
    own = playground.outline(crop.token, (128, 64))
    assert own is not None
    assert own.shape == (128, 64)
    wish = Wish(crop, crop.pose, shipped(5, crop), None, "market")
    limbs = silhouette(stack([wish.target]), crop.size)[0]
    assert torch.equal(playground.warp(wish).asked, limbs)
    assert torch.equal(playground.warp(wish._replace(outline=plain)).asked, plain)
    for unknown in ("shipped_050", "shipped_999999", "nobody", ""):
        with pytest.raises(KeyError):
            playground.outline(unknown, crop.size)


def test_the_ground_of_others_is_not_the_crops_own(
    playground: Playground, crop: PlayedCrop
) -> None:
    wish = Wish(crop, crop.pose, shipped(5, crop), None, "torso-affine", "other")
    warped = playground.warp(wish)
    corners = warped.pixels[:, :8, :8].float()
    assert float((corners - 128).abs().mean()) > 5
    assert len(other_grounds(crop.size, crop.name).people) == len(rendered_people()) - 1
    assert len(other_grounds(crop.size, "mine.jpg").people) == len(rendered_people())


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"flow": "nothing"}, "flow: 'nothing' is none of surface, "),
        ({"background": "sea"}, "background: 'sea' is none of grey, "),
        ({"turns": "drop"}, "turns: 'drop' is none of auto, allow, mirror"),
        ({"x": 300.0}, "the target: nose at (300, 60) is far from the picture"),
        ({"x": float("nan")}, "the target: nose at (nan, 60) is far from the picture"),
        ({"hide": 8}, "the target: show both shoulders and both hips"),
        ({"hide_all": True}, "the crop: show at least one joint"),
    ],
)
def test_a_wrong_wish_is_one_line(
    playground: Playground, crop: PlayedCrop, change: dict, line: str
) -> None:
    target = Pose(shipped(5, crop).xy.clone(), torch.ones(18, dtype=torch.bool))
    if "x" in change:
        target.xy[0] = torch.tensor([change.pop("x"), 60.0])
    if "hide" in change:
        target.visible[change.pop("hide")] = False
    source = crop.pose
    if change.pop("hide_all", False):
        source = Pose(source.xy, torch.zeros_like(source.visible))
    wish = Wish(crop, source, target, None, "torso-affine")
    with pytest.raises(UsageError) as refused:
        playground.warp(wish._replace(**change))
    assert line in str(refused.value)


def test_crops_are_shrunk_bounded_and_forgotten(playground: Playground) -> None:
    large = torch.zeros(3, 1000, 400, dtype=torch.uint8)
    first = playground.add(large, "large.jpg")
    assert first.size == (256, 102)
    assert first.mask is None
    assert first.pose_from == "crop"
    tokens = [playground.add(large[:, :20, :10], "small.jpg").token for _ in range(CROPS_KEPT - 1)]
    assert playground.crop(first.token) == first  # now the newest
    playground.add(large[:, :20, :10], "small.jpg")
    assert playground.crop(first.token) == first
    with pytest.raises(KeyError):
        playground.crop(tokens[0])
    assert playground.keep(first) == first
    with pytest.raises(ReidaugError, match=r"line\.png: 900 x 4 pixels are too few, or too narrow"):
        playground.add(torch.zeros(3, 4, 900, dtype=torch.uint8), "line.png")
    with pytest.raises(ReidaugError, match=r"text\.png: not a readable image"):
        playground.load(b"no image", "text.png")


def test_flows_are_known_and_named_once() -> None:
    for flows in ((), ("identity", "identity"), ("no/such/folder",)):
        with pytest.raises(UsageError):
            Playground(flows)


@pytest.mark.usefixtures("blazepose")
def test_a_person_is_found_and_nobody_stands_in(tmp_path: Path) -> None:
    playground = Playground(["identity"], BlazePose(model_file()))
    Image.fromarray(pixels((256, 128))).save(tmp_path / "drawn.png")
    found = playground.load((tmp_path / "drawn.png").read_bytes(), "drawn.png")
    assert found.pose_from in ("first", "second")
    assert found.mask is not None
    assert 0.05 < float(found.mask.float().mean()) < 0.6
    nobody = playground.add(torch.full((3, 64, 32), 90, dtype=torch.uint8), "wall.png")
    assert nobody.pose_from in ("crop", "mask")
    assert int(nobody.pose.visible.sum()) == 14
    own = torch.zeros(64, 32, dtype=torch.bool)
    own[10:50, 8:20] = True
    given = playground.add(nobody.image, "wall.png", mask=own)
    assert given.mask is not None
    assert torch.equal(given.mask, own)


def test_shipped_targets_are_the_poses_the_page_shows(crop: PlayedCrop) -> None:
    targets = shipped_targets(3, size=crop.size)
    for number, name in enumerate(targets.images):
        pose = shipped(int(name[-3:]), crop)
        assert torch.equal(pose.xy, targets.pose.xy[number])
