import json
from pathlib import Path

import numpy as np
import pytest
import world_cells
from stick_market import copy_as_warps, stick_market
from world_cells import ARM, Cell, check_recipes, run_cells
from world_roots import GREY, OTHER_GROUND, PHOTOGRAPHS, RENDERED, link_photographs
from world_tau import SETTINGS, compare, finished_seeds, read_scores, recipe_of

from reidaug.data.market1501 import read_market1501
from reidaug.data.people_split import split_people
from reidaug.errors import ReidaugError
from reidaug.people3d.worlds import WORLDS

TINY = (
    "backbone=resnet18", "backbone_options={width: 8, blocks: [1, 1, 1, 1], embedding: 8}",
    "weights=null", "size=[32, 16]", "people=3", "images=2", "precision=float32",
)  # fmt: skip


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    for world in (PHOTOGRAPHS, "street"):
        root = stick_market(tmp_path / "roots" / world, people=6, images=4)
        for folder in (GREY, OTHER_GROUND):
            copy_as_warps(root, tmp_path / folder)
            (tmp_path / folder).rename(root / folder)
    return tmp_path / "roots"


def test_every_setting_differs_from_the_base_by_its_own_keys_alone(roots: Path) -> None:
    base = recipe_of(roots / "street", "base", 7, ())
    for name, changes in SETTINGS.items():
        recipe = recipe_of(roots / "street", name, 7, ())
        differing = {key for key, value in recipe if value != getattr(base, key)}
        assert differing == changes.keys()
        assert recipe.steps == 7 and recipe.dataset == roots / "street"
    assert recipe_of(roots / "street", "no_erasing", 7, ()).transforms.flip == 0.5
    crops = recipe_of(roots / "street", "own_pose_grey", 7, ()).arms[ARM].crops
    assert crops == (roots / "street" / GREY,)


def test_cells_are_trained_once_and_alike(roots: Path, tmp_path: Path, monkeypatch) -> None:
    settings = ["base", "no_erasing", "own_pose_grey"]
    worlds = [PHOTOGRAPHS, "street"]
    recipes = {(w, s): recipe_of(roots / w, s, 2, TINY) for w in worlds for s in settings}
    cells = [Cell(w, s, seed) for seed in (0, 1) for w in worlds for s in settings]
    run_cells(tmp_path / "run", cells, recipes, 1)
    scores = {world: read_scores(tmp_path / "run", world, settings, (0, 1)) for world in worlds}
    assert scores["street"].ap.shape == (3, 2, 24) and len(set(scores["street"].pids)) == 6
    # Extra crops, seeds and transforms reach the training.
    ap = scores["street"].ap
    assert len({row.tobytes() for row in ap.reshape(6, -1)}) == 6
    found = compare(scores, "street", settings)
    assert sorted(found["ranking"]) == sorted(settings)
    assert np.allclose(found["mAP"]["base"], ap[0].mean(1), atol=0.01)
    assert compare(scores, PHOTOGRAPHS, settings)["tau"] is None
    json.dumps(found)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run" / "cells").iterdir()}
    monkeypatch.setattr(world_cells, "train_cell", None)  # nothing is left to train
    run_cells(tmp_path / "run", cells, recipes, 1)
    monkeypatch.undo()
    (tmp_path / "run" / "cells" / f"{cells[0]}.json").unlink()
    assert [finished_seeds(tmp_path / "run", w, settings, 3) for w in worlds] == [[1], [0, 1]]
    run_cells(tmp_path / "run", cells, recipes, 1)
    assert before == {p.name: p.read_bytes() for p in (tmp_path / "run" / "cells").iterdir()}


def test_cells_of_another_recipe_are_refused(roots: Path, tmp_path: Path) -> None:
    def recipes(steps: int, *settings: str) -> dict:
        return {("street", s): recipe_of(roots / "street", s, steps, ()) for s in settings}

    check_recipes(tmp_path / "run", recipes(7, "base"))
    check_recipes(tmp_path / "run", recipes(7, "base", "own_pose_grey"))  # one setting more
    for setting in ("base", "own_pose_grey"):
        with pytest.raises(ReidaugError, match=f"cells of {setting} with another steps; name"):
            check_recipes(tmp_path / "run", recipes(8, setting))
    check_recipes(tmp_path / "run", recipes(8, "no_erasing"))
    check_recipes(tmp_path / "other", recipes(8, "base"))


def test_photographs_are_split_as_everywhere_and_never_shown_test_people(tmp_path: Path) -> None:
    market = stick_market(tmp_path / "market", people=10, images=8)
    root = link_photographs(market, tmp_path / "roots")
    found = read_market1501(root)
    split = split_people(read_market1501(market).train, "tune")
    assert {p.pid for p in found.train} == {p.pid for p in split.train}
    assert {p.path.name for p in found.query} == {p.path.name for p in split.query}
    assert {p.pid for p in found.gallery} == {p.pid for p in split.gallery}
    assert max(sum(p.pid == pid for p in found.train) for pid in {p.pid for p in found.train}) == 6
    assert link_photographs(market, tmp_path / "roots") == root  # again, with the same links
    assert len(read_market1501(root).train) == len(found.train)


def test_variants_of_a_world_are_named_as_they_are_stored() -> None:
    assert all(name == world.name for name, world in RENDERED.items())
    assert {"few-poses", "many-poses", "street"} == RENDERED.keys() & WORLDS.keys()
