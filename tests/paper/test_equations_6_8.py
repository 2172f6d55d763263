"""Eqs. 6 and 8: the perceptual and the affine-preserving loss, summed up by hand."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from reidaug.flow.gaussian_filter import downsample
from reidaug.flow.perceptual_networks import FeatureNetwork, ShiftTolerantLPIPS, Vgg19
from reidaug.flow.unwarpme.affine_task import affine_preserving_loss, random_upright_affine
from reidaug.flow.unwarpme.losses import PYRAMID, perceptual_loss
from reidaug.geometry import affine, flow


class Edges(FeatureNetwork):
    """Two depths one can work out by hand."""

    def features(
        self, image: Float[Tensor, "b 3 H W"], *, depths: int | None = None
    ) -> list[Tensor]:
        return [image[..., 1:] - image[..., :-1], image[..., 1:, :] ** 2][:depths]


def images(seed: int, *size: int) -> Float[Tensor, "2 3 H W"]:
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(seed))


def blurred_pixel(image: Tensor, row: int, column: int, step: int) -> float:
    """One pixel of a blurred image, kernel and sum written out."""
    sigma = (step - 1) / 2
    reach = round(4 * sigma)
    total = weight_sum = 0.0
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            weight = math.exp(-(x * x + y * y) / (2 * sigma * sigma))
            weight_sum += weight
            if 0 <= row + y < image.shape[0] and 0 <= column + x < image.shape[1]:
                total += weight * float(image[row + y, column + x])
    return total / weight_sum


def test_equation_6_sums_four_scales_and_all_depths() -> None:
    image, target = images(0, 32, 16), images(1, 32, 16)
    expected = 0.0
    for scale in PYRAMID:
        step = round(1 / scale)
        small = [
            torch.tensor(
                [
                    [
                        [
                            blurred_pixel(plane, v * step, u * step, step)
                            if step > 1
                            else float(plane[v, u])
                            for u in range(16 // step)
                        ]
                        for v in range(32 // step)
                    ]
                    for plane in picture.flatten(0, 1)
                ]
            ).unflatten(0, (2, 3))
            for picture in (image, target)
        ]
        mine, other = small
        edges = (mine.diff(dim=-1) - other.diff(dim=-1)).abs().mean()
        squares = (mine[..., 1:, :] ** 2 - other[..., 1:, :] ** 2).abs().mean()
        expected += 10 * float(edges) + 10 * float(squares)
    assert abs(float(perceptual_loss(image, target, Edges())) - expected) < 1e-3


class Shallow(Edges):
    counted = 1


def test_fewer_depths_are_the_shallow_ones() -> None:
    image, target = images(0, 32, 16), images(1, 32, 16)
    edges = (image.diff(dim=-1) - target.diff(dim=-1)).abs().mean()
    found = perceptual_loss(image, target, Edges(), scales=(1.0,), depths=1)
    torch.testing.assert_close(found, 10 * edges)
    shallow = Shallow()
    torch.testing.assert_close(perceptual_loss(image, target, shallow, scales=(1.0,)), 10 * edges)
    both = perceptual_loss(image, target, Edges(), scales=(1.0,))
    torch.testing.assert_close(
        perceptual_loss(image, target, shallow, scales=(1.0,), depths=2), both
    )


class Brighter(Edges):
    """The second depth is a thousand times as large as the first."""

    relative = True

    def features(
        self, image: Float[Tensor, "b 3 H W"], *, depths: int | None = None
    ) -> list[Tensor]:
        edges, squares = super().features(image)
        return [edges, 1000 * squares][:depths]


def test_depths_of_a_relative_network_count_alike_whatever_their_size() -> None:
    image, target = images(0, 32, 16), images(1, 32, 16)
    expected = 0.0
    for mine, other in zip(Edges().features(image), Edges().features(target), strict=True):
        size = sum(abs(value) for value in other.flatten().tolist()) / other.numel()
        expected += 10 * float((mine - other).abs().mean()) / size
    found = perceptual_loss(image, target, Brighter(), scales=(1.0,))
    assert abs(float(found) - expected) < 1e-3
    assert perceptual_loss(target, torch.zeros_like(target), Brighter()).isfinite()


def test_the_stand_in_for_vgg19_counts_in_relation_and_vgg19_does_not() -> None:
    assert ShiftTolerantLPIPS.relative and not Vgg19.relative
    assert (ShiftTolerantLPIPS.counted, Vgg19.counted) == (2, 5)


def test_equation_6_is_zero_for_equal_images_and_gives_gradients_to_the_first_alone() -> None:
    network = ShiftTolerantLPIPS("vgg")
    image = images(2, 32, 32).requires_grad_()
    target = images(3, 32, 32).requires_grad_()
    assert perceptual_loss(image, image.detach().clone(), network) == 0
    perceptual_loss(image, target, network, scales=(1.0, 0.5)).backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()
    assert target.grad is None
    assert all(parameter.grad is None for parameter in network.parameters())


def test_shrinking_keeps_the_corner_and_the_middle() -> None:
    image = torch.ones(1, 1, 64, 64)
    small = downsample(image, 0.25)
    assert small.shape == (1, 1, 16, 16)
    torch.testing.assert_close(small[0, 0, 8, 8], torch.tensor(1.0))


def test_equation_8_as_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix, offset = random_upright_affine(2, generator)
    known = flow.from_affine(*affine.inverse(matrix, offset), (4, 3))
    estimate = torch.rand(2, 2, 4, 3, generator=generator)
    total, count = 0.0, 0
    for b in range(2):
        for v in range(4):
            for u in range(3):
                x, y = known[b, :, v, u].tolist()
                if abs(x) <= 1 and abs(y) <= 1:
                    total += abs(float(estimate[b, 0, v, u]) - x)
                    total += abs(float(estimate[b, 1, v, u]) - y)
                    count += 2
    assert abs(float(affine_preserving_loss(estimate, known)) - total / count) < 1e-5


def test_equation_8_is_zero_for_the_map_itself_and_in_normalised_units() -> None:
    matrix, offset = torch.eye(2)[None] * 0.5, torch.zeros(1, 2)
    known = flow.from_affine(matrix, offset, (8, 4))
    assert affine_preserving_loss(known, known) == 0
    torch.testing.assert_close(affine_preserving_loss(known + 0.25, known), torch.tensor(0.25))
    assert affine_preserving_loss(known, known + 5.0) == 0  # nothing inside the source
