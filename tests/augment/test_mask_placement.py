"""Masks of a whole dataset: of these people or not, in the same words for all."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from stick_market import figure

from reidaug.augment.mask_placement import Masked, check_masks
from reidaug.errors import ReidaugError
from reidaug.geometry.pose import stack
from reidaug.geometry.silhouette import silhouette

SIZE = (64, 32)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Masked]:
    folder = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(3)
    found = [Masked(folder / f"{k}.jpg", f"{k}.jpg", figure(rng, SIZE)) for k in range(6)]
    for person in found:
        Image.new("RGB", SIZE[::-1]).save(person.image)
    return found


def masks_of(
    people: list[Masked], folder: Path, change: Callable[[np.ndarray], np.ndarray]
) -> Path:
    folder.mkdir()
    for person in people:
        own = silhouette(stack([person.pose]), SIZE)[0].numpy().astype(np.uint8) * 255
        Image.fromarray(change(own)).save(folder / f"{Path(person.key).stem}.png")
    return folder


def cut_out(own: np.ndarray) -> np.ndarray:
    """Somebody in dark clothes on a white wall, the wall transparent."""
    return np.stack((*np.where(own, 40, 255)[None].repeat(3, 0), own), -1).astype(np.uint8)


@pytest.mark.parametrize("change", [lambda own: own, cut_out, lambda own: own[::2, ::2]])
def test_masks_of_these_people_pass_without_a_word(
    people: list[Masked],
    change: Callable[[np.ndarray], np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    check_masks(None, people)
    check_masks(masks_of(people, tmp_path / "masks", change), people)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda own: own // 255, "brightest value is 1 of 255; a mask is 255"),
        (lambda own: 255 - own, r"covers \d+% .*; they are white off the person: invert"),
        (lambda own: own | 255, "white everywhere; a mask is white on its own image's person"),
        (lambda own: own.T, "has 32 x 64 pixels and its image 64 x 32; they lie on their side"),
        (lambda own: own.astype(np.uint16), "not a readable image .grey values from 0 to 255"),
        (lambda own: own & 0, "brightest value is 0 of 255; a mask is white on"),
        (lambda own: np.roll(own, 20, 1), r"covers \d+% .*: are masks and joints theirs\?"),
    ],
)
def test_masks_that_are_no_outlines_stop_with_what_is_wrong(
    people: list[Masked],
    change: Callable[[np.ndarray], np.ndarray],
    says: str,
    tmp_path: Path,
) -> None:
    masks = masks_of(people, tmp_path / "masks", change)
    with pytest.raises(ReidaugError, match=rf"masks: [456] of 6 .* outline.*{says}"):
        check_masks(masks, people)


def test_a_few_masks_that_are_no_outlines_are_told(
    people: list[Masked], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = [*people, *(one._replace(key=f"again{one.key}") for one in people), people[0]]
    masks = masks_of(twice, tmp_path / "masks", lambda own: own)
    for name in ("0.png", "1.png"):
        Image.fromarray(255 - np.asarray(Image.open(masks / name))).save(masks / name)
    check_masks(masks, twice[:-1])
    assert capsys.readouterr().err == ""
    check_masks(masks, twice)
    assert "masks: 3 of 13 masks looked at are no outline of their" in capsys.readouterr().err


def test_boxes_are_no_outlines_but_a_few_people_may_fill_theirs(
    people: list[Masked], tmp_path: Path
) -> None:
    boxes = masks_of(people, tmp_path / "masks", lambda own: np.pad(own[2:-2, 2:-2] | 255, 2))
    check_masks(boxes, people)
    with pytest.raises(ReidaugError, match=r"18 of 18 .*: it is a box; an outline is white on the"):
        check_masks(boxes, people * 3)


def test_masks_by_other_names_stop_and_missing_ones_are_counted(
    people: list[Masked], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = masks_of(people, tmp_path / "masks", lambda own: own)
    (masks / "0.png").write_bytes(b"damaged")
    (masks / "1.png").unlink()
    check_masks(masks, people)
    assert "1 of 6 images have no mask in it; limbs" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    check_masks(tmp_path / "empty", people)
    assert "6 of 6 images have no mask in it; limbs" in capsys.readouterr().err
    for path in masks.iterdir():
        path.rename(path.with_suffix(".jpg.png"))
    with pytest.raises(ReidaugError, match=r"no mask of any of 6 images, such as 0\.png; .*jpg\.p"):
        check_masks(masks, people)


def test_masks_that_cover_few_joints_are_told(
    people: list[Masked], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    legs = torch.ones(SIZE, dtype=torch.uint8)
    legs[:12] = 0
    masks = masks_of(people, tmp_path / "masks", lambda own: own * legs.numpy())
    check_masks(masks, people)
    assert "half of the masks cover" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        (lambda masks: masks, True),
        (lambda masks: masks[7:] + masks[:7], False),
        (lambda masks: [mask[:, ::-1] for mask in masks], False),
        (lambda masks: masks[:1] * len(masks), False),
    ],
    ids=["own", "others", "mirrored", "one for all"],
)
def test_masks_that_fit_others_as_well_as_their_own_people_stop(
    change: Callable[[list[np.ndarray]], list[np.ndarray]], passes: bool, tmp_path: Path
) -> None:
    rng, people, masks = np.random.default_rng(5), list[Masked](), list[np.ndarray]()
    for k in range(24):
        pose = figure(rng, SIZE)
        pose.xy[:, 0] += 4 * (-1) ** (k // 5) + float(rng.normal(0, 1))
        people.append(Masked(tmp_path / f"{k}.jpg", f"{k}.jpg", pose))
        Image.new("RGB", SIZE[::-1]).save(people[-1].image)
        masks.append(silhouette(stack([pose]), SIZE)[0].numpy().astype(np.uint8) * 255)
    folder = tmp_path / "masks"
    folder.mkdir()
    for k, mask in enumerate(change(masks)):
        Image.fromarray(np.ascontiguousarray(mask)).save(folder / f"{k}.png")
    if passes:
        check_masks(folder, people)
        return
    with pytest.raises(ReidaugError, match=r"joints of other people as well|no outline"):
        check_masks(folder, people)
