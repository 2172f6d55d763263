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
    """Image files with a bounded cache of decoded images.

    Args:
        paths: Image files.
        size: (height, width) they are resized to, bicubic.
        cache_mb: Bound on the cache; crops beyond it are decoded every time.
    """

    def __init__(self, paths: Sequence[Path], *, size: Size, cache_mb: int = 2048) -> None:
        self.paths, self.size = tuple(paths), size
        self._capacity = cache_mb * 2**20 // (3 * size[0] * size[1])
        self._cache: dict[int, UInt8[Tensor, "3 H W"]] = {}

    def __len__(self) -> int:
        """Number of crops."""
        return len(self.paths)

    def batch(self, indices: Sequence[int]) -> UInt8[Tensor, "b 3 H W"]:
        """Read crops by index as RGB images (B, 3, H, W).

        Raises:
            ReidaugError: A file cannot be read as an image.
        """
        missing = [i for i in dict.fromkeys(indices) if i not in self._cache]
        read: dict[int, Tensor] = {}
        if missing:
            with ThreadPoolExecutor(READERS) as readers:
                read = dict(zip(missing, readers.map(self._read, missing), strict=True))
            for index in missing[: max(0, self._capacity - len(self._cache))]:
                self._cache[index] = read[index]
        return torch.stack([read[i] if i in read else self._cache[i] for i in indices])

    def _read(self, index: int) -> UInt8[Tensor, "3 H W"]:
        image = read_image(self.paths[index])
        if tuple(image.shape[1:]) == tuple(self.size):
            return image
        return resize(image, list(self.size), InterpolationMode.BICUBIC, antialias=True)


def normalise(images: UInt8[Tensor, "b 3 H W"]) -> Float[Tensor, "b 3 H W"]:
    """Normalise RGB images (B, 3, H, W) by ImageNet's statistics, stored channels last."""
    mean, std = (
        255 * torch.tensor(value, device=images.device).view(3, 1, 1)
        for value in (IMAGENET_MEAN, IMAGENET_STD)
    )
    normalised = images.to(torch.float32, memory_format=torch.channels_last, copy=True)
    return normalised.sub_(mean).div_(std)
