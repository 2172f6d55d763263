import io
import runpy
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from reidaug.app.play.playground import PlayedCrop, Playground, Wish
from reidaug.app.play.rendered_people import rendered_people
from reidaug.app.play.reproduction import SCRIPT, WARP, archive, lines
from reidaug.augment.shipped_poses import SIZE, load_shipped
from reidaug.data.images import encode_png
from reidaug.geometry.pose import Pose, on_canvas, select


@pytest.fixture(scope="module")
def playground() -> Playground:
    return Playground(["surface", "market", "torso-affine"])


@pytest.fixture(autouse=True)
def gradients() -> Iterator[None]:
    """Lines may turn gradients off, which would go on in this process."""
    with torch.set_grad_enabled(True):
        yield


def wish(playground: Playground, **change: object) -> Wish:
    """A rendered person with a dragged joint, in a shipped pose."""
    person = rendered_people()[0]
    crop = playground.add(person.image, person.name, pose=person.pose, mask=person.mask)
    source = Pose(crop.pose.xy.clone(), crop.pose.visible.clone())
    source.xy[7] += torch.tensor([3.25, -2.11])
    source.visible[16] = False
    target = on_canvas(select(load_shipped().pose, 5), SIZE, crop.size)
    outline = playground.outline("shipped_005", crop.size)
    return Wish(crop, source, target, outline, "market")._replace(**change)


def unpacked(content: bytes, folder: Path) -> bytes:
    """Unpack an archive without its warp, which is returned."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        file.extractall(folder)
    made = (folder / WARP).read_bytes()
    (folder / WARP).unlink()
    return made


@pytest.mark.parametrize(
    ("flow", "background", "turns", "outlined", "masked"),
    [
        ("market", "grey", "auto", True, True),
        ("surface", "source", "allow", False, True),
        ("torso-affine", "grey", "mirror", False, False),
        ("surface", "other", "auto", True, True),
        ("market", "other", "auto", False, False),
    ],
)
def test_the_lines_make_the_same_bytes(
    playground: Playground,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flow: str,
    background: str,
    turns: str,
    outlined: bool,
    masked: bool,
) -> None:
    asked = wish(playground, flow=flow, background=background, turns=turns)
    if not outlined:
        asked = asked._replace(outline=None)
    if not masked:
        asked = asked._replace(crop=asked.crop._replace(mask=None))
    expected = unpacked(archive(playground, asked), tmp_path)
    assert expected == encode_png(playground.warp(asked).pixels)
    assert (tmp_path / SCRIPT).read_text() == lines(asked)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(SCRIPT)
    assert (tmp_path / WARP).read_bytes() == expected


def test_the_same_wish_gives_the_same_archive(playground: Playground) -> None:
    asked = wish(playground, flow="torso-affine", background="other")
    assert archive(playground, asked) == archive(playground, asked)


def test_names_of_flows_and_crops_are_no_code() -> None:
    crop = PlayedCrop("t", "x'.jpg", torch.zeros(3, 16, 8, dtype=torch.uint8), None, None, "crop")  # type: ignore[arg-type]
    hostile = "a'); __import__('os').remove('b"
    for background in ("grey", "other"):
        text = lines(Wish(crop, None, None, None, hostile, background))  # type: ignore[arg-type]
        assert repr(hostile) in text
        assert "x'.jpg" not in text
        compile(text, SCRIPT, "exec")
