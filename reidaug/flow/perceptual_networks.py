"""Frozen networks for perceptual losses, and ST-LPIPS. Images in [0, 1]; networks scale them."""

import pickle
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, max_pool2d, pad, relu

from reidaug.data.images import IMAGENET_MEAN, IMAGENET_STD
from reidaug.errors import ReidaugError
from reidaug.files import check_tensor_file
from reidaug.geometry.flow import Size

# LPIPS' scaling of images in [-1, 1], the ImageNet statistics on that range.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
ALEX = ((64,), (192,), (384,), (256,), (256,))
# Output channels of VGG-19's convolutions up to relu5_1; a slice ends at each reluN_1.
VGG19 = ((64,), (64, 128), (128, 256), (256, 256, 256, 512), (512, 512, 512, 512))


class FeatureNetwork(nn.Module):
    """A frozen network with features at several depths: the phi_i of UnWarpME Eq. 6.

    Attributes:
        relative: Whether differences count in relation to the size of each depth's features, as
            they must where one depth's are far larger than the others'.
        counted: Number of depths, the shallow ones, that count in Eq. 6 unless more are asked for.
    """

    relative: ClassVar[bool] = False
    counted: ClassVar[int] = 5

    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> "FeatureNetwork":
        """Stay in evaluation mode, whatever the mode."""
        return super().train(False)

    def features(
        self, image: Float[Tensor, "b 3 H W"], *, depths: int | None = None
    ) -> list[Tensor]:
        """Compute the features (B, C, h, w) of images (B, 3, H, W) in [0, 1], shallow ones first.

        Args:
            image: The images; those too small for the deep features get fewer.
            depths: Number of depths, the shallow ones; None gives all.
        """
        raise NotImplementedError


class ShiftTolerantLPIPS(FeatureNetwork):
    """The VGG-16 or AlexNet of shift-tolerant LPIPS, with its linear heads.

    Each max-pool has stride 1 and is followed by a 3x3 binomial blur of stride 2; AlexNet's first
    convolution has stride 1 and a blur of stride 2 before its ReLU.

    Args:
        network: ``vgg`` or ``alex``.

    Raises:
        ValueError: There is no such network.

    Source:
        Ghildyal and Liu, Shift-tolerant perceptual similarity metric, ECCV 2022. The layers follow
        the names and shapes in the published weight files; strides and paddings were found by
        matching the published program's distances, which they reproduce to 1e-9.
    """

    # The last slice's features are far larger than the others': in absolute terms it would be
    # nearly all that counts, and it hardly knows where anything is.
    relative: ClassVar[bool] = True
    # Made to tolerate shifts, which a flow must not: the deeper a slice, the less its gradient says
    # where anything goes (benchmarks/drawing_task.py).
    counted: ClassVar[int] = 2

    def __init__(self, network: str) -> None:
        if network not in ("vgg", "alex"):
            raise ValueError(f"network must be 'vgg' or 'alex', got {network!r}")
        super().__init__()
        self.network = network
        widths = VGG16 if network == "vgg" else ALEX
        channels = iter(pairwise((3, *(width for part in widths for width in part))))
        kernels = [(3, 1)] * 13 if network == "vgg" else [(11, 2), (5, 2), (3, 1), (3, 1), (3, 1)]
        shapes = iter(kernels)
        self.slices = [
            [_convolution(next(channels), next(shapes)) for _ in part] for part in widths
        ]
        self.convolutions = nn.ModuleList(c for part in self.slices for c in part)
        self.heads = nn.ParameterList(
            nn.Parameter(torch.zeros(1, part[-1], 1, 1), requires_grad=False) for part in widths
        )
        self.requires_grad_(False)

    @classmethod
    def load(cls, network: str, path: Path) -> "ShiftTolerantLPIPS":
        """Build the frozen network ``vgg`` or ``alex`` with the published weights.

        Args:
            network: ``vgg`` or ``alex``.
            path: The weight file, see `reidaug.flow.perceptual_weights.shift_tolerant_weights`.

        Raises:
            ReidaugError: The file cannot be read or is of another network.
        """
        state, built = _read(path), cls(network)
        tensors: list[Tensor | None] = [
            t for name, t in state.items() if name.startswith("net.") and "filt" not in name
        ]
        tensors += [state.get(f"lin{k}.model.1.weight") for k in range(len(built.heads))]
        _fill(built, tensors, path, f"shift-tolerant LPIPS {network}")
        return built

    def features(
        self, image: Float[Tensor, "b 3 H W"], *, depths: int | None = None
    ) -> list[Tensor]:
        """Compute the features after each of the five slices, or after the first ``depths``."""
        x, slices = _standardise(2 * image - 1, SHIFT, SCALE), self.slices[:depths]
        return _vgg(x, slices) if self.network == "vgg" else _alex(x, slices)

    def distance(
        self, image: Float[Tensor, "b 3 H W"], other: Float[Tensor, "b 3 H W"]
    ) -> Float[Tensor, " b"]:
        """Compute ST-LPIPS (B,), the perceptual distance that tolerates small shifts.

        Images (B, 3, H, W) are in [0, 1]; 0 for equal images, the larger the more different.
        """
        return self.feature_distance(self.features(image), self.features(other))

    def feature_distance(self, features: list[Tensor], others: list[Tensor]) -> Float[Tensor, " b"]:
        """Compute ST-LPIPS (B,) from the `features` of two images."""
        total = torch.zeros(features[0].shape[0], device=features[0].device)
        for difference in self._differences(features, others):
            total = total + difference.mean((1, 2))
        return total

    def difference_map(
        self, features: list[Tensor], others: list[Tensor], size: Size
    ) -> Float[Tensor, "b H W"]:
        """Compute ST-LPIPS at every pixel: `feature_distance` before it is averaged.

        Args:
            features: Result of `features` for the images.
            others: Result of `features` for the other images.
            size: (height, width) of the images.

        Returns:
            Maps (B, H, W): the differences of all depths, resized to the image's size and added.

        Source:
            LPIPS' spatial form. The corners of every depth's grid lie on the image's: with these
            networks' paddings that is half a pixel nearer than the half-cell rule.
        """
        total = torch.zeros(features[0].shape[0], *size, device=features[0].device)
        for difference in self._differences(features, others):
            enlarged = interpolate(
                difference[:, None], size=tuple(size), mode="bilinear", align_corners=True
            )
            total = total + enlarged[:, 0]
        return total

    def _differences(self, features: list[Tensor], others: list[Tensor]) -> list[Tensor]:
        return [
            ((_unit(mine) - _unit(other)).square() * head).sum(1)
            for mine, other, head in zip(features, others, self.heads, strict=False)
        ]


class Vgg19(FeatureNetwork):
    """VGG-19 up to relu5_1, with torchvision's ImageNet weights.

    Source:
        UnWarpME Eq. 6 names the network; the five layers reluN_1 are those of FOMM's loss, which
        the equation follows.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = iter(pairwise((3, *(width for part in VGG19 for width in part))))
        self.slices = [[_convolution(next(channels), (3, 1)) for _ in part] for part in VGG19]
        self.convolutions = nn.ModuleList(c for part in self.slices for c in part)
        self.requires_grad_(False)

    @classmethod
    def load(cls, path: Path) -> "Vgg19":
        """Build it with torchvision's ``vgg19-*.pth`` weights; `ReidaugError` for another file."""
        built = cls()
        tensors = [t for name, t in _read(path).items() if name.startswith("features.")]
        _fill(built, tensors[: len(built.state_dict())], path, "torchvision's VGG-19")
        return built

    def features(
        self, image: Float[Tensor, "b 3 H W"], *, depths: int | None = None
    ) -> list[Tensor]:
        """Compute the features at the first ``depths`` of relu1_1, 2_1, 3_1, 4_1 and 5_1."""
        x = _standardise(image, IMAGENET_MEAN, IMAGENET_STD)
        found: list[Tensor] = []
        for part in self.slices[:depths]:
            for k, convolution in enumerate(part):
                # A stage ends before the convolution that ends the slice: reluN_1 follows a pool.
                if found and k == len(part) - 1:
                    if min(x.shape[-2:]) < 2:
                        return found
                    x = max_pool2d(x, 2)
                x = relu(convolution(x))
            found.append(x)
        return found


def _vgg(x: Tensor, slices: Sequence[Sequence[nn.Module]]) -> list[Tensor]:
    found: list[Tensor] = []
    for part in slices:
        if found:
            if min(x.shape[-2:]) < 4:
                break
            x = _blur(max_pool2d(x, 2, 1))
        for convolution in part:
            x = relu(convolution(x))
        found.append(x)
    return found


def _alex(x: Tensor, slices: Sequence[Sequence[nn.Module]]) -> list[Tensor]:
    found: list[Tensor] = []
    for depth, (convolution,) in enumerate(slices):
        if depth == 0:
            x = _blur(convolution(x))
        elif depth < 3:
            if min(x.shape[-2:]) < 5:
                break
            x = convolution(_blur(max_pool2d(x, 3, 1)))
        else:
            x = convolution(x)
        x = relu(x)
        found.append(x)
    return found


def _convolution(channels: tuple[int, int], shape: tuple[int, int]) -> nn.Conv2d:
    kernel, padding = shape
    return nn.Conv2d(*channels, kernel, padding=padding)


def _fill(network: FeatureNetwork, tensors: Sequence[Tensor | None], path: Path, name: str) -> None:
    # Convolutions and heads are listed in the order in which the published files store them.
    names = [n for n in network.state_dict() if n.startswith("convolutions")]
    names += [n for n in network.state_dict() if n.startswith("heads")]
    if len(names) != len(tensors) or any(tensor is None for tensor in tensors):
        raise ReidaugError(f"{path}: not the weights of {name}")
    try:
        network.load_state_dict(dict(zip(names, tensors, strict=True)))
    except RuntimeError:
        raise ReidaugError(f"{path}: not the weights of {name}") from None


def _standardise(image: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    shift, scale = (torch.tensor(v, device=image.device)[:, None, None] for v in (mean, std))
    return (image - shift) / scale


def _blur(x: Tensor) -> Tensor:
    row = torch.tensor((0.25, 0.5, 0.25), dtype=x.dtype, device=x.device)
    kernel = (row[:, None] * row).expand(x.shape[1], 1, 3, 3)
    return conv2d(pad(x, (2, 2, 2, 2), mode="reflect"), kernel, stride=2, groups=x.shape[1])


def _unit(x: Tensor) -> Tensor:
    return x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10)


def _read(path: Path) -> dict[str, Tensor]:
    check_tensor_file(path, what="weight file")
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError):
        raise ReidaugError(f"{path}: not readable as a weight file") from None
    if not isinstance(state, dict):
        raise ReidaugError(f"{path}: not readable as a weight file")
    return state
