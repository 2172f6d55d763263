"""Rendered people that come with the package: somebody to warp before there is a crop.

``reidaug synth market --people 8 --test-people 0 --size 256x128`` made them, among others. Joints
and masks are exact.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Bool, UInt8
from torch import Tensor

from reidaug.data.images import mask_path, read_image, read_mask
from reidaug.data.keypoints import read_keypoints
from reidaug.geometry.pose import Pose

FOLDER = Path(str(files("reidaug.app.play"))) / "people"
KEYPOINTS, MASKS = FOLDER / "keypoints.csv", FOLDER / "masks"


class RenderedPerson(NamedTuple):
    """A rendered person."""

    name: str  # file name of the crop
    image: UInt8[Tensor, "3 H W"]
    pose: Pose  # 18 joints (18, 2) in pixels
    mask: Bool[Tensor, "H W"]  # true on the person


@cache
def rendered_people() -> tuple[RenderedPerson, ...]:
    """Read the people, shared within the process; each is another one."""
    return tuple(
        RenderedPerson(name, read_image(FOLDER / name), pose, read_mask(mask_path(MASKS, name)))
        for name, pose in read_keypoints(KEYPOINTS).poses.items()
    )
