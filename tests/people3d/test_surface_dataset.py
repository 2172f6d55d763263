import numpy as np
import pytest
import torch
from rendered import contents

from reidaug.data.images import read_mask, resize_mask
from reidaug.data.keypoints import read_keypoints
from reidaug.errors import UsageError
from reidaug.people3d.surface_dataset import SurfaceOptions, read_surfaces, render_surfaces
from tests.small_surfaces import OPTIONS


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp("synth") / "surfaces"
    assert render_surfaces(out, OPTIONS, workers=1) == {"crops": 6}
    return out


@pytest.fixture(scope="module")
def people(root):
    files = sorted((root / "surfaces").rglob("*.npz"))
    assert [f"{f.parent.name}/{f.stem}" for f in files] == [
        "test/00003",
        "train/00001",
        "train/00002",
    ]
    return [read_surfaces(file) for file in files]


def test_every_crop_has_its_map_where_the_person_is_visible(root, people):
    surfaces = people[1]
    joints = read_keypoints(root / "fasion-annotation-train.csv").poses
    for k, found in enumerate(surfaces.crop):
        on = np.isfinite(found).all(0)
        mask = resize_mask(read_mask(root / "masks" / f"00001_{k}.png"), (64, 32)).numpy()
        assert on.sum() > 50 and not (on & ~mask).any()
        assert (on | ~mask).mean() > 0.97
        assert f"00001_{k}.jpg" in joints


def test_targets_are_the_person_in_the_pose_of_another(people):
    for surfaces in people:
        assert surfaces.crop.shape == (2, 4, 64, 32) and surfaces.target.shape == (5, 4, 64, 32)
        assert surfaces.outline.shape == (5, 128, 64) and set(surfaces.source) <= {0, 1}
        whole = [resize_mask(torch.from_numpy(o), (64, 32)).numpy() for o in surfaces.outline]
        on = np.isfinite(surfaces.target).all(1)
        assert (on == np.stack(whole)).mean() > 0.97
        differ = np.abs(surfaces.asked[..., :2] - surfaces.joints[..., :2]).max((1, 2))
        assert (differ > 0.5).all()  # of another body


def test_the_same_options_render_the_same_bytes(root, tmp_path):
    render_surfaces(tmp_path / "again", OPTIONS, workers=2)
    assert contents(tmp_path / "again") == contents(root)


@pytest.mark.parametrize("wrong", [{"people": 0}, {"views": 0}, {"poses": 0}, {"seed": -1}])
def test_numbers_too_small_are_refused(wrong):
    with pytest.raises(UsageError, match="at least"):
        SurfaceOptions(**{"people": 1} | wrong)
