"""Person crops as tensors, decoded once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torchvision.transforms.functional import InterpolationMode, resize

from reidaug.data.images import IMAGENET_MEAN, IMAGENET_STD, read_image
from reidaug.geometry.flow import Size

READERS = 4


class Crops:
    """Image files as a bounded store of bytes: what fits is decoded once.

    Args:
        paths: Image files.
        size: (height, width) they are resized to, bicubic.
        cache_mb: Bound on the bytes kept; crops beyond it are decoded every time.
    """

    def __init__(self, paths: Sequence[Path], *, size: Size, cache_mb: int = 2048) -> None:
        self.paths, self.size = tuple(paths), size
        self._room = cache_mb * 2**20 // (3 * size[0] * size[1])
        self._kept: dict[int, UInt8[Tensor, "3 H W"]] = {}

    def __len__(self) -> int:
        """Count the crops."""
        return len(self.paths)

    def batch(self, indices: Sequence[int]) -> UInt8[Tensor, "b 3 H W"]:
        """Read crops.

        Args:
            indices: Which.

        Returns:
            Bytes (B, 3, H, W) in RGB.

        Raises:
            ReidaugError: A file is no readable image.
        """
        missing = [i for i in dict.fromkeys(indices) if i not in self._kept]
        read: dict[int, Tensor] = {}
        if missing:
            with ThreadPoolExecutor(READERS) as readers:
                read = dict(zip(missing, readers.map(self._read, missing), strict=True))
            for index in missing[: max(0, self._room - len(self._kept))]:
                self._kept[index] = read[index]
        return torch.stack([read[i] if i in read else self._kept[i] for i in indices])

    def _read(self, index: int) -> UInt8[Tensor, "3 H W"]:
        image = read_image(self.paths[index])
        if tuple(image.shape[1:]) == tuple(self.size):
            return image
        return resize(image, list(self.size), InterpolationMode.BICUBIC, antialias=True)


def normalise(images: UInt8[Tensor, "b 3 H W"]) -> Float[Tensor, "b 3 H W"]:
    """Turn bytes into the numbers ImageNet's models expect.

    Args:
        images: RGB bytes (B, 3, H, W).

    Returns:
        Numbers with ImageNet's mean at 0 and its standard deviation at 1, stored channels last.
    """
    mean, std = (
        255 * torch.tensor(value, device=images.device).view(3, 1, 1)
        for value in (IMAGENET_MEAN, IMAGENET_STD)
    )
    numbers = images.to(torch.float32, memory_format=torch.channels_last, copy=True)
    return numbers.sub_(mean).div_(std)
