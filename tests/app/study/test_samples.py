"""Samples of a study, from a comparison and from augmented datasets."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from augmented import augmented
from small_trainings import compare_recipe

from reidaug.app.study.samples import Sample, samples_of_comparison, samples_of_roots
from reidaug.augment.target_poses import read_poses
from reidaug.data.images import read_image
from reidaug.data.market1501 import TRAIN
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.compare import compare
from reidaug.geometry.pose import select
from reidaug.report.figures import Picture

FLOWS = ("joint-blend", "torso-affine")


@pytest.fixture(scope="module")
def roots(warped_twice: dict[str, Path]) -> dict[str, Path]:
    return warped_twice


@pytest.fixture(scope="module")
def market(roots: dict[str, Path]) -> Path:
    return roots[FLOWS[0]].parent / "market"


def same(one: Picture, other: Picture) -> bool:
    return one.equal(other)


def test_roots_give_warps_of_one_source_in_one_pose(roots: dict[str, Path], market: Path) -> None:
    found = samples_of_roots(roots, 7, seed=1)
    assert (found.methods, found.available) == (FLOWS, 18)
    samples = list(found.read)
    assert len(samples) == len({sample.name for sample in samples}) == 7
    sources = [sample.name.split(" -> ")[0] for sample in samples]
    assert len(set(sources[:6])) == 6  # every source once before one comes again
    targets = read_poses(roots[FLOWS[0]] / "poses.json")
    for sample in samples:
        source, target = sample.name.split(" -> ")
        assert same(sample.source, read_image(market / TRAIN / source))
        pose = targets.images.index(target)
        name = f"{Path(source).stem}_w{pose:02d}.jpg"
        for flow, root in roots.items():
            assert same(sample.results[flow], read_image(root / TRAIN / name))
        assert select(targets.pose, pose).visible.any()
        assert sample.target.shape[1] >= 256


def test_the_same_seed_draws_the_same_samples(roots: dict[str, Path]) -> None:
    def names(seed: int) -> list[str]:
        return [sample.name for sample in samples_of_roots(roots, 3, seed=seed).read]

    assert names(1) == names(1) != names(2)


def test_roots_of_other_poses_images_or_runs_are_refused(
    roots: dict[str, Path], market: Path, tmp_path: Path
) -> None:
    first = roots[FLOWS[0]]
    augmented(market, tmp_path / "other", flow="torso-affine", poses=3, pool="any", seed=5)
    with pytest.raises(ReidaugError, match="different poses"):
        samples_of_roots({"a": first, "b": tmp_path / "other"}, 3)
    with pytest.raises(ReidaugError, match="no finished run"):
        samples_of_roots({"a": first, "b": market}, 3)
    moved = tmp_path / "moved"
    shutil.copytree(market, moved)
    assert len(list(samples_of_roots(roots, 2, dataset=moved).read)) == 2
    for path in (moved / TRAIN).iterdir():
        shutil.copy(next((market / "query").iterdir()), path)
    with pytest.raises(ReidaugError, match="another image"):
        samples_of_roots(roots, 3, dataset=moved)
    with pytest.raises(UsageError, match="--dataset"):
        samples_of_roots(roots, 3, dataset=tmp_path / "nowhere")


def test_roots_of_the_same_warps_are_refused(roots: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(roots[FLOWS[0]], copy, symlinks=True)
    with pytest.raises(ReidaugError, match=f"{roots[FLOWS[0]]} and {copy} hold the same warps"):
        samples_of_roots({**roots, "copy": copy}, 5)


def test_a_comparison_s_pairs_are_warped_again(people: Path, tmp_path: Path) -> None:
    rows: dict[str, Any] = {
        "blend": {"estimator": {"class": "reidaug.flow.closed_form:JointBlend"}}
    }
    run = tmp_path / "run"
    compare(compare_recipe(people, rows=rows, common={}, budget=10), run, jobs=1)
    found = samples_of_comparison(run, ["blend", "identity"], 2)
    samples: list[Sample] = list(found.read)
    assert (found.methods, found.available, len(samples)) == (("blend", "identity"), 3, 2)
    for sample in samples:
        assert sample.name.count(".jpg") == 2
        assert set(sample.results) == {"blend", "identity"}
        shapes = {picture.shape for picture in (sample.source, *sample.results.values())}
        assert len(shapes) == 1
        assert not same(sample.results["blend"], sample.results["identity"])
