import io
import os
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import ExifTags, Image, features
from torch import Tensor

from reidaug.data.image_folders import list_images
from reidaug.data.images import (
    FORMATS,
    LONGEST_SIDE,
    SUFFIXES,
    channels_last,
    decode_image,
    encode_jpeg,
    encode_png,
    image_size,
    mask_path,
    read_image,
    read_mask,
    resize,
    resize_mask,
    to_bytes,
    to_float,
)
from reidaug.errors import ReidaugError, UsageError
from reidaug.geometry.flow import identity
from reidaug.geometry.warp import warp

IMAGES = arrays(np.uint8, st.tuples(st.just(3), st.integers(1, 24), st.integers(1, 24)))


def colours(height: int = 6, width: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def pil(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


@given(IMAGES)
def test_png_keeps_every_byte(pixels: np.ndarray) -> None:
    image = torch.from_numpy(pixels)
    stored = np.array(Image.open(io.BytesIO(encode_png(image))))
    assert np.array_equal(stored.transpose(2, 0, 1), pixels)


@given(IMAGES)
def test_bytes_survive_the_way_through_numbers(pixels: np.ndarray) -> None:
    image = torch.from_numpy(pixels)
    assert torch.equal(to_bytes(to_float(image)), image)


def test_numbers_outside_are_clipped() -> None:
    assert to_bytes(torch.tensor([[-0.3, 0.5, 1.7]])).tolist() == [[0, 128, 255]]


def test_jpeg_is_repeatable_and_keeps_the_full_colour_resolution(tmp_path: Path) -> None:
    image = resize(to_float(colours()), (128, 64))
    content = encode_jpeg(to_bytes(image))
    assert content == encode_jpeg(to_bytes(image).clone())
    opened = Image.open(io.BytesIO(content))
    assert opened.mode == "RGB"
    assert [layer[1:3] for layer in opened.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
    (tmp_path / "a.jpg").write_bytes(content)
    read = read_image(tmp_path / "a.jpg")
    assert (to_float(read) - image).abs().mean() < 0.01
    assert len(encode_jpeg(to_bytes(image), 40)) < len(content)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = pil(colours())
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    assert torch.equal(read_image(tmp_path / "a.png"), colours())


def test_a_damaged_exif_block_does_not_hide_the_picture(tmp_path: Path) -> None:
    pil(colours(8, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff")
    assert read_image(tmp_path / "a.jpg").shape == (3, 8, 8)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LA", "RGBA", "F"])
def test_every_mode_becomes_rgb_bytes(tmp_path: Path, mode: str) -> None:
    grey = Image.new("L", (4, 6), 255)
    grey.convert(mode).save(tmp_path / "a.tiff" if mode not in {"LA"} else tmp_path / "a.png")
    path = next(tmp_path.iterdir())
    image = read_image(path)
    assert image.shape == (3, 6, 4)
    assert image.dtype == torch.uint8
    assert (image == 255).all()


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    values = np.array([[0, 257, 128 * 257, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0].tolist() == [[0, 1, 128, 255]]


@pytest.mark.parametrize("brightest", [1.0, 255.0])
def test_floating_point_grey_has_its_range(tmp_path: Path, brightest: float) -> None:
    grey = np.linspace(0, brightest, 12, dtype=np.float32).reshape(4, 3)
    Image.fromarray(grey).save(tmp_path / "a.tif")
    image = read_image(tmp_path / "a.tif")
    assert int(image.min()) == 0
    assert int(image.max()) == 255


@pytest.mark.parametrize(
    "values",
    [
        np.full((4, 3), 4095, np.uint16),  # 12 bits
        np.full((4, 3), 255, np.uint16),
        np.full((4, 3), 70_000, np.int32),
        np.full((4, 3), -1, np.int32),
        np.full((4, 3), 300, np.float32),
        np.array([[0.5, np.nan]], np.float32),
    ],
)
def test_grey_values_of_an_unknown_range_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ReidaugError, match=r"a\.tif: .*grey values from .* to .* with 8 bits"):
        read_image(tmp_path / "a.tif")


def test_what_is_transparent_shows_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (10, 20, 30, 255))
    image.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").permute(1, 2, 0).tolist() == [
        [[255, 255, 255], [10, 20, 30]]
    ]
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([9, 9, 9, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "b.png", transparency=0)
    assert read_image(tmp_path / "b.png").permute(1, 2, 0).tolist() == [
        [[255, 255, 255], [40, 50, 60]]
    ]


def test_damaged_files_are_named_in_one_line(tmp_path: Path) -> None:
    jpeg = encode_jpeg(colours(128, 64))
    damaged = {
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "text.jpg": b"not an image",
        "nothing.jpg": b"",
        "cut.png": encode_png(colours(128, 64))[:-200],
        "head.jpg": jpeg[:30],
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.jpg").mkdir()
    for name in [*damaged, "folder.jpg", "missing.jpg"]:
        with pytest.raises(ReidaugError, match=name) as caught:
            read_image(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_content_is_decoded_and_refused_as_files_are(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    stream = io.BytesIO()
    pil(colours(8, 4)).save(stream, "JPEG", exif=turned)
    jpeg = stream.getvalue()
    contents = {"turned.jpg": jpeg, "cut.jpg": jpeg[:-90], "text.jpg": b"no image", "none.jpg": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        try:
            expected: Tensor | str = read_image(tmp_path / name)
        except ReidaugError as error:
            expected = str(error).replace(str(tmp_path / name), name)
        if isinstance(expected, Tensor):
            assert torch.equal(decode_image(content, name), expected)
        else:
            with pytest.raises(ReidaugError) as refused:
                decode_image(content, name)
            assert str(refused.value) == expected


def test_content_that_claims_gigabytes_is_not_decoded() -> None:
    bomb = io.BytesIO()
    Image.new("1", (2**14, 2**13)).save(bomb, "PNG")
    with pytest.raises(ReidaugError, match=r"upload\.png: not decoded, for it has 16,384 x 8,192"):
        decode_image(bomb.getvalue(), "upload.png")


@given(st.binary(max_size=60), st.integers(0, 600))
def test_no_damage_goes_unexplained(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int
) -> None:
    content = encode_png(colours(16, 8))
    path = tmp_path_factory.getbasetemp() / "noise.png"
    path.write_bytes(content[:place] + noise + content[place + len(noise) :])
    try:
        assert read_image(path).shape[0] == 3
    except ReidaugError as error:
        assert "noise.png" in str(error)


def test_a_mask_is_bright_on_the_person(tmp_path: Path) -> None:
    mask = torch.tensor([[True, False], [False, True], [True, True]])
    (tmp_path / "a.png").write_bytes(encode_png(mask))
    assert Image.open(io.BytesIO(encode_png(mask))).mode == "L"
    assert torch.equal(read_mask(tmp_path / "a.png"), mask)
    with pytest.raises(ReidaugError, match=r"b\.png: no such image"):
        read_mask(tmp_path / "b.png")
    grey = torch.where(mask, 40, 255)[..., None].expand(-1, -1, 3)  # dark on a white wall
    cut = torch.cat((grey, mask[..., None] * 255), -1).to(torch.uint8)
    Image.fromarray(cut.numpy()).save(tmp_path / "c.png")
    assert torch.equal(read_mask(tmp_path / "c.png"), mask)
    Image.fromarray(mask.to(torch.uint8).numpy() * 255).convert("LA").save(tmp_path / "d.png")
    assert torch.equal(read_mask(tmp_path / "d.png"), mask)


@pytest.mark.parametrize("there", ["é.png", "e\u0301.png"])
def test_a_mask_is_found_by_either_spelling(tmp_path: Path, there: str) -> None:
    (tmp_path / there).touch()
    for name in ("é.jpg", "e\u0301.jpg"):
        assert mask_path(tmp_path, name) == tmp_path / there
    assert mask_path(tmp_path, "x/é.jpg") == tmp_path / "x" / "é.png"


@given(st.integers(2, 30), st.integers(2, 30), st.integers(2, 30), st.integers(2, 30))
def test_enlarging_samples_as_warping_does(h: int, w: int, more_h: int, more_w: int) -> None:
    size = (h + more_h, w + more_w)
    image = to_float(colours(h, w))
    warped = warp(image[None], identity(*size)[None], size=size)[0]
    assert torch.allclose(resize(image, size), warped, atol=1e-5)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
def test_resizing_keeps_plain_colour_and_symmetry(h: int, w: int, new_h: int, new_w: int) -> None:
    plain = torch.full((3, h, w), 0.3)
    assert torch.allclose(resize(plain, (new_h, new_w)), torch.full((3, new_h, new_w), 0.3))
    if new_h > 1 and new_w > 1:
        image = to_float(colours(h, w))
        turned = resize(image.flip(-1, -2), (new_h, new_w)).flip(-1, -2)
        assert torch.allclose(resize(image, (new_h, new_w)), turned, atol=1e-5)


def test_resizing_to_its_own_size_changes_nothing() -> None:
    image = to_float(colours())
    assert resize(image, (6, 4)) is image


def test_shrinking_averages_and_does_not_skip() -> None:
    stripes = torch.zeros(3, 65, 65)
    stripes[..., ::2] = 1
    shrunk = resize(stripes, (9, 9))[..., 1:-1]
    assert torch.allclose(shrunk, torch.full_like(shrunk, 0.5), atol=0.01)


def test_an_error_out_of_a_worker_is_its_one_line() -> None:
    wrapped = (
        "Caught ReidaugError in DataLoader worker process 0.\nOriginal Traceback (most recent "
        "call last):\n  File ...\nreidaug.errors.ReidaugError: a.jpg: not a readable image (x)\n"
    )
    assert str(ReidaugError(wrapped)) == "a.jpg: not a readable image (x)"
    assert str(UsageError(wrapped)) == "a.jpg: not a readable image (x)"
    assert str(pickle.loads(pickle.dumps(ReidaugError("a: b")))) == "a: b"


def test_a_resized_mask_keeps_its_corners_and_is_itself_at_its_own_size() -> None:
    mask = torch.zeros(6, 4, dtype=torch.bool)
    mask[0, 0] = mask[-1, -1] = True
    assert torch.equal(resize_mask(mask, (6, 4)), mask)
    larger = resize_mask(mask, (12, 9))
    assert larger.shape == (12, 9)
    assert larger[0, 0] and larger[-1, -1] and not larger[0, -1]


def test_channels_last_keeps_every_pixel_in_its_place() -> None:
    image = torch.arange(2 * 3 * 4, dtype=torch.uint8).reshape(3, 2, 4)
    array = channels_last(image)
    assert array.shape == (2, 4, 3)
    assert array.flags.c_contiguous
    for (channel, y, x), value in np.ndenumerate(image.numpy()):
        assert array[y, x, channel] == value


def test_the_size_of_an_image_is_upright_and_none_where_unknown(tmp_path: Path) -> None:
    picture = Image.new("RGB", (64, 128), (9, 9, 200))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        picture.save(tmp_path / "a.jpg", exif=exif)
        assert image_size(tmp_path / "a.jpg") == tuple(read_image(tmp_path / "a.jpg").shape[1:])
    picture.save(tmp_path / "a.png")
    assert image_size(tmp_path / "a.png") == (128, 64)
    (tmp_path / "b.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:20])
    (tmp_path / "c.jpg").write_text("text")
    for name in ("b.jpg", "c.jpg", "d.jpg", "."):
        assert image_size(tmp_path / name) is None


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_is_that_of_a_format_that_is_read(tmp_path: Path, suffix: str) -> None:
    (form,) = (name for name, suffixes in FORMATS.items() if suffix in suffixes)
    path = tmp_path / f"a{suffix.upper()}"
    pil(colours()).save(path, form)
    assert list_images(tmp_path).images == (path,)
    assert read_image(path).shape == (3, 6, 4)


@pytest.mark.parametrize("form", ["ICO", "PCX", "TGA", "JPEG2000", "ICNS"])
def test_other_formats_are_refused_whatever_their_suffix(tmp_path: Path, form: str) -> None:
    if form == "JPEG2000" and not features.check("jpg_2000"):
        pytest.skip("this Pillow cannot write it")
    pil(colours(32, 32)).save(tmp_path / "a.jpg", form)
    with pytest.raises(ReidaugError, match="unknown format; JPEG, PNG, BMP, WebP, TIFF and GIF"):
        read_image(tmp_path / "a.jpg")


POSTSCRIPT = """%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 64 128
%%EndComments
{} loop
%%EOF
"""


def test_postscript_is_not_executed(tmp_path: Path) -> None:
    """Pillow alone hands such a file to Ghostscript: here a script that leaves a mark."""
    (tmp_path / "a.jpg").write_text(POSTSCRIPT)
    tool = tmp_path / "gs"
    tool.write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\n")
    tool.chmod(0o755)
    code = (
        "from pathlib import Path; from reidaug.data.images import read_image; "
        "from PIL import Image; import sys\n"
        "try: read_image(Path('a.jpg'))\n"
        "except Exception as error: print(error)\n"
        "if 'pillow' in sys.argv: Image.open('a.jpg').load()\n"
    )
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for also, runs in ((), False), (("pillow",), True):
        done = subprocess.run(
            [sys.executable, "-c", code, *also], cwd=tmp_path, env=environment, check=False,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.stdout.startswith("a.jpg: not a readable image (unknown format"), done.stderr
        assert (tmp_path / "executed").exists() == runs  # the second time shows that it is armed


def png_bomb(width: int, height: int) -> bytes:
    """A small PNG that claims many pixels, all of them there."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    packer, row = zlib.compressobj(9), bytes(1 + (width + 7) // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("size", [(13_370, 13_370), (6_000, 5_000), (30_000, 2)])
def test_an_image_too_large_is_refused_before_it_is_decoded(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_bomb(*size))
    said = f"it has {size[0]:,} x {size[1]:,} pixels; at most 25 million, and {LONGEST_SIDE:,}"
    with pytest.raises(ReidaugError, match=said):
        read_image(path)


def test_a_large_photograph_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_bomb(4000, 3000))
    assert read_image(tmp_path / "a.png").shape == (3, 3000, 4000)


def test_a_tile_larger_than_its_image_is_refused(tmp_path: Path) -> None:
    # Width, height, bits, deflate, black is zero; width, height, place and length of tiles.
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 322: 65_536, 323: 65_536, 324: 8, 325: 8}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()]
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    (tmp_path / "a.tif").write_bytes(head + b"".join(entries) + bytes(4))
    with pytest.raises(ReidaugError, match="65,536 x 65,536 pixels"):
        read_image(tmp_path / "a.tif")


def test_a_file_of_holes_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    with path.open("wb") as file:
        file.write(b"RIFF\xf8\xff\xff\xffWEBPVP8 ")
        file.truncate(5 * 2**30)
    with pytest.raises(ReidaugError, match="more than 256 MiB"):
        read_image(path)


def test_pipes_devices_folders_and_broken_links_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "missing.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "folder.png").mkdir()
    found = list_images(tmp_path)
    assert not found.images
    assert found.folders == ("folder.png",)
    assert [line.removeprefix(f"{tmp_path}/") for line in found.unusable] == [
        "device.png: is a device; only regular files are read",
        "loop.png: a link that leads nowhere",
        "nowhere.png: a link that leads nowhere",
        "pipe.jpg: is a named pipe; only regular files are read",
    ]
    for name, said in {
        "pipe.jpg": "is a named pipe; only regular files are read",
        "device.png": "is a device",
        "folder.png": "is a folder",
        "nowhere.png": "no such image",
        "loop.png": "[Ss]ymbolic links",
    }.items():
        with pytest.raises(ReidaugError, match=said):
            read_image(tmp_path / name)
