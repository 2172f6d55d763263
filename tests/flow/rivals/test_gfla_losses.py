import math
from itertools import product

import pytest
import torch
from flow_figures import SIZE, pairs
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from seeding import seeded
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pixel_unshuffle

from reidaug.data.pairs import PosePair
from reidaug.flow.perceptual_networks import FeatureNetwork, ShiftTolerantLPIPS, Vgg19
from reidaug.flow.rivals.gfla import GFLA, from_offsets
from reidaug.flow.rivals.gfla_losses import (
    SamplingLosses,
    affine_regularity,
    affine_residual,
    best_similarity,
    gaussian_resample,
    sampling_correctness,
)
from reidaug.flow.unwarpme.affine_task import random_upright_affine
from reidaug.geometry.flow import from_affine, identity
from reidaug.geometry.pose import Pose


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed))


def wavy(seed: int, height: int, width: int, reach: float) -> Tensor:
    """A flow whose offsets in cells are random, some of them out of the grid."""
    return from_offsets(reach * noise(seed, 2, 2, height, width))


def resampled_cell(features: Tensor, x: float, y: float) -> Tensor:
    """One Gaussian mean of 4x4 cells, written out."""
    _, height, width = features.shape
    total, weight_sum = torch.zeros(len(features)), 0.0
    for j, i in product(range(-1, 3), range(-1, 3)):
        row, column = math.floor(y) + j, math.floor(x) + i
        weight = math.exp(-((row - y) ** 2 + (column - x) ** 2) / (2 * 2.0**2))
        total += weight * features[:, min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
        weight_sum += weight
    return total / weight_sum


def cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other / (one.norm() + 1e-8) / (other.norm() + 1e-8))


@pytest.mark.parametrize("reach", [0.7, 4.0])
def test_resampling_as_a_loop(reach: float) -> None:
    features, offsets = noise(0, 2, 3, 4, 6), reach * noise(1, 2, 2, 4, 6)
    found = gaussian_resample(features, from_offsets(offsets))
    assert found.shape == features.shape
    for b, v, u in product(range(2), range(4), range(6)):
        x, y = (offsets[b, :, v, u] + torch.tensor([u, v])).tolist()
        expected = resampled_cell(features[b], x, y)
        torch.testing.assert_close(found[b, :, v, u], expected, atol=1e-4, rtol=1e-4)


def test_resampling_onto_another_grid_and_from_far_outside() -> None:
    features = noise(0, 1, 3, 4, 6)
    assert gaussian_resample(features, identity(5, 2)[None]).shape == (1, 3, 5, 2)
    far = torch.tensor([[-1e12, 1e12], [1e12, -1e12]])[None, :, None]
    found = gaussian_resample(features, far)
    torch.testing.assert_close(found[0, :, 0, 0], features[0, :, 3, 0])
    torch.testing.assert_close(found[0, :, 0, 1], features[0, :, 0, 5])


def test_resampling_keeps_a_constant_image() -> None:
    plain = torch.tensor([1.0, -2.0, 3.0])[None, :, None, None].expand(2, 3, 5, 4)
    torch.testing.assert_close(gaussian_resample(plain, wavy(3, 5, 4, 9.0)), plain)


def test_resampling_hands_gradients_to_the_flow() -> None:
    features = noise(0, 1, 2, 4, 3).double()
    # Away from whole cells, where the set of neighbours changes at once.
    offsets = 0.3 + 0.1 * torch.rand(1, 2, 4, 3, generator=seeded(2)).double()
    flow = from_offsets(offsets).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: gaussian_resample(features, f), flow)


@pytest.mark.parametrize("together", [1, 50, 2**20])
def test_best_similarity_as_a_loop_whatever_is_held_at_a_time(together: int) -> None:
    source, target = noise(0, 2, 5, 3, 4), noise(1, 2, 5, 2, 5)
    source[1, :, 2, 3] = 0
    found = best_similarity(source, target, chunk=together)
    for b, v, u in product(range(2), range(2), range(5)):
        cells = [source[b, :, i, j] for i, j in product(range(3), range(4))]
        expected = max(cosine(cell, target[b, :, v, u]) for cell in cells)
        assert abs(float(found[b, v, u]) - expected) < 1e-5


def test_correctness_as_a_loop() -> None:
    source, target = noise(0, 2, 4, 3, 5).relu(), noise(1, 2, 4, 3, 5).relu()
    offsets, total = noise(2, 2, 2, 3, 5), 0.0
    for b, v, u in product(range(2), range(3), range(5)):
        wanted = target[b, :, v, u]
        x, y = (offsets[b, :, v, u] + torch.tensor([u, v])).tolist()
        best = max(cosine(cell, wanted) for cell in source[b].flatten(1).T)
        similarity = cosine(resampled_cell(source[b], x, y), wanted)
        total += math.exp(-similarity / (best + 1e-8)) - math.exp(-1)
    found = float(sampling_correctness(from_offsets(offsets), source, target))
    assert abs(found - total / 30) < 1e-4


def test_correctness_is_zero_where_the_sampled_are_the_best() -> None:
    # In a plain picture every sampled cell is the best one, whatever its length.
    source = noise(0, 2, 4, 1, 1).abs().expand(2, 4, 3, 5)
    for target in (source, 7 * source, noise(1, 2, 4, 3, 5).abs()):
        loss = sampling_correctness(wavy(2, 3, 5, 2.0), source, target)
        assert abs(float(loss)) < 1e-6


def test_correctness_is_least_for_the_right_flow_and_pulls_towards_it() -> None:
    features = interpolate(noise(0, 2, 16, 5, 4), (20, 16), mode="bilinear", align_corners=True)
    right = torch.tensor([2.5, -1.5])[:, None, None].expand(2, 2, 20, 16)
    target = gaussian_resample(features, from_offsets(right))
    losses = [
        float(sampling_correctness(from_offsets(right + off), features, target))
        for off in (0.0, 0.4, 2.0, 5.0)
    ]
    assert losses == sorted(losses)
    assert losses[0] < 0.02
    wrong = from_offsets(right + 0.9).requires_grad_()
    sampling_correctness(wrong, features, target).backward()
    assert wrong.grad is not None
    assert (wrong.grad[:, :, 3:-3, 3:-3].mean((0, 2, 3)) > 0).all()


def test_correctness_gives_gradients_to_the_flow_alone_and_never_nan() -> None:
    network = ShiftTolerantLPIPS("vgg")
    source = torch.zeros(2, 4, 3, 5)
    flow = wavy(2, 3, 5, 2.0).requires_grad_()
    for one, other in product((source, noise(0, 2, 4, 3, 5).relu()), repeat=2):
        loss = sampling_correctness(flow, one, other)
        loss.backward()
        assert loss.isfinite()
    assert flow.grad is not None
    assert flow.grad.isfinite().all()
    batch, flows = pairs(2, 0), [wavy(k, *size, 1.0) for k, size in enumerate([(4, 2), (8, 4)])]
    batch.source.requires_grad_()
    losses = SamplingLosses(network, windows=(3, 3))
    with pytest.raises(ValueError, match="flow of 4x2 is smaller than a 3x3 window"):
        losses(flows, batch)
    flows = [wavy(k, *size, 1.0).requires_grad_() for k, size in enumerate([(4, 3), (8, 4)])]
    sum(losses(flows, batch).values()).backward()  # type: ignore[union-attr]
    assert batch.source.grad is None
    assert all(flow.grad is not None and flow.grad.abs().sum() > 0 for flow in flows)


@given(st.integers(0, 2**16), st.sampled_from([3, 5]), st.integers(5, 12), st.integers(5, 9))
def test_an_affine_flow_is_regular(seed: int, window: int, height: int, width: int) -> None:
    matrix, offset = random_upright_affine(2, seeded(seed))
    flow = from_affine(matrix, offset, (height, width))
    assert affine_regularity(flow, window) < 1e-8
    bent = from_offsets(torch.zeros(2, 2, height, width))
    bent[0, seed % 2, height // 2, width // 2] += 0.01
    assert affine_regularity(bent, window) > 1e-8


@pytest.mark.parametrize("window", [3, 5])
def test_regularity_as_a_loop(window: int) -> None:
    height, width = 7, 6
    offsets, total, count = noise(0, 2, 2, height, width), 0.0, 0
    for b, v, u in product(range(2), range(height - window + 1), range(width - window + 1)):
        cells = list(product(range(v, v + window), range(u, u + window)))
        a = torch.tensor([[row, column, 1.0] for row, column in cells], dtype=torch.float64)
        r = a @ torch.linalg.inv(a.T @ a) @ a.T - torch.eye(window**2)
        for axis in range(2):
            place = [float(offsets[b, axis, y, x]) + (x, y)[axis] for y, x in cells]
            total += float((r @ torch.tensor(place, dtype=torch.float64)).square().sum())
        count += 1
    found = float(affine_regularity(from_offsets(offsets), window))
    assert abs(found - total / count) < 1e-4 * total / count


@pytest.mark.parametrize(("window", "rank"), [(3, 6), (5, 22)])
def test_the_residual_is_a_projection_with_the_sign_turned(window: int, rank: int) -> None:
    r = affine_residual(window)
    torch.testing.assert_close(r.T @ r, -r, atol=1e-6, rtol=0)
    assert torch.linalg.matrix_rank(r, atol=1e-4) == rank


def test_regularity_is_in_cells_of_the_flows_own_grid() -> None:
    offsets = torch.zeros(1, 2, 3, 3)
    offsets[0, 0, 1, 1] = 2.0
    # The middle cell of nine explains a ninth of itself; no slope can help.
    expected = torch.tensor(4 * (1 - 1 / 9))
    torch.testing.assert_close(affine_regularity(from_offsets(offsets), 3), expected)


class Patches(FeatureNetwork):
    """Features without weights: small patches of the image, less its mean colour."""

    def features(
        self, image: Float[Tensor, "b 3 H W"], *, depths: int | None = None
    ) -> list[Tensor]:
        found = []
        for cell in (1, 2, 4, 8):
            patch = pixel_unshuffle(avg_pool2d(image - image.mean((2, 3), keepdim=True), 2), 2)
            found.append(avg_pool2d(patch, max(1, cell // 4)))
        return found


def test_losses_are_sums_over_the_levels_on_resized_features() -> None:
    batch, network = pairs(2, 0), Patches()
    flows = [wavy(0, 4, 3, 1.0), wavy(1, 7, 5, 1.0)]
    losses = SamplingLosses(network, depths=(3, 2), windows=(3, 5), standardised=True)(flows, batch)
    assert set(losses) == {"correctness", "regularity"}
    correctness = 0.0
    for flow, depth in zip(flows, (3, 2), strict=True):
        size = (flow.shape[-2], flow.shape[-1])
        mine, wanted = (
            interpolate(network.features(i)[depth], size, mode="bilinear", align_corners=True)
            for i in (batch.source, batch.target)
        )
        correctness += float(sampling_correctness(flow, mine, wanted))
    assert abs(float(losses["correctness"]) - correctness) < 1e-5
    regularity = affine_regularity(flows[0], 3) + affine_regularity(flows[1], 5)
    torch.testing.assert_close(losses["regularity"], regularity)


@pytest.mark.parametrize("network", [Vgg19(), ShiftTolerantLPIPS("vgg")])
def test_the_feature_network_gets_images_from_minus_one_to_one(
    network: FeatureNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    first = network.convolutions[0]  # type: ignore[index, union-attr]
    hook = first.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    batch, flows = pairs(2, 0), [wavy(0, 4, 3, 1.0), wavy(1, 8, 4, 1.0)]
    SamplingLosses(network, windows=(3, 3))(flows, batch)
    torch.testing.assert_close(seen[0], batch.source * 2 - 1, atol=1e-5, rtol=0)
    SamplingLosses(network, windows=(3, 3), standardised=True)(flows, batch)
    assert seen[2].min() < -1.2 or seen[2].max() > 1.2
    hook.remove()


def test_depths_of_both_networks_have_the_resolution_of_the_levels() -> None:
    image = torch.zeros(1, 3, 128, 64)
    for network, more in ((Vgg19(), 0), (ShiftTolerantLPIPS("vgg"), 1)):
        found = network.features(image)
        assert found[2].shape[2:] == (32 + more, 16 + more)
        assert found[3].shape[2:] == (16 + more, 8 + more)
        assert [found[3].shape[1], found[2].shape[1]] == [512, 256]


def test_what_cannot_be_is_named() -> None:
    network, flows = Patches(), [wavy(0, 4, 3, 1.0), wavy(1, 8, 4, 1.0)]
    with pytest.raises(ValueError, match="2 depths but 1 windows"):
        SamplingLosses(network, windows=(3,))
    with pytest.raises(ValueError, match=r"odd and at least 3, got \(4, 3\)"):
        SamplingLosses(network, windows=(4, 3))
    with pytest.raises(ValueError, match="2 flows expected, got 1"):
        SamplingLosses(network)(flows[:1], pairs(2, 0))
    with pytest.raises(ValueError, match="images of 32x16 are too small"):
        SamplingLosses(network, depths=(4, 3), windows=(3, 3))(flows, pairs(2, 0))


def twice(pair: PosePair) -> PosePair:
    """The same pairs with twice the rows and columns."""
    size = (2 * SIZE[0], 2 * SIZE[1])
    source, target = (
        interpolate(i, size, mode="bilinear", align_corners=True)
        for i in (pair.source, pair.target)
    )
    both = (Pose(2 * p.xy, p.visible) for p in (pair.source_pose, pair.target_pose))
    return PosePair(source, target, *both)


def test_it_overfits_four_pairs() -> None:
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        net = GFLA(widths=(8, 16, 16, 16))
    batch, losses = twice(pairs(4, 5)), SamplingLosses(Patches(), windows=(3, 3))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3, betas=(0.0, 0.999))
    course = []
    for _ in range(100):
        levels = net.levels(batch.source, batch.source_pose, batch.target_pose)
        found = losses(levels.flows, batch)
        optimizer.zero_grad()
        (20 * found["correctness"] + 0.01 * found["regularity"]).backward()
        optimizer.step()
        course.append(float(found["correctness"].detach()))
    assert course[0] > 0.5
    assert course[-1] < 0.2
