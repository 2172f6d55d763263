from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidaug.data.image_folders import check_readable
from reidaug.data.plain_images import FEW, check_not_plain, is_plain, sampled_pixels
from reidaug.errors import ReidaugError


def folder_of(folder: Path, plain: int, others: int) -> list[Path]:
    rng, paths = np.random.default_rng(0), []
    for k in range(plain + others):
        image = Image.new("RGB", (32, 64), (9 * k % 256, 80, 7))
        if k >= plain:
            image = Image.fromarray(rng.integers(0, 255, (64, 32, 3), dtype=np.uint8))
        image.save(folder / f"{k:03d}.jpg")
        paths.append(folder / f"{k:03d}.jpg")
    return paths


def test_one_colour_is_plain_after_compression_too(tmp_path: Path) -> None:
    plain, other = folder_of(tmp_path, 1, 1)
    gradient = Image.linear_gradient("L").convert("RGB")
    assert is_plain(sampled_pixels(Image.open(plain)))
    assert not is_plain(sampled_pixels(Image.open(other)))
    assert not is_plain(sampled_pixels(gradient.resize((1024, 1536))))
    assert sampled_pixels(gradient.resize((1024, 1536))).shape == (256, 171, 3)


@pytest.mark.parametrize(
    ("plain", "others", "stops"), [(FEW, 0, True), (5, 4, True), (4, 4, False), (FEW - 1, 0, False)]
)
def test_folders_of_plain_images_stop(tmp_path: Path, plain: int, others: int, stops: bool) -> None:
    images = folder_of(tmp_path, plain, others)
    gone = [tmp_path / "gone.jpg"]  # does not count
    if not stops:
        return check_not_plain(tmp_path, [*images, *gone])
    told = f"{plain} of {plain + others} images looked at show one plain colour, such as 000.jpg"
    with pytest.raises(ReidaugError, match=told):
        check_not_plain(tmp_path, [*images, *gone])
    with pytest.raises(ReidaugError, match=told):
        check_readable(tmp_path, images, allowed=True)
    return None
