from pathlib import Path

import pytest
import torch

from reidaug.augment.outlines import carry_outline, check_mask_names, person_mask
from reidaug.data.images import encode_png
from reidaug.errors import ReidaugError
from reidaug.geometry.flow import from_affine, identity
from reidaug.geometry.pose import Pose
from reidaug.geometry.silhouette import silhouette

SIZE = (12, 8)


def random_mask(seed: int) -> torch.Tensor:
    return torch.rand(SIZE, generator=torch.Generator().manual_seed(seed)) > 0.8


def test_the_mask_of_an_image_comes_before_its_limbs(tmp_path: Path) -> None:
    pose = Pose(torch.full((18, 2), 4.0), torch.ones(18, dtype=torch.bool))
    limbs = silhouette(Pose(pose.xy[None], pose.visible[None]), SIZE)[0]
    assert torch.equal(person_mask("a.jpg", pose, SIZE, None), limbs)
    assert torch.equal(person_mask("a.jpg", pose, SIZE, tmp_path), limbs)
    mask = random_mask(3)
    (tmp_path / "a.png").write_bytes(encode_png(mask))
    assert torch.equal(person_mask("a.jpg", pose, SIZE, tmp_path), mask)
    assert person_mask("a.jpg", pose, (24, 16), tmp_path).shape == (24, 16)
    (tmp_path / "a.png").write_bytes(encode_png(torch.zeros(SIZE, dtype=torch.bool)))
    assert torch.equal(person_mask("a.jpg", pose, SIZE, tmp_path), limbs)


def test_an_outline_is_carried_along_and_not_smeared_beyond_the_picture() -> None:
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[4:8, 2:6] = True
    pose = Pose(torch.full((18, 2), 4.0), torch.ones(18, dtype=torch.bool))
    shift = torch.tensor([[0.0, 4 / (SIZE[0] - 1)]])  # two pixels down in the source
    flows = torch.cat((identity(*SIZE)[None], from_affine(torch.eye(2)[None], shift, SIZE)))
    targets = carry_outline(mask, pose, flows, ("a.jpg", "b.jpg"))
    assert torch.equal(targets.outline[0], mask)
    assert torch.equal(targets.outline[1], mask.roll(-2, 0))
    assert torch.equal(targets.pose.xy, pose.xy.expand(2, 18, 2))
    mask[:] = True
    assert not carry_outline(mask, pose, flows, ("a.jpg", "b.jpg")).outline[1, -2:].any()


def test_a_mask_of_two_images_is_refused(tmp_path: Path) -> None:
    images = [tmp_path / "x" / "a.jpg", tmp_path / "y" / "a.jpg", tmp_path / "y" / "b.jpg"]
    check_mask_names(images, None)
    check_mask_names(images, tmp_path)
    (tmp_path / "b.png").touch()
    check_mask_names(images, tmp_path)
    (tmp_path / "a.png").touch()
    with pytest.raises(ReidaugError, match=r"a\.png may be of .*/x/a\.jpg or .*/y/a\.jpg; rename"):
        check_mask_names(images, tmp_path)
