import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reidaug.data.images import encode_png
from reidaug.data.market1501 import GALLERY, QUERY, TRAIN
from reidaug.dataset_check.checkup import check_dataset
from reidaug.dataset_check.findings import ADVICE, PROBLEM, REMARK
from reidaug.dataset_check.image_files import ImageFacts, inspect_image, inspect_images
from tests.dataset_check.conftest import found, images


def save(path: Path, change: Callable[[Image.Image], Image.Image], **options: object) -> None:
    """Change an image and store it under the same name."""
    content = io.BytesIO()
    with Image.open(path) as image:
        change(image).save(content, **{"format": "JPEG", **options})
    path.write_bytes(content.getvalue())


def deep(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def exif(turn: int) -> Image.Exif:
    note = Image.Exif()
    note[0x0112] = turn
    return note


STORED: dict[str, tuple[Callable[[Image.Image], Image.Image], dict[str, object], str]] = {
    "grey": (lambda i: i.convert("L"), {}, REMARK),
    "cmyk": (lambda i: i.convert("CMYK"), {}, REMARK),
    "alpha": (lambda i: i.convert("RGBA"), {"format": "PNG"}, REMARK),
    "deep": (deep, {"format": "PNG"}, REMARK),
    "misnamed": (lambda i: i, {"format": "PNG"}, REMARK),
    "turned": (lambda i: i, {"exif": exif(6)}, REMARK),
    "large": (lambda i: i.resize((1000, 2000)), {}, REMARK),
    "tiny": (lambda i: i.resize((8, 16)), {}, ADVICE),
    "shape": (lambda i: i.resize((200, 64)), {}, ADVICE),
    "flat": (lambda i: Image.new("RGB", i.size, "navy"), {}, ADVICE),
}


@pytest.mark.parametrize("mark", STORED)
def test_every_kind_of_image_is_marked(market: Path, mark: str) -> None:
    change, options, _ = STORED[mark]
    path = images(market)[0]
    assert inspect_image(path).marks == ()
    save(path, change, **options)
    facts = inspect_image(path)
    assert mark in facts.marks
    upright = (64, 32) if mark != "turned" else (32, 64)
    if mark not in ("large", "tiny", "shape"):
        assert (facts.height, facts.width) == upright


def test_marks_are_reported_with_their_rank_and_split(market: Path) -> None:
    for path, (change, options, _) in zip(
        (*images(market), *images(market, QUERY)), STORED.values(), strict=False
    ):
        save(path, change, **options)
    checkup = check_dataset(market)
    for words, rank, split in (
        ("CMYK", REMARK, TRAIN),
        ("EXIF", REMARK, TRAIN),
        ("plain colour", ADVICE, QUERY),
        ("fewer than 32 rows", ADVICE, QUERY),
    ):
        finding = found(checkup, words)
        assert (finding.rank, finding.where, finding.cases) == (rank, split, 1)
    assert "sizes from" in " ".join(f.what for f in checkup.findings)
    assert all(checkup.usable().values())


@pytest.mark.parametrize("content", [b"", b"text", b"half"])
def test_an_unreadable_image_stops_what_reads_all_of_them(market: Path, content: bytes) -> None:
    path = images(market, GALLERY)[1]
    path.write_bytes(path.read_bytes()[:400] if content == b"half" else content)
    checkup = check_dataset(market)
    finding = found(checkup, "cannot be read")
    assert (finding.where, finding.cases, finding.rank) == (GALLERY, 1, PROBLEM)
    assert str(path) in finding.examples[0]
    assert checkup.usable() == {"augment": True, "training": True, "evaluation": False}


def test_two_processes_find_what_one_finds(market: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reidaug.dataset_check.image_files.AT_ONCE", 2)
    images(market)[3].write_text("text")
    paths = images(market)
    done: list[int] = []
    one, two = (inspect_images(paths, masks=None, workers=k, advance=done.append) for k in (1, 2))
    assert one.digests().tolist() == two.digests().tolist()
    assert one.sizes().tolist() == two.sizes().tolist()
    assert one.errors.examples == two.errors.examples
    assert done == [2, 2, 2] * 2


def test_masks_are_looked_at_where_there_is_a_folder(market: Path) -> None:
    folder = market / "masks"
    folder.mkdir()
    paths = images(market)
    mask = torch.zeros(64, 32, dtype=torch.bool)
    mask[5:60, 10:22] = True
    for path, content in zip(
        paths,
        (
            encode_png(mask), encode_png(mask), encode_png(mask),
            b"text", encode_png(mask[:32]), encode_png(mask & False),
        ),
        strict=True,
    ):  # fmt: skip
        (folder / f"{path.stem}.png").write_bytes(content)
    (folder / f"{paths[0].stem}.png").unlink()
    checkup = check_dataset(market, masks=folder)
    for words, path in (
        ("have no mask", paths[0]),
        ("damaged mask", paths[3]),
        ("mask of another size", paths[4]),
        ("nearly nothing", paths[5]),
    ):
        assert found(checkup, words).examples == (path.name,)
    assert not any("mask" in f.what for f in check_dataset(market).findings)


def test_a_file_that_vanished_is_a_finding(market: Path) -> None:
    facts = inspect_image(market / "gone.jpg")
    assert facts == ImageFacts(0, 0, 0, (), f"{market / 'gone.jpg'}: no such image")


def test_masks_of_folders_with_equal_names_are_their_own(tmp_path: Path) -> None:
    for folder, value in (("anna", 255), ("bert", 0), ("cleo", 255)):
        (tmp_path / "masks" / folder).mkdir(parents=True)
        (tmp_path / "people" / folder).mkdir(parents=True)
        picture = Image.effect_noise((64, 128), 50).convert("RGB")
        picture.save(tmp_path / "people" / folder / "a.jpg")
        mask = Image.new("L", (64, 128))
        mask.paste(value, (20, 10, 44, 120))
        mask.save(tmp_path / "masks" / folder / "a.png")
    checkup = check_dataset(tmp_path / "people", masks=tmp_path / "masks")
    finding = found(checkup, "nearly nothing")
    assert finding.cases == 1
    assert not any("no mask" in f.what for f in checkup.findings)
