"""Poses of images: a keypoint file read for the images it is of."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reidaug.data.crop_names import spelled
from reidaug.data.images import image_size
from reidaug.data.joint_placement import Placed, place
from reidaug.data.keypoints import Keypoints, read_keypoints
from reidaug.data.pose_matching import match_images
from reidaug.geometry.flow import Size
from reidaug.geometry.pose import Pose
from reidaug.runs import notice


class ImagePoses(NamedTuple):
    """A keypoint file beside images."""

    known: Keypoints  # the file's content
    keys: dict[Path, str]  # the file's name of each image that is in it

    def place(self, *, file: Path, size: Size | None = None) -> Placed:
        """Test that the joints lie on their images, and print what was decided for a user.

        Args:
            file: The keypoint file, for errors.
            size: (height, width) the joints are measured in, if not the images' own.

        Returns:
            The poses of images by the file's names, and those left out.

        Raises:
            ReidaugError: The joints are misplaced, see `reidaug.data.joint_placement.misplacement`.
        """
        for note in self.known.notes:
            notice(f"{file}: {note}")
        sizes = {key: size or image_size(path) for path, key in self.keys.items()}
        poses: dict[str, Pose] = {key: self.known.poses[key] for key in sizes}
        return place(poses, sizes, file=file)


def read_image_poses(
    images: Sequence[Path], keypoints: Path, *, names: Sequence[str] | None = None
) -> ImagePoses:
    """Read the keypoint file of images.

    Args:
        images: The image files.
        keypoints: The file or folder, see `reidaug.data.keypoints.read_keypoints`.
        names: File names of all images that a ``.mat`` counts; by default these images'.

    Raises:
        ReidaugError: The file cannot be read, or a name in it means two images.
        UsageError: It is no keypoint file.
    """
    by_name: dict[str, list[Path]] = {}
    for path in images:
        by_name.setdefault(spelled(path.name), []).append(path)

    def size_of(name: str) -> Size | None:
        same = by_name.get(spelled(name.rsplit("/", 1)[-1]), [])
        named = [path for path in same if path.as_posix().endswith(f"/{name}")] or same
        return image_size(named[0]) if named else None

    own = [path.name for path in images] if names is None else names
    known = read_keypoints(keypoints, names=own, size_of=size_of)
    return ImagePoses(known, match_images(known.poses, images, file=keypoints))
