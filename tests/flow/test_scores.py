import numpy as np
import torch
from flow_figures import SIZE, images, pairs

from reidaug.data.pairs import PosePair
from reidaug.flow.closed_form import Identity, TorsoAffine
from reidaug.flow.estimator import FlowEstimator
from reidaug.flow.perceptual import ShiftTolerant
from reidaug.flow.scores import (
    ScoredBatch,
    bootstrap_interval,
    image_scores,
    score_estimators,
    summarise,
)


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
        {"alex": ShiftTolerant("alex")},
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


def test_the_bootstrap_covers_the_mean_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        values = generator.exponential(size=60)
        low, high = bootstrap_interval(values, generator)
        hits += low <= 1.0 <= high
    assert 0.86 < hits / 200 < 0.99
    assert bootstrap_interval(np.full(5, 3.0), generator) == (3.0, 3.0)


def test_a_row_has_means_and_intervals_of_what_was_measured() -> None:
    values = {"epe_px": np.array([1.0, np.nan, 3.0]), "l1": np.array([5.0, 5.0, 5.0])}
    row = summarise(values, seed=0)
    assert row["epe_px"] == 2.0
    assert row["l1"] == 5.0
    assert row["l1_ci"] == [5.0, 5.0]
    assert row == summarise(values, seed=0)
    assert "epe_px" not in summarise({"epe_px": np.array([np.nan])}, seed=0)
