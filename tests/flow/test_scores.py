import numpy as np
import pytest
import torch
from flow_figures import SIZE, images, pairs

from reidaug.bootstrap import RESAMPLES
from reidaug.data.pairs import PosePair
from reidaug.flow.closed_form import Identity, TorsoAffine
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.image_generator import ImageGenerator
from reidaug.flow.perceptual_networks import ShiftTolerantLPIPS
from reidaug.flow.scores import (
    ScoredBatch,
    image_scores,
    paired_difference,
    score_estimators,
    summarise,
)
from reidaug.geometry.pose import Pose
from reidaug.geometry.warp import warp


class Exact(FlowEstimator):
    """Knows the answers."""

    def __init__(self, batch: PosePair) -> None:
        super().__init__()
        self.batch = batch

    def forward(self, source, source_pose, target_pose):  # type: ignore[no-untyped-def]
        return self.batch.flow


def test_the_exact_flow_scores_best_and_its_error_is_zero() -> None:
    batch = pairs(4, 0)
    rows = score_estimators(
        {"exact": Exact(batch), "identity": Identity(), "torso": TorsoAffine()},
        [ScoredBatch(batch)],
        {"alex": ShiftTolerantLPIPS("alex")},
    )
    assert set(rows["exact"]) == {"epe_px", "l1", "l1_32", "ssim", "stlpips_alex"}
    assert rows["exact"]["epe_px"].max() == 0
    assert (rows["exact"]["l1"] <= rows["identity"]["l1"]).all()
    assert (rows["exact"]["ssim"] > 0.999).all()
    assert all(len(values) == 4 for row in rows.values() for values in row.values())


def test_scores_by_hand() -> None:
    image = torch.zeros(1, 3, 64, 32)
    target = image + 51 / 255
    scores = image_scores(image, target)
    torch.testing.assert_close(scores["l1"], torch.tensor([51.0]))
    torch.testing.assert_close(scores["l1_32"], torch.tensor([51.0]))
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::2] = 1.0
    fine = image_scores(stripes, 1 - stripes)
    assert fine["l1"] == 255
    assert fine["l1_32"] < 20  # stripes finer than the small picture vanish in it
    same = image_scores(stripes, stripes)
    assert same["l1"] == 0
    assert same["ssim"] == 1


def test_the_error_is_in_pixels_over_visible_cells() -> None:
    batch = pairs(1, 1)
    assert batch.flow is not None
    shift = torch.tensor([2 * 3.0 / (SIZE[1] - 1), 2 * 4.0 / (SIZE[0] - 1)])[:, None, None]
    visible = torch.zeros_like(batch.visible)
    visible[0, 3, 5] = True
    moved = batch.flow.clone()
    moved[..., 3, 5] += shift[:, 0, 0]
    truth = batch._replace(flow=moved, visible=visible)
    rows = score_estimators({"near": Exact(batch)}, [ScoredBatch(truth)], {})
    np.testing.assert_allclose(rows["near"]["epe_px"], [5.0], rtol=1e-5)


def test_outside_the_person_nothing_counts() -> None:
    batch = pairs(2, 2)
    person = torch.zeros(2, *SIZE, dtype=torch.bool)
    person[:, 8:24, 4:12] = True
    noisy = torch.where(person[:, None], batch.target, images(2, 9))
    rows = [
        score_estimators({"e": Exact(batch)}, [ScoredBatch(b, person)], {})["e"]
        for b in (batch, batch._replace(target=noisy))
    ]
    for name in ("l1", "l1_32", "ssim"):
        np.testing.assert_array_equal(rows[0][name], rows[1][name])
    assert rows[0]["l1"].max() < 1


def test_batches_do_not_matter_and_other_distances_join() -> None:
    batch = pairs(4, 3)
    halves = [
        ScoredBatch(
            PosePair(
                batch.source[part],
                batch.target[part],
                type(batch.source_pose)(*(p[part] for p in batch.source_pose)),
                type(batch.target_pose)(*(p[part] for p in batch.target_pose)),
            )
        )
        for part in (slice(0, 2), slice(2, 4))
    ]
    mean = {"mean": lambda mine, other: (mine - other).mean((1, 2, 3))}
    whole = score_estimators({"t": TorsoAffine()}, [ScoredBatch(batch)], {}, mean)["t"]
    parted = score_estimators({"t": TorsoAffine()}, halves, {}, mean)["t"]
    assert "epe_px" not in parted
    for name in ("l1", "l1_32", "ssim", "mean"):
        np.testing.assert_allclose(whole[name], parted[name], atol=1e-5)


def test_a_row_has_means_and_intervals_of_what_was_measured() -> None:
    values = {"epe_px": np.array([1.0, np.nan, 3.0]), "l1": np.array([5.0, 5.0, 5.0])}
    people = np.array(["ann", "ann", "bob"])
    row = summarise(values, people, seed=0).as_dict()
    assert row["epe_px"] == 2.0
    assert row["l1"] == 5.0
    assert row["l1_ci"] == [5.0, 5.0]
    assert row == summarise(values, people, seed=0).as_dict()
    none = summarise({"epe_px": np.array([np.nan])}, people[:1], seed=0)
    assert "epe_px" not in none.scores


def test_the_intervals_of_a_row_draw_people_with_all_their_pairs() -> None:
    values, people = {"l1": np.array([1.0] * 8 + [6.0] * 2)}, np.array([5] * 8 + [2] * 2)
    assert summarise(values, people, seed=0).scores["l1"] == (2.0, 1.0, 6.0)
    found = paired_difference(values["l1"], np.zeros(10), people, seed=0)
    assert found == (2.0, 1.0, 6.0, True)
    alone = paired_difference(values["l1"], np.full(10, 0.5), np.zeros(10), seed=0)
    assert alone == (1.5, 1.5, 1.5, False)  # one person says nothing about others


@pytest.mark.parametrize("name", ["alex", "vgg"])
def test_the_hidden_score_is_the_mean_difference_over_hidden_cells(name: str) -> None:
    network = ShiftTolerantLPIPS(name)
    with torch.no_grad():
        for k, head in enumerate(network.heads):
            head.fill_(1.0 + k)
    batch = pairs(3, 4)
    person = torch.zeros(3, *SIZE, dtype=torch.bool)
    person[:, 6:26, 3:13] = True
    visible = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0)) < 0.5
    visible[2] = True  # nothing of the third is hidden
    scored = ScoredBatch(batch._replace(visible=visible), person)
    row = score_estimators({"still": Identity()}, [scored], {name: network}, hidden=True)["still"]
    grey = torch.full_like(batch.source, 0.5)
    pictures = [torch.where(person[:, None], p, grey) for p in (batch.source, batch.target)]
    mine, other = (network.features((p * 255).round() / 255) for p in pictures)
    for k in range(2):
        total, cells = 0.0, 0
        maps = [slow_map(mine[d][k], other[d][k], network.heads[d]) for d in range(len(mine))]
        for y, x in (person & ~visible)[k].nonzero().tolist():
            total += sum(bilinear(m, y, x) for m in maps)
            cells += 1
        np.testing.assert_allclose(row[f"stlpips_{name}_hidden"][k], total / cells, rtol=1e-4)
    assert np.isnan(row[f"stlpips_{name}_hidden"][2])


def slow_map(mine: torch.Tensor, other: torch.Tensor, head: torch.Tensor) -> torch.Tensor:
    """One depth's weighted squared difference of unit features, cell by cell."""
    there = torch.zeros(mine.shape[1:])
    for v in range(there.shape[0]):
        for u in range(there.shape[1]):
            a, b = (f[:, v, u] / (f[:, v, u].norm() + 1e-10) for f in (mine, other))
            there[v, u] = ((a - b) ** 2 * head[0, :, 0, 0]).sum()
    return there


def bilinear(there: torch.Tensor, y: int, x: int) -> float:
    """Read a map whose corners lie on the image's corners."""
    v, u = (p * (n - 1) / (m - 1) for p, n, m in zip((y, x), there.shape, SIZE, strict=True))
    top, left = min(int(v), there.shape[0] - 2), min(int(u), there.shape[1] - 2)
    if there.shape[0] == 1 or there.shape[1] == 1:
        return float(there[min(int(v + 0.5), there.shape[0] - 1), 0])
    down, right = v - top, u - left
    corners = there[top : top + 2, left : left + 2].tolist()
    above = corners[0][0] * (1 - right) + corners[0][1] * right
    below = corners[1][0] * (1 - right) + corners[1][1] * right
    return above * (1 - down) + below * down


def test_hidden_is_known_only_with_a_mask_and_an_exact_flow() -> None:
    batch, person = pairs(2, 0), torch.ones(2, *SIZE, dtype=torch.bool)
    assert ScoredBatch(batch).hidden() is None
    assert ScoredBatch(batch._replace(flow=None, visible=None), person).hidden() is None
    rows = score_estimators(
        {"e": Identity()}, [ScoredBatch(batch)], {"alex": ShiftTolerantLPIPS("alex")}, hidden=True
    )
    assert "stlpips_alex_hidden" not in rows["e"]


def test_estimators_look_at_what_is_shown_and_the_source_is_sampled() -> None:
    class Looks(Identity):
        def forward(self, source, *poses):  # type: ignore[no-untyped-def]
            return super().forward(source, *poses) + source.mean()

    batch = pairs(2, 0)
    dark, plain = torch.zeros_like(batch.source), ScoredBatch(batch)
    still = score_estimators({"e": Identity()}, [plain], {})["e"]
    shown = score_estimators({"e": Looks()}, [plain._replace(shown=dark)], {})["e"]
    np.testing.assert_array_equal(still["l1"], shown["l1"])
    assert (score_estimators({"e": Looks()}, [plain], {})["e"]["l1"] != still["l1"]).any()


def test_estimators_get_the_sources_pose_and_then_the_targets() -> None:
    asked: list[tuple[Pose, Pose]] = []

    class Asked(Identity):
        def forward(self, source, source_pose, target_pose):  # type: ignore[no-untyped-def]
            asked.append((source_pose, target_pose))
            return super().forward(source, source_pose, target_pose)

    batch = pairs(2, 0)
    score_estimators({"e": Asked()}, [ScoredBatch(batch)], {})
    ((source_pose, target_pose),) = asked
    assert torch.equal(source_pose.xy, batch.source_pose.xy)
    assert torch.equal(target_pose.xy, batch.target_pose.xy)


def test_a_paired_difference_is_sharper_than_intervals_of_means() -> None:
    chance = np.random.default_rng(1)
    hard = chance.normal(20, 8, 400)
    worse = hard + 0.4 + chance.normal(0, 1, 400)
    found = paired_difference(worse, hard, np.arange(400), seed=0)
    assert found is not None
    assert found.evident
    assert abs(found.mean - (worse - hard).mean()) < 1e-12
    assert found.low < found.mean < found.high
    close = hard + chance.normal(0, 1, 400)
    equal = paired_difference(close, hard, np.arange(400), seed=0)
    assert equal is not None
    assert not equal.evident
    gaps = np.array([1.0, np.nan, 3.0]), np.array([0.0, 0.0, np.nan])
    some = paired_difference(*gaps, np.arange(3), seed=0)
    assert some is not None
    assert (some.mean, some.low, some.high) == (1.0, 1.0, 1.0)
    assert paired_difference(gaps[0][1:2], gaps[1][1:2], np.zeros(1), seed=0) is None


def test_the_interval_of_a_paired_difference_is_that_of_the_plain_loop() -> None:
    values, others = np.array([1.0, 4.0, 2.0, 8.0, 7.0]), np.array([0.5, 5.0, 0.0, 3.0, 3.0])
    people = np.array([0, 1, 1, 2, 3])
    means = []
    for line in np.random.default_rng(3).integers(4, size=(RESAMPLES, 4)):
        drawn = [values[k] - others[k] for who in line for k in range(5) if people[k] == who]
        means.append(sum(drawn) / len(drawn))
    found = paired_difference(values, others, people, seed=3)
    assert found is not None
    np.testing.assert_allclose(found[1:3], np.quantile(means, [0.025, 0.975]))


class Tint(ImageGenerator):
    """The warped source, darker."""

    def forward(self, source, motion):  # type: ignore[no-untyped-def]
        return warp(source, motion.flow) * 0.8


def test_generated_images_are_scored_beside_warped_ones() -> None:
    batch = pairs(3, 0)
    network = ShiftTolerantLPIPS("alex")
    rows = score_estimators(
        {"with": Exact(batch), "bare": Identity()},
        [ScoredBatch(batch)],
        {"alex": network},
        generators={"with": Tint().eval()},
    )
    assert batch.flow is not None
    image = (warp(batch.source, batch.flow) * 0.8 * 255).round() / 255
    target = (batch.target * 255).round() / 255
    expected = image_scores(image, target)
    for name in ("l1", "l1_32", "ssim"):
        np.testing.assert_allclose(rows["with"][f"generated_{name}"], expected[name], rtol=1e-4)
    distance = network.distance(image, target)
    np.testing.assert_allclose(rows["with"]["generated_stlpips_alex"], distance, rtol=1e-4)
    assert not any(name.startswith("generated") for name in rows["bare"])
