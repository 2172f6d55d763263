"""Warps of a finished comparison, made again."""

from pathlib import Path
from typing import Any

import pytest
import torch
from flow_figures import SIZE
from small_trainings import compare_recipe

from reidaug.data.images import read_image, to_bytes
from reidaug.errors import ReidaugError, UsageError
from reidaug.experiments.compare import compare
from reidaug.experiments.compared_warps import (
    compared_estimators,
    compared_pairs,
    finished_comparison,
    is_comparison,
    warped_pairs,
)
from reidaug.flow.closed_form import JointBlend
from reidaug.geometry.flow import identity
from reidaug.geometry.warp import warp
from reidaug.report.figures import labelled_columns

ROWS: dict[str, Any] = {
    "blend": {"estimator": {"class": "reidaug.flow.closed_form:JointBlend"}},
    "affine": {"estimator": {"class": "reidaug.flow.closed_form:TorsoAffine"}},
}


@pytest.fixture(scope="module")
def run(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared") / "run"
    keys = {"rows": ROWS, "common": {}, "budget": 10, "reference": "affine"}
    compare(compare_recipe(people, **keys), out, jobs=1)
    return out


def test_warps_are_those_of_the_figure(run: Path) -> None:
    recipe = finished_comparison(run)
    estimators = compared_estimators(recipe, run, ["blend", "affine", "identity"])
    columns: dict[str, Any] = {"source": [], "target": [], "blend": [], "affine": []}
    columns |= {"identity": []}
    for pairs, warps in warped_pairs(recipe, compared_pairs(recipe), estimators):
        columns["source"] += to_bytes(pairs.source)
        columns["target"] += to_bytes(pairs.target)
        for name, warped in warps.items():
            columns[name] += to_bytes(warped)
    assert len(columns["blend"]) == 3
    columns |= {"torso_affine": columns["affine"]}  # the figure's longest name, in two lines
    figure = read_image(run / "warps.png")
    mine = labelled_columns(columns)
    assert mine.shape[1] == figure.shape[1]
    assert mine[:, :, : mine.shape[2] // 2].equal(figure[:, :, : mine.shape[2] // 2])


def test_sources_are_warped_into_the_targets_pose_and_not_back(run: Path) -> None:
    recipe, blend = finished_comparison(run), JointBlend()
    estimators = compared_estimators(recipe, run, ["blend"])
    ((pairs, warps),) = warped_pairs(recipe, compared_pairs(recipe), estimators)
    person = torch.zeros(SIZE, dtype=torch.bool)
    person[4:28, 2:14] = True
    there = warp(pairs.source, blend(pairs.source, pairs.source_pose, pairs.target_pose))
    back = warp(pairs.source, blend(pairs.source, pairs.target_pose, pairs.source_pose))
    found = warps["blend"][:, :, person]
    assert torch.allclose(found, there[:, :, person], atol=1e-5)
    assert not torch.allclose(found, back[:, :, person], atol=0.05)


def test_people_are_on_grey_where_they_have_masks(run: Path) -> None:
    recipe = finished_comparison(run)
    estimators = compared_estimators(recipe, run, ["identity"])
    ((pairs, warps),) = warped_pairs(recipe, compared_pairs(recipe), estimators)
    person = torch.zeros(SIZE, dtype=torch.bool)
    person[4:28, 2:14] = True
    unmoved = warp(pairs.source, identity(*SIZE).expand(3, -1, -1, -1))
    assert torch.allclose(warps["identity"][:, :, person], unmoved[:, :, person], atol=1e-5)
    assert warps["identity"][:, :, ~person].unique().numel() == 1


def test_the_reference_comes_first_and_rows_are_named(run: Path) -> None:
    assert is_comparison(run)
    recipe = finished_comparison(run)
    found = compared_estimators(recipe, run)
    assert list(found) == ["affine", "blend"]
    assert isinstance(found["blend"], JointBlend)
    with pytest.raises(UsageError, match="no row 'other'"):
        compared_estimators(recipe, run, ["other"])


def test_of_several_seeds_the_first_is_taken(people: Path, tmp_path: Path) -> None:
    recipe = compare_recipe(people, rows=ROWS, common={}, budget=10, seeds=[3, 4])
    assert list(compared_estimators(recipe, tmp_path, ["affine", "identity"])) == [
        "affine",
        "identity",
    ]
    assert list(compared_estimators(recipe, tmp_path)) == ["blend", "affine"]


def test_an_unfinished_or_other_folder_is_told(run: Path, tmp_path: Path) -> None:
    assert not is_comparison(tmp_path)
    (tmp_path / "recipe.yaml").write_bytes((run / "recipe.yaml").read_bytes())
    assert is_comparison(tmp_path)
    with pytest.raises(ReidaugError, match="--resume"):
        finished_comparison(tmp_path)
