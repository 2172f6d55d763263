"""The checkpoint inside the package is what its recipe says, and good for something."""

from pathlib import Path

import pytest
import torch
import yaml

from reidaug.data.deepfashion import read_deepfashion
from reidaug.flow.builtin import INSIDE, SHIPPED, SURFACE, checkpoint_of, load_flow
from reidaug.flow.score_table import score_pairs
from reidaug.flow.surface import SurfaceFlow
from reidaug.flow.surface.training.recipe import TrainSurface
from reidaug.flow.surface.training.recipe import resolved as resolved_surface
from reidaug.flow.surface.training.samples import read_samples
from reidaug.flow.surface.training.scores import score_samples
from reidaug.flow.training.recipe import TrainFlow, resolved
from reidaug.geometry.flow import identity
from reidaug.geometry.pose import Pose
from reidaug.people3d.pair_dataset import PairOptions, render_pairs
from reidaug.people3d.surface_dataset import SurfaceOptions, render_surfaces
from reidaug.recipes import load
from reidaug.testing import check_flow_estimator

RECIPES = Path(__file__).parents[2] / "recipes" / "market1501"


def test_both_together_are_small() -> None:
    folders = [checkpoint_of(name) for name in INSIDE]
    files = [path for folder in folders if folder for path in folder.iterdir()]
    assert sum(path.stat().st_size for path in files) <= 12_000_000


def test_surface_flow_has_its_recipe() -> None:
    folder = checkpoint_of(SURFACE)
    assert folder is not None
    recipe = load(RECIPES / "surface.yaml", TrainSurface)
    assert yaml.safe_load((folder / "recipe.yaml").read_text()) == resolved_surface(recipe)


def test_it_is_small_and_has_its_recipe() -> None:
    folder = checkpoint_of(SHIPPED)
    assert folder is not None
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert set(files) == {"model.safetensors", "recipe.yaml"}
    assert sum(files.values()) <= 8_000_000
    stored = yaml.safe_load((folder / "recipe.yaml").read_text())
    wanted = resolved(load(RECIPES / "checkpoint.yaml", TrainFlow))
    assert wanted | stored == wanted
    for key in wanted.keys() - stored.keys():  # that recipes got since
        assert wanted[key] == TrainFlow.model_fields[key].default


@pytest.mark.slow
def test_it_keeps_the_contract_also_in_half_precision() -> None:
    check_flow_estimator(load_flow(SHIPPED), size=(128, 64), gradients=False, autocast=True)


def test_it_beats_the_closed_form_estimators(tmp_path: Path) -> None:
    pytest.importorskip("anny")
    render_pairs(
        tmp_path / "pairs",
        PairOptions(people=1, test_people=6, views=4, pairs_each=6, seed=77),
        workers=1,
    )
    pairs = read_deepfashion(tmp_path / "pairs", "test")
    flows = {name: load_flow(name) for name in INSIDE}
    scored = score_pairs(flows, pairs, size=(128, 64), stlpips=())
    error = {row: values["epe_px"].mean() for row, values in scored.values.items()}
    for name in INSIDE:
        assert error[name] < 0.7 * error["joint_blend"]
        assert error[name] < 0.7 * error["torso_affine"]


def test_surface_flow_imagines_the_outline_of_people_it_never_saw(tmp_path: Path) -> None:
    pytest.importorskip("anny")
    options = SurfaceOptions(people=1, test_people=4, views=2, poses=6, seed=78)
    render_surfaces(tmp_path / "surfaces", options, workers=1)
    estimator = load_flow(SURFACE)
    assert isinstance(estimator, SurfaceFlow)
    scores = score_samples(estimator, read_samples(tmp_path / "surfaces", "test"), 24)
    assert scores["outline_iou"] > 0.75 > scores["limbs_iou"] + 0.1
    assert scores["seen_cm"] < 7 and scores["imagined_cm"] < 8 and scores["joints_px"] < 4
    assert 0.9 < scores["area"] < 1.1 and 0.9 < scores["width"] < 1.1


def test_little_moves_where_the_pose_stays() -> None:
    joints = torch.tensor([[32.0, 20], [32, 30], [24, 31], [22, 45], [22, 58], [40, 31], [42, 45],
                           [42, 58], [27, 60], [26, 85], [26, 110], [37, 60], [38, 85], [38, 110],
                           [30, 18], [34, 18], [28, 19], [36, 19]])  # fmt: skip
    pose = Pose(joints[None], torch.ones(1, 18, dtype=torch.bool))
    estimator = load_flow(SHIPPED)
    with torch.inference_mode():
        flow = estimator(torch.zeros(1, 3, 128, 64), pose, pose)
    height, width = flow.shape[-2:]
    moved = (flow[0] - identity(height, width)) * torch.tensor([31.5, 63.5])[:, None, None]
    rows = slice(round(0.25 * height), round(0.45 * height))
    torso = moved[:, rows, round(0.4 * width) : round(0.6 * width)]
    assert torso.norm(dim=0).mean() < 2.0
