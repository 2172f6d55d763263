import numpy as np
import pytest
import torch

from reidaug.data.deepfashion import read_deepfashion
from reidaug.data.images import read_image, read_mask
from reidaug.data.pairs import PairDataset
from reidaug.errors import UsageError
from reidaug.geometry.warp import warp
from reidaug.people3d.pair_dataset import PairOptions, render_pairs


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    root = tmp_path_factory.mktemp("synth") / "pairs"
    options = PairOptions(people=2, test_people=1, views=3, pairs_each=4)
    return root, render_pairs(root, options, workers=1)


def test_pairs_are_what_the_reader_reads(pairs):
    root, report = pairs
    assert report == {"crops": 9, "train_pairs": 8, "test_pairs": 4}
    for split, count in (("train", 8), ("test", 4)):
        found = read_deepfashion(root, split)
        assert len(found.pairs) == count and not found.left_out
        pair = PairDataset(found, size=None)[0]
        assert pair.source.shape == pair.target.shape == (3, 128, 64)
        error = (warp(pair.source[None], pair.flow[None])[0] - pair.target).abs().mean(0)
        assert pair.visible.sum() > 20 and error[pair.visible].mean() < 0.15


def test_every_image_has_a_mask_that_fits_it(pairs):
    root, _ = pairs
    images = list(root.rglob("*.jpg"))
    assert images
    for image in images:
        mask = read_mask(root / "masks" / f"{image.stem}.png")
        assert mask.shape == read_image(image).shape[1:] and mask.any()


def test_catalogue_images_are_square_on_white_with_flow_in_half_precision(tmp_path):
    options = PairOptions(people=1, test_people=0, views=2, size=(256, 256))
    render_pairs(tmp_path / "white", options, workers=1)
    image = read_image(next((tmp_path / "white" / "train").glob("*.jpg")))
    assert image.shape == (3, 256, 256) and torch.median(image[:, :20, :20]) > 240
    with np.load(next((tmp_path / "white" / "flows" / "train").glob("*.npz"))) as flow:
        assert flow["flow"].shape == (2, 256, 256) and flow["flow"].dtype == np.float16


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"people": 0}, "--people 0: at least 1"), ({"views": 1}, "--views 1: at least 2")],
)
def test_numbers_too_small_are_refused(wrong, words):
    with pytest.raises(UsageError, match=words):
        PairOptions(**{"people": 1} | wrong)
