"""Training crops with their poses, for training loops with a `DataLoader` of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from reidaug.augment.estimated_poses import find_keypoints, find_masks
from reidaug.augment.inputs import Source, check_outlines, choose_targets, join_poses
from reidaug.augment.options import KEYPOINTS
from reidaug.augment.outlines import check_mask_names
from reidaug.augment.pose_pool import Pool
from reidaug.augment.target_poses import TargetPoses
from reidaug.data.images import read_image
from reidaug.data.joint_placement import strays
from reidaug.data.loose_crops import read_people
from reidaug.data.market1501 import Person
from reidaug.errors import UsageError
from reidaug.files import summarise_left_out
from reidaug.geometry.pose import Pose, stack
from reidaug.perception.mask_folders import check_mask_folder
from reidaug.perception.pose_estimator import PoseEstimator
from reidaug.perception.pose_sums import check_poses
from reidaug.runs import notice


class PosedImage(tv_tensors.Image):  # type: ignore[misc]
    """An image with the pose of the person in it; otherwise a tensor (3, H, W) of bytes.

    Any transform makes of it an image without a pose, so `reidaug.augment.PoseWarp` comes first in
    a pipeline, or raises.
    """

    source: Source | None  # whose crop it is, with the 18 joints in pixels; None where unknown

    @classmethod
    def of(cls, image: Tensor, source: Source | None) -> "PosedImage":
        """Give RGB bytes (3, H, W), as v2's ``PILToTensor`` makes, a pose; the memory is shared.

        ``source`` has the joints in its pixels, see `as_source`; None where unknown.

        Raises:
            UsageError: The tensor is something else, or the joints do not lie on it.
        """
        if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
            kind = f"{image.dtype} {tuple(image.shape)}"
            raise UsageError(f"a crop is RGB bytes (3, H, W), not {kind}")
        if source is not None:
            size = torch.tensor([image.shape[1:]], dtype=torch.float32)
            if away := strays(stack([source.pose]), size)[0]:
                raise UsageError(f"{source.person.path}: {away}; joints count its own pixels")
        posed: PosedImage = image.as_subclass(cls)
        posed.source = source
        return posed

    @classmethod
    def wrap(cls, tensor: Tensor, like: Tensor, **keywords: Any) -> tv_tensors.Image:
        """Drop the pose of a transform's result: nothing moved its joints along."""
        del like, keywords
        return tensor.as_subclass(tv_tensors.Image)


class TrainingCrop(NamedTuple):
    """An item of `PosedCrops`; a `DataLoader` makes a batch of each field."""

    image: Tensor  # the transformed image
    label: int  # the person, counted from 0 without gaps
    camera: int  # likewise
    path: str  # the image file


class PosedCrops(Dataset[TrainingCrop]):
    """The training crops of a re-ID dataset with their poses.

    Crops without keypoints are included, without a pose: nothing can warp them.

    Args:
        root: A Market-1501-format dataset, or a folder of crops whose names or folders give the
            persons, see `reidaug.data.loose_crops.read_training`.
        keypoints: Keypoint file of the training images; default: the root's
            ``market-annotation-train.csv``.
        masks: Folder of person masks; by default ``masks`` in the root, where there is one.
        pattern: Regular expression that reads person and camera from file names.
        layout: The layout of the dataset, of `reidaug.data.layouts.LAYOUTS`, in place of it.
        allow_left_out: Whether more than a tenth of the images may be left out.
        transform: Applied to a `PosedImage`; by default images are bytes of their own size.

    Attributes:
        people: The training crops in name order.
        sources: Those with a pose.
        masks: The folder of person masks, or None.
        left_out: One line for everything that cannot be used.

    Raises:
        ReidaugError: There is no such dataset, no image has a pose, the joints are misplaced, or a
            name means two images.
        UsageError: There is no keypoint file or no folder of masks.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        keypoints: Path | str | None = None,
        masks: Path | str | None = None,
        pattern: str | None = None,
        layout: str | None = None,
        allow_left_out: bool = False,
        transform: Callable[[PosedImage], Tensor] | None = None,
    ) -> None:
        dataset = read_people(
            Path(root), pattern=pattern, layout=layout, allow_left_out=allow_left_out
        )
        if dataset.left_out:
            total = len(dataset.train) + len(dataset.left_out)
            notice(summarise_left_out(dataset.left_out, total, what="images"))
        self.people: tuple[Person, ...] = dataset.train
        file = find_keypoints(dataset.root, Path(keypoints) if keypoints else None)
        if file is None:
            missing = dataset.root / KEYPOINTS
            raise UsageError(f"{missing}: no such keypoint file; give the training images' own")
        self.masks = find_masks(dataset.root, Path(masks) if masks else None)
        check_poses(file, self.masks)
        self.sources, left_out = join_poses(dataset, file)
        self.left_out = (*dataset.left_out, *left_out)
        posed = [source.person.path for source in self.sources]
        check_mask_names(posed, self.masks)
        check_mask_folder(self.masks, posed, keypoints=file)
        check_outlines(self.sources, self.masks)
        self.transform = transform
        self._source = {source.person: source for source in self.sources}
        self._label = {pid: k for k, pid in enumerate(sorted({p.pid for p in self.people}))}
        self._camera = {cam: k for k, cam in enumerate(sorted({p.camid for p in self.people}))}

    def __getstate__(self) -> dict[str, Any]:
        # Two arrays in place of two tensors a crop: a worker opens a file for every tensor.
        bare = tuple(source._replace(pose=None) for source in self.sources)  # type: ignore[arg-type]
        xy, visible = stack([source.pose for source in self.sources])
        return self.__dict__ | {"sources": bare, "_source": (xy.numpy(), visible.numpy())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        poses = zip(*map(torch.from_numpy, state["_source"]), strict=True)
        self.sources = tuple(
            source._replace(pose=Pose(*pose))
            for source, pose in zip(state["sources"], poses, strict=True)
        )
        self._source = {source.person: source for source in self.sources}

    def __len__(self) -> int:
        """Count the crops."""
        return len(self.people)

    def __getitem__(self, index: int) -> TrainingCrop:
        """Read a crop, by its number in name order, and transform it.

        Raises:
            ReidaugError: Its file is no readable image.
        """
        person = self.people[index]
        posed = self.posed(index)
        image = tv_tensors.Image(posed) if self.transform is None else self.transform(posed)
        label, camera = self._label[person.pid], self._camera[person.camid]
        return TrainingCrop(image, label, camera, str(person.path))

    def posed(self, index: int) -> PosedImage:
        """Read a crop as it is: bytes (3, H, W), with its pose where that is known.

        Raises:
            ReidaugError: Its file is no readable image.
        """
        person = self.people[index]
        posed = PosedImage.of(read_image(person.path), None)
        posed.source = self._source.get(person)  # tested already, by the keypoint file's reader
        return posed

    def targets(
        self,
        count: int = 25,
        *,
        how: str = "random",
        seed: int = 0,
        pool: Pool = "good",
        estimator: PoseEstimator | None = None,
    ) -> TargetPoses:
        """Choose target poses of these crops, as `reidaug augment` does.

        Args:
            count: Number of poses.
            how: How they are chosen, see `reidaug.augment.target_poses.choose`.
            seed: Random seed.
            pool: Whether crops with a flaw are refused, see `reidaug.augment.pose_pool`.
            estimator: The estimator that found the poses, for the test of the mirrored crops; the
                command has BlazePose, where its poses come from it.

        Raises:
            ReidaugError: Too few crops give good target poses.
            UsageError: An argument is out of range.
        """
        if pool not in get_args(Pool):
            raise UsageError(f"pool is {' or '.join(get_args(Pool))}, not {pool!r}")
        return choose_targets(
            self.sources, masks=self.masks, count=count, how=how, seed=seed, pool=pool,
            estimator=estimator,
        )  # fmt: skip


def as_source(pose: Pose, path: Path | str) -> Source:
    """Describe a crop of a dataset of your own for `PosedImage.of`: 18 joints (18, 2) in pixels.

    The name of its file finds its mask.

    Raises:
        ValueError: It is not one pose of 18 joints, or a visible joint has no finite position.
    """
    if tuple(pose.xy.shape) != (18, 2):
        raise ValueError(f"one pose of 18 joints (18, 2) expected, got {tuple(pose.xy.shape)}")
    if not pose.xy[pose.visible].isfinite().all():
        raise ValueError(f"{path}: a visible joint has no finite position")
    path = Path(path)
    return Source(Person(path, 0, 0), path.name, Pose(pose.xy.float(), pose.visible))
